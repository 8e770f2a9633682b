"""The differences between two catalogues, without decoding the pages that both hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from backup_manager.engine.repository.catalogue.entries import (
    Entry,
    EntryKind,
    PageDescriptor,
    entry_key,
    path_key,
)
from backup_manager.engine.repository.catalogue.page import Page, PagedEntry, resolve
from backup_manager.engine.repository.catalogue.reader import CatalogueReader


class Change(StrEnum):
    """What happened to a path from the first catalogue to the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Aspect(StrEnum):
    """In what an entry differs; these are the things that a restore would bring back differently."""

    KIND = "kind"
    CONTENT = "content"
    TARGET = "target"
    DEVICE = "device"
    MODE = "mode"
    OWNER = "owner"
    MTIME = "mtime"
    XATTRS = "xattrs"


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that differs. *aspects* is empty unless it was changed; *before* or *after* may be absent."""

    path: bytes
    change: Change
    before: PagedEntry | None
    after: PagedEntry | None
    aspects: tuple[Aspect, ...] = ()


def compare(before: CatalogueReader, after: CatalogueReader) -> Iterator[Difference]:
    """Yield what differs, in the order of paths; pages of equal id are skipped unread.

    Inode, link count, time of last change and the names of owners do not count: restoring does not
    bring them back.
    """
    old, new = _Cursor(before), _Cursor(after)
    while True:
        page_id = old.unread_page()
        if page_id is not None and page_id == new.unread_page():
            old.skip_page()
            new.skip_page()
            continue
        old_key, new_key = old.key(), new.key()
        if old_key is None and new_key is None:
            return
        if new_key is None or (old_key is not None and old_key < new_key):
            gone = old.take()
            yield Difference(gone[1].path, Change.REMOVED, gone, None)
        elif old_key is None or new_key < old_key:
            fresh = new.take()
            yield Difference(fresh[1].path, Change.ADDED, None, fresh)
        else:
            was, now = old.take(), new.take()
            aspects = differing_aspects(was, now)
            if aspects:
                yield Difference(now[1].path, Change.CHANGED, was, now, aspects)


def differing_aspects(before: PagedEntry, after: PagedEntry) -> tuple[Aspect, ...]:
    """Return in what two entries of one path differ."""
    old, new = before[1], after[1]
    if old.kind is not new.kind:
        return (Aspect.KIND,)
    differs = {
        Aspect.CONTENT: not _content_is_equal(before, after),
        Aspect.TARGET: old.target != new.target,
        Aspect.DEVICE: old.rdev != new.rdev,
        Aspect.MODE: old.mode != new.mode,
        Aspect.OWNER: (old.uid, old.gid) != (new.uid, new.gid),
        Aspect.MTIME: old.mtime_ns != new.mtime_ns,
        Aspect.XATTRS: old.xattrs != new.xattrs,
    }
    return tuple(aspect for aspect, is_different in differs.items() if is_different)


def _content_is_equal(before: PagedEntry, after: PagedEntry) -> bool:
    """Whether two files have equal bytes; entries of any other kind have none."""
    old, new = before[1], after[1]
    if old.kind is not EntryKind.FILE:
        return True
    if old.size != new.size:
        return False
    if old.hash and new.hash:
        return old.hash == new.hash
    was, now = resolve(*before), resolve(*after)
    assert was is not None and now is not None  # noqa: PT018
    return (was.frame, was.offset, was.extents, was.depth) == (now.frame, now.offset, now.extents, now.depth)


class _Cursor:
    """A place in a catalogue: before a page that is not decoded yet, or before an entry of a decoded one."""

    def __init__(self, reader: CatalogueReader) -> None:
        self._reader = reader
        self._coming: Iterator[PageDescriptor] = reader.pages()
        self._descriptor = next(self._coming, None)
        self._page: Page | None = None
        self._number = 0

    def unread_page(self) -> bytes | None:
        """The id of the page that the cursor stands before, or ``None`` when it stands anywhere else."""
        return None if self._descriptor is None or self._number else self._descriptor.id

    def skip_page(self) -> None:
        """Stand behind the page."""
        self._descriptor, self._page, self._number = next(self._coming, None), None, 0

    def key(self) -> bytes | None:
        """The key of the next entry, or ``None`` behind the last one."""
        if self._descriptor is None:
            return None
        if not self._number:
            return path_key(self._descriptor.first)
        return entry_key(self._entry(self._decoded()))

    def take(self) -> PagedEntry:
        """Return the next entry and stand behind it."""
        page = self._decoded()
        taken = page, self._entry(page)
        self._number += 1
        if self._number == len(page.entries):
            self.skip_page()
        return taken

    def _entry(self, page: Page) -> Entry:
        return page.entries[self._number]

    def _decoded(self) -> Page:
        assert self._descriptor is not None
        if self._page is None:
            self._page = self._reader.page(self._descriptor)
        return self._page
