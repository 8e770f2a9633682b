"""Backups and restores through the public jobs, in few words."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backup_manager.common.errors import NotFoundError
from backup_manager.contract.backups import BackupResult, BackupType
from backup_manager.contract.requests import (
    BackupRequest,
    FilesRequest,
    Hooks,
    KeyProviderName,
    KeySpec,
    RepositoryAddress,
    RestoreMode,
    RestoreRequest,
    RestoreTarget,
)
from backup_manager.contract.results import RestorePlanResult, RestoreResult
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.restore import plan_restore, run_restore
from backup_manager.engine.jobs.wiring import Session, open_session
from backup_manager.engine.keys.local import generate_key_file
from backup_manager.engine.repository.catalogue.entries import StoredEntry
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.snapshots import read_snapshots

POLICY = "data"
SETTLED_SECONDS = 10.0  # what was written just now looks as if it was written long ago
FULL, INCREMENTAL = BackupType.FULL, BackupType.INCREMENTAL


class AheadClock:
    """A clock ahead of the machine's, which never gives the same time twice."""

    def __init__(self, ahead: float = SETTLED_SECONDS) -> None:
        self.ahead = ahead
        self._last = 0.0

    def __call__(self) -> float:
        self._last = max(self._last + 0.001, time.time() + self.ahead)
        return self._last


def files_source(*paths: bytes, name: str = "files", **settings: object) -> FilesRequest:
    """Return a source of these paths."""
    texts = tuple(os.fsdecode(path) for path in paths)
    return FilesRequest(name=name, paths=texts, **settings)  # type: ignore[arg-type]  # settings of a test


@dataclass
class Workbench:
    """A repository at *address*, a folder *place* to work in, and the clock of all runs."""

    address: RepositoryAddress
    place: bytes
    clock: AheadClock = field(default_factory=AheadClock)

    @contextmanager
    def session(self) -> Iterator[Session]:
        with open_session(self.address, create=True) as session:
            yield session

    def back_up(
        self,
        *sources: bytes | FilesRequest,
        type: BackupType | None = None,  # noqa: A002  # the contract's word
        policy: str = POLICY,
        hooks: Hooks | None = None,
    ) -> BackupResult:
        """Back up paths, which make one source each, or sources."""
        requests = tuple(
            source if isinstance(source, FilesRequest) else files_source(source, name=f"files{number or ''}")
            for number, source in enumerate(sources)
        )
        with self.session() as session:
            request = BackupRequest(policy=policy, sources=requests, type=type)
            return run_backup(session, request, hooks, clock=self.clock)

    def restore(
        self, backup: str = "latest", *, hooks: Hooks | None = None, **request: object
    ) -> RestoreResult:
        """Restore by the settings of *request*; ``to`` and ``targets`` may be bytes."""
        with self.session() as session:
            return run_restore(session, restore_request(backup, **request), hooks)

    def plan(self, backup: str = "latest", **request: object) -> RestorePlanResult:
        with self.session() as session:
            return plan_restore(session, restore_request(backup, **request))

    def bring_back(self, source: bytes | str, destination: bytes, backup: str = "latest") -> RestoreResult:
        """Restore the content of one source or path to *destination*."""
        return self.restore(backup, targets={source: destination})

    def entries(self, backup: str = "latest") -> dict[bytes, StoredEntry]:
        """Return what the catalogues of a backup hold, by path."""
        with self.session() as session:
            repository = session.repository
            snapshots = read_snapshots(session.storage, repository.vault, repository.compressor)
            snapshot = max(snapshots, key=lambda each: each.started_at)
            if backup != "latest":
                snapshot = next(each for each in snapshots if each.backup_id == backup)
            blobs = session.read_blobs()
            found: dict[bytes, StoredEntry] = {}
            for source in snapshot.sources:
                reader = CatalogueReader(blobs.fetch, source.catalogue, blobs.prefetch)
                for page, entry in reader.entries():
                    found[entry.path] = entry, reader.content(page, entry)
            return found

    def objects(self) -> dict[str, bytes]:
        """Return every object of the store."""
        with self.session() as session:
            return {info.name: session.storage.get(info.name) for info in session.storage.list("")}


def restore_request(backup: str, **request: object) -> RestoreRequest:
    targets = request.pop("targets", {})
    assert isinstance(targets, dict)
    if isinstance(to := request.get("to"), bytes):
        request["to"] = os.fsdecode(to)
    if isinstance(mode := request.get("mode"), str):
        request["mode"] = RestoreMode(mode)
    made = tuple(
        RestoreTarget(os.fsdecode(source), os.fsdecode(destination))
        for source, destination in targets.items()
    )
    return RestoreRequest(backup=backup, targets=made, **request)  # type: ignore[arg-type]  # settings of a test


def key_spec(folder: Path, name: str = "key") -> KeySpec:
    """Return a key file in *folder*, made when it is absent."""
    path = folder / name
    if not path.exists():
        generate_key_file(path)
    return KeySpec(KeyProviderName.LOCAL, str(path))


def write(path: bytes, content: bytes | str = b"") -> bytes:
    """Write a file with the folders above it, and return its path."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def names_below(root: bytes) -> list[bytes]:
    """Return all paths below *root*, relative and sorted."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, folders, files in os.walk(root)
        for name in folders + files
    )


def open_to_nobody(bench: Workbench) -> Workbench:
    """Return *bench* with a key file that the user nobody may read, in a repository of its own."""
    folder = Path(os.fsdecode(bench.place))
    key = key_spec(folder, "key-of-nobody")
    os.chmod(key.value, 0o644)
    return Workbench(replace(bench.address, url=bench.address.url + "-of-nobody", key=key), bench.place)


def nothing_was_committed(bench: Workbench) -> bool:
    """Return whether the repository holds no backup, by its objects and by what a restore says."""
    with pytest.raises(NotFoundError):
        bench.restore(to=bench.place + b"/nothing")
    return not any(name.startswith("snapshots/") for name in bench.objects())
