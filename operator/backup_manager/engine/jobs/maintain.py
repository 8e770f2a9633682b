"""One maintenance run: backups that are to go are removed, then what nothing needs is freed."""

from collections.abc import Collection
from dataclasses import dataclass

from backup_manager.common.errors import AccessDeniedError, NotFoundError, during
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.maintenance import (
    MaintenanceOptions,
    plan_maintenance,
    run_maintenance,
)
from backup_manager.engine.repository.maintenance.settings import GRACE_SECONDS, MOST_REWRITTEN_BYTES
from backup_manager.engine.repository.snapshots import Snapshot, delete_snapshot, read_snapshots

OPERATION = "Failed to maintain repository"


@dataclass(frozen=True, slots=True)
class PruneTotals:
    """Bytes of packs that were deleted, and of packs that are planned to be, after the grace period."""

    freed_bytes: int
    pending_bytes: int


def maintain(
    session: Session,
    *,
    grace_seconds: float = GRACE_SECONDS,
    max_rewrite_bytes: int = MOST_REWRITTEN_BYTES,
    dry_run: bool = False,
    removed: Collection[str] = (),
) -> PruneTotals:
    """Remove all backups of the ids in *removed*, then carry out maintenance; a dry run says what would come of it.

    With *grace_seconds* 0 the caller promises that nobody writes to the repository meanwhile.

    Raises:
        NotFoundError: one of *removed* does not exist any more; none was removed.
        CorruptDataError: something that a backup needs is damaged: nothing was freed.
        AccessDeniedError: the store cannot be written.
    """
    with during(OPERATION):
        repository = session.repository
        parts = Parts(session.storage, repository.vault, repository.compressor)
        going = _find(session, removed)
        protocol = session.tuning.protocol
        options = MaintenanceOptions(
            grace_seconds=grace_seconds,
            life_seconds=protocol.life_seconds,
            clocks=protocol.clocks,
            random_bytes=protocol.random_bytes,
            max_rewrite_bytes=max_rewrite_bytes,
            without_snapshots=frozenset(snapshot.name for snapshot in going),
            repository_id=repository.config.id,
            key_generation=repository.ring.generation,
        )
        if dry_run:
            plan = plan_maintenance(parts, options)
            return PruneTotals(plan.freed_bytes, plan.pending_bytes)
        if not session.storage.properties.writable:
            raise AccessDeniedError(f"{session.location} cannot be written")
        for snapshot in going:
            delete_snapshot(session.storage, snapshot)
        report = run_maintenance(parts, options)
        return PruneTotals(report.freed_bytes, report.pending_bytes)


def _find(session: Session, ids: Collection[str]) -> list[Snapshot]:
    if not ids:
        return []
    repository = session.repository
    snapshots = read_snapshots(session.storage, repository.vault, repository.compressor)
    going = [snapshot for snapshot in snapshots if snapshot.backup_id in ids]
    missing = sorted(set(ids) - {snapshot.backup_id for snapshot in going})
    if missing:
        raise NotFoundError(f"backup {missing[0]} does not exist any more")
    return going
