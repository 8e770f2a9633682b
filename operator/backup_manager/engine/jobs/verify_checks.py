"""Evidence judged: one result for each check that was asked for."""

from collections.abc import Callable

from backup_manager.common.errors import (
    BackupManagerError,
    CorruptDataError,
    InsufficientStorageError,
    SourceUnreadableError,
    StorageUnreachableError,
    TargetUnusableError,
)
from backup_manager.common.units import format_size
from backup_manager.contract.backups import Check, CheckOutcome, CheckResult
from backup_manager.engine.jobs.verify_evidence import Evidence, Sample
from backup_manager.engine.repository.snapshots import Snapshot

CANNOT_BE_DONE = (
    StorageUnreachableError,
    InsufficientStorageError,
    SourceUnreadableError,
    TargetUnusableError,
)


def guarded(check: Check, run: Callable[[], CheckResult]) -> CheckResult:
    """Return what *run* returns; damage that it raises is a failure, an obstacle makes it inconclusive."""
    try:
        return run()
    except CorruptDataError as err:
        return failed(check, "stopped at the first damage", err.cause)
    except CANNOT_BE_DONE as err:
        return inconclusive(check, err)


def failed(check: Check, details: str, error: str) -> CheckResult:
    """Return a result that says what is wrong."""
    return CheckResult(check, CheckOutcome.FAILURE, details, error)


def inconclusive(check: Check, err: BackupManagerError, details: str = "") -> CheckResult:
    """Return a result that says what was in the way."""
    return CheckResult(check, CheckOutcome.INCONCLUSIVE, details or "could not be carried out", err.cause)


def judge_integrity(evidence: Evidence, sample: Sample) -> CheckResult:
    """Return whether every byte that was read is what was written, and all that is needed is there."""
    details = (
        f"{evidence.read_packs} of {evidence.packs} packs read in full, {format_size(evidence.read_bytes)}; "
        f"{evidence.blobs} blobs"
    )
    if not sample.is_everything:
        details += f"; a sample of {sample.percent} % of the data packs, seed {sample.seed}"
    if evidence.spare_damage:
        details += f"; damaged, but all of it is stored elsewhere, too: {evidence.spare_damage.told()}"
    wrong = [faults.told() for faults in (evidence.losses, evidence.damage) if faults]
    if wrong:
        return failed(Check.INTEGRITY, details, "; ".join(wrong))
    if evidence.obstacle is not None:
        return inconclusive(Check.INTEGRITY, evidence.obstacle, details)
    return CheckResult(Check.INTEGRITY, CheckOutcome.SUCCESS, details)


def judge_completeness(
    evidence: Evidence, snapshot: Snapshot, told: list[str], wrong: list[str]
) -> CheckResult:
    """Return whether everything that the snapshot counts can be reached; *told* and *wrong* are comparisons'."""
    details = "; ".join(
        [
            f"{evidence.files} files, {evidence.directories} folders and {evidence.others} others reached, "
            f"{format_size(evidence.bytes)}",
            *told,
        ]
    )
    errors = [faults.told() for faults in (evidence.losses, evidence.contradictions) if faults]
    expected = tuple(
        sum(getattr(source, name) for source in snapshot.sources)
        for name in ("files", "directories", "others", "source_bytes")
    )
    found = (evidence.files, evidence.directories, evidence.others, evidence.bytes)
    if evidence.obstacle is None and found != expected:
        errors.append(
            f"the catalogue holds {found} files, folders, others and bytes; recorded are {expected}"
        )
    if errors or wrong:
        return failed(Check.COMPLETENESS, details, "; ".join([*errors, *wrong]))
    if evidence.obstacle is not None:
        return inconclusive(Check.COMPLETENESS, evidence.obstacle, details)
    return CheckResult(Check.COMPLETENESS, CheckOutcome.SUCCESS, details)


def judge_size(snapshot: Snapshot, min_bytes: int) -> CheckResult:
    """Return whether the backup is as large as it must be."""
    size = sum(source.source_bytes for source in snapshot.sources)
    details = f"{size} bytes, at least {min_bytes} expected"
    if size < min_bytes:
        error = f"the backup holds {format_size(size)}, less than {format_size(min_bytes)}"
        return failed(Check.SIZE, details, error)
    return CheckResult(Check.SIZE, CheckOutcome.SUCCESS, details)
