"""What a run of policies would do, with nothing written."""

from collections.abc import Sequence

from backup_manager.common.errors import BucketMissingError, RepositoryMissingError
from backup_manager.contract.requests import RepositoryAddress
from backup_manager.contract.results import BackupResult, BackupType
from backup_manager.engine.jobs.backup import plan_backup
from backup_manager.manager.access import Access, opened
from backup_manager.manager.config_model import PolicyConfig
from backup_manager.manager.runner import build_request


def plan_policies(
    access: Access, policies: Sequence[PolicyConfig], backup_type: BackupType | None = None
) -> tuple[BackupResult, ...]:
    """Return what a run would do; the status is ``Planned``, and nothing is written.

    Raises:
        BackupManagerError: the repository cannot be opened; an absent one is no obstacle.
    """
    requests = [build_request(policy, backup_type) for policy in policies]
    try:
        with opened(access, read_only=True) as session:
            return tuple(plan_backup(session, request) for request in requests)
    except (RepositoryMissingError, BucketMissingError) as err:
        if isinstance(err, BucketMissingError) and not _is_folder(access):
            raise
        return tuple(plan_backup(None, request) for request in requests)


def _is_folder(access: Access) -> bool:
    """Whether a run would make what is missing: a folder, never a bucket."""
    return isinstance(access, RepositoryAddress) and (
        "://" not in access.url or access.url.startswith("file:")
    )
