"""The index: which pack holds a blob, in bounded memory, for a repository of millions of blobs."""

import struct
import threading
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import msgspec

from backup_manager.common.errors import CorruptDataError, ObjectMissingError, StorageUnreachableError
from backup_manager.engine.repository.index_loading import SKIPS_SHARDS, IndexReader
from backup_manager.engine.repository.index_members import MemberLocation, MemberTable
from backup_manager.engine.repository.index_shard import (
    ALGORITHM_AT,
    MEMBER_BLOB_AT,
    PACK_AT,
    SHARD_BLOB,
    Shard,
)
from backup_manager.engine.repository.index_table import RecordTable, column, replace_column, select
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import BLOB, MEMBER, BlobRecord, Member, PackContents, SealedPack
from backup_manager.engine.repository.ports import Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.storage.base import Storage

_RECORD = struct.Struct("<32sIIIII")  # a shard's record with this index's pack number, and at its end
_ALGORITHM_BITS = 8  # algorithm ‖ number of the segment, 24 bits: a pack of 2 GiB cannot have more segments
_ALGORITHM_MASK = (1 << _ALGORITHM_BITS) - 1
_ID_BYTES = 32


class Location(msgspec.Struct, frozen=True, gc=False):
    """One place of a blob. *number* is that of its segment, *stored_bytes* counts the tag."""

    pack: str
    kind: PackKind
    offset: int
    stored_bytes: int
    plain_bytes: int
    algorithm: int
    number: int


class Index:
    """What all packs hold. Lookups may run in any thread beside one another and beside additions.

    It knows of every pack that the store listed, also of those whose contents could not be read. A
    *condemned* pack (a live plan is going to remove it) is not found by :meth:`find`, so that what it holds
    is stored again, but still by :meth:`locations`, so that it can be read as long as it is there.
    """

    def __init__(self, packs: Mapping[str, PackKind] | None = None, *, with_members: bool = True) -> None:
        self._packs = dict(packs or {})
        self._names: list[str] = []  # of packs whose contents are known, by number
        self._kinds: list[PackKind] = []
        self._numbers: dict[str, int] = {}
        self._condemned: frozenset[int] = frozenset()
        self._condemned_names: frozenset[str] = frozenset()
        self._relied: set[int] = set()
        self._blobs = RecordTable(_RECORD.size, _ID_BYTES)
        self._members = MemberTable() if with_members else None
        self._lock = threading.Lock()
        self.unindexed: list[PackContents] = []  # that no shard names, for a writer to enter into its own

    def __len__(self) -> int:
        return len(self._blobs)

    def packs(self) -> Mapping[str, PackKind]:
        """Return every pack by name."""
        return MappingProxyType(self._packs)

    def covers(self, pack: str) -> bool:
        """Whether the contents of *pack* are known."""
        return pack in self._numbers

    def condemn(self, packs: Iterable[str]) -> None:
        """Let blobs that only these packs hold count as absent, in addition to those condemned before."""
        with self._lock:
            self._condemned_names |= frozenset(packs)
            self._condemned = frozenset(
                self._numbers[name] for name in self._condemned_names if name in self._numbers
            )

    def holds(self, blob_id: bytes) -> bool:
        """Whether a pack that is not condemned holds the blob; from now on it is :meth:`relied_on`."""
        for record in self._blobs.find_all(blob_id):
            pack = int.from_bytes(record[PACK_AT : PACK_AT + 4], "little")
            if pack not in self._condemned:
                self._relied.add(pack)
                return True
        return False

    def relied_on(self) -> frozenset[str]:
        """Return the packs because of which :meth:`holds` has said yes."""
        return frozenset(map(self._names.__getitem__, self._relied.copy()))

    def find(self, blob_id: bytes) -> Location | None:
        """Return a place of the blob in a pack that is not condemned."""
        if not self._condemned:
            record = self._blobs.find(blob_id)
            return self._location(record) if record is not None else None
        for record in self._blobs.find_all(blob_id):
            if _RECORD.unpack(record)[1] not in self._condemned:
                return self._location(record)
        return None

    def locations(self, blob_id: bytes) -> list[Location]:
        """Return every place of the blob, those in condemned packs last."""
        found = [self._location(record) for record in self._blobs.find_all(blob_id)]
        return sorted(found, key=lambda location: location.pack in self._condemned_names)

    def find_member(
        self, member_hash: bytes, *, held: Callable[[bytes], bool] | None = None
    ) -> MemberLocation | None:
        """Return the place of a small file in a frame that this index (or *held*) holds."""
        if self._members is None:
            return None
        if not self._members.is_complete:
            with self._lock:
                self._members.absorb()
        for place in self._members.find(member_hash):
            if self.holds(place.blob_id) or (held is not None and held(place.blob_id)):
                return place
        return None

    def entries(self) -> Iterator[tuple[bytes, Location]]:
        """Yield each blob's id with each of its places, in no particular order, without holding them."""
        for record in self._blobs.records():
            yield record[:_ID_BYTES], self._location(record)

    def blobs_of(self, packs: Collection[str]) -> dict[str, tuple[BlobRecord, ...]]:
        """Return the blobs of these packs, each in the order of its segments; reads the whole index once."""
        wanted = {self._numbers[name]: name for name in packs if name in self._numbers}
        found: dict[str, list[BlobRecord]] = {name: [] for name in wanted.values()}
        for record in self._blobs.records():
            blob_id, pack, offset, stored_bytes, plain_bytes, last = _RECORD.unpack(record)
            if pack in wanted:
                algorithm = last & _ALGORITHM_MASK
                found[wanted[pack]].append(BlobRecord(blob_id, offset, stored_bytes, plain_bytes, algorithm))
        return {name: tuple(sorted(blobs, key=lambda blob: blob.offset)) for name, blobs in found.items()}

    def marks(self) -> "Marks":
        """Return an empty set of the blobs that are in the index now, of one bit each."""
        return Marks(self._blobs)

    def add(self, pack: SealedPack | PackContents, *, members_are_known: bool = False) -> None:
        """Enter what a durable pack holds; nothing happens if it was entered before.

        Pass *members_are_known* if :meth:`add_members` was called for its frames.
        """
        contents = pack.contents if isinstance(pack, SealedPack) else pack
        with self._lock:
            if contents.name in self._numbers:
                return
            number = self._enter_pack(contents.name, contents.kind)
            for rank, fields in enumerate(BLOB.iter_unpack(contents.blob_records)):
                blob_id, offset, stored_bytes, plain_bytes, algorithm, _ = fields
                last = algorithm | rank << _ALGORITHM_BITS
                self._blobs.append(_RECORD.pack(blob_id, number, offset, stored_bytes, plain_bytes, last))
        if not members_are_known:
            blobs = contents.blobs if contents.member_records else ()
            self._add_member_records(blobs, contents.member_records)

    def add_members(self, blob_id: bytes, members: Iterable[Member]) -> None:
        """Enter the members of one frame, which :meth:`find_member` knows once it holds the frame."""
        if self._members is not None:
            with self._lock:
                self._members.add(blob_id, members)

    def add_shard(self, shard: Shard) -> None:
        """Enter what a shard says of packs that are listed and not yet covered."""
        with self._lock:
            wanted = [name in self._packs and name not in self._numbers for name in shard.names]
            if not any(wanted):
                return
            numbers = [
                self._enter_pack(name, self._packs[name]) if is_wanted else 0
                for name, is_wanted in zip(shard.names, wanted, strict=True)
            ]
            records, pack_of = self._number_records(shard, numbers)
            members = shard.member_records
            if not all(wanted):
                records = select(records, SHARD_BLOB.size, (wanted[pack] for pack in pack_of))
                owners = column(members, MEMBER.size, MEMBER_BLOB_AT)
                members = select(members, MEMBER.size, (wanted[pack_of[owner]] for owner in owners))
            self._blobs.extend(records)
            if self._members is not None:
                self._members.add_shard(shard, members)

    @staticmethod
    def _number_records(shard: Shard, numbers: list[int]) -> tuple[bytes | bytearray, "array[int]"]:
        records = bytearray(shard.blob_records)
        pack_of = column(records, SHARD_BLOB.size, PACK_AT)
        replace_column(records, SHARD_BLOB.size, PACK_AT, map(numbers.__getitem__, pack_of))
        algorithms = records[ALGORITHM_AT :: SHARD_BLOB.size]
        last = (
            algorithm | number << _ALGORITHM_BITS
            for algorithm, number in zip(algorithms, shard.segment_numbers(), strict=True)
        )
        replace_column(records, SHARD_BLOB.size, ALGORITHM_AT, last)
        return records, pack_of

    def _add_member_records(self, blobs: tuple[BlobRecord, ...], records: bytes) -> None:
        of_frame: dict[int, list[Member]] = {}
        for member_hash, number, offset, length in MEMBER.iter_unpack(records):
            of_frame.setdefault(number, []).append(Member(member_hash, offset, length))
        for number, members in of_frame.items():
            self.add_members(blobs[number].id, members)

    def _enter_pack(self, name: str, kind: PackKind) -> int:
        number = self._numbers[name] = len(self._names)
        self._kinds.append(kind)
        self._names.append(name)
        self._packs[name] = kind
        if name in self._condemned_names:
            self._condemned |= {number}
        return number

    def _location(self, record: bytes | bytearray) -> Location:
        _, pack, offset, stored_bytes, plain_bytes, last = _RECORD.unpack(record)
        algorithm, number = last & _ALGORITHM_MASK, last >> _ALGORITHM_BITS
        kind = self._kinds[pack]
        return Location(self._names[pack], kind, offset, stored_bytes, plain_bytes, algorithm, number)


class Marks:
    """A set of blobs with one bit for each blob of the index as it was: 1.25 MB for ten millions."""

    def __init__(self, blobs: RecordTable) -> None:
        self._numbering = blobs.numbering()
        self._bits = bytearray(self._numbering.count // 8 + 1)

    def mark(self, blob_id: bytes) -> bool:
        """Enter a blob and return whether it was new to the set.

        Raises:
            CorruptDataError: no pack held the blob when the set was made.
        """
        number = self._numbering.number(blob_id)
        if number is None:
            raise CorruptDataError(f"blob {blob_id.hex()} is in no pack")
        is_new = not self._bits[number >> 3] >> (number & 7) & 1
        self._bits[number >> 3] |= 1 << (number & 7)
        return is_new

    def __contains__(self, blob_id: bytes) -> bool:
        number = self._numbering.number(blob_id)
        return number is not None and bool(self._bits[number >> 3] >> (number & 7) & 1)


def load_index(
    storage: Storage,
    vault: Vault,
    *,
    condemned: Iterable[str] = (),
    with_members: bool = True,
    problems: list[Problem] | None = None,
) -> Index:
    """Return the index of all packs that the store lists now.

    Shards are read first, then the trailers of listed packs that no shard names; what shards say of packs
    that are not listed is ignored. Damaged shards and trailers are added to *problems*: a damaged shard costs
    time only, the blobs of a pack with a damaged trailer are not found unless a shard names it. Without
    *with_members* no small file is ever found, which saves their memory: for readers.

    Raises:
        StorageUnreachableError: objects that are listed are missing, again and again.
    """
    for skips_shards in SKIPS_SHARDS:
        found: list[Problem] = []
        try:
            index = _load_once(storage, vault, found, with_members, skips_shards)
        except ObjectMissingError as err:
            missing = err
            continue
        index.condemn(condemned)
        if problems is not None:
            problems.extend(found)
        return index
    place = f"{storage.properties.location} lists what it does not hold, in {len(SKIPS_SHARDS)} attempts"
    raise StorageUnreachableError(f"{place}: {missing.facts}") from missing


def _load_once(
    storage: Storage, vault: Vault, problems: list[Problem], with_members: bool, skips_shards: bool
) -> Index:
    threads = max(2, storage.properties.connections)
    with ThreadPoolExecutor(threads, thread_name_prefix="index") as pool:
        reader = IndexReader(storage, vault, pool, problems)
        packs, shards = reader.list_all()
        index = Index(packs, with_members=with_members)
        for shard in reader.shards(shards, skips=skips_shards):
            index.add_shard(shard)
        for contents in reader.trailers({name: packs[name] for name in packs if not index.covers(name)}):
            index.add(contents)
            index.unindexed.append(contents)
    return index
