"""The backups of a policy, as far as they can be looked up."""

from backup_manager.common.errors import BackupManagerError
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.manager.access import Access, opened
from backup_manager.manager.prune_decision import candidates
from backup_manager.reconcile.retention import Candidate


def find_candidates(access: Access, policy: str) -> tuple[tuple[Candidate, ...] | None, str | None]:
    """Return the policy's backups; or None, and why they could not be listed."""
    try:
        with opened(access, read_only=True) as session:
            return candidates(list_backups(session, policy)), None
    except BackupManagerError as err:
        return None, err.cause
