"""One backup: sources in, a snapshot out, or a failure that leaves only what the next run re-uses."""

import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from backup_manager.common.errors import during
from backup_manager.contract.backups import BackupResult, BackupType
from backup_manager.contract.requests import BackupRequest, FilesRequest, Hooks, Progress
from backup_manager.engine.jobs.base_backup import FILES, BaseBackup
from backup_manager.engine.jobs.listing import build_result
from backup_manager.engine.jobs.sources import SourceOutcome, SourcePipeline
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.names import random_name
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.protocol import Committer
from backup_manager.engine.repository.snapshots import (
    Snapshot,
    SnapshotName,
    SourceRecord,
    next_backup_id,
    read_snapshots,
)

OPERATION = "Failed to create backup"


@dataclass(frozen=True, slots=True)
class Run:
    """What is settled before anything is read: type, start, and the backup to compare with."""

    request: BackupRequest
    type: BackupType
    started_at: float
    begun: float
    base: Snapshot | None


def run_backup(
    session: Session,
    request: BackupRequest,
    hooks: Hooks | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> BackupResult:
    """Back up the sources of *request* and return the backup; it is committed as a whole or not at all.

    Raises:
        SourceUnreadableError, SourceEmptyError: nothing was committed.
        StorageUnreachableError, InsufficientStorageError: likewise; the next run continues from what was stored.
    """
    with during(OPERATION):
        repository = session.repository
        snapshots = read_snapshots(session.storage, repository.vault, repository.compressor)
        run = _settle(request, snapshots, clock)
        return _store(session, run, [snapshot.backup_id for snapshot in snapshots], hooks or Hooks(), clock)


def newest_of(policy: str, snapshots: Iterable[Snapshot]) -> Snapshot | None:
    """Return the backup of *policy* that was started last."""
    of_policy = (snapshot for snapshot in snapshots if snapshot.policy == policy)
    return max(of_policy, key=lambda snapshot: snapshot.started_at, default=None)


def software_version() -> str:
    """Return this program's version; a source tree that was never installed has none."""
    try:
        return version("sirsinexus-backup-manager")
    except PackageNotFoundError:
        return "unknown"


def _settle(request: BackupRequest, snapshots: Iterable[Snapshot], clock: Callable[[], float]) -> Run:
    base = newest_of(request.policy, snapshots)
    kind = request.type or (BackupType.FULL if base is None else BackupType.INCREMENTAL)
    now = clock()
    scheduled = request.scheduled_at
    started_at = scheduled.timestamp() if scheduled is not None else now
    return Run(request, kind, started_at, now, base if kind is BackupType.INCREMENTAL else None)


def _store(
    session: Session, run: Run, taken: list[str], hooks: Hooks, clock: Callable[[], float]
) -> BackupResult:
    repository = session.repository
    parts = Parts(session.storage, repository.vault, repository.compressor)
    index = session.load_index()
    tuning = session.tuning
    committer = Committer(parts, index, [run.base] if run.base is not None else [], tuning.protocol)
    writer = PackWriter(
        session.storage,
        repository.vault,
        index,
        closed_at_bytes=tuning.closed_at_bytes,
        shard_packs=tuning.shard_packs,
    )
    with writer:
        outcomes, added_bytes = _store_sources(session, run, writer, committer, hooks, clock)
        writer.flush()
        totals = writer.statistics
    snapshot = replace(
        _build_snapshot(session, run, outcomes, taken, clock),
        added_bytes=added_bytes,
        stored_bytes=totals.stored_bytes + totals.index_bytes,
    )
    return build_result(committer.commit(snapshot))


def _store_sources(
    session: Session,
    run: Run,
    writer: PackWriter,
    committer: Committer,
    hooks: Hooks,
    clock: Callable[[], float],
) -> tuple[list[tuple[FilesRequest, SourceOutcome]], int]:
    """Store all sources and return what became of each, and the bytes that were new to the repository."""
    repository = session.repository
    base = BaseBackup(run.base, session, writer.index) if run.base is not None else None
    announcing = _announcing(hooks, committer)
    pipeline = SourcePipeline(repository, session.hashing, writer, announcing, clock)
    try:
        outcomes = [
            (source, pipeline.store(source, base.catalogue(source) if base is not None else None))
            for source in run.request.sources
        ]
        pipeline.encoder.close()
    except BaseException:
        pipeline.encoder.abort()
        raise
    return outcomes, pipeline.encoder.added_bytes


def _announcing(hooks: Hooks, committer: Committer) -> Hooks:
    """Return *hooks* that also keep the run's intent young, from the thread that reads."""

    def tell(progress: Progress) -> None:
        committer.announce()
        hooks.progress(progress)

    return replace(hooks, progress=tell)


def _build_snapshot(
    session: Session,
    run: Run,
    outcomes: list[tuple[FilesRequest, SourceOutcome]],
    taken: list[str],
    clock: Callable[[], float],
) -> Snapshot:
    return Snapshot(
        name=SnapshotName(random_name()),
        backup_id=next_backup_id(run.request.policy, run.started_at, taken),
        policy=run.request.policy,
        type=run.type,
        started_at=run.started_at,
        completed_at=max(run.started_at, run.started_at + clock() - run.begun),
        sources=tuple(_record(source, outcome) for source, outcome in outcomes),
        read_bytes=sum(outcome.totals.read_bytes for _, outcome in outcomes),
        key_generation=session.repository.ring.generation,
        host=socket.gethostname(),
        software_version=software_version(),
        description=run.request.description,
    )


def _record(source: FilesRequest, outcome: SourceOutcome) -> SourceRecord:
    root = outcome.root
    return SourceRecord(
        name=source.name,
        kind=FILES,
        paths=tuple(os.fsencode(path) for path in source.paths),
        root=root.id,
        level=root.level,
        entries=root.entries,
        files=root.files,
        directories=root.directories,
        others=root.others,
        source_bytes=root.bytes,
        warnings=outcome.warnings,
    )
