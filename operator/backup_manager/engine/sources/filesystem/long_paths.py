"""Paths longer than the kernel takes in one call: reached from a directory that is opened piece by piece.

Linux refuses a path of 4,096 bytes or more (``PATH_MAX``, terminator included), yet trees grow deeper than
that by relative access. Nobody needs it often: a path is tried as it is first.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")

LONGEST = 4_095  # PATH_MAX without its terminator
DIRECTORY = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


@contextmanager
def reachable(path: bytes) -> Iterator[bytes]:
    """Yield a path to the same entry that every system call takes; it is valid inside the block only.

    Raises:
        OSError: a directory on the way cannot be entered.
    """
    if len(path) <= LONGEST:
        yield path
        return
    parent, _, name = path.rpartition(b"/")
    descriptor = _open_directory(parent)
    try:
        yield b"/proc/self/fd/%d/%s" % (descriptor, name)
    finally:
        os.close(descriptor)


def call_near(call: Callable[[bytes], Result], path: bytes) -> Result:
    """Return ``call(path)``, or, if the path is too long for it, what it returns for a shorter one."""
    try:
        return call(path)
    except OSError as err:
        if err.errno != errno.ENAMETOOLONG:
            raise
    with reachable(path) as near:
        return call(near)


def _open_directory(path: bytes) -> int:
    """Return a descriptor of the directory *path*, good for relative access only."""
    current = os.open(b"/", DIRECTORY)
    rest = path.lstrip(b"/")
    try:
        while rest:
            piece, rest = _split(rest)
            deeper = os.open(piece, DIRECTORY, dir_fd=current)
            os.close(current)
            current = deeper
    except OSError:
        os.close(current)
        raise
    return current


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Return the longest beginning of whole components that one call takes, and what is left."""
    if len(path) <= LONGEST:
        return path, b""
    cut = path.rfind(b"/", 0, LONGEST + 1)
    return path[:cut], path[cut + 1 :]
