"""Asking the kernel for small files before they are read, where reading one has to wait for the disk.

One thread reads one small file after another, so each wait for the disk adds up: 100,000 files at 30 us. Asked for
a page of the catalogue ahead, they arrive together while the page before is stored. Where they lie in the page
cache already, asking would cost 3 us a file for nothing; so the time of reading decides, measured now and then.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from backup_manager.engine.sources.filesystem.reading import QUICKLY
from backup_manager.engine.sources.filesystem.walk import Found

SLOW_SECONDS = 15e-6  # for a small file; from the page cache it takes 4 to 8 us (2 cores, 2026-11)
MEASURED_PAGE = 16  # every so many pages, one is not asked for, to see whether asking is still needed

Item = TypeVar("Item")


class ReadAhead:
    """Decides page by page whether files are asked for; for one thread."""

    def __init__(self) -> None:
        self._is_slow = False
        self._number = 0
        self._was_asked = False

    def through(self, pages: Iterable[Item], files_of: Callable[[Item], Iterable[Found]]) -> Iterator[Item]:
        """Yield *pages*; while reading is slow, each after the small files of the next one were asked for.

        Otherwise a page is not looked at before the one in front of it was taken, so that what was seen of a file
        is as young as can be when it is read.
        """
        coming = iter(pages)
        following = self._next(coming, files_of, looks_ahead=False)
        while following is not None:
            page, self._was_asked = following
            following = self._next(coming, files_of, looks_ahead=True) if self._is_slow else None
            yield page
            if following is None:
                following = self._next(coming, files_of, looks_ahead=False)

    def note(self, seconds: float, files: int) -> None:
        """Learn how long reading *files* of the page that was yielded last has taken."""
        if files and not self._was_asked:
            self._is_slow = seconds / files > SLOW_SECONDS

    def _next(
        self, coming: Iterator[Item], files_of: Callable[[Item], Iterable[Found]], *, looks_ahead: bool
    ) -> tuple[Item, bool] | None:
        """Return the next page and whether its files were asked for; None after the last."""
        for page in coming:
            self._number += 1
            is_asked = looks_ahead and self._number % MEASURED_PAGE != 0
            if is_asked:
                ask_for(files_of(page))
            return page, is_asked
        return None


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
