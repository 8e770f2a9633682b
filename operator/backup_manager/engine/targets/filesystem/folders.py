"""Open folders of a destination: a bounded number of descriptors, opened one component at a time."""

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from backup_manager.engine.targets.filesystem.failures import target_error
from backup_manager.engine.targets.filesystem.tree import Folder

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MARK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderCache:
    """Descriptors of folders, by :class:`Folder`; any number of threads may use it.

    A folder is opened relative to its parent and never through a link, so that a descriptor always stands for
    a place inside the root. One that is in use is not closed. Unless *may_change* is false, an own folder
    that its mode closes to its owner is opened up; ``borrowed_mode`` is then what whoever leaves it puts
    back.
    """

    def __init__(self, root_fd: int, most: int, *, may_change: bool = True) -> None:
        self._root_fd = root_fd
        self._may_change = may_change
        self._most = most
        self._lock = threading.RLock()
        self._open: OrderedDict[Folder, None] = OrderedDict()

    def acquire(self, folder: Folder) -> int:
        """Return the folder's descriptor, which stays open until :meth:`release`.

        Raises:
            OSError: it does not exist, is no folder, or may not be entered.
        """
        with self._lock:
            if folder.parent is None:
                return self._root_fd
            if folder.fd < 0:
                self._reopen(folder)
            else:
                self._open.move_to_end(folder)
            folder.pins += 1
            return folder.fd

    def release(self, folder: Folder) -> None:
        """Allow the descriptor to be closed when room is needed."""
        with self._lock:
            folder.pins -= 1

    @contextmanager
    def opened(self, folder: Folder) -> Iterator[int]:
        """Give the folder's descriptor for the length of the block."""
        fd = self.acquire(folder)
        try:
            yield fd
        finally:
            self.release(folder)

    def forget(self, folder: Folder) -> None:
        """Close the descriptor of a folder that nobody uses any more."""
        with self._lock:
            if folder in self._open:
                del self._open[folder]
                os.close(folder.fd)
                folder.fd = -1

    def close(self) -> None:
        """Close all descriptors but the root's."""
        with self._lock:
            for folder in list(self._open):
                self.forget(folder)

    def _reopen(self, folder: Folder) -> None:
        chain = [folder]
        while (above := chain[-1].parent) is not None and above.parent is not None and above.fd < 0:
            chain.append(above)
        for missing in reversed(chain):
            assert missing.parent is not None
            above_fd = missing.parent.fd if missing.parent.parent is not None else self._root_fd
            missing.fd = self._open_in(above_fd, missing)
            self._open[missing] = None
        self._evict(keep=folder)

    def _open_in(self, above_fd: int, folder: Folder) -> int:
        try:
            return os.open(folder.name, FOLDER, dir_fd=above_fd)
        except PermissionError:
            if not self._may_change:
                raise
            folder.borrowed_mode = make_accessible(folder.name, above_fd)
        return os.open(folder.name, FOLDER, dir_fd=above_fd)

    def _evict(self, keep: Folder) -> None:
        if len(self._open) <= self._most:
            return
        for folder in [folder for folder in self._open if folder.pins <= 0 and folder is not keep]:
            if len(self._open) <= self._most:
                return
            self.forget(folder)


def open_folder(name: bytes, above_fd: int) -> int:
    """Return a descriptor of the folder *name*, making an own one readable when it is not.

    Raises:
        OSError: it does not exist, is a link or no folder, or may not be entered.
    """
    try:
        return os.open(name, FOLDER, dir_fd=above_fd)
    except PermissionError:
        make_accessible(name, above_fd)
        return os.open(name, FOLDER, dir_fd=above_fd)


def make_accessible(name: bytes, above_fd: int) -> int:
    """Give the owner all rights on the file or folder *name* and return its mode before; a link is refused.

    Raises:
        PermissionError: it is a link or belongs to somebody else.
    """
    mark = os.open(name, MARK, dir_fd=above_fd)
    try:
        mode = os.fstat(mark).st_mode
        if stat.S_ISLNK(mode):
            raise PermissionError(1, "a link has no rights of its own")
        os.chmod(f"/proc/self/fd/{mark}", stat.S_IMODE(mode) | 0o700)
        return stat.S_IMODE(mode)
    finally:
        os.close(mark)


@contextmanager
def refusals(doing: str, destination: bytes, folder: Folder, name: bytes) -> Iterator[None]:
    """Translate the system's refusals in the block into errors that name the destination's path."""
    try:
        yield
    except OSError as err:
        raise target_error(err, doing, landing(destination, folder, name)) from err


def landing(destination: bytes, folder: Folder, name: bytes) -> bytes:
    """Return the path in the *destination* at which *name* in *folder* lands."""
    parts = [name] if name else []
    above: Folder | None = folder
    while above is not None and above.parent is not None:
        parts.append(above.name)
        above = above.parent
    return os.path.join(destination, *reversed(parts))
