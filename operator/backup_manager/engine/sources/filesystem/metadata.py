"""What a catalogue entry records of a file besides its stat and its content; links are never followed."""

import errno
import grp
import os
import pwd

from backup_manager.common.errors import SourceUnreadableError
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.sources.filesystem.file_types import TYPE_BITS
from backup_manager.engine.sources.filesystem.long_paths import call_near
from backup_manager.engine.sources.filesystem.problems import (
    EntryProblemError,
    Problem,
    ProblemKind,
    problem_from,
)

KINDS = {
    0o100000: EntryKind.FILE,
    0o040000: EntryKind.DIRECTORY,
    0o120000: EntryKind.SYMLINK,
    0o010000: EntryKind.FIFO,
    0o140000: EntryKind.SOCKET,
    0o020000: EntryKind.CHARACTER,
    0o060000: EntryKind.BLOCK,
}
PRIVILEGED = (b"security.", b"trusted.")  # namespaces that an ordinary user may see listed but not read
WITHOUT = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
REFUSED = (errno.EPERM, errno.EACCES)

Xattrs = tuple[tuple[bytes, bytes], ...]


def kind_of(mode: int) -> EntryKind:
    """Return the kind of entry that ``st_mode`` tells.

    Raises:
        SourceUnreadableError: a kind that this version does not know.
    """
    kind = KINDS.get(mode & TYPE_BITS)
    if kind is None:
        raise SourceUnreadableError(
            f"an entry has the unknown type {mode & TYPE_BITS:#o}", solution="Exclude the entry."
        )
    return kind


def read_xattrs(target: bytes | int, *, follow: bool = False) -> Xattrs:
    """Return names and values of all extended attributes of a path or an open file, sorted by name.

    POSIX ACLs are among them (``system.posix_acl_access``), and ``security.*`` and ``trusted.*`` as far as
    they may be read. *follow* is for a source's own path, which may be a link.
    A file system, or a platform, without extended attributes gives none.

    Raises:
        EntryProblemError: the entry vanished or an attribute cannot be read.
    """
    if not hasattr(os, "listxattr"):
        return ()
    try:
        if isinstance(target, int):
            return _xattrs(target, follow=True)
        return call_near(lambda near: _xattrs(near, follow), target)
    except OSError as err:
        if err.errno in WITHOUT:
            return ()
        path = target if isinstance(target, bytes) else b"descriptor %d" % target
        raise EntryProblemError(problem_from(path, err, "reading its extended attributes")) from err


def read_link(path: bytes) -> bytes:
    """Return what the symbolic link *path* says, whether or not that exists.

    Raises:
        EntryProblemError: the link vanished, was replaced, or cannot be read.
    """
    try:
        return call_near(os.readlink, path)
    except OSError as err:
        if err.errno == errno.EINVAL:
            changed = Problem(ProblemKind.CHANGED, path, "something else took the link's place")
            raise EntryProblemError(changed) from err
        raise EntryProblemError(problem_from(path, err, "reading the link")) from err


class OwnerNames:
    """Names of users and groups, each looked up once; an id without a printable name gives ``""``."""

    def __init__(self) -> None:
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def user(self, uid: int) -> str:
        """Return the name of the user *uid*."""
        name = self._users.get(uid)
        if name is None:
            name = self._users[uid] = _user_name(uid)
        return name

    def group(self, gid: int) -> str:
        """Return the name of the group *gid*."""
        name = self._groups.get(gid)
        if name is None:
            name = self._groups[gid] = _group_name(gid)
        return name


def _xattrs(target: bytes | int, follow: bool) -> Xattrs:
    """Return the attributes; one removed since the listing, or not for us to see, is left out."""
    names = os.listxattr(target, follow_symlinks=follow)
    if not names:
        return ()
    found = []
    for name in sorted(map(os.fsencode, names)):
        try:
            found.append((name, os.getxattr(target, name, follow_symlinks=follow)))
        except OSError as err:
            if err.errno == errno.ENODATA or (err.errno in REFUSED and name.startswith(PRIVILEGED)):
                continue
            raise
    return tuple(found)


def _user_name(uid: int) -> str:
    try:
        return _printable(pwd.getpwuid(uid).pw_name)
    except (KeyError, OSError):
        return ""


def _group_name(gid: int) -> str:
    try:
        return _printable(grp.getgrgid(gid).gr_name)
    except (KeyError, OSError):
        return ""


def _printable(name: str) -> str:
    """Return *name* if it is plain text; names that are not UTF-8 cannot be recorded."""
    return name if name.isprintable() else ""
