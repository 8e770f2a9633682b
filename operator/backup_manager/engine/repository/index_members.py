"""Where small files lie: the members of all frames, found by their hash."""

from array import array
from collections.abc import Iterable, Iterator

import msgspec

from backup_manager.engine.repository.index_shard import MEMBER_BLOB_AT, SHARD_BLOB, Shard
from backup_manager.engine.repository.index_table import RecordTable, column, replace_column
from backup_manager.engine.repository.pack import MEMBER, Member

_HASH_BYTES = 16
_ID_BYTES = 32


class MemberLocation(msgspec.Struct, frozen=True, gc=False):
    """A small file within the plain bytes of the frame *blob_id*."""

    blob_id: bytes
    offset: int
    length: int


class MemberTable:
    """All members, each with the number of its frame; shards are sorted in when the first one is looked for.

    A restore never asks, an incremental run of an unchanged tree hardly ever. The caller holds a lock while
    it adds; :meth:`find` may run meanwhile once :meth:`absorb` was called.
    """

    def __init__(self) -> None:
        self._table = RecordTable(MEMBER.size, _HASH_BYTES)
        self._frames = bytearray()  # ids by number
        self._waiting: list[tuple[bytes, dict[int, int]]] = []

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits for :meth:`absorb`."""
        return not self._waiting

    def add_shard(self, shard: Shard, records: bytes) -> None:
        """Enter *records*, which are some or all of the members of *shard*."""
        if not records:
            return
        owners = sorted(set(column(records, MEMBER.size, MEMBER_BLOB_AT)))
        first = len(self._frames) // _ID_BYTES
        for owner in owners:
            at = owner * SHARD_BLOB.size
            self._frames += shard.blob_records[at : at + _ID_BYTES]
        self._waiting.append((records, {owner: first + place for place, owner in enumerate(owners)}))

    def add(self, blob_id: bytes, members: Iterable[Member]) -> None:
        """Enter the members of one frame."""
        number = len(self._frames) // _ID_BYTES
        self._frames += blob_id
        for member in members:
            self._table.append(MEMBER.pack(member.hash, number, member.offset, member.length))

    def absorb(self) -> None:
        """Make every shard's members visible to :meth:`find`."""
        while self._waiting:
            records, numbers = self._waiting[-1]
            owners = column(records, MEMBER.size, MEMBER_BLOB_AT)
            renumbered = bytearray(records)
            replace_column(
                renumbered, MEMBER.size, MEMBER_BLOB_AT, array("I", map(numbers.__getitem__, owners))
            )
            self._table.extend(renumbered)
            self._waiting.pop()

    def find(self, member_hash: bytes) -> Iterator[MemberLocation]:
        """Yield the places of all members of that hash."""
        for record in self._table.find_all(member_hash):
            _, number, offset, length = MEMBER.unpack(record)
            at = number * _ID_BYTES
            yield MemberLocation(bytes(self._frames[at : at + _ID_BYTES]), offset, length)
