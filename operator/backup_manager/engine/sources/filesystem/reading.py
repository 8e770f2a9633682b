"""Reading the content of regular files while others may write, replace or remove them.

A file may change at any moment between the walk and the reading. What is stored must belong together:
content and stat of one state of the file, or the entry is marked and read again by the next run.
"""

import errno
import os
import stat as modes
from collections.abc import Callable, Iterator

from backup_manager.engine.sources.filesystem.file_types import REGULAR, TYPE_BITS
from backup_manager.engine.sources.filesystem.long_paths import reachable
from backup_manager.engine.sources.filesystem.problems import (
    EntryProblemError,
    Problem,
    ProblemKind,
    problem_from,
)

OUTGROWN = 8 * 1024 * 1024  # bytes; what was small and is larger now is not taken into memory whole
ATTEMPTS = 3  # further readings of a small file that changes meanwhile, before it is taken as it is
SMALLEST_HOLE = 64 * 1024  # bytes; shorter holes are read as zeros: each would cost a chunk boundary
# Without O_NONBLOCK, a FIFO that took the file's place would block for ever.
READ_ONLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
QUIET = getattr(os, "O_NOATIME", 0)  # for owners and root alone: others are refused with EPERM
QUICKLY = READ_ONLY | QUIET  # for whoever leaves what is refused to the careful reader
# Not for us to hide the access; a link; a path too long; another process, such as Samba, holds a lease.
RETRIED = (errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.EAGAIN)
BLOCK = 512  # the unit of st_blocks, whatever the file system's own

Report = Callable[[Problem], None]


def open_regular(path: bytes, stat: os.stat_result) -> tuple[int, os.stat_result]:
    """Return a descriptor of the regular file *path*, seen with *stat* by the walk, and its present stat.

    A regular file that took the other's place meanwhile is as good: the caller records the returned stat.
    A symbolic link is followed only to the very file of *stat*, as a source's own path may be a link.

    Raises:
        EntryProblemError: it vanished, is no regular file any more, or cannot be opened.
    """
    try:
        descriptor = _open(path, stat)
    except OSError as err:
        raise EntryProblemError(_refusal(path, err)) from err
    try:
        now = _look(path, descriptor)
    except EntryProblemError:
        os.close(descriptor)
        raise
    if now.st_mode & TYPE_BITS != REGULAR:
        os.close(descriptor)
        raise EntryProblemError(_not_regular(path))
    return descriptor, now


def read_small(path: bytes, stat: os.stat_result, problems: Report) -> tuple[bytes, os.stat_result, bool]:
    """Return content, stat and whether the two surely belong together, in four system calls if they do.

    *stat* is what the walk saw. A file that changes while it is read is read again; one that changes each
    time is returned as read last, with False, and told to *problems* as changed. The size to record is that
    of the content: of a file that outgrows ``OUTGROWN`` meanwhile, it is the beginning.

    Raises:
        EntryProblemError: it vanished, is no regular file any more, or cannot be read.
    """
    try:
        descriptor = _open(path, stat)
    except OSError as err:
        raise EntryProblemError(_refusal(path, err)) from err
    try:
        content = os.read(descriptor, stat.st_size + 1)
        now = os.fstat(descriptor)
        if len(content) == stat.st_size and _is_unchanged(stat, now):
            return content, now, True
        if now.st_mode & TYPE_BITS != REGULAR:
            raise EntryProblemError(_not_regular(path))
        for _ in range(ATTEMPTS):
            before = now
            content = _read_beginning(descriptor, min(before.st_size + 1, OUTGROWN))
            now = os.fstat(descriptor)
            if _is_unchanged(before, now):
                if len(content) == before.st_size:
                    return content, now, True
                if len(content) > before.st_size:
                    raise EntryProblemError(_larger_than_told(path, now))
    except OSError as err:
        raise EntryProblemError(_failure(path, descriptor, err)) from err
    finally:
        os.close(descriptor)
    problems(_changed(path))
    return content, now, False


def read_large(path: bytes, descriptor: int, buffer: bytearray | memoryview, offset: int) -> int:
    """Fill *buffer* from *offset* of the file and return how many bytes there were; fewer mean its end.

    Raises:
        EntryProblemError: the file cannot be read, as on a damaged disk.
    """
    try:
        if offset == 0:
            advise_sequential(descriptor)
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            count = os.preadv(descriptor, [view[filled:]], offset + filled)
            if count == 0:
                break
            filled += count
    except OSError as err:
        raise EntryProblemError(problem_from(path, err, f"reading it at byte {offset}")) from err
    return filled


def settle(
    path: bytes, descriptor: int, before: os.stat_result, problems: Report
) -> tuple[os.stat_result, bool]:
    """Return the stat after reading, and whether nothing was written since *before*; else it is a problem.

    *before* is the stat that :func:`open_regular` returned. The size to record is that of what was read.

    Raises:
        EntryProblemError: a network file system has lost the file.
    """
    now = _look(path, descriptor)
    if _is_unchanged(before, now):
        return now, True
    problems(_changed(path))
    return now, False


def iterate_extents(
    descriptor: int, size: int, smallest_hole: int = SMALLEST_HOLE
) -> Iterator[tuple[int, int, bool]]:
    """Yield ``(offset, length, is_hole)`` that cover *size* bytes without gap, data and holes in turn.

    Holes are asked for only if the file has fewer blocks than bytes; a file system that cannot tell shows
    data throughout. The position of *descriptor* moves: read by offset. A file of no bytes gives nothing.
    """
    data_from = position = 0
    is_sparse = os.fstat(descriptor).st_blocks * BLOCK < size
    while is_sparse and position < size:
        start, end = _next_data(descriptor, position, size)
        if start - position >= smallest_hole:
            if position > data_from:
                yield data_from, position - data_from, False
            yield position, start - position, True
            data_from = start
        position = end
    if data_from < size:
        yield data_from, size - data_from, False


def has_hole(stat: os.stat_result) -> bool:
    """Whether a file has blocks for so few of its bytes that a hole worth keeping is likely."""
    return stat.st_size - stat.st_blocks * BLOCK >= SMALLEST_HOLE


def advise_sequential(descriptor: int) -> None:
    """Ask the kernel to read ahead; where that is unknown, nothing happens."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)


def _open(path: bytes, stat: os.stat_result) -> int:
    """Return a descriptor of whatever is at *path*, links refused unless they lead to the file of *stat*."""
    try:
        return os.open(path, READ_ONLY | QUIET)
    except OSError as err:
        if err.errno not in RETRIED:
            raise
        if err.errno == errno.EPERM:
            return os.open(path, READ_ONLY)
    with reachable(path) as near:
        now = os.lstat(near)
        if modes.S_ISLNK(now.st_mode):
            target = os.stat(near)
            if (target.st_dev, target.st_ino) == (stat.st_dev, stat.st_ino):
                return os.open(near, READ_ONLY & ~os.O_NOFOLLOW)
        if modes.S_ISREG(now.st_mode):
            return os.open(near, READ_ONLY & ~os.O_NONBLOCK)
        return os.open(near, READ_ONLY)


def _read_beginning(descriptor: int, most: int) -> bytes:
    """Return up to *most* bytes from the start of the file; fewer mean its end."""
    pieces = []
    offset = 0
    while offset < most:
        piece = os.pread(descriptor, most - offset, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _next_data(descriptor: int, position: int, size: int) -> tuple[int, int]:
    """Return where the next data at or after *position* begin and end; both are *size* if there are none."""
    try:
        start = os.lseek(descriptor, position, os.SEEK_DATA)
        if start >= size:
            return size, size
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
    except OSError as err:
        # ENXIO: only a hole is left. Anything else: the file system has no notion of holes.
        return (size, size) if err.errno == errno.ENXIO else (position, size)
    return start, min(max(end, start + 1), size)


def _is_unchanged(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether both are of the same file, and nothing was written in between."""
    return (
        one.st_mtime_ns == other.st_mtime_ns
        and one.st_ctime_ns == other.st_ctime_ns
        and one.st_size == other.st_size
        and one.st_ino == other.st_ino
        and one.st_mode == other.st_mode
    )


def _failure(path: bytes, descriptor: int, err: OSError) -> Problem:
    """Return the problem of a failed read; a directory or FIFO that was opened unseen is a change."""
    try:
        if os.fstat(descriptor).st_mode & TYPE_BITS != REGULAR:
            return _not_regular(path)
    except OSError:  # a network file system has lost the file: the first error says more
        pass
    return problem_from(path, err, "reading it")


def _look(path: bytes, descriptor: int) -> os.stat_result:
    """Return the stat of an open file; a network file system may refuse even that."""
    try:
        return os.fstat(descriptor)
    except OSError as err:
        raise EntryProblemError(problem_from(path, err, "looking at it")) from err


def _refusal(path: bytes, err: OSError) -> Problem:
    """Return the problem of a file that could not be opened; a link or socket in its place is a change."""
    if err.errno in (errno.ELOOP, errno.ENXIO):
        return _not_regular(path)
    return problem_from(path, err, "opening it")


def _not_regular(path: bytes) -> Problem:
    return Problem(
        ProblemKind.CHANGED, path, "something else took the file's place while the source was read"
    )


def _larger_than_told(path: bytes, stat: os.stat_result) -> Problem:
    reason = f"it holds more than its size of {stat.st_size} bytes says, as files of /proc do; exclude it"
    return Problem(ProblemKind.UNREADABLE, path, reason)


def _changed(path: bytes) -> Problem:
    return Problem(ProblemKind.CHANGED, path, "it was written while it was read; the next run reads it again")
