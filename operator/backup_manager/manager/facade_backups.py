"""The backups of one repository, for programs: every call blocks and has an awaitable twin ``…_async``.

The twins run in a thread, so that an event loop goes on meanwhile. Objects may be used from several threads
and tasks; each call opens the repository for itself.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from backup_manager.contract.requests import Hooks, VerifyRequest
from backup_manager.contract.results import (
    BackupDetails,
    BackupResult,
    CheckResult,
    PruneResult,
    RestorePlanResult,
    RestoreRecord,
    RestoreResult,
    VerificationResult,
    VerifyAllResult,
)
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.catalogue import delete_backups, describe_backup, list_backups
from backup_manager.engine.jobs.restore import list_restores, plan_restore, run_restore
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.manager.access import Access, opened
from backup_manager.manager.config_model import PolicyConfig
from backup_manager.manager.facade_records import Backup, Restore, RetentionPolicy, Verification
from backup_manager.manager.prune import PruneOptions, prune

UTC_ZONE = ZoneInfo("UTC")
NO_HOOKS = Hooks()


@dataclass(frozen=True, slots=True)
class Backups:
    """A repository and what can be done with it; build one by ``BackupManager``."""

    access: Access

    def execute(self, backup: Backup, hooks: Hooks = NO_HOOKS) -> str:
        """Back up and return the new backup's id; a repository that is absent is initialised.

        Raises:
            BackupManagerError: nothing was committed; the class says why.
        """
        request = backup.request()
        with opened(self.access, create=True) as session:
            return run_backup(session, request, hooks).id

    async def execute_async(self, backup: Backup, hooks: Hooks = NO_HOOKS) -> str:
        """Await :meth:`execute`."""
        return await asyncio.to_thread(self.execute, backup, hooks)

    def list(self, policy: str | None = None) -> tuple[BackupResult, ...]:
        """Return backups, newest first."""
        with opened(self.access, read_only=True) as session:
            return list_backups(session, policy)

    async def list_async(self, policy: str | None = None) -> tuple[BackupResult, ...]:
        """Await :meth:`list`."""
        return await asyncio.to_thread(self.list, policy)

    def get(self, backup_id: str, policy: str | None = None) -> BackupDetails:
        """Return one backup in full; an unambiguous prefix of its id and ``latest`` do, too."""
        with opened(self.access, read_only=True) as session:
            return describe_backup(session, backup_id, policy)

    async def get_async(self, backup_id: str, policy: str | None = None) -> BackupDetails:
        """Await :meth:`get`."""
        return await asyncio.to_thread(self.get, backup_id, policy)

    def delete(self, *backup_ids: str) -> tuple[str, ...]:
        """Remove backups and return their ids; their data go with the next :meth:`prune`."""
        with opened(self.access) as session:
            return delete_backups(session, backup_ids)

    async def delete_async(self, *backup_ids: str) -> tuple[str, ...]:
        """Await :meth:`delete`."""
        return await asyncio.to_thread(self.delete, *backup_ids)

    def restore(self, restore: Restore, hooks: Hooks = NO_HOOKS) -> RestoreResult | RestorePlanResult:
        """Restore, or return the plan of a dry run.

        Raises:
            TargetUnusableError: the destination cannot be written, or holds what the mode forbids.
        """
        with opened(self.access, read_only=restore.dry_run) as session:
            if restore.dry_run:
                return plan_restore(session, restore.request())
            return run_restore(session, restore.request(), hooks)

    async def restore_async(
        self, restore: Restore, hooks: Hooks = NO_HOOKS
    ) -> RestoreResult | RestorePlanResult:
        """Await :meth:`restore`."""
        return await asyncio.to_thread(self.restore, restore, hooks)

    def list_restores(self) -> tuple[RestoreRecord, ...]:
        """Return what was restored with this repository."""
        with opened(self.access, read_only=True) as session:
            return list_restores(session)

    async def list_restores_async(self) -> tuple[RestoreRecord, ...]:
        """Await :meth:`list_restores`."""
        return await asyncio.to_thread(self.list_restores)

    def verify(self, verification: Verification, hooks: Hooks = NO_HOOKS) -> Iterator[CheckResult]:
        """Run the checks and return what each found; a failed check is a result, not an error."""
        return iter(self._verify(verification.request(), hooks).checks)

    async def verify_async(
        self, verification: Verification, hooks: Hooks = NO_HOOKS
    ) -> Iterator[CheckResult]:
        """Await :meth:`verify`."""
        return await asyncio.to_thread(self.verify, verification, hooks)

    def verify_backup(self, backup_id: str) -> VerificationResult:
        """Read every byte that the backup needs and compare it with its catalogue."""
        return self._verify(VerifyRequest(backup_id))

    async def verify_backup_async(self, backup_id: str) -> VerificationResult:
        """Await :meth:`verify_backup`."""
        return await asyncio.to_thread(self.verify_backup, backup_id)

    def verify_restore(self, backup_id: str) -> VerificationResult:
        """Restore into a scratch place and compare entry by entry; the place is emptied afterwards."""
        return self._verify(VerifyRequest(backup_id, restore_test=True))

    async def verify_restore_async(self, backup_id: str) -> VerificationResult:
        """Await :meth:`verify_restore`."""
        return await asyncio.to_thread(self.verify_restore, backup_id)

    def verify_all(self, hooks: Hooks = NO_HOOKS) -> VerifyAllResult:
        """Verify every backup, reading each byte once, and name what no backup needs."""
        with opened(self.access) as session:
            return verify_all(session, hooks)

    async def verify_all_async(self, hooks: Hooks = NO_HOOKS) -> VerifyAllResult:
        """Await :meth:`verify_all`."""
        return await asyncio.to_thread(self.verify_all, hooks)

    def prune(self, *backups: Backup, options: PruneOptions | None = None) -> PruneResult:
        """Apply the retention of *backups*, each to those of its name, then free what nothing needs.

        Backups of other names are kept; without any, nothing is removed, only freed.
        """
        return prune(self.access, [_policy(backup) for backup in backups], options or PruneOptions())

    async def prune_async(self, *backups: Backup, options: PruneOptions | None = None) -> PruneResult:
        """Await :meth:`prune`."""
        return await asyncio.to_thread(lambda: self.prune(*backups, options=options))

    def _verify(self, request: VerifyRequest, hooks: Hooks = NO_HOOKS) -> VerificationResult:
        with opened(self.access) as session:
            return verify_backup(session, request, hooks)


def _policy(backup: Backup) -> PolicyConfig:
    retention = backup.retention or RetentionPolicy()
    return PolicyConfig(backup.name, (), retention=retention.rule(), timezone=UTC_ZONE)
