"""What a run of policies would do, with nothing written."""

from collections.abc import Sequence

from backup_manager.common.errors import BackupManagerError, BucketMissingError, RepositoryMissingError
from backup_manager.contract.requests import RepositoryAddress
from backup_manager.contract.results import BackupResult, BackupType
from backup_manager.engine.jobs.backup_plan import plan_backup
from backup_manager.engine.storage.registry import is_folder
from backup_manager.manager.access import Access, Session, opened
from backup_manager.manager.config_model import PolicyConfig
from backup_manager.manager.runner import PolicyRun, prepare_run


def plan_policies(
    access: Access, policies: Sequence[PolicyConfig], backup_type: BackupType | None = None
) -> tuple[BackupResult, ...]:
    """Return what a run would do; the status is ``Planned``, or ``Failed`` where it would fail.

    Raises:
        BackupManagerError: the repository cannot be opened; an absent one is no obstacle.
    """
    runs = [prepare_run(policy, backup_type) for policy in policies]
    try:
        with opened(access, read_only=True) as session:
            return tuple(_plan(session, run) for run in runs)
    except (RepositoryMissingError, BucketMissingError) as err:
        if isinstance(err, BucketMissingError) and not _is_folder(access):
            raise
        return tuple(_plan(None, run) for run in runs)


def _plan(session: Session | None, run: PolicyRun) -> BackupResult:
    if isinstance(run.request, BackupManagerError):
        return run.failed(run.request)
    try:
        return plan_backup(session, run.request)
    except BackupManagerError as err:
        return run.failed(err)


def _is_folder(access: Access) -> bool:
    """Whether a run would make what is missing: a folder, never a bucket."""
    return isinstance(access, RepositoryAddress) and is_folder(access.url)
