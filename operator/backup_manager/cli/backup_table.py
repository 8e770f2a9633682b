"""Backups as rows: one form for ``list``, ``run`` and ``quickstart``."""

from collections.abc import Iterable

from backup_manager.cli.table import Cell, Seconds, Size, Table
from backup_manager.contract.results import BackupResult

COLUMNS = (
    "id",
    "policy",
    "type",
    "status",
    "started",
    "duration",
    "files",
    "size",
    "added",
    "stored",
    "verified",
)
SPARE = ("policy", "started", "duration", "files", "added", "stored")  # the id tells policy and start


def backup_table(backups: Iterable[BackupResult]) -> Table:
    """Return a row for each backup."""
    return Table(COLUMNS, tuple(backup_row(backup) for backup in backups), SPARE)


def backup_row(backup: BackupResult) -> tuple[Cell, ...]:
    """Return the cells of :data:`COLUMNS`."""
    return (
        backup.id,
        backup.policy,
        backup.type.value,
        backup.status.value,
        backup.started_at,
        Seconds(backup.duration_seconds),
        backup.files,
        Size(backup.source_bytes),
        Size(backup.added_bytes),
        Size(backup.stored_bytes),
        backup.verified.result.value if backup.verified else None,
    )
