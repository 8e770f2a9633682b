"""A backup held against what lies around it: the live source as it is now, and the backup before."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from backup_manager.common.printable import printable
from backup_manager.contract.requests import FilesRequest
from backup_manager.engine.jobs.sources import folder_of
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, path_key
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.checks.faults import Faults
from backup_manager.engine.repository.snapshots import Snapshot, SourceRecord
from backup_manager.engine.sources.filesystem.excludes import Excludes
from backup_manager.engine.sources.filesystem.metadata import kind_of
from backup_manager.engine.sources.filesystem.problems import Problems
from backup_manager.engine.sources.filesystem.walk import Found, walk

SHRUNK_TO = 0.5  # of the backup before: below, something was probably not mounted or was excluded by mistake


@dataclass(slots=True)
class LiveDifferences:
    """How the live source differs. *overlooked*: what was there before the backup started and is not in it."""

    same: int = 0
    new: int = 0
    missing: int = 0
    changed: int = 0
    overlooked: Faults = field(default_factory=Faults)

    def told(self) -> str:
        """Return the counts as one clause."""
        return (
            f"the live source has {self.new} entries that the backup has not, lacks {self.missing}, "
            f"and differs in {self.changed} of {self.same + self.changed}"
        )


def compare_with_source(
    session: Session, snapshot: Snapshot, sources: Iterable[FilesRequest]
) -> LiveDifferences:
    """Return how the files that *snapshot* holds differ from those on this machine now.

    Kind, size and time of the last change are compared, nothing is read. *sources* give the excludes; without
    a source of the same name, what the backup has not may have been excluded, and is only counted.

    Raises:
        SourceUnreadableError: a path that was backed up is not there.
    """
    blobs = session.read_blobs()
    found = LiveDifferences()
    requests = {request.name: request for request in sources}
    for record in snapshot.sources:
        request = requests.get(record.name)
        entries = (entry for _, entry in CatalogueReader(blobs.fetch, record.catalogue).entries())
        live = _walk_live(record, request, folder_of(session.storage))
        is_explained = request is not None and not record.warnings
        _compare(entries, live, found, snapshot.started_at if is_explained else None)
    return found


def compare_with_previous(snapshot: Snapshot, snapshots: Iterable[Snapshot]) -> tuple[str, str | None]:
    """Return how the totals differ from those of the backup before, and what is wrong with that, if it is."""
    before = [
        other
        for other in snapshots
        if other.policy == snapshot.policy and other.started_at < snapshot.started_at
    ]
    if not before:
        return "there is no backup before it", None
    previous = max(before, key=lambda other: other.started_at)
    was, now = _totals(previous), _totals(snapshot)
    told = f"{now[0]} files and {now[1]} bytes, {was[0]} and {was[1]} in {previous.backup_id}"
    if now[0] < was[0] * SHRUNK_TO or now[1] < was[1] * SHRUNK_TO:
        return told, f"the backup has shrunk by more than half: {told}"
    return told, None


def _totals(snapshot: Snapshot) -> tuple[int, int]:
    return (
        sum(source.files for source in snapshot.sources),
        sum(source.source_bytes for source in snapshot.sources),
    )


def _walk_live(record: SourceRecord, request: FilesRequest | None, left_out: bytes) -> Iterator[Found]:
    paths = [os.fsencode(path) for path in request.paths] if request else list(record.paths)
    excludes = Excludes(request.exclude) if request else None
    one_file_system = request.one_file_system if request else False
    problems = Problems(kept=0)
    return walk(paths, excludes, problems, one_file_system=one_file_system, left_out=left_out)


def _compare(
    entries: Iterator[Entry], live: Iterator[Found], found: LiveDifferences, started_at: float | None
) -> None:
    """Walk both in step. With *started_at*, what changed last before it and is not in the backup was overlooked."""
    entry, item = next(entries, None), next(live, None)
    moved: bytes | None = None  # a folder that came later, whatever the times of what it holds
    while entry is not None or item is not None:
        key = None if entry is None else path_key(entry.path)
        live_key = None if item is None else path_key(item[0])
        if item is None or (key is not None and live_key is not None and key < live_key):
            found.missing += 1
            entry = next(entries, None)
        elif entry is None or (key is not None and live_key is not None and live_key < key):
            found.new += 1
            if moved is None or not item[0].startswith(moved):
                moved = None if _is_overlooked(item, started_at, found.overlooked) else item[0] + b"/"
            item = next(live, None)
        else:
            if _is_same(entry, item[1]):
                found.same += 1
            else:
                found.changed += 1
            entry, item = next(entries, None), next(live, None)


def _is_overlooked(item: Found, started_at: float | None, overlooked: Faults) -> bool:
    if started_at is None or item[1].st_ctime >= started_at:
        return False
    overlooked.add(f"{printable(item[0])} was there before the backup started, and is not in it")
    return True


def _is_same(entry: Entry, stat: os.stat_result) -> bool:
    if entry.kind is not kind_of(stat.st_mode):
        return False
    if entry.kind is EntryKind.FILE:
        return (entry.size, entry.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    return entry.kind is EntryKind.DIRECTORY or entry.mtime_ns == stat.st_mtime_ns
