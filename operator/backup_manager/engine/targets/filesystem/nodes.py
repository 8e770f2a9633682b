"""Folders, links and special files made in a destination, one name at a time."""

import errno
import os
import stat

from backup_manager.common.errors import CorruptDataError, TargetUnusableError
from backup_manager.common.printable import printable
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind
from backup_manager.engine.targets.filesystem.clearing import Clearing
from backup_manager.engine.targets.filesystem.destination import LOST_AND_FOUND, Destination
from backup_manager.engine.targets.filesystem.failures import NO_RIGHT
from backup_manager.engine.targets.filesystem.folders import FolderCache, refusals
from backup_manager.engine.targets.filesystem.metadata import MetadataWriter, inherits_acl
from backup_manager.engine.targets.filesystem.options import WarningKind, Warnings
from backup_manager.engine.targets.filesystem.printing import joined
from backup_manager.engine.targets.filesystem.tree import Folder

UNFINISHED = 0o1700  # nobody makes such a folder: one that is found was ours when a restore was killed


class NodeMaker:
    """Makes everything but regular files; for one thread."""

    def __init__(
        self,
        destination: Destination,
        folders: FolderCache,
        metadata: MetadataWriter,
        clearing: Clearing,
        warnings: Warnings,
    ) -> None:
        self._destination = destination
        self._folders = folders
        self._metadata = metadata
        self._clearing = clearing
        self._warnings = warnings

    def make_folder(self, folder: Folder) -> bool:
        """Make the folder and those above it, unless they are there; return whether this one is new.

        ``folder.finishes`` then says whether its mode, owner and times are to be set when it is left: always,
        but for folders that were there before and are not wanted themselves.
        """
        if folder.exists:
            return False
        above = folder.parent
        if above is None:
            self.enter_existing(folder)
            return False
        self.make_folder(above)
        with (
            refusals("make the folder", self._destination.path, above, folder.name),
            self._folders.opened(above) as above_fd,
        ):
            is_new = self._make(folder, above, above_fd)
            with self._folders.opened(folder) as fd:
                self._look_at(folder, fd, is_new=is_new)
        return is_new

    def enter_existing(self, folder: Folder) -> None:
        """Open the folder if it is there already; a link or file in its place is not it."""
        above = folder.parent
        if above is not None and not above.exists:
            return
        try:
            with self._folders.opened(folder) as fd:
                self._look_at(folder, fd, is_new=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as err:
            if folder.parent is not None and _is_link(err):
                return
            raise

    def make_item(self, folder: Folder, name: bytes, entry: Entry) -> bool:
        """Make a link, FIFO or device; return whether it was made (rights may be missing)."""
        if entry.kind == EntryKind.SOCKET:
            self._warnings.note(WarningKind.SOCKETS, entry.path)
            return False
        with (
            refusals("make", self._destination.path, folder, name),
            self._folders.opened(folder) as folder_fd,
        ):
            try:
                self._make_item(folder_fd, name, entry)
            except FileExistsError:
                self._clearing.make_way(folder_fd, folder, name)
                self._make_item(folder_fd, name, entry)
            except OSError as err:
                if entry.kind not in (EntryKind.CHARACTER, EntryKind.BLOCK) or err.errno not in NO_RIGHT:
                    raise
                self._warnings.note(WarningKind.DEVICES, entry.path)
                return False
            self._metadata.put_on_node(folder_fd, name, entry)
        return True

    def finish_folder(self, folder: Folder) -> None:
        """Set mode, owner and times of a folder that nothing is written to any more, and close it."""
        if folder.finishes or folder.borrowed_mode >= 0:
            with (
                refusals("finish the folder", self._destination.path, folder, b""),
                self._folders.opened(folder) as fd,
            ):
                if folder.finishes and folder.entry is not None:
                    self._metadata.put_on_folder(fd, folder.entry)
                else:
                    os.fchmod(fd, folder.borrowed_mode)
        self._folders.forget(folder)

    def _make(self, folder: Folder, above: Folder, above_fd: int) -> bool:
        mode = UNFINISHED if folder.entry is not None else 0o777
        try:
            os.mkdir(folder.name, mode, dir_fd=above_fd)
            return True
        except FileExistsError:
            found = os.stat(folder.name, dir_fd=above_fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(found):
            is_exempt = above.parent is None and folder.name == LOST_AND_FOUND
            if self._destination.is_fresh and not is_exempt:
                self._clearing.make_way(above_fd, above, folder.name)
            return False
        if folder.entry is None:
            raise TargetUnusableError(
                f"the destination has something else where a folder is needed:"
                f" {joined(above.path, folder.name)}",
                solution="Remove it, or choose another destination.",
            )
        self._clearing.make_way(above_fd, above, folder.name)
        os.mkdir(folder.name, mode, dir_fd=above_fd)
        return True

    def _look_at(self, folder: Folder, fd: int, *, is_new: bool) -> None:
        """Note what the folder does to new files, and make it writable if it is ours and is not."""
        found = os.fstat(fd)
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o700 != 0o700 and found.st_uid == os.geteuid() != 0:
            os.fchmod(fd, mode | 0o700)
            folder.borrowed_mode = mode
        gives_group = found.st_mode & stat.S_ISGID or self._destination.inherits_group
        folder.newcomer_gid = found.st_gid if gives_group else self._destination.gid
        folder.inherits_acl = inherits_acl(fd)
        folder.exists = True
        is_ours = is_new or mode == UNFINISHED or self._destination.mode is RestoreMode.FAIL
        folder.finishes = folder.entry is not None and (folder.wanted or is_ours)

    def _make_item(self, folder_fd: int, name: bytes, entry: Entry) -> None:
        kind = entry.kind
        if kind == EntryKind.SYMLINK:
            if not entry.target or b"\0" in entry.target:
                raise CorruptDataError(f"the catalogue says no target of the link {printable(entry.path)}")
            os.symlink(entry.target, name, dir_fd=folder_fd)
        elif kind == EntryKind.FIFO:
            os.mkfifo(name, 0o600, dir_fd=folder_fd)
        else:
            device = stat.S_IFCHR if kind == EntryKind.CHARACTER else stat.S_IFBLK
            os.mknod(name, 0o600 | device, entry.rdev, dir_fd=folder_fd)


def _is_link(err: OSError) -> bool:
    """Return whether opening failed because a link stands there (Linux says ELOOP or ENOTDIR)."""
    return err.errno == errno.ELOOP
