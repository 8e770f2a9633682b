"""Snapshots: one small sealed document for each backup, stored last, found by the backup's id."""

import re
from collections.abc import Collection as SizedIterable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NewType

from backup_manager.common.errors import CorruptDataError, NotFoundError, UsageError
from backup_manager.contract.backups import BackupType
from backup_manager.engine.repository.catalogue.entries import CatalogueRoot
from backup_manager.engine.repository.collection import Collection, Parts
from backup_manager.engine.repository.names import document_object
from backup_manager.engine.repository.ports import Compressor, ObjectKind, Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.storage.base import Storage

BackupId = NewType("BackupId", str)
SnapshotName = NewType("SnapshotName", str)
LATEST = "latest"
WHOLE_ID = re.compile(r".*-\d{4}-\d{2}-\d{2}-\d{6}(-\d+)?", re.DOTALL)
_SHOWN_CANDIDATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """What one source of a backup gave.

    *paths* are those that were asked for, in the bytes of the file system. The totals are the catalogue's;
    *source_bytes* is the sum of the files' sizes.
    """

    name: str
    kind: str
    paths: tuple[bytes, ...]
    root: bytes
    level: int
    entries: int
    files: int
    directories: int
    others: int
    source_bytes: int
    warnings: tuple[str, ...] = ()

    @property
    def catalogue(self) -> CatalogueRoot:
        """The root of the source's catalogue."""
        return CatalogueRoot(
            self.root,
            self.level,
            self.entries,
            self.files,
            self.directories,
            self.others,
            self.source_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One backup. The fields are part of the format: new ones get a default, none is ever removed.

    *name* is that of its object, random. Times are seconds since 1970. *read_bytes* were read from the
    sources, *added_bytes* of them were new to the repository, for which *stored_bytes* were written.
    *intent* names the intent that it was committed under.
    """

    name: SnapshotName
    backup_id: BackupId
    policy: str
    type: BackupType
    started_at: float
    completed_at: float
    sources: tuple[SourceRecord, ...]
    read_bytes: int = 0
    added_bytes: int = 0
    stored_bytes: int = 0
    key_generation: int = 0
    intent: str = ""
    host: str = ""
    software_version: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of all sources."""
        return tuple(warning for source in self.sources for warning in source.warnings)

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The ids of the catalogues' roots: all that the backup needs can be reached from them."""
        return tuple(source.root for source in self.sources)


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """All snapshots, the newest first, and what is wrong with those that cannot be read."""

    snapshots: tuple[Snapshot, ...]
    problems: tuple[Problem, ...] = ()

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self.snapshots)

    def __len__(self) -> int:
        return len(self.snapshots)


def read_snapshots(storage: Storage, vault: Vault, compressor: Compressor) -> SnapshotList:
    """Return all snapshots; damaged ones are named among the problems, never silently dropped."""
    collected = snapshot_collection(Parts(storage, vault, compressor)).read_all()
    problems = [damaged.problem for damaged in collected.damaged]
    snapshots = []
    for stored in collected.found:
        if stored.value.name == stored.name:
            snapshots.append(stored.value)
        else:
            object_name = document_object(ObjectKind.SNAPSHOT, stored.name)
            problems.append(Problem(object_name, f"{object_name} holds snapshot {stored.value.name}"))
    snapshots.sort(
        key=lambda snapshot: (snapshot.started_at, snapshot.backup_id, snapshot.name), reverse=True
    )
    return SnapshotList(tuple(snapshots), tuple(problems))


def read_snapshot(storage: Storage, vault: Vault, compressor: Compressor, name: SnapshotName) -> Snapshot:
    """Return one snapshot.

    Raises:
        CorruptDataError: its bytes are not what was written.
        ObjectMissingError: it is not there, or not any more.
    """
    snapshot = snapshot_collection(Parts(storage, vault, compressor)).get(name)
    if snapshot.name != name:
        raise CorruptDataError(f"{document_object(ObjectKind.SNAPSHOT, name)} holds snapshot {snapshot.name}")
    return snapshot


def write_snapshot(storage: Storage, vault: Vault, compressor: Compressor, snapshot: Snapshot) -> None:
    """Store *snapshot* under its name. Only the commit of ``protocol`` calls this, as its order matters."""
    snapshot_collection(Parts(storage, vault, compressor)).put(snapshot, snapshot.name)


def delete_snapshot(storage: Storage, snapshot: Snapshot) -> None:
    """Remove a backup; maintenance frees later what no other backup needs. Twice is no error."""
    storage.delete(document_object(ObjectKind.SNAPSHOT, snapshot.name))


def snapshot_collection(parts: Parts) -> Collection[Snapshot]:
    """Return the collection of all snapshots."""
    return Collection(parts, ObjectKind.SNAPSHOT, Snapshot)


def next_backup_id(policy: str, started_at: float, existing: SizedIterable[str]) -> BackupId:
    """Return ``<policy>-<YYYY-MM-DD>-<HHMMSS>`` in UTC, with ``-2`` and so on if *existing* has it."""
    base = f"{policy}-{datetime.fromtimestamp(started_at, UTC):%Y-%m-%d-%H%M%S}"
    candidate, number = base, 1
    while candidate in existing:
        number += 1
        candidate = f"{base}-{number}"
    return BackupId(candidate)


def resolve(snapshots: SnapshotList | Iterable[Snapshot], text: str, policy: str | None = None) -> Snapshot:
    """Return the backup that *text* names: an id, an unambiguous prefix of one, or ``latest``.

    An exact id always wins; ``latest`` is the one that was started last. The whole random name of a snapshot
    is understood too, for the case that two backups have one id. *policy* narrows the choice. The whole id of
    a backup that is gone never stands for its neighbour of the same second, whose id begins alike: otherwise
    a removal that is carried out twice would remove both.

    Raises:
        NotFoundError: there is none.
        UsageError: there are several; the facts list them.
    """
    known = [found for found in snapshots if policy is None or found.policy == policy]
    if text == LATEST and known:
        return max(known, key=lambda found: (found.started_at, found.completed_at, found.name))
    chosen = [found for found in known if text in (found.backup_id, found.name)]
    if not chosen and text and not WHOLE_ID.fullmatch(text):
        chosen = [found for found in known if found.backup_id.startswith(text)]
    if not chosen:
        raise _not_found(snapshots, text, policy)
    if len(chosen) > 1:
        raise _ambiguous(chosen, text)
    return chosen[0]


def _not_found(snapshots: SnapshotList | Iterable[Snapshot], text: str, policy: str | None) -> NotFoundError:
    which = "there is no backup" if text == LATEST else f"there is no backup {text!r}"
    facts = which if policy is None else f"{which} of policy {policy!r}"
    if isinstance(snapshots, SnapshotList) and snapshots.problems:
        damaged = ", ".join(problem.object_name for problem in snapshots.problems)
        facts += f"; these snapshots cannot be read: {damaged}"
    return NotFoundError(facts)


def _ambiguous(chosen: list[Snapshot], text: str) -> UsageError:
    ids = sorted(str(found.backup_id) for found in chosen)
    if len(set(ids)) < len(ids):  # only their names tell them apart
        ids = sorted(f"{found.backup_id} (snapshot {found.name})" for found in chosen)
    shown = ", ".join(ids[:_SHOWN_CANDIDATES])
    more = f" and {len(ids) - _SHOWN_CANDIDATES} more" if len(ids) > _SHOWN_CANDIDATES else ""
    return UsageError(
        f"{text!r} stands for {len(ids)} backups: {shown}{more}",
        solution="Give more of the id; the whole id always names one backup.",
    )
