"""Index shards: the trailers of many packs in one sealed document, sorted so that readers can slice them."""

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.index_table import column, replace_column, split
from backup_manager.engine.repository.names import NAME_BYTES, PackKind
from backup_manager.engine.repository.pack import BLOB, MEMBER, PackContents

SHARD_BLOB = struct.Struct("<32sIIIIB3s")  # as in the pack, with the pack's number after the id
SHARD_BYTES = 4 * 2**20  # a writer begins another shard once the records of one have reached this size,
SHARD_PACKS = (
    64  # or when it speaks of so many packs: 1 GiB of data that an interrupted run need not read again
)

PACK_AT = 32
OFFSET_AT = 36
ALGORITHM_AT = 48
MEMBER_BLOB_AT = 16

_COUNTS = struct.Struct("<IIII")
_ZERO = b"\0\0\0"


@dataclass(frozen=True, slots=True)
class Shard:
    """A decoded shard; records are packed as they are stored, a pack's number counts in *names*."""

    names: tuple[str, ...]
    blob_records: bytes
    member_records: bytes

    def segment_numbers(self) -> "array[int]":
        """Return the number of each blob's segment: its rank by offset among the blobs of its pack."""
        packs = column(self.blob_records, SHARD_BLOB.size, PACK_AT)
        offsets = column(self.blob_records, SHARD_BLOB.size, OFFSET_AT)
        # Pack and offset in one float, exact below 2^53: Python sorts those three times as fast as tuples.
        places = [pack * 4294967296.0 + offset for pack, offset in zip(packs, offsets, strict=True)]
        numbers = array("I", bytes(4 * len(packs)))
        last, rank = -1, 0
        for position in sorted(range(len(places)), key=places.__getitem__):
            pack = packs[position]
            rank = rank + 1 if pack == last else 0
            numbers[position] = rank
            last = pack
        return numbers

    def packs(self, kinds: Mapping[str, PackKind]) -> Iterator[PackContents]:
        """Yield what the trailers of those packs say that *kinds* names; for merging shards."""
        pack_of = column(self.blob_records, SHARD_BLOB.size, PACK_AT)
        numbers = self.segment_numbers()
        blobs: list[list[tuple[int, bytes]]] = [[] for _ in self.names]
        for place, record in enumerate(split(self.blob_records, SHARD_BLOB.size)):
            blobs[pack_of[place]].append((numbers[place], record[:PACK_AT] + record[OFFSET_AT:]))
        members: list[list[tuple[int, int, bytes]]] = [[] for _ in self.names]
        for member_hash, owner, offset, length in MEMBER.iter_unpack(self.member_records):
            record = MEMBER.pack(member_hash, numbers[owner], offset, length)
            members[pack_of[owner]].append((numbers[owner], offset, record))
        for name, its_blobs, its_members in zip(self.names, blobs, members, strict=True):
            if name in kinds:
                blob_records = b"".join(record for *_, record in sorted(its_blobs))
                yield PackContents(
                    name, kinds[name], blob_records, b"".join(r for *_, r in sorted(its_members))
                )


def encode_shard(packs: Sequence[PackContents]) -> bytes:
    """Return the plain bytes of a shard about *packs*, each of which is named once."""
    ordered = sorted(packs, key=lambda pack: pack.name)
    blobs: list[tuple[bytes, int]] = []  # a record, and where it stood before they were sorted
    members: list[bytes] = []
    for number, pack in enumerate(ordered):
        first = len(blobs)
        for rank, record in enumerate(split(pack.blob_records, BLOB.size)):
            blobs.append((record[:PACK_AT] + number.to_bytes(4, "little") + record[PACK_AT:], first + rank))
        records = bytearray(pack.member_records)
        owners = column(records, MEMBER.size, MEMBER_BLOB_AT)
        replace_column(records, MEMBER.size, MEMBER_BLOB_AT, (first + owner for owner in owners))
        members.extend(split(bytes(records), MEMBER.size))
    blobs.sort()
    positions = array("I", bytes(4 * len(blobs)))
    for position, (_, was) in enumerate(blobs):
        positions[was] = position
    return b"".join(
        (
            _COUNTS.pack(len(ordered), len(blobs), len(members), 0),
            b"".join(bytes.fromhex(pack.name) for pack in ordered),
            b"".join(record for record, _ in blobs),
            _encode_members(members, positions),
        )
    )


def decode_shard(plain: bytes, claim: str) -> Shard:
    """Return the shard in *plain*; *claim* names it in the error.

    Raises:
        CorruptDataError: counts, order or numbers do not fit together.
    """
    if len(plain) < _COUNTS.size:
        raise CorruptDataError(f"{claim} ends within its counts")
    pack_count, blob_count, member_count, zero = _COUNTS.unpack_from(plain)
    blobs_at = _COUNTS.size + NAME_BYTES * pack_count
    members_at = blobs_at + SHARD_BLOB.size * blob_count
    if zero or members_at + MEMBER.size * member_count != len(plain):
        raise CorruptDataError(f"{claim} has {len(plain)} bytes, which is not what its counts say")
    names = tuple(name.hex() for name in split(plain[_COUNTS.size : blobs_at], NAME_BYTES))
    shard = Shard(names, plain[blobs_at:members_at], plain[members_at:])
    _check_shard(shard, claim)
    return shard


def cut_into_shards(packs: Iterable[PackContents]) -> Iterator[tuple[PackContents, ...]]:
    """Yield *packs* in groups, each for one shard of at most about 4 MiB of records; a pack is never cut."""
    group: list[PackContents] = []
    size = 0
    for pack in packs:
        group.append(pack)
        size += pack.record_bytes
        if size >= SHARD_BYTES:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def _encode_members(members: list[bytes], positions: "array[int]") -> bytes:
    members.sort()
    records = bytearray(b"".join(members))
    owners = column(records, MEMBER.size, MEMBER_BLOB_AT)
    replace_column(records, MEMBER.size, MEMBER_BLOB_AT, map(positions.__getitem__, owners))
    return bytes(records)


def _check_shard(shard: Shard, claim: str) -> None:
    packs = column(shard.blob_records, SHARD_BLOB.size, PACK_AT)
    owners = column(shard.member_records, MEMBER.size, MEMBER_BLOB_AT)
    if any(first >= second for first, second in pairwise(shard.names)):
        raise CorruptDataError(f"{claim} does not name its packs in order")
    if max(packs, default=-1) >= len(shard.names) or max(owners, default=-1) >= len(packs):
        raise CorruptDataError(f"{claim} has a record of a pack or blob that it does not name")
    for records, size in ((shard.blob_records, SHARD_BLOB.size), (shard.member_records, MEMBER.size)):
        prefixes = column(records, size, 0, big_endian=True)
        if any(first > second for first, second in pairwise(prefixes)):
            raise CorruptDataError(f"{claim} is not sorted")
