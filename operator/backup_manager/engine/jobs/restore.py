"""One restore: a backup's content into folders, verified while written and once more at the end."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping

from backup_manager.common.clock import from_seconds
from backup_manager.common.errors import ChecksumMismatchError, CorruptDataError, during
from backup_manager.common.printable import printable
from backup_manager.contract.requests import Hooks, Progress, RestoreRequest
from backup_manager.contract.results import (
    PathSample,
    RestorePlanResult,
    RestoreRecord,
    RestoreResult,
    RunStatus,
)
from backup_manager.engine.jobs.restore_targets import (
    Landing,
    choose_backup,
    plan_landings,
    refuse_repository,
)
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.records import Record, RecordKind, read_records, write_record
from backup_manager.engine.repository.snapshots import Snapshot
from backup_manager.engine.targets.filesystem.compare import compare
from backup_manager.engine.targets.filesystem.destination import Claim, open_destination
from backup_manager.engine.targets.filesystem.options import RestoreOptions, RestoreStats
from backup_manager.engine.targets.filesystem.plan import plan_restore as plan_landing
from backup_manager.engine.targets.filesystem.ports import StoredContents
from backup_manager.engine.targets.filesystem.restore import restore

OPERATION = "Failed to restore backup"
TOLD_DIFFERENCES = 5


def run_restore(
    session: Session,
    request: RestoreRequest,
    hooks: Hooks | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> RestoreResult:
    """Carry out *request* and return what was restored; called again after an interruption, it goes on.

    Raises:
        NotFoundError: no such backup, source or path.
        TargetUnusableError: a destination cannot be written, or holds what the mode forbids.
        CorruptDataError: stored bytes are not what was backed up; nothing wrong was left under a file's name
            without this error.
    """
    with during(OPERATION):
        begun = clock()
        snapshot, landings, blobs = _resolve(session, request)
        progress = _Meter(hooks or Hooks(), snapshot)
        stats = [_land(session, request, snapshot, landing, blobs, progress) for landing in landings]
        seconds = max(0.0, clock() - begun)
        result = RestoreResult(
            backup=snapshot.backup_id,
            status=RunStatus.SUCCEEDED,
            files=sum(each.files for each in stats),
            bytes=sum(each.bytes for each in stats),
            duration_seconds=seconds,
            verified=request.verify,
            warnings=tuple(str(warning) for each in stats for warning in each.warnings),
        )
        _record(session, snapshot, result, landings, begun)
        return result


def plan_restore(session: Session, request: RestoreRequest) -> RestorePlanResult:
    """Return what :func:`run_restore` would do; nothing is changed."""
    with during(OPERATION):
        snapshot, landings, blobs = _resolve(session, request)
        plans = []
        for landing in landings:
            readers = landing.readers(blobs)
            contents = StoredContents(blobs, readers[0], session.repository.vault)
            options = RestoreOptions(source=landing.source, selects=landing.selects())
            claim = _claim(snapshot, landing, request)
            mode = request.mode
            entries = landing.entries(readers)
            plans.append(plan_landing(entries, contents, landing.destination, mode, claim, options))
        return RestorePlanResult(
            backup=snapshot.backup_id,
            files=sum(plan.files for plan in plans),
            bytes=sum(plan.bytes for plan in plans),
            fetch_bytes=sum(plan.fetch_bytes for plan in plans),
            written=_joined([plan.written for plan in plans]),
            replaced=_joined([plan.replaced for plan in plans]),
            removed=_joined([plan.removed for plan in plans]),
        )


def list_restores(session: Session) -> tuple[RestoreRecord, ...]:
    """Return the restores done with this repository, newest first, as far as the store could record them."""
    repository = session.repository
    found = read_records(session.storage, repository.vault, repository.compressor)
    restores = [record for record in found.records if record.kind == RecordKind.RESTORE]
    return tuple(_recorded(record) for record in reversed(restores))


def _resolve(session: Session, request: RestoreRequest) -> tuple[Snapshot, tuple[Landing, ...], BlobStore]:
    snapshot = choose_backup(session, request)
    landings = plan_landings(request, snapshot)
    refuse_repository(landings, request.mode, session.storage.properties)
    blobs = session.read_blobs()
    for landing in landings:
        landing.refuse_absent(blobs)
    return snapshot, landings, blobs


def _land(
    session: Session,
    request: RestoreRequest,
    snapshot: Snapshot,
    landing: Landing,
    blobs: BlobStore,
    meter: "_Meter",
) -> RestoreStats:
    readers = landing.readers(blobs)
    contents = StoredContents(blobs, readers[0], session.repository.vault)
    options = RestoreOptions(
        source=landing.source,
        selects=landing.selects(),
        parallel=request.parallel,
        cancelled=meter.hooks.cancelled,
        progress=meter.add,
    )
    mode = request.mode
    with open_destination(landing.destination, mode, _claim(snapshot, landing, request)) as destination:
        stats = restore(landing.entries(readers), contents, destination, options)
        if request.verify or stats.skipped:
            _compare(landing, blobs, contents, options, stats)
        destination.finish()
    return stats


def _compare(
    landing: Landing,
    blobs: BlobStore,
    contents: StoredContents,
    options: RestoreOptions,
    stats: RestoreStats,
) -> None:
    """Read everything again; what an earlier, interrupted restore left is compared even without --verify."""
    forgiven = frozenset(warning.kind for warning in stats.warnings)
    quiet = RestoreOptions(options.source, options.selects, options.parallel, options.cancelled)
    entries = landing.entries(landing.readers(blobs))
    found = list(_first(compare(entries, contents, landing.destination, quiet, forgiven)))
    if found:
        told = "; ".join(str(difference) for difference in found[:TOLD_DIFFERENCES])
        more = " and more" if len(found) > TOLD_DIFFERENCES else ""
        raise ChecksumMismatchError(
            f"{printable(landing.destination)} is not what was backed up: {told}{more}",
            solution="Something else may be writing there; restore into an empty folder that nobody else uses.",
        )


def _first(differences: Iterator[object]) -> Iterator[object]:
    for number, difference in enumerate(differences):
        if number > TOLD_DIFFERENCES:
            return
        yield difference


def _claim(snapshot: Snapshot, landing: Landing, request: RestoreRequest) -> Claim:
    asked = [printable(landing.source), *landing.include, request.mode.value]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
    return Claim(snapshot.name, digest)


def _joined(samples: list[PathSample]) -> PathSample:
    paths = tuple(path for sample in samples for path in sample.paths)
    return PathSample(sum(sample.count for sample in samples), paths)


class _Meter:
    """Adds up what is done and tells it with the backup's totals."""

    def __init__(self, hooks: Hooks, snapshot: Snapshot) -> None:
        self.hooks = hooks
        self._total_bytes = sum(source.source_bytes for source in snapshot.sources)
        self._total_files = sum(source.files for source in snapshot.sources)
        self._bytes = 0
        self._files = 0

    def add(self, done: int, files: int) -> None:
        """Count what was done since the last call."""
        self._bytes += done
        self._files += files
        self.hooks.progress(Progress(self._bytes, self._files, self._total_bytes, self._total_files))


def _record(
    session: Session, snapshot: Snapshot, result: RestoreResult, landings: tuple[Landing, ...], begun: float
) -> None:
    payload: dict[str, object] = {
        "files": result.files,
        "bytes": result.bytes,
        "durationSeconds": result.duration_seconds,
        "verified": result.verified,
        "warnings": list(result.warnings),
        "destinations": [printable(landing.destination) for landing in landings],
    }
    record = Record(
        kind=RecordKind.RESTORE,
        at=begun,
        backup_id=snapshot.backup_id,
        snapshot=snapshot.name,
        payload=payload,
    )
    write_record(session.storage, session.repository.vault, session.repository.compressor, record)


def _recorded(record: Record) -> RestoreRecord:
    payload = record.payload
    return RestoreRecord(
        restore=RestoreResult(
            backup=record.backup_id,
            status=RunStatus.SUCCEEDED,
            files=_number(payload, "files"),
            bytes=_number(payload, "bytes"),
            duration_seconds=float(str(payload.get("durationSeconds", 0))),
            verified=payload.get("verified") is True,
            warnings=_texts(payload, "warnings"),
        ),
        started_at=from_seconds(record.at),
        destinations=_texts(payload, "destinations"),
    )


def _number(payload: Mapping[str, object], name: str) -> int:
    value = payload.get(name, 0)
    if not isinstance(value, int):
        raise CorruptDataError(f"a restore's record holds {type(value).__name__} for {name}")
    return value


def _texts(payload: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = payload.get(name, ())
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()
