"""Metadata blobs with bytes that no writer made: an error of the right class, and never another one."""

import contextlib
import random
import struct
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.catalogue.trees import Blobs, blob_id, descriptors, small_tree, stored, write_pages

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.content import decode_chunk_list, encode_chunk_list
from backup_manager.engine.repository.catalogue.entries import Extent
from backup_manager.engine.repository.catalogue.metadata import FRAME, MetadataKind, frame_metadata, refs_of
from backup_manager.engine.repository.catalogue.node import decode_node
from backup_manager.engine.repository.catalogue.page import decode_page, encode_page, resolve


def read_page(plain: bytes) -> None:
    page = decode_page(plain)
    for made in page.entries:
        resolve(page, made)


def read_node(plain: bytes) -> None:
    decode_node(plain, 1)


def read_list(plain: bytes) -> None:
    decode_chunk_list(plain, 0, 30)


def node() -> bytes:
    blobs = Blobs()
    root = write_pages([[item] for item in small_tree(3)], blobs)
    assert descriptors(blobs.reader(root))
    return blobs.plain[root.id]


PAGE = encode_page(small_tree(6), Blobs().put)
NODE = node()
LIST = encode_chunk_list([Extent(blob_id(1), 10), Extent(None, 10), Extent(blob_id(2), 10)], 0)
READINGS: list[tuple[bytes, Callable[[bytes], None]]] = [
    (PAGE, read_page),
    (NODE, read_node),
    (LIST, read_list),
]
EACH = pytest.mark.parametrize(("plain", "read"), READINGS, ids=["page", "node", "list"])


@EACH
def test_undamaged_bytes_are_read(plain: bytes, read: Callable[[bytes], None]) -> None:
    read(plain)


@EACH
def test_every_cut_is_corrupt(plain: bytes, read: Callable[[bytes], None]) -> None:
    for end in range(len(plain)):
        with pytest.raises(CorruptDataError):
            read(plain[:end])


@EACH
def test_bytes_behind_the_end_are_corrupt(plain: bytes, read: Callable[[bytes], None]) -> None:
    with pytest.raises(CorruptDataError):
        read(plain + b"\0")


@EACH
def test_every_flipped_bit_is_read_or_corrupt_and_nothing_else(
    plain: bytes, read: Callable[[bytes], None]
) -> None:
    for bit in range(8 * len(plain)):
        damaged = bytearray(plain)
        damaged[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(CorruptDataError):
            read(bytes(damaged))


@EACH
def test_random_damage_is_read_or_corrupt_and_nothing_else(
    plain: bytes, read: Callable[[bytes], None]
) -> None:
    draw = random.Random(11)
    for _ in range(3000):
        damaged = bytearray(plain)
        for _ in range(draw.randrange(1, 6)):
            damaged[draw.randrange(FRAME.size, len(plain))] = draw.randrange(256)
        with contextlib.suppress(CorruptDataError):
            read(bytes(damaged))


@given(st.sampled_from(READINGS), st.binary(max_size=60), st.integers(0, 2), st.integers(0, 2))
def test_any_body_is_read_or_corrupt_and_nothing_else(
    reading: tuple[bytes, Callable[[bytes], None]], body: bytes, metadata_refs: int, data_refs: int
) -> None:
    plain, read = reading
    head = FRAME.pack(plain[0], plain[1], 0, metadata_refs, data_refs)

    with contextlib.suppress(CorruptDataError):
        read(head + b"i" * 32 * (metadata_refs + data_refs) + body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x91" * 100_000, id="nested deeply"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="four billion entries"),
        pytest.param(b"\x91\x92\xc6\xff\xff\xff\xff", id="a path of four gigabytes"),
        pytest.param(msgspec.msgpack.encode([[b"/a", 9, *[0] * 9]]), id="unknown kind"),
        pytest.param(msgspec.msgpack.encode([[b"/a", 1, "0", *[0] * 8]]), id="text where a number belongs"),
        pytest.param(msgspec.msgpack.encode([[b"/a", 1]]), id="required fields are missing"),
        pytest.param(msgspec.msgpack.encode({"path": b"/a"}), id="a map"),
        pytest.param(b"", id="nothing"),
        pytest.param(
            b"\x91\xdc\x00\x16\xc4\x00\x01"
            + b"\0" * 9
            + b"\xc4\0\0\x90\xc2\xc4\0\x90\xff\0\xa0\xa0"
            + b"\x91" * 100_000,
            id="nested deeply in a field that is ignored",
        ),
    ],
)
def test_bodies_made_to_hurt_are_corrupt(body: bytes) -> None:
    with pytest.raises(CorruptDataError):
        decode_page(frame_metadata(MetadataKind.PAGE, 0, (), (), body))


def test_a_name_that_is_not_utf_8_where_text_belongs_is_corrupt() -> None:
    made = [b"/a", 2, *[0] * 9, b"", 0, [], False, b"", [], -1, 0, "xx", ""]
    body = msgspec.msgpack.encode([made]).replace(b"\xa2xx", b"\xa2\xff\xff")

    with pytest.raises(CorruptDataError):
        decode_page(frame_metadata(MetadataKind.PAGE, 0, (), (), body))


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\1" * 11, id="shorter than a frame"),
        pytest.param(struct.pack("<BBHII", 4, 0, 0, 0, 0), id="unknown kind"),
        pytest.param(struct.pack("<BBHII", 1, 0, 1, 0, 0), id="not zero"),
        pytest.param(struct.pack("<BBHII", 1, 0, 0, 1, 0) + b"i" * 31, id="id cut"),
        pytest.param(struct.pack("<BBHII", 1, 0, 0, 2**32 - 1, 2**32 - 1), id="as many ids as can be"),
    ],
)
def test_a_frame_that_is_none_is_corrupt(plain: bytes) -> None:
    with pytest.raises(CorruptDataError):
        refs_of(plain)


def test_a_blob_of_another_kind_is_corrupt() -> None:
    for plain, read in ((NODE, read_page), (LIST, read_page), (PAGE, read_node), (PAGE, read_list)):
        with pytest.raises(CorruptDataError, match="belongs"):
            read(plain)


def test_a_node_that_names_more_children_than_it_describes_is_corrupt() -> None:
    plain = encode_page([stored(b"/a")], Blobs().put)
    bodyless = frame_metadata(MetadataKind.NODE, 1, [plain[:32]], (), msgspec.msgpack.encode([]))

    with pytest.raises(CorruptDataError, match="children"):
        decode_node(bodyless, 1)
