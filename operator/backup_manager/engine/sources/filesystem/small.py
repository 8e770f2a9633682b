"""Small files, read into the buffer of the frame that will hold them."""

import os
from collections.abc import Callable

from backup_manager.engine.processors.frames import FrameBundler
from backup_manager.engine.repository.catalogue.entries import FileContent
from backup_manager.engine.sources.filesystem.pending import InFrame, PendingContent
from backup_manager.engine.sources.filesystem.problems import Problem
from backup_manager.engine.sources.filesystem.reading import QUIET, READ_ONLY, read_small

QUICKLY = READ_ONLY | os.O_NOFOLLOW | QUIET
EMPTY = FileContent()

Reading = tuple[PendingContent, int, os.stat_result, bool]


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

    def read(self, path: bytes, stat: os.stat_result) -> Reading | None:
        """Return content, size, stat and whether all belong together; None for a file that has become large.

        Raises:
            EntryProblemError: the file vanished or cannot be read.
        """
        size = stat.st_size
        room = self._bundler.room(size)
        now = read_quietly(path, room, stat)
        if now is None:
            # Something is out of the ordinary: the careful reader finds out what, and reads again if need be.
            data, now, settled = read_small(path, stat, self._problems)
            size = len(data)
            if size > self._small_bytes:
                return None
            room = self._bundler.room(size)
            room[:size] = data
        else:
            settled = True
        if not size:
            return EMPTY, 0, now, settled
        digest = self._member_hash(room[:size])
        frame, offset = self._bundler.place(digest, size)
        return InFrame(digest, frame, offset), size, now, settled


def read_quietly(path: bytes, room: memoryview, stat: os.stat_result) -> os.stat_result | None:
    """Read the file whose stat was *stat* into *room*, which has one byte more; None if anything is unusual."""
    try:
        descriptor = os.open(path, QUICKLY)
    except OSError:
        return None
    try:
        size = os.readv(descriptor, (room,))
        now = os.fstat(descriptor)
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
        return now
    return None
