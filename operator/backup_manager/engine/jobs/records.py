"""What jobs put on record about backups, and how it reads back; payloads are the documents of ``cli.md``."""

from backup_manager.common.clock import from_seconds
from backup_manager.contract.backups import (
    BackupResult,
    BackupType,
    Check,
    CheckOutcome,
    CheckResult,
    ErrorReport,
    RunStatus,
    VerificationResult,
)
from backup_manager.engine.repository.records import Record, RecordKind


def verification_record(result: VerificationResult, snapshot: str, at: float) -> Record:
    """Return the record of a verification of the snapshot of that name."""
    return Record(
        kind=RecordKind.VERIFICATION,
        at=at,
        backup_id=result.backup,
        snapshot=snapshot,
        payload=dict(result.document()),
    )


def verification_of(record: Record) -> VerificationResult | None:
    """Return the verification that *record* tells of; ``None`` for one of a version that tells it otherwise."""
    checks = record.payload.get("checks")
    if not isinstance(checks, list | tuple):
        return None
    try:
        return VerificationResult(
            record.backup_id, tuple(_check_of(check) for check in checks), from_seconds(record.at)
        )
    except (TypeError, ValueError, KeyError, AttributeError):
        return None


def failure_record(run: BackupResult, at: float) -> Record:
    """Return the record of a run that failed."""
    payload: dict[str, object] = dict(run.document())
    payload["exitCode"] = run.error.exit_code if run.error else 0
    payload["startedSeconds"] = run.started_at.timestamp()  # exactly, for the order of lists
    return Record(kind=RecordKind.FAILURE, at=at, backup_id=run.id, payload=payload)


def failed_run(record: Record) -> BackupResult | None:
    """Return the run that *record* tells of; ``None`` for one of a version that tells it otherwise."""
    told = record.payload
    try:
        error = told["error"]
        sources = told["sources"]
        if not isinstance(error, dict) or not isinstance(sources, list | tuple):
            return None
        return BackupResult(
            id=record.backup_id,
            policy=str(told["policy"]),
            type=BackupType(str(told["type"])),
            status=RunStatus.FAILED,
            started_at=from_seconds(float(str(told["startedSeconds"]))),
            completed_at=from_seconds(record.at),
            duration_seconds=float(str(told["durationSeconds"])),
            sources=tuple(str(source) for source in sources),
            error=ErrorReport(
                error=str(error["error"]),
                cause=str(error["cause"]),
                solution=str(error["solution"]),
                reason=str(error["reason"]),
                retryable=bool(error["retryable"]),
                exit_code=int(str(told["exitCode"])),
            ),
        )
    except (KeyError, ValueError):
        return None


def _check_of(check: dict[str, object]) -> CheckResult:
    error = check.get("error")
    return CheckResult(
        Check(str(check["check"])),
        CheckOutcome(str(check["result"])),
        str(check["details"]),
        None if error is None else str(error),
    )
