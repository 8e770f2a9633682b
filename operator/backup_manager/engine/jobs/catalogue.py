"""Every way to look at backups, and their removal, under one roof: import them from here."""

from collections.abc import Iterable

from backup_manager.common.errors import NotFoundError, during
from backup_manager.common.log import get_log
from backup_manager.engine.jobs.inspect_changes import compare_backups
from backup_manager.engine.jobs.inspect_content import read_file
from backup_manager.engine.jobs.inspect_entries import list_entries
from backup_manager.engine.jobs.listing import (
    describe_backup,
    find_snapshot,
    list_backups,
    read_all_snapshots,
)
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.names import document_object
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.snapshots import SnapshotList, resolve

__all__ = [
    "compare_backups",
    "delete_backups",
    "describe_backup",
    "find_snapshot",
    "list_backups",
    "list_entries",
    "read_file",
]

log = get_log(__name__)


def delete_backups(session: Session, ids: Iterable[str], policy: str | None = None) -> tuple[str, ...]:
    """Remove backups and return their ids; their data go with the next maintenance.

    All are found before the first is removed. A snapshot that cannot be read is named by its object's random
    name, and so can be removed, too.

    Raises:
        NotFoundError, UsageError: one of *ids* names no backup, or several; nothing was removed.
    """
    with during("Failed to delete backup"):
        known = read_all_snapshots(session)
        doomed = dict(_doomed(known, text, policy) for text in ids)
        for object_name in doomed:
            session.storage.delete(object_name)
    log.info("backups deleted", count=len(doomed))
    return tuple(doomed.values())


def _doomed(known: SnapshotList, text: str, policy: str | None) -> tuple[str, str]:
    """Return the object to remove, and the backup's id."""
    try:
        snapshot = resolve(known, text, policy)
    except NotFoundError:
        object_name = document_object(ObjectKind.SNAPSHOT, text.rpartition("/")[2])
        if object_name not in [problem.object_name for problem in known.problems]:
            raise
        return object_name, object_name
    return document_object(ObjectKind.SNAPSHOT, snapshot.name), snapshot.backup_id
