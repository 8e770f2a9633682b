"""What an interrupted restore left behind: proven equal and kept, or written again."""

import os
import stat

from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import Entry, Extent, FileContent
from backup_manager.engine.targets.filesystem.checking import Aspect, Checker, Difference
from backup_manager.engine.targets.filesystem.files import CHANGE, PartedFile
from backup_manager.engine.targets.filesystem.options import WarningKind
from backup_manager.engine.targets.filesystem.session import Session
from backup_manager.engine.targets.filesystem.tree import Folder

RIGHTS = {Aspect.OWNER: WarningKind.OWNER, Aspect.ATTRIBUTES: WarningKind.PRIVILEGED_ATTRIBUTES}


class Leftovers:
    """Looks at what is there when a restore goes on; says no to everything in one that is new.

    Size and time are only the first question: a machine that lost power keeps both and loses the bytes, so
    that the content is read and hashed too.
    """

    def __init__(self, session: Session, checker: Checker) -> None:
        self._session = session
        self._checker = checker
        self._resuming = session.destination.resuming
        self._may_own = os.geteuid() == 0

    def is_complete(self, folder: Folder, name: bytes, entry: Entry, content: FileContent) -> bool:
        """Return whether the file is there with the right bytes and metadata, as far as rights go."""
        if not self._resuming:
            return False
        with self._session.folders.opened(folder) as folder_fd:
            try:
                found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            except OSError:
                return False
            if (
                not stat.S_ISREG(found.st_mode)
                or (found.st_size, found.st_mtime_ns) != (entry.size, entry.mtime_ns)
                or found.st_nlink > entry.links
            ):
                return False
            fd = self._checker.open_file(folder_fd, name, entry)
        if isinstance(fd, Difference):
            return False
        try:
            differences = self._checker.file_metadata(fd, entry)
            if not self._is_forgiven(differences) or not self._checker.content_is_right(fd, entry, content):
                return False
        finally:
            os.close(fd)
        for difference in differences:
            self._session.warnings.note(RIGHTS[difference.aspect], entry.path)
        return True

    def reopen(self, file: PartedFile) -> int:
        """Return a descriptor of the unfinished file if this restore made it and nobody else sees it; else
        -1.
        """
        if not self._resuming or self._session.destination.mode is not RestoreMode.FAIL:
            return -1
        with self._session.folders.opened(file.folder) as folder_fd:
            try:
                fd = os.open(file.name, CHANGE, dir_fd=folder_fd)
            except OSError:
                return -1
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size <= file.entry.size:
            return fd
        os.close(fd)
        return -1

    def holds(self, fd: int, position: int, extent: Extent) -> bool:
        """Return whether the part is there already; *fd* is what :meth:`reopen` returned."""
        return fd >= 0 and self._checker.extent_is_right(fd, position, extent)

    def _is_forgiven(self, differences: list[Difference]) -> bool:
        return not differences or (
            not self._may_own and all(difference.aspect in RIGHTS for difference in differences)
        )
