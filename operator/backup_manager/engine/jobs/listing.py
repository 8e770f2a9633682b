"""Backups as lists and details show them: snapshots, with what records tell of them since."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from backup_manager.common.clock import from_seconds
from backup_manager.common.errors import CorruptDataError, NotFoundError
from backup_manager.common.log import get_log
from backup_manager.contract.backups import (
    BackupDetails,
    BackupResult,
    RunStatus,
    SourceDetails,
    VerificationResult,
    Verified,
)
from backup_manager.engine.jobs.records import failed_run, verification_of
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.names import document_object
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.records import Record, RecordKind, read_records
from backup_manager.engine.repository.snapshots import (
    LATEST,
    Snapshot,
    SnapshotList,
    SourceRecord,
    read_snapshots,
    resolve,
)

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class History:
    """All backups and all records of a repository at one moment."""

    snapshots: SnapshotList
    records: tuple[Record, ...]
    record_problems: tuple[Problem, ...] = ()

    def verifications(self, snapshot: Snapshot) -> tuple[VerificationResult, ...]:
        """Return the verifications of a backup, the oldest first."""
        found = (
            verification_of(record)
            for record in self.records
            if record.kind == RecordKind.VERIFICATION and record.snapshot == snapshot.name
        )
        return tuple(verification for verification in found if verification is not None)

    def key_generations(self) -> tuple[int, ...]:
        """Return every generation of the key ring that something was stored under."""
        told = [record.payload.get("generation") for record in self.records if record.kind == RecordKind.KEYS]
        return (
            *(snapshot.key_generation for snapshot in self.snapshots),
            *(generation for generation in told if isinstance(generation, int)),
        )

    def failures(self) -> tuple[BackupResult, ...]:
        """Return the runs that failed."""
        found = (failed_run(record) for record in self.records if record.kind == RecordKind.FAILURE)
        return tuple(run for run in found if run is not None)


def read_all_snapshots(session: Session) -> SnapshotList:
    """Return every backup, the newest first."""
    repository = session.repository
    return read_snapshots(session.storage, repository.vault, repository.compressor)


def read_history(session: Session) -> History:
    """Return everything that is known of backups; what cannot be read is logged."""
    repository = session.repository
    snapshots = read_all_snapshots(session)
    records = read_records(session.storage, repository.vault, repository.compressor)
    for problem in (*snapshots.problems, *records.problems):
        log.warning("object could not be read", object=problem.object_name, facts=problem.facts)
    return History(snapshots, records.records, records.problems)


def list_backups(session: Session, policy: str | None = None) -> tuple[BackupResult, ...]:
    """Return backups and failed runs, the newest first; those of one *policy* if it is given."""
    history = read_history(session)
    newest = _newest_verifications(history.records)
    found = [build_result(snapshot, newest.get(snapshot.name)) for snapshot in history.snapshots]
    found += history.failures()
    found.sort(key=_newest_first, reverse=True)
    return tuple(backup for backup in found if policy is None or backup.policy == policy)


def describe_backup(session: Session, text: str, policy: str | None = None) -> BackupDetails:
    """Return one backup in full; the whole id of a run that failed gives that, with its error.

    Raises:
        NotFoundError, UsageError, CorruptDataError: as :func:`find_snapshot`.
    """
    history = read_history(session)
    failed = next((run for run in history.failures() if run.id == text), None)
    if failed is not None and text not in {snapshot.backup_id for snapshot in history.snapshots}:
        return _failed_details(session, failed)
    snapshot = find_snapshot(session, text, policy, history.snapshots)
    verifications = history.verifications(snapshot)
    return BackupDetails(
        backup=build_result(snapshot, _verified(verifications)),
        description=snapshot.description,
        source_details=tuple(_source_details(source) for source in snapshot.sources),
        location=session.location,
        repository_id=session.repository_id,
        encrypted=session.encrypted,
        root_digest=_root_digest(session, snapshot),
        software_version=snapshot.software_version,
        verifications=verifications,
    )


def _failed_details(session: Session, run: BackupResult) -> BackupDetails:
    return BackupDetails(
        backup=run,
        description="",
        source_details=(),
        location=session.location,
        repository_id=session.repository_id,
        encrypted=session.encrypted,
        root_digest="",
        software_version="",
    )


def find_snapshot(
    session: Session, text: str, policy: str | None = None, snapshots: SnapshotList | None = None
) -> Snapshot:
    """Return the backup that *text* names.

    Raises:
        NotFoundError: there is none.
        UsageError: it is ambiguous.
        CorruptDataError: there is none among those that can be read, or there is a newer one for
            ``latest``, but some snapshots cannot be read, so that nobody knows.
    """
    known = read_all_snapshots(session) if snapshots is None else snapshots
    try:
        found = resolve(known, text, policy)
    except NotFoundError as err:
        if known.problems:
            raise CorruptDataError(err.facts) from err
        raise
    if text == LATEST:
        refuse_if_older(session, found, known.problems)
    return found


def refuse_if_older(session: Session, found: Snapshot, problems: tuple[Problem, ...]) -> None:
    """Refuse *found* as the latest backup if one of the damaged snapshots may be later, by the store's time.

    Raises:
        CorruptDataError: it may; nothing is wrong as long as there are no *problems*.
    """
    if not problems:
        return
    stored = {info.name: info.modified for info in session.storage.list(f"{ObjectKind.SNAPSHOT.value}/")}
    limit = stored.get(document_object(ObjectKind.SNAPSHOT, found.name), 0.0)
    newer = [problem.object_name for problem in problems if stored.get(problem.object_name, 0.0) >= limit]
    if newer:
        raise CorruptDataError(
            f"{', '.join(newer)} cannot be read and may be the latest backup; the latest that can be read is "
            f"{found.backup_id}",
            solution=f"Name the backup {found.backup_id} to use it, and see `sirsinexus backup verify --all`.",
        )


def build_result(snapshot: Snapshot, verified: Verified | None = None) -> BackupResult:
    """Return the backup of *snapshot* as lists show it."""
    return BackupResult(
        id=snapshot.backup_id,
        policy=snapshot.policy,
        type=snapshot.type,
        status=RunStatus.SUCCEEDED,
        started_at=from_seconds(snapshot.started_at),
        completed_at=from_seconds(snapshot.completed_at),
        duration_seconds=max(0.0, snapshot.completed_at - snapshot.started_at),
        sources=tuple(source.name for source in snapshot.sources),
        files=sum(source.files for source in snapshot.sources),
        directories=sum(source.directories for source in snapshot.sources),
        source_bytes=sum(source.source_bytes for source in snapshot.sources),
        read_bytes=snapshot.read_bytes,
        added_bytes=snapshot.added_bytes,
        stored_bytes=snapshot.stored_bytes,
        warnings=snapshot.warnings,
        verified=verified,
        snapshot_id=snapshot.name,
    )


def _newest_verifications(records: Iterable[Record]) -> Mapping[str, Verified]:
    newest: dict[str, Verified] = {}
    for record in records:  # the oldest first
        if record.kind == RecordKind.VERIFICATION:
            verification = verification_of(record)
            if verification is not None:
                newest[record.snapshot] = Verified(verification.result, from_seconds(record.at))
    return newest


def _verified(verifications: tuple[VerificationResult, ...]) -> Verified | None:
    if not verifications or verifications[-1].time is None:
        return None
    return Verified(verifications[-1].result, verifications[-1].time)


def _newest_first(backup: BackupResult) -> tuple[datetime, str]:
    return backup.started_at, backup.id


def _source_details(source: SourceRecord) -> SourceDetails:
    return SourceDetails(
        name=source.name,
        type=source.kind,
        paths=tuple(path.decode("utf-8", "surrogateescape") for path in source.paths),
        files=source.files,
        directories=source.directories,
        bytes=source.source_bytes,
        warnings=source.warnings,
    )


def _root_digest(session: Session, snapshot: Snapshot) -> str:
    """Return the id of the only catalogue, or the keyed hash of the ids of all: equal for equal content."""
    roots = snapshot.roots
    return (roots[0] if len(roots) == 1 else session.repository.vault.blob_id(b"".join(roots))).hex()
