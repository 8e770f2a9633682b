"""The directory a restore may write in: opened, checked, claimed, and released when all is done."""

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backup_manager.common.errors import TargetUnusableError
from backup_manager.common.printable import printable
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.targets.filesystem.failures import target_error

STATE_PREFIX = b".backup-manager-restore-"
LOST_AND_FOUND = b"lost+found"
ROOT = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
STATE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_STATE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Claim:
    """Which restore this is: *snapshot* names the backup's object, *request* digests what was asked for.

    A restore goes on where another one stopped only when both are equal.
    """

    snapshot: str
    request: str

    @property
    def file_name(self) -> bytes:
        """Name of the state file at the destination's root."""
        return STATE_PREFIX + os.fsencode(self.snapshot)

    def document(self) -> bytes:
        """The state file's content."""
        return json.dumps({"request": self.request, "snapshot": self.snapshot}).encode()


@dataclass(frozen=True, slots=True)
class Destination:
    """An open, claimed destination.

    *resuming*: an earlier run of the same restore was interrupted here. *uid* and *gid* are those that a new
    file gets; with *inherits_group* it takes the group of its folder.
    """

    path: bytes
    fd: int
    mode: RestoreMode
    claim: Claim
    resuming: bool
    uid: int
    gid: int
    inherits_group: bool

    @property
    def is_fresh(self) -> bool:
        """Nothing can be in the way that this restore did not make."""
        return self.mode is RestoreMode.FAIL and not self.resuming

    def finish(self) -> None:
        """Remove the state file, leaving the root's times as they are; may be called twice."""
        times = os.fstat(self.fd)
        with contextlib.suppress(FileNotFoundError, PermissionError):  # the root may be somebody else's
            os.unlink(self.claim.file_name, dir_fd=self.fd)
            os.utime(self.fd, ns=(times.st_atime_ns, times.st_mtime_ns))


@contextmanager
def open_destination(path: bytes, mode: RestoreMode, claim: Claim) -> Iterator[Destination]:
    """Give the directory *path* for the length of the block, made if it is absent, claimed for this restore.

    The state file stays behind when :meth:`Destination.finish` is not called, so that the same restore goes
    on.

    Raises:
        TargetUnusableError: it is no directory, cannot be written, holds what *mode* forbids, or another
            restore is writing there now.
    """
    try:
        os.makedirs(path, exist_ok=True)
        fd = os.open(path, ROOT)
    except FileExistsError as err:
        raise _no_directory(path) from err
    except OSError as err:
        raise target_error(err, "open the destination", path) from err
    try:
        begun = check_holdings(path, fd, mode, claim)
        state_fd = _claim(path, fd, claim)
        try:
            yield _described(path, fd, mode, claim, begun, os.fstat(state_fd))
        finally:
            os.close(state_fd)
    finally:
        os.close(fd)


def check_holdings(path: bytes, fd: int, mode: RestoreMode, claim: Claim) -> bool:
    """Return whether this very restore was begun here before; changes nothing.

    Raises:
        TargetUnusableError: *mode* forbids what the directory holds.
    """
    begun = _read_state(fd, claim.file_name)
    if begun == claim.document():
        return True
    if mode is not RestoreMode.FAIL:
        return False
    with os.scandir(fd) as names:
        ours = os.fsdecode(claim.file_name)
        other = next((n.name for n in names if n.name not in (os.fsdecode(LOST_AND_FOUND), ours)), None)
    if begun and (other is not None):
        raise TargetUnusableError(
            f"destination {printable(path)} holds an unfinished restore of this backup with other options",
            solution="Repeat the earlier command to finish it, or choose an empty destination.",
        )
    if other is not None:
        raise TargetUnusableError(
            f"destination {printable(path)} is not empty: it holds {printable(os.fsencode(other))!r}"
        )
    return False


def read_destination(path: bytes) -> int | None:
    """Return a descriptor of the directory *path* for reading, or ``None`` when there is nothing.

    Raises:
        TargetUnusableError: it is no directory or cannot be read.
    """
    try:
        return os.open(path, ROOT)
    except FileNotFoundError:
        return None
    except NotADirectoryError as err:
        raise _no_directory(path) from err
    except OSError as err:
        raise target_error(err, "open the destination", path) from err


def _no_directory(path: bytes) -> TargetUnusableError:
    return TargetUnusableError(
        f"destination {printable(path)} is not a directory",
        solution="Choose a directory, or a path that does not exist yet.",
    )


def _read_state(fd: int, name: bytes) -> bytes | None:
    """Return the state file's content, or ``None`` when there is no such regular file."""
    try:
        state = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return None
    try:
        return os.read(state, MAX_STATE_BYTES) if stat.S_ISREG(os.fstat(state).st_mode) else None
    finally:
        os.close(state)


def _claim(path: bytes, fd: int, claim: Claim) -> int:
    """Return a locked descriptor of the state file, which now holds *claim*."""
    try:
        state = _open_state(fd, claim.file_name)
    except OSError as err:
        raise target_error(err, "write to", path) from err
    try:
        fcntl.flock(state, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        os.close(state)
        raise TargetUnusableError(
            f"another restore is writing to {printable(path)} now",
            solution="Wait until it ends, or choose another destination.",
        ) from err
    try:
        os.ftruncate(state, 0)
        os.pwrite(state, claim.document(), 0)
    except OSError as err:
        os.close(state)
        raise target_error(err, "write to", path) from err
    return state


def _open_state(fd: int, name: bytes) -> int:
    try:
        return os.open(name, STATE | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=fd)
    except FileExistsError:
        state = os.open(name, STATE | os.O_NONBLOCK, dir_fd=fd)
    if stat.S_ISREG(os.fstat(state).st_mode) and os.fstat(state).st_nlink == 1:
        return state
    os.close(state)
    os.unlink(name, dir_fd=fd)
    return os.open(name, STATE | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=fd)


def _described(
    path: bytes, fd: int, mode: RestoreMode, claim: Claim, resuming: bool, state: os.stat_result
) -> Destination:
    """Return the destination, with the owner of new files as the state file shows it (NFS may map it)."""
    root_gives_group = bool(os.fstat(fd).st_mode & stat.S_ISGID)
    gid = os.getegid()
    inherits = not root_gives_group and state.st_gid != gid
    return Destination(path, fd, mode, claim, resuming, state.st_uid, gid, inherits)
