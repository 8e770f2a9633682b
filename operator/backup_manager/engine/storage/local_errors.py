"""The one translator of the operating system's errors into ours, for the folder store."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from backup_manager.common.errors import (
    AccessDeniedError,
    BackupManagerError,
    InsufficientStorageError,
    StorageUnreachableError,
)

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def build_local_error(doing: str, root: str, err: OSError) -> BackupManagerError:
    """Return what *err* means to a person: no room, no right, or a file system that does not work."""
    facts = f"cannot {doing} {root}: {err.strerror or err}"
    if err.errno in NO_ROOM:
        return InsufficientStorageError(facts)
    if err.errno in REFUSED:
        return AccessDeniedError(facts)
    return StorageUnreachableError(facts, solution="Check the disk and its mount; the next run continues.")


@contextmanager
def translate_os_error(doing: str, root: str) -> Iterator[None]:
    """Raise ours for any ``OSError`` of the block."""
    try:
        yield
    except OSError as err:
        raise build_local_error(doing, root, err) from err
