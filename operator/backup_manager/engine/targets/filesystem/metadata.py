"""Owner, attributes, mode and times, put on what was restored; what lacks rights is counted, not raised."""

import errno
import os
import stat
from collections.abc import Callable

from backup_manager.engine.repository.catalogue.entries import Entry
from backup_manager.engine.targets.filesystem.failures import NO_RIGHT, NOT_SUPPORTED
from backup_manager.engine.targets.filesystem.folders import MARK
from backup_manager.engine.targets.filesystem.options import WarningKind, Warnings
from backup_manager.engine.targets.filesystem.tree import Folder

ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
PRIVILEGED = (b"security.", b"trusted.")
OURS_TO_REMOVE = (b"user.", b"system.posix_acl_")
UNMAPPED = errno.EINVAL  # an owner that the process's user namespace does not know


class MetadataWriter:
    """Sets what a new file does not have by itself; any number of threads may use it.

    *uid* is the owner of new files. Order matters: a change of owner clears set-id bits and capabilities, an
    ACL changes the mode, and everything changes the times.
    """

    def __init__(self, uid: int, umask: int, warnings: Warnings) -> None:
        self.uid = uid
        self.masked = umask | 0o7000
        self._warnings = warnings

    def put_on_file(self, fd: int, entry: Entry, folder: Folder) -> None:
        """Set everything but the times on an open, new file."""
        uid_is_right, gid_is_right = self._own(
            lambda uid, gid: os.fchown(fd, uid, gid), entry, self.uid, folder.newcomer_gid
        )
        self._attributes(fd, entry, follow=True)
        if folder.inherits_acl and not any(name == os.fsencode(ACL) for name, _ in entry.xattrs):
            self._remove_attribute(fd, ACL, entry)
        mode = self._allowed_mode(entry, uid_is_right, gid_is_right)
        self._change_mode(lambda: os.fchmod(fd, mode), entry)

    def put_on_folder(self, fd: int, entry: Entry) -> None:
        """Set everything on an open folder, old or new; attributes that the backup has not are removed."""
        found = os.fstat(fd)
        self._own(lambda uid, gid: os.fchown(fd, uid, gid), entry, found.st_uid, found.st_gid)
        kept = {name for name, _ in entry.xattrs}
        for name in listed_attributes(fd):
            if name not in kept and name.startswith(OURS_TO_REMOVE):
                self._remove_attribute(fd, os.fsdecode(name), entry)
        self._attributes(fd, entry, follow=True)
        self._change_mode(lambda: os.fchmod(fd, entry.mode), entry)
        try:
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        except PermissionError:
            self._warnings.note(WarningKind.TIMES, entry.path)

    def put_on_node(self, folder_fd: int, name: bytes, entry: Entry) -> None:
        """Set everything on something new that cannot be opened: a link, FIFO or device."""
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        self._own(
            lambda uid, gid: os.chown(name, uid, gid, dir_fd=folder_fd, follow_symlinks=False),
            entry,
            found.st_uid,
            found.st_gid,
        )
        self._attributes(b"/proc/self/fd/%d/%s" % (folder_fd, name), entry, follow=False)
        if not stat.S_ISLNK(found.st_mode):
            self._change_mode(lambda: _change_node_mode(folder_fd, name, entry.mode), entry)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder_fd, follow_symlinks=False)

    def _own(self, change: Callable[[int, int], None], entry: Entry, uid: int, gid: int) -> tuple[bool, bool]:
        """Make the entry's owner and group those of the file, and return which of them are right now."""
        if entry.uid == uid and entry.gid == gid:
            return True, True
        try:
            change(entry.uid, entry.gid)
        except OSError as err:
            if err.errno not in NO_RIGHT | NOT_SUPPORTED and err.errno != UNMAPPED:
                raise
            self._warnings.note(WarningKind.OWNER, entry.path)
            return entry.uid == uid, entry.gid == gid or _changes(change, entry.gid)
        return True, True

    def _allowed_mode(self, entry: Entry, uid_is_right: bool, gid_is_right: bool) -> int:
        """Return the mode without the bits that would lend the wrong owner's rights."""
        refused = (0 if uid_is_right else stat.S_ISUID) | (0 if gid_is_right else stat.S_ISGID)
        if entry.mode & refused:
            self._warnings.note(WarningKind.SPECIAL_BITS, entry.path)
        return entry.mode & ~refused

    def _change_mode(self, change: Callable[[], None], entry: Entry) -> None:
        try:
            change()
        except OSError as err:
            if err.errno not in NO_RIGHT | NOT_SUPPORTED:
                raise
            self._warnings.note(WarningKind.MODE, entry.path)

    def _remove_attribute(self, fd: int, name: str, entry: Entry) -> None:
        try:
            os.removexattr(fd, name)
        except OSError as err:
            if err.errno in NO_RIGHT:
                self._warnings.note(WarningKind.ATTRIBUTES, entry.path)
            elif err.errno not in NOT_SUPPORTED | {errno.ENODATA}:
                raise

    def _attributes(self, target: int | bytes, entry: Entry, *, follow: bool) -> None:
        for name, value in entry.xattrs:
            try:
                os.setxattr(target, name, value, follow_symlinks=follow)
            except OSError as err:
                if err.errno not in NO_RIGHT | NOT_SUPPORTED and err.errno != UNMAPPED:
                    raise
                privileged = name.startswith(PRIVILEGED)
                kind = WarningKind.PRIVILEGED_ATTRIBUTES if privileged else WarningKind.ATTRIBUTES
                self._warnings.note(kind, entry.path)


def listed_attributes(target: int | bytes, *, follow: bool = True) -> list[bytes]:
    """Return the names of all attributes; none where the file system has no such thing."""
    try:
        return [os.fsencode(name) for name in os.listxattr(target, follow_symlinks=follow)]
    except OSError as err:
        if err.errno not in NOT_SUPPORTED:
            raise
        return []


def inherits_acl(folder_fd: int) -> bool:
    """Return whether new files in the folder are given an ACL by it."""
    try:
        os.getxattr(folder_fd, DEFAULT_ACL)
    except OSError:
        return False
    return True


def read_umask() -> int:
    """Return the process's umask without touching it, which would be seen by other threads."""
    try:
        with open("/proc/self/status", "rb") as status:
            line = next(line for line in status if line.startswith(b"Umask:"))
        return int(line.split()[1], 8)
    except (OSError, StopIteration):
        return 0o777  # unknown: every mode is set explicitly


def _changes(change: Callable[[int, int], None], gid: int) -> bool:
    try:
        change(-1, gid)
    except OSError:
        return False
    return True


def _change_node_mode(folder_fd: int, name: bytes, mode: int) -> None:
    mark = os.open(name, MARK, dir_fd=folder_fd)
    try:
        os.chmod(f"/proc/self/fd/{mark}", mode)
    finally:
        os.close(mark)
