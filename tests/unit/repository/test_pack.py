import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.doubles import DoubleCompressor, DoubleStorage, DoubleVault

from backup_manager.common.errors import BackupManagerError, CorruptDataError
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import (
    PACK_HEADER,
    BlobRecord,
    EncodedBlob,
    Member,
    MemberRecord,
    PackBuilder,
    SealedPack,
    pack_padding,
    parse_pack,
    read_trailer,
)
from backup_manager.engine.repository.ports import Algorithm, ObjectKind

VAULT = DoubleVault()
NAME = "ab" * 16
Blobs = list[tuple[bytes, list[tuple[bytes, int, int]]]]


def build_pack(blobs: Blobs, kind: PackKind = PackKind.DATA) -> SealedPack:
    builder = PackBuilder(VAULT, kind, NAME)
    for plain, members in blobs:
        algorithm, payload = DoubleCompressor().compress(plain)
        small = tuple(Member(*member) for member in members)
        builder.add(EncodedBlob(VAULT.blob_id(plain), algorithm, len(plain), payload, small))
    return builder.finish()


def stored(pack: SealedPack) -> tuple[DoubleStorage, bytes]:
    storage = DoubleStorage()
    storage.put(pack_object(pack.name, pack.kind), pack.parts)
    return storage, b"".join(pack.parts)


small_files = st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 99), st.integers(0, 99))
members = st.lists(small_files, max_size=3)


@given(st.lists(st.tuples(st.binary(max_size=200), members), max_size=8))
def test_a_pack_says_what_was_added(blobs: Blobs) -> None:
    pack = build_pack(blobs)
    storage, data = stored(pack)
    contents = read_trailer(storage, VAULT, PackKind.DATA, NAME)
    assert contents == parse_pack(data, VAULT, PackKind.DATA, NAME) == pack.contents
    assert [record.id for record in contents.blobs] == [VAULT.blob_id(plain) for plain, _ in blobs]
    expected = [MemberRecord(m[0], number, m[1], m[2]) for number, (_, ms) in enumerate(blobs) for m in ms]
    assert list(contents.members) == expected
    for number, ((plain, _), record) in enumerate(zip(blobs, contents.blobs, strict=True)):
        segment = data[record.offset : record.offset + record.stored_bytes]
        payload = VAULT.open(ObjectKind.PACK, NAME, number, segment, PACK_HEADER)
        assert DoubleCompressor().decompress(record.algorithm, payload, record.plain_bytes) == plain


@given(st.integers(2, 2**34))
def test_padded_sizes_are_padme_sizes(size: int) -> None:
    exponent = size.bit_length() - 1
    zero_bits = exponent - exponent.bit_length()
    padded = size + pack_padding(size)
    assert padded % (1 << zero_bits) == 0
    assert 0 <= pack_padding(size) < max(1, 1 << zero_bits)
    assert pack_padding(size) <= size * 0.12


def test_the_object_has_a_padme_size_and_the_builder_knew_it() -> None:
    builder = PackBuilder(VAULT, PackKind.DATA, NAME)
    builder.add(EncodedBlob(b"i" * 32, Algorithm.STORED, 70_000, bytes(70_000), (Member(b"m" * 16, 0, 5),)))
    expected = builder.bytes_so_far
    pack = builder.finish()
    assert pack.stored_bytes == expected + pack_padding(expected) > expected
    assert pack_padding(pack.stored_bytes) == 0


def test_every_flipped_bit_and_every_cut_is_found() -> None:
    pack = build_pack([(b"first", [(b"m" * 16, 0, 5)]), (b"second" * 9, [])])
    _, data = stored(pack)
    segments = range(16, 16 + sum(record.stored_bytes for record in pack.blobs))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        if position in segments:
            continue  # whoever opens the segment will find it
        with pytest.raises(CorruptDataError):
            parse_pack(damaged, VAULT, PackKind.DATA, NAME)
    for length in range(len(data)):
        with pytest.raises(CorruptDataError):
            parse_pack(data[:length], VAULT, PackKind.DATA, NAME)


def test_a_damaged_trailer_is_found_from_the_tail_alone() -> None:
    storage, data = stored(build_pack([(b"first", []), (b"second" * 9, [])]))
    trailer_bytes = int.from_bytes(data[-8:-4], "little")
    name = pack_object(NAME, PackKind.DATA)
    flips = itertools.product(range(len(data) - 8 - trailer_bytes, len(data)), (1, 128))
    variants = [data[:n] + bytes([data[n] ^ bit]) + data[n + 1 :] for n, bit in flips]
    for damaged in variants + [data[:length] for length in range(len(data))]:
        storage.objects[name] = damaged
        with pytest.raises(CorruptDataError):
            read_trailer(storage, VAULT, PackKind.DATA, NAME)


@pytest.mark.parametrize(("count", "reads"), [(100, 1), (3000, 2)])
def test_a_trailer_takes_one_read_or_two(count: int, reads: int) -> None:
    source = random.Random(1)
    pack = build_pack([(source.randbytes(30), []) for _ in range(count)], PackKind.METADATA)
    storage, _ = stored(pack)
    assert read_trailer(storage, VAULT, PackKind.METADATA, NAME) == pack.contents
    assert storage.calls.count(("get", pack_object(NAME, PackKind.METADATA))) == reads


def test_a_pack_under_another_name_is_refused() -> None:
    storage, data = stored(build_pack([(b"first", [])]))
    other = "cd" * 16
    storage.objects[pack_object(other, PackKind.DATA)] = data
    with pytest.raises(CorruptDataError):
        read_trailer(storage, VAULT, PackKind.DATA, other)


def test_a_pack_with_a_reserved_but_unsealed_blob_cannot_be_finished() -> None:
    builder = PackBuilder(VAULT, PackKind.DATA, NAME)
    builder.reserve(EncodedBlob(b"i" * 32, Algorithm.STORED, 1, b"x"))
    with pytest.raises(BackupManagerError):
        builder.finish()


def test_an_empty_pack_is_valid() -> None:
    storage, _ = stored(build_pack([]))
    assert read_trailer(storage, VAULT, PackKind.DATA, NAME).blobs == ()


def test_blob_records_have_the_documented_bytes() -> None:
    pack = build_pack([(b"x" * 500, [])])
    record = pack.blobs[0]
    assert record == BlobRecord(VAULT.blob_id(b"x" * 500), 16, record.stored_bytes, 500, Algorithm.ZSTD)
    fields = b"".join(number.to_bytes(4, "little") for number in (16, record.stored_bytes, 500))
    assert pack.contents.blob_records == record.id + fields + b"\x01\0\0\0"
