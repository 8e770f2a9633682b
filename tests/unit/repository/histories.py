"""Repositories with a history, for tests of the protocol: backups by real writers, a clock that tests turn."""

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.unit.repository.doubles import DoubleCompressor, DoubleVault

from backup_manager.contract.backups import BackupType
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, frame_metadata, refs_of
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.index import Index, load_index
from backup_manager.engine.repository.maintenance import MaintenanceOptions
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.ports import Algorithm
from backup_manager.engine.repository.protocol import Committer, ProtocolOptions
from backup_manager.engine.repository.snapshots import (
    BackupId,
    Snapshot,
    SnapshotName,
    SourceRecord,
    read_snapshots,
)
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.memory import MemoryStorage

HOUR = 3600.0
DAY = 24 * HOUR
VAULT, COMPRESSOR = DoubleVault(), DoubleCompressor()
SMALL_PACKS = {PackKind.DATA: 3000, PackKind.METADATA: 1}


@dataclass
class Turned:
    """A clock for store and actors alike."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class World:
    """A store, its clock, and the randomness of everybody who uses it."""

    clock: Turned = field(default_factory=Turned)
    seed: int = 1
    storage: Storage = None  # type: ignore[assignment]  # made below

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.storage = self.storage or MemoryStorage(self.clock)

    def on(self, storage: Storage) -> "World":
        """The same world seen through another storage."""
        other = World(self.clock, storage=storage)
        other.random = self.random
        return other

    @property
    def parts(self) -> Parts:
        return Parts(self.storage, VAULT, COMPRESSOR)

    def protocol(self) -> ProtocolOptions:
        return ProtocolOptions(clocks=(self.clock,), random_bytes=self.random.randbytes)

    def options(self, grace_seconds: float = DAY, **different: int) -> MaintenanceOptions:
        options = MaintenanceOptions(
            grace_seconds=grace_seconds,
            clock=self.clock,
            clocks=(self.clock,),
            random_bytes=self.random.randbytes,
        )
        return replace(options, **different)  # type: ignore[arg-type]

    def names(self, prefix: str) -> list[str]:
        return sorted(info.name for info in self.storage.list(prefix))


class Run:
    """One backup in the making."""

    def __init__(self, world: World, bases: Sequence[Snapshot] = ()) -> None:
        self.world = world
        self.index: Index = load_index(world.storage, VAULT)
        self.committer = Committer(world.parts, self.index, bases, world.protocol())
        self.writer = PackWriter(
            world.storage,
            VAULT,
            self.index,
            random_bytes=world.random.randbytes,
            closed_at_bytes=SMALL_PACKS,
        )

    def put(self, plain: bytes, kind: PackKind = PackKind.DATA) -> bytes:
        blob_id = VAULT.blob_id(plain)
        self.writer.put(EncodedBlob(blob_id, Algorithm.STORED, len(plain), plain), kind)
        return blob_id

    def put_catalogue(self, pages: Mapping[str, Iterable[bytes]], reused: Collection[bytes] = ()) -> bytes:
        """Store pages that refer to data, and a root above them and above pages that were there before."""
        ids = list(reused)
        for title, plains in pages.items():
            data = [self.put(plain) for plain in plains]
            page = frame_metadata(MetadataKind.PAGE, 0, [], data, title.encode())
            ids.append(self.put(page, PackKind.METADATA))
        root = frame_metadata(MetadataKind.NODE, 1, ids, [], b"root")
        return self.put(root, PackKind.METADATA)

    def flush(self) -> None:
        self.writer.flush()
        self.writer.close()

    def snapshot(self, name: str, root: bytes) -> Snapshot:
        source = SourceRecord(
            name="files",
            kind="filesystem",
            paths=(b"/data",),
            root=root,
            level=1,
            entries=1,
            files=1,
            directories=0,
            others=0,
            source_bytes=1,
        )
        return Snapshot(
            name=SnapshotName(self.world.random.randbytes(16).hex()),
            backup_id=BackupId(name),
            policy="files",
            type=BackupType.FULL,
            started_at=self.world.clock(),
            completed_at=self.world.clock(),
            sources=(source,),
        )

    def commit(self, name: str, root: bytes) -> Snapshot:
        return self.committer.commit(self.snapshot(name, root))


def plains_of(*numbers: int) -> list[bytes]:
    """Data blobs of 1,000 bytes, one for each number."""
    return [random.Random(number).randbytes(1000) for number in numbers]


def back_up(world: World, name: str, *numbers: int) -> Snapshot:
    """Store a backup of one page for each three of the data blobs *numbers*."""
    run = Run(world)
    pages = {f"{numbers[at : at + 3]}": plains_of(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)}
    root = run.put_catalogue(pages)
    run.flush()
    return run.commit(name, root)


def restore(world: World, *snapshots: Snapshot) -> set[bytes]:
    """Read all that these backups need and return their data; raises what a restore would raise."""
    blobs = BlobStore(world.storage, VAULT, COMPRESSOR, load_index(world.storage, VAULT))
    data: set[bytes] = set()
    seen: set[bytes] = set()
    waiting = [root for snapshot in snapshots for root in snapshot.roots]
    while waiting:
        blob_id = waiting.pop()
        if blob_id not in seen:
            seen.add(blob_id)
            _, _, metadata, ids = refs_of(blobs.fetch(blob_id))
            waiting += metadata
            data |= {blobs.fetch(blob_id) for blob_id in ids}
    return data


def all_restore(world: World) -> int:
    """Restore every backup, and return how many there are."""
    listed = read_snapshots(world.storage, VAULT, COMPRESSOR)
    assert not listed.problems
    assert not listed.snapshots or restore(world, *listed)
    return len(listed)
