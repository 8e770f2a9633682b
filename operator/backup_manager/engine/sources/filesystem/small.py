"""Small files, read into the buffer of the frame that will hold them."""

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from backup_manager.engine.processors.frames import FrameBundler
from backup_manager.engine.repository.catalogue.entries import FileContent
from backup_manager.engine.sources.filesystem.pending import InFrame, PendingContent
from backup_manager.engine.sources.filesystem.problems import Problem
from backup_manager.engine.sources.filesystem.reading import QUICKLY, read_small

EMPTY = FileContent()


class Reading(NamedTuple):
    """Content, size and stat of a file, and whether all belong together.

    *is_plain*: it surely has no extended attributes, which an open file tells cheaper than a path.
    """

    content: PendingContent
    size: int
    stat: os.stat_result
    is_settled: bool
    is_plain: bool


class SmallFileReader:
    """Reads files up to *small_bytes* and places them in frames; for one thread."""

    def __init__(
        self,
        bundler: FrameBundler,
        member_hash: Callable[[memoryview], bytes],
        problems: Callable[[Problem], None],
        *,
        small_bytes: int,
    ) -> None:
        self._bundler = bundler
        self._member_hash = member_hash
        self._problems = problems
        self._small_bytes = small_bytes
        self._seconds = 0.0
        self._files = 0

    def take_timing(self) -> tuple[float, int]:
        """Return the seconds that reading took since the last call, and for how many files."""
        timing = self._seconds, self._files
        self._seconds, self._files = 0.0, 0
        return timing

    def read(self, path: bytes, stat: os.stat_result) -> Reading | None:
        """Return what was read; None for a file that has become large.

        Raises:
            EntryProblemError: the file vanished or cannot be read.
        """
        size = stat.st_size
        room = self._bundler.room(size)
        begun = time.perf_counter()
        quiet = read_quietly(path, room, stat)
        self._seconds += time.perf_counter() - begun
        self._files += 1
        if quiet is None:
            # Something is out of the ordinary: the careful reader finds out what, and reads again if need be.
            data, now, settled = read_small(path, stat, self._problems)
            size = len(data)
            if size > self._small_bytes:
                return None
            room = self._bundler.room(size)
            room[:size] = data
            is_plain = False
        else:
            now, is_plain = quiet
            settled = True
        if not size:
            return Reading(EMPTY, 0, now, settled, is_plain)
        digest = self._member_hash(room[:size])
        frame, offset = self._bundler.place(digest, size)
        return Reading(InFrame(digest, frame, offset), size, now, settled, is_plain)


def read_quietly(path: bytes, room: memoryview, stat: os.stat_result) -> tuple[os.stat_result, bool] | None:
    """Read the file whose stat was *stat* into *room*, which has one byte more.

    Return its stat and whether it surely has no extended attributes; None if anything is unusual.
    """
    try:
        descriptor = os.open(path, QUICKLY)
    except OSError:
        return None
    try:
        size = os.readv(descriptor, (room,))
        now = os.fstat(descriptor)
        is_plain = _is_plain(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if (
        size == stat.st_size == now.st_size
        and now.st_mtime_ns == stat.st_mtime_ns
        and now.st_ctime_ns == stat.st_ctime_ns
        and now.st_ino == stat.st_ino
        and now.st_mode == stat.st_mode
    ):
        return now, is_plain
    return None


def _is_plain(descriptor: int) -> bool:
    try:
        return not os.listxattr(descriptor)
    except (OSError, AttributeError):  # a file system, or a platform, without them: the careful reader knows
        return False
