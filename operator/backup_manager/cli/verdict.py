"""The error and the exit code that follow from a verification."""

from collections.abc import Sequence

from backup_manager.cli.output import Console
from backup_manager.common.errors import BackupManagerError, CorruptDataError, InconclusiveError
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.results import (
    Check,
    CheckOutcome,
    CheckResult,
    ErrorReport,
    VerificationOutcome,
    VerificationResult,
)

OPERATION = "Backup verification failed"
SHOWN = 3


class VerificationFailedError(CorruptDataError):
    """A check failed over data that are sound: too small, or not equal when restored."""

    phrase = "Verification failed"
    reason = "VerificationFailed"
    default_solution = (
        "Find out from the named check what is missing or different, then take a full backup and verify it."
    )


def report_verdict(
    console: Console,
    outcome: VerificationOutcome,
    results: Sequence[VerificationResult],
    damaged: Sequence[str] = (),
) -> ExitCode | None:
    """Write the error of a verification that did not pass, and return its exit code."""
    if outcome is VerificationOutcome.PASSED:
        return None
    is_failed = outcome is VerificationOutcome.FAILED
    wanted = CheckOutcome.FAILURE if is_failed else CheckOutcome.INCONCLUSIVE
    facts = [_fact(result, check) for result in results for check in result.checks if check.result is wanted]
    facts += [f"{name} is damaged" for name in damaged] if is_failed else []
    told = "; ".join(facts[:SHOWN]) or "no check could be carried out"
    if len(facts) > SHOWN:
        told += f"; and {len(facts) - SHOWN} more"
    err = _error_class(outcome, results, damaged)(told, operation=OPERATION)
    console.report(ErrorReport.of(err))
    return ExitCode(err.exit_code)


def _error_class(
    outcome: VerificationOutcome, results: Sequence[VerificationResult], damaged: Sequence[str]
) -> type[BackupManagerError]:
    if outcome is not VerificationOutcome.FAILED:
        return InconclusiveError
    failed = {
        check.check for result in results for check in result.checks if check.result is CheckOutcome.FAILURE
    }
    is_corrupt = bool(damaged) or bool(failed & {Check.INTEGRITY, Check.COMPLETENESS})
    return CorruptDataError if is_corrupt else VerificationFailedError


def _fact(result: VerificationResult, check: CheckResult) -> str:
    return f"{check.check.value} of {result.backup}: {check.error or check.details}"
