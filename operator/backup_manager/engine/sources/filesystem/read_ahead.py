"""Asking the kernel for small files before they are read, where reading one has to wait for the disk.

One thread reads one small file after another, so each wait for the disk adds up: 100,000 files at 30 us. Asked for
a page of the catalogue ahead, they arrive together while the page before is stored. Where they lie in the page
cache already, asking would cost 3 us a file for nothing; so the time of reading decides, measured now and then.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from backup_manager.engine.sources.filesystem.walk import Found

SLOW_SECONDS = 15e-6  # for a small file; from the page cache it takes 4 to 8 us (2 cores, 2026-11)
MEASURED_PAGE = 16  # every so many pages, one is not asked for, to see whether asking is still needed
QUICKLY = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | getattr(os, "O_NOATIME", 0)

Item = TypeVar("Item")


class ReadAhead:
    """Decides page by page whether files are asked for; for one thread."""

    def __init__(self) -> None:
        self._is_slow = False
        self._number = 0
        self._was_asked = False

    def through(self, pages: Iterable[Item], files_of: Callable[[Item], Iterable[Found]]) -> Iterator[Item]:
        """Yield *pages*, each after the small files of the next one were asked for, if that helps."""
        waiting: list[tuple[Item, bool]] = []
        for page in pages:
            self._number += 1
            is_asked = self._is_slow and self._number % MEASURED_PAGE != 0
            if is_asked:
                ask_for(files_of(page))
            waiting.append((page, is_asked))
            if len(waiting) == 2:
                yield self._begin(*waiting.pop(0))
        for page, is_asked in waiting:
            yield self._begin(page, is_asked)

    def note(self, seconds: float, files: int) -> None:
        """Learn how long reading *files* of the page that was yielded last has taken."""
        if files and not self._was_asked:
            self._is_slow = seconds / files > SLOW_SECONDS

    def _begin(self, page: Item, is_asked: bool) -> Item:
        self._was_asked = is_asked
        return page


def ask_for(files: Iterable[Found]) -> None:
    """Let the kernel read *files* into its cache; what cannot be opened is left to whoever reads it."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path, _ in files:
        try:
            descriptor = os.open(path, QUICKLY)
        except OSError:
            continue
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        except OSError:
            continue
        finally:
            os.close(descriptor)
