"""The system calls of the folder store: writing without copying, reading ranges, flushing folders."""

import errno
import os
from collections.abc import Iterator, Sequence

from backup_manager.engine.storage.base import NAME

VECTORS = 1024  # IOV_MAX of Linux: buffers that one writev takes
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})  # some network file systems
VANISHED = (FileNotFoundError, NotADirectoryError)


def write_file(path: str, views: Sequence[memoryview]) -> None:
    """Make a new file of *views*, on disk when this returns."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for first in range(0, len(views), VECTORS):
            _write_all(file, list(views[first : first + VECTORS]))
        os.fsync(file)
    finally:
        os.close(file)


def read_range(path: str, start: int, length: int | None) -> bytes:
    """Return the bytes of the range that the file has; a negative *start* counts from its end."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        begin = start if start >= 0 else max(0, size + start)
        end = size if length is None else min(size, begin + length)
        wanted = max(0, end - begin)
        content = os.pread(file, wanted, begin)
        if len(content) == wanted:
            return content
        return content + _read_rest(file, begin + len(content), begin + wanted)
    finally:
        os.close(file)


def make_folders(path: str) -> None:
    """Make *path* and what is missing above it, each entry flushed into its parent."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not os.path.isdir(folder):
                raise
        sync_folder(os.path.dirname(folder))


def sync_folder(path: str) -> None:
    """Flush the names in a folder, where the file system knows how to."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as err:
        if err.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(folder)


def walk_files(root: str, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each file below *folder*, by its path relative to *root*, with its status.

    Only folders whose names may be part of an object's name are entered (not ``lost+found``). What
    vanishes while we look is left out.
    """
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            entries = list(os.scandir(f"{root}/{current}" if current else root))
        except VANISHED:
            continue
        for entry in entries:
            relative = f"{current}/{entry.name}" if current else entry.name
            try:
                if entry.is_file():
                    yield relative, entry.stat()
                elif NAME.fullmatch(entry.name) and entry.is_dir():
                    waiting.append(relative)
            except VANISHED:
                continue


def _write_all(file: int, views: list[memoryview]) -> None:
    while views:
        written = os.writev(file, views)
        while views and written >= views[0].nbytes:
            written -= views.pop(0).nbytes
        if written:
            views[0] = views[0][written:]


def _read_rest(file: int, begin: int, end: int) -> bytes:
    """Read on where one ``pread`` stopped early (Linux gives at most 2 GiB - 4 KiB a call)."""
    pieces = []
    while begin < end:
        piece = os.pread(file, end - begin, begin)
        if not piece:
            break
        pieces.append(piece)
        begin += len(piece)
    return b"".join(pieces)
