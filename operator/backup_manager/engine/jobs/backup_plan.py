"""What a backup would do: its sources walked and compared, nothing read and nothing written."""

import os
import time
from collections.abc import Callable

from backup_manager.common.clock import from_seconds
from backup_manager.common.errors import during
from backup_manager.contract.backups import BackupResult, BackupType, RunStatus
from backup_manager.contract.requests import BackupRequest, FilesRequest
from backup_manager.engine.jobs.backup import OPERATION, newest_of
from backup_manager.engine.jobs.base_backup import BaseBackup
from backup_manager.engine.jobs.sources import folder_of, judge_source, tell_problems
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.catalogue.previous import PreviousCatalogue
from backup_manager.engine.repository.snapshots import Snapshot, next_backup_id, read_snapshots
from backup_manager.engine.sources.filesystem.excludes import Excludes
from backup_manager.engine.sources.filesystem.file_types import DIRECTORY, REGULAR, TYPE_BITS
from backup_manager.engine.sources.filesystem.ingest import is_unchanged
from backup_manager.engine.sources.filesystem.problems import Problems
from backup_manager.engine.sources.filesystem.scan import ScannedPage, scan_pages
from backup_manager.engine.sources.filesystem.walk import walk


class _Tally:
    def __init__(self) -> None:
        self.files = 0
        self.directories = 0
        self.others = 0
        self.source_bytes = 0
        self.read_bytes = 0


def plan_backup(
    session: Session | None, request: BackupRequest, *, clock: Callable[[], float] = time.time
) -> BackupResult:
    """Return the backup that a run would make now; its id and its bytes to read are those of this moment.

    Without a *session* there is no repository yet, and everything would be read. How much of what is read turns
    out to be new cannot be known before: ``added_bytes`` is 0.

    Raises:
        SourceUnreadableError, SourceEmptyError: the run would fail.
    """
    with during(OPERATION):
        now = clock()
        snapshots: tuple[Snapshot, ...] = ()
        if session is not None:
            repository = session.repository
            snapshots = tuple(read_snapshots(session.storage, repository.vault, repository.compressor))
        base = newest_of(request.policy, snapshots)
        kind = request.type or (BackupType.FULL if base is None else BackupType.INCREMENTAL)
        tally = _Tally()
        warnings: list[str] = []
        for source in request.sources:
            known = None
            if session is not None and base is not None and kind is BackupType.INCREMENTAL:
                known = BaseBackup(base, session, session.read_blobs().index).catalogue(source)
            warnings.extend(_count(source, known, session, tally))
        return BackupResult(
            id=next_backup_id(request.policy, now, [snapshot.backup_id for snapshot in snapshots]),
            policy=request.policy,
            type=kind,
            status=RunStatus.PLANNED,
            started_at=from_seconds(now),
            completed_at=None,
            duration_seconds=0.0,
            sources=tuple(source.name for source in request.sources),
            files=tally.files,
            directories=tally.directories,
            source_bytes=tally.source_bytes,
            read_bytes=tally.read_bytes,
            warnings=tuple(warnings),
        )


def _count(
    source: FilesRequest, known: PreviousCatalogue | None, session: Session | None, tally: _Tally
) -> tuple[str, ...]:
    problems = Problems()
    mine = _Tally()
    paths = [os.fsencode(path) for path in source.paths]
    left_out = folder_of(session.storage) if session is not None else b""
    excludes = Excludes(source.exclude)
    found = walk(paths, excludes, problems, one_file_system=source.one_file_system, left_out=left_out)
    for page in scan_pages(found):
        mine.read_bytes += _bytes_to_read(page, known, session)
        for _, stat in page.entries:
            kind = stat.st_mode & TYPE_BITS
            mine.files += kind == REGULAR
            mine.directories += kind == DIRECTORY
            mine.others += kind not in (REGULAR, DIRECTORY)
            mine.source_bytes += stat.st_size if kind == REGULAR else 0
    judge_source(source, mine.files + mine.others, mine.directories, problems)
    tally.files += mine.files
    tally.directories += mine.directories
    tally.source_bytes += mine.source_bytes
    tally.read_bytes += mine.read_bytes
    return tell_problems(problems)


def _bytes_to_read(page: ScannedPage, known: PreviousCatalogue | None, session: Session | None) -> int:
    old = {}
    if known is not None and session is not None:
        fingerprint = session.hashing.blob_id(page.marks)
        if known.match(fingerprint, page.entries[0][0]) is not None:
            return 0
        old = known.entries_of([path for path, _ in page.entries])
    return sum(
        stat.st_size
        for path, stat in page.entries
        if stat.st_mode & TYPE_BITS == REGULAR and not (path in old and is_unchanged(old[path][1], stat))
    )
