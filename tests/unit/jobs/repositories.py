"""Small repositories in memory, made by the real pipeline, and copies of them to damage."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backup_manager.common.errors import BackupManagerError
from backup_manager.contract.backups import (
    BackupResult,
    BackupType,
    Check,
    CheckResult,
    VerificationOutcome,
    VerificationResult,
)
from backup_manager.contract.requests import BackupRequest, FilesRequest, VerifyRequest
from backup_manager.contract.restores import VerifyAllResult
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.verify import verify_backup
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.keys.local import LocalKey, generate_key_file
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.keyring import KeyProvider
from backup_manager.engine.repository.repository import create_repository, open_repository
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.memory import MemoryStorage

START = 1_750_000_000.0
CODES = {
    VerificationOutcome.PASSED: 0,
    VerificationOutcome.FAILED: 40,
    VerificationOutcome.INCONCLUSIVE: 41,
}


@dataclass
class Steps:
    """A clock that moves by ten seconds at every look."""

    now: float = START

    def __call__(self) -> float:
        self.now += 10
        return self.now


@dataclass
class Place:
    """A repository in memory, its key, and a source folder to back up."""

    source: Path
    key: KeyProvider
    storage: Storage = field(default_factory=MemoryStorage)
    clock: Steps = field(default_factory=Steps)

    def session(self, storage: Storage | None = None) -> Session:
        return open_on(storage or self.storage, self.key)

    def back_up(
        self,
        kind: BackupType | None = None,
        *,
        policy: str = "files",
        sources: tuple[FilesRequest, ...] = (),
    ) -> BackupResult:
        wanted = sources or (FilesRequest("files", (str(self.source),)),)
        return run_backup(self.session(), BackupRequest(policy, wanted, type=kind), clock=self.clock)


def make_place(folder: Path) -> Place:
    """Return a new repository with no backup, and an empty source."""
    source = folder / "source"
    source.mkdir()
    place = Place(source, new_key(folder / "key"))
    create_on(place.storage, place.key)
    return place


def new_key(path: Path) -> LocalKey:
    generate_key_file(path)
    return LocalKey(path)


def create_on(storage: Storage, key: KeyProvider) -> Session:
    repository = create_repository(storage, key, make_vault=RepositoryVault, make_compressor=ZstdCompressor)
    return Session(storage, repository)


def open_on(storage: Storage, key: KeyProvider) -> Session:
    repository = open_repository(storage, key, make_vault=RepositoryVault, make_compressor=ZstdCompressor)
    return Session(storage, repository)


def objects_of(storage: Storage) -> dict[str, bytes]:
    """Return every object by its name."""
    return {info.name: storage.get(info.name) for info in storage.list("")}


def store_of(objects: dict[str, bytes]) -> MemoryStorage:
    """Return a store that holds these objects."""
    storage = MemoryStorage()
    for name, content in objects.items():
        storage.put(name, (content,))
    return storage


def exit_code(run: Callable[[], VerificationResult | VerifyAllResult]) -> int:
    """Return what the command line would end with."""
    try:
        return CODES[run().result]
    except BackupManagerError as err:
        return err.exit_code


@contextmanager
def changed(storage: Storage, name: str, content: bytes | None) -> Iterator[None]:
    """Replace an object, or remove it, for the length of the block."""
    before = storage.get(name)
    put_or_delete(storage, name, content)
    try:
        yield
    finally:
        storage.put(name, (before,))


def put_or_delete(storage: Storage, name: str, content: bytes | None) -> None:
    if content is None:
        storage.delete(name)
    else:
        storage.put(name, (content,))


def check_of(
    place: Place, wanted: Check, request: VerifyRequest, storage: Storage | None = None, *, seed: int = 7
) -> CheckResult:
    """Return the result of one check of a verification."""
    result = verify_backup(place.session(storage), request, clock=place.clock, seed=seed)
    return next(check for check in result.checks if check.check is wanted)


def packs_of(place: Place, kind: str = "d") -> list[str]:
    """Return the names of the pack objects of a kind, sorted."""
    return sorted(name for name in objects_of(place.storage) if name.startswith(f"packs/{kind}/"))


def flipped(content: bytes) -> bytes:
    """Return *content* with a bit in its middle flipped."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def fill(place: Place) -> Place:
    """Back up a small and a large file, 400,005 bytes together."""
    (place.source / "small").write_bytes(b"small")
    (place.source / "large").write_bytes(random.Random(7).randbytes(400_000))
    place.back_up()
    return place
