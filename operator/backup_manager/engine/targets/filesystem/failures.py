"""The system's refusals at a destination, translated into errors a person can act on."""

import errno

from backup_manager.common.errors import TargetUnusableError
from backup_manager.common.printable import printable

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_RIGHT = frozenset({errno.EACCES, errno.EPERM})
NOT_SUPPORTED = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def target_error(err: OSError, doing: str, path: bytes) -> TargetUnusableError:
    """Return the error that the refusal *err* means, met while *doing* something to *path*."""
    where = printable(path)
    if err.errno in NO_SPACE:
        return TargetUnusableError(
            f"no space left on the file system of {where} ({_name(err)})",
            solution="Free up space at the destination and run the restore again: it goes on where it was.",
        )
    if err.errno == errno.EROFS:
        return TargetUnusableError(
            f"cannot {doing} {where}: the file system is read-only",
            solution="Mount the destination writable, or choose another one.",
        )
    if err.errno in NO_RIGHT:
        return TargetUnusableError(
            f"cannot {doing} {where}: permission denied ({_name(err)})",
            solution="Run the restore as a user who may write there, or choose another destination.",
        )
    return TargetUnusableError(
        f"cannot {doing} {where}: {err.strerror} ({_name(err)})",
        solution="Remove the obstacle, or choose another destination, and run the restore again.",
    )


def _name(err: OSError) -> str:
    return errno.errorcode.get(err.errno or 0, "unknown error")
