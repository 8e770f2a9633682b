"""The catalogue of the previous backup, walked in step with the file system."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from backup_manager.engine.repository.catalogue.entries import (
    Digest,
    Entry,
    EntryPath,
    PageDescriptor,
    entry_key,
    path_key,
)
from backup_manager.engine.repository.catalogue.page import Page, PagedEntry
from backup_manager.engine.repository.catalogue.reader import CatalogueReader


class PreviousCatalogue:
    """Unchanged pages and known entries, asked for in the order of paths; for one thread.

    A call may name no path before the last one that an earlier call named: pages that end before it are
    dropped, and what they held is no longer known (which costs a reading, never a wrong answer). Nodes are
    read once, pages only when their entries are asked for, and one page is held.
    """

    def __init__(self, reader: CatalogueReader) -> None:
        self._reader = reader
        self._coming: Iterator[PageDescriptor] = reader.pages()
        self._current = next(self._coming, None)
        self._table: tuple[bytes, Page, dict[EntryPath, Entry]] | None = None

    def match(self, fingerprint: Digest, first_path: EntryPath) -> PageDescriptor | None:
        """Return the page that begins with *first_path* and has this fingerprint, to be reused as it is."""
        page = self._page_from(path_key(first_path))
        if page is None or not fingerprint:
            return None
        return page if page.first == first_path and page.fingerprint == fingerprint else None

    def entries_of(self, paths: Sequence[EntryPath]) -> dict[EntryPath, PagedEntry]:
        """Return what is known of these sorted *paths*, decoding only pages that may hold one of them.

        The answer is no longer than *paths*, whatever lies between them.
        """
        known: dict[EntryPath, PagedEntry] = {}
        for path in paths:
            key = path_key(path)
            descriptor = self._page_from(key)
            if descriptor is None:
                break
            if key < path_key(descriptor.first):
                continue
            page, table = self._decoded(descriptor)
            if path in table:
                known[path] = (page, table[path])
        return known

    def entries_between(self, first: EntryPath, last: EntryPath) -> dict[EntryPath, PagedEntry]:
        """Return all entries from *first* to *last*, both included, however many these are."""
        known: dict[EntryPath, PagedEntry] = {}
        low, high = path_key(first), path_key(last)
        descriptor = self._page_from(low)
        while descriptor is not None and path_key(descriptor.first) <= high:
            page = self._reader.page(descriptor)
            start = bisect_left(page.entries, low, key=entry_key)
            end = bisect_right(page.entries, high, key=entry_key)
            known.update({entry.path: (page, entry) for entry in page.entries[start:end]})
            if path_key(descriptor.last) >= high:
                break
            descriptor = self._current = next(self._coming, None)
        return known

    def _page_from(self, key: bytes) -> PageDescriptor | None:
        """Return the first page that ends at *key* or behind it, dropping those before."""
        while self._current is not None and path_key(self._current.last) < key:
            self._current = next(self._coming, None)
        return self._current

    def _decoded(self, descriptor: PageDescriptor) -> tuple[Page, dict[EntryPath, Entry]]:
        if self._table is None or self._table[0] != descriptor.id:
            page = self._reader.page(descriptor)
            self._table = descriptor.id, page, {entry.path: entry for entry in page.entries}
        return self._table[1], self._table[2]
