"""A walk, cut into the catalogue's pages before anything is read.

The boundary of a page depends on paths and sizes, which ``lstat`` gives. So a page whose every entry has the stat that
the previous backup saw is recognised by one hash, and taken over without decoding it.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backup_manager.engine.repository.catalogue.entries import pack_stat
from backup_manager.engine.repository.catalogue.page import page_ends_after
from backup_manager.engine.sources.filesystem.file_types import REGULAR, TYPE_BITS
from backup_manager.engine.sources.filesystem.walk import Found

TICK_SECONDS = 2.0  # FAT stores times to 2 s, ext3 to 1 s, and every kernel stamps with its last tick


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """What one page will describe, and the bytes whose keyed hash is its fingerprint."""

    entries: list[Found]
    marks: bytes


def scan_pages(found: Iterable[Found]) -> Iterator[ScannedPage]:
    """Yield the walk *found* page by page, in its order; an empty walk gives no page."""
    entries: list[Found] = []
    marks: list[bytes] = []
    size = 0
    for item in found:
        path, stat = item
        entries.append(item)
        marks.append(path + b"\0" + pack_stat(stat))
        if stat.st_mode & TYPE_BITS == REGULAR:
            size += stat.st_size
        if page_ends_after(path, size, len(entries)):
            yield ScannedPage(entries, b"".join(marks))
            entries, marks, size = [], [], 0
    if entries:
        yield ScannedPage(entries, b"".join(marks))


def is_racy(stat: os.stat_result, read_at: float) -> bool:
    """Whether a change during the reading, or right after it, could leave the same times behind.

    *read_at* is when the reading began. What was touched within 2 s before that, or bears a time of the
    future, is read again by the next run.
    """
    return max(stat.st_mtime, stat.st_ctime) > read_at - TICK_SECONDS
