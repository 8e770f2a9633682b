"""Looking into a repository, for those who may not import the engine."""

from backup_manager.engine.jobs.catalogue import (
    compare_backups,
    delete_backups,
    list_entries,
    read_file,
)
from backup_manager.manager.access import opened

__all__ = [
    "compare_backups",
    "delete_backups",
    "list_entries",
    "opened",
    "read_file",
]
