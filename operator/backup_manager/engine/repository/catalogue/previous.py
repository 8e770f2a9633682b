"""The catalogue of the previous backup, walked in step with the file system."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.entries import (
    Digest,
    Entry,
    EntryPath,
    PageDescriptor,
    entry_key,
    path_key,
)
from backup_manager.engine.repository.catalogue.page import Page, PagedEntry, resolve
from backup_manager.engine.repository.catalogue.reader import PAGES_AHEAD, CatalogueReader

Holds = Callable[[bytes], bool]
_NOTHING = Page([], (), ())


class PreviousCatalogue:
    """Unchanged pages and known entries, asked for in the order of paths; for one thread.

    A call may name no path before the last one that an earlier call named: pages that end before it are
    dropped, and what they held is no longer known (which costs a reading, never a wrong answer). Nodes and
    pages are read once, pages decoded only when their entries are asked for, and one page is held.

    *holds* says of a blob whether it is there to be referred to. What needs one that is not, or lies behind a
    part of the catalogue that is damaged, is not known either: a backup must not inherit what is lost. From
    then on :attr:`is_damaged`.
    """

    def __init__(self, reader: CatalogueReader, holds: Holds | None = None) -> None:
        self.is_damaged = False
        self._reader = reader
        self._holds = holds
        self._coming = self._pages_ahead()
        self._current = next(self._coming, None)
        self._table: tuple[bytes, Page, dict[EntryPath, Entry]] | None = None

    def match(self, fingerprint: Digest, first_path: EntryPath) -> PageDescriptor | None:
        """Return the page that begins with *first_path* and has this fingerprint, to be reused as it is."""
        page = self._page_from(path_key(first_path))
        if page is None or not fingerprint:
            return None
        if page.first != first_path or page.fingerprint != fingerprint or not self._is_whole(page):
            return None
        return page

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
            page = self._page(descriptor)
            self._table = descriptor.id, page, {entry.path: entry for entry in self._known(page)}
        return self._table[1], self._table[2]

    def _page(self, descriptor: PageDescriptor) -> Page:
        try:
            return self._reader.page(descriptor)
        except CorruptDataError:
            self.is_damaged = True
            return _NOTHING

    def _known(self, page: Page) -> Iterable[Entry]:
        """Return the entries of *page* all of whose content is there."""
        if self._are_held(page.metadata_refs, page.data_refs):
            return page.entries
        self.is_damaged = True
        return [entry for entry in page.entries if self._is_known(page, entry)]

    def _is_known(self, page: Page, entry: Entry) -> bool:
        try:
            content = resolve(page, entry)
        except CorruptDataError:
            return False
        if content is None:
            return True
        ids = [extent.blob_id for extent in content.extents if extent.blob_id is not None]
        ids += [content.frame] if content.frame is not None else []
        return self._are_held(ids, ()) if content.depth else self._are_held((), ids)

    def _is_whole(self, descriptor: PageDescriptor) -> bool:
        """Whether a page that is not decoded is there with all that it refers to."""
        is_whole = self._are_held((descriptor.id,), ())
        self.is_damaged |= not is_whole
        return is_whole

    def _are_held(self, metadata: Iterable[bytes], data: Iterable[bytes]) -> bool:
        """Whether these blobs are there, and all that the *metadata* among them refer to."""
        holds = self._holds
        if holds is None:
            return True
        try:
            return all(map(holds, data)) and all(
                holds(blob_id) and self._are_held(*self._reader.refs(blob_id)) for blob_id in metadata
            )
        except CorruptDataError:
            return False

    def _pages_ahead(self) -> Iterator[PageDescriptor]:
        """Yield the pages, announcing some of them ahead; those behind a damaged node are not known."""
        coming = self._reader.pages()
        while ahead := self._take(coming):
            if self._holds is not None:
                self._reader.announce(ahead)
            yield from ahead

    def _take(self, coming: Iterator[PageDescriptor]) -> list[PageDescriptor]:
        taken: list[PageDescriptor] = []
        try:
            taken.extend(islice(coming, PAGES_AHEAD))
        except CorruptDataError:
            self.is_damaged = True
        return taken
