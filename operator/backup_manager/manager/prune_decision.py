"""What the retention rules of policies keep of the backups that exist."""

from collections.abc import Iterable, Sequence

from backup_manager.contract.results import BackupResult, RunStatus, VerificationOutcome
from backup_manager.manager.config_model import PolicyConfig
from backup_manager.reconcile.retention import Candidate, RetentionDecision, decide_all


def decide(backups: Iterable[BackupResult], policies: Sequence[PolicyConfig]) -> RetentionDecision:
    """Return what the retention rules of *policies* keep of *backups*."""
    rules = {policy.name: (policy.retention, policy.timezone) for policy in policies}
    return decide_all(candidates(backups), rules)


def candidates(backups: Iterable[BackupResult]) -> tuple[Candidate, ...]:
    """Return *backups* as retention sees them; runs that failed are none."""
    return tuple(
        Candidate(backup.id, backup.policy, backup.started_at, verified=_is_verified(backup))
        for backup in backups
        if backup.status is RunStatus.SUCCEEDED
    )


def _is_verified(backup: BackupResult) -> bool:
    return backup.verified is not None and backup.verified.result is VerificationOutcome.PASSED
