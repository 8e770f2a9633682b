"""Reading a catalogue: descriptors, pages, entries and paths, in order and in bounded memory."""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.content import read_extents
from backup_manager.engine.repository.catalogue.entries import (
    CatalogueRoot,
    Entry,
    EntryPath,
    Extent,
    FileContent,
    PageDescriptor,
    entry_key,
    is_sorted,
    path_key,
    subtree_keys,
)
from backup_manager.engine.repository.catalogue.metadata import Fetch, refs_of
from backup_manager.engine.repository.catalogue.node import decode_node, summarise, totals_of
from backup_manager.engine.repository.catalogue.page import Page, PagedEntry, decode_page, resolve

CACHED_PAGES = 8  # 512 entries each take about 0.3 MiB, 4,096 at most 2.5 MiB
CACHED_NODES = 16
PAGES_AHEAD = 32  # of about 23 KiB each in the store: a fifth of a metadata pack

Announce = Callable[[Sequence[bytes]], None]


class CatalogueReader:
    """One backup's catalogue, read on demand; for one thread.

    *announce* is told the ids of blobs that are about to be fetched, at most 512 at once, so that it may
    fetch neighbours in one request. The last few pages and nodes are kept decoded.
    """

    def __init__(self, fetch: Fetch, root: CatalogueRoot, announce: Announce | None = None) -> None:
        self.root = root
        self._fetch = fetch
        self._announce: Announce = announce or _say_nothing
        self._pages: OrderedDict[bytes, Page] = OrderedDict()
        self._nodes: OrderedDict[bytes, tuple[PageDescriptor, ...]] = OrderedDict()

    def pages(self, start_path: EntryPath | None = None) -> Iterator[PageDescriptor]:
        """Yield the descriptors of all pages in order, or of those that end at *start_path* or behind it."""
        return self._pages_between(b"" if start_path is None else path_key(start_path), None)

    def page(self, descriptor: PageDescriptor) -> Page:
        """Return the page of *descriptor*, decoded; the last few are kept.

        Raises:
            CorruptDataError: the page is not what the descriptor says.
        """
        page = self._pages.get(descriptor.id)
        if page is None:
            page = self._fetched_page(descriptor.id)
        else:
            self._pages.move_to_end(descriptor.id)
        entries = page.entries
        if len(entries) != descriptor.entries or not entries:
            raise CorruptDataError(f"a catalogue page holds {len(entries)} entries, not {descriptor.entries}")
        if entries[0].path != descriptor.first or entries[-1].path != descriptor.last:
            raise CorruptDataError(f"the catalogue page of {descriptor.first!r} holds other paths")
        return page

    def refs(self, blob_id: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return the metadata and data ids that a page or a chunk list refers to, its body not decoded.

        Raises:
            CorruptDataError: the blob cannot be read, or is none of the catalogue.
        """
        _, _, metadata, data = refs_of(self._fetch(blob_id))
        return metadata, data

    def announce(self, descriptors: Sequence[PageDescriptor]) -> None:
        """Tell that these pages are about to be read."""
        missing = [descriptor.id for descriptor in descriptors if descriptor.id not in self._pages]
        if missing:
            self._announce(missing)

    def _fetched_page(self, page_id: bytes) -> Page:
        page = decode_page(self._fetch(page_id))
        if not is_sorted([entry.path for entry in page.entries]):
            raise CorruptDataError(f"a catalogue page of {len(page.entries)} entries is not sorted")
        self._pages[page_id] = page
        if len(self._pages) > CACHED_PAGES:
            self._pages.popitem(last=False)
        return page

    def entries(self, prefix: EntryPath | None = None) -> Iterator[PagedEntry]:
        """Yield all entries in order, or that of the path *prefix* and those below it, with their pages."""
        low, high = (b"", None) if prefix is None else subtree_keys(prefix)
        for page in self._decoded(self._pages_between(low, high)):
            entries = page.entries
            start = bisect_left(entries, low, key=entry_key) if low else 0
            if high is not None:
                entries = entries[start : bisect_left(entries, high, key=entry_key)]
                start = 0
            for number in range(start, len(entries)):
                yield page, entries[number]

    def find(self, path: EntryPath) -> PagedEntry | None:
        """Return the entry of this very *path*, or ``None``."""
        found = self._first_from(path_key(path))
        return found if found is not None and found[1].path == path else None

    def children(self, path: EntryPath) -> Iterator[tuple[EntryPath, PagedEntry | None]]:
        """Yield path and entry of each direct child of *path*, in order; what lies deeper is skipped.

        A child without an entry of its own (a folder above the paths that were backed up) has ``None``.
        """
        base, high = subtree_keys(path)
        key = base + b"\0"  # the root folder's own key, and for any other folder behind its own
        while (found := self._first_from(key)) is not None:
            key = path_key(found[1].path)
            if key >= high:
                return
            if found[1].path == path:
                key += b"\0"
                continue
            end = key.find(b"\0", len(base) + 1)
            if end < 0:
                yield found[1].path, found
            else:
                key = key[:end]
                yield found[1].path[:end], None
            key += b"\1"

    def content(self, page: Page, entry: Entry) -> FileContent | None:
        """Return where the bytes of a file are, as ``page.resolve`` does."""
        return resolve(page, entry)

    def extents(self, content: FileContent) -> Iterator[Extent]:
        """Yield the chunks and holes of a file that is not in a frame, reading chunk lists as needed."""
        return read_extents(content, self._fetch)

    def _pages_between(self, low: bytes, high: bytes | None) -> Iterator[PageDescriptor]:
        """Yield the pages that hold keys of ``low ≤ key < high``."""
        root = self.root
        top = PageDescriptor(
            root.id,
            b"",
            b"",
            root.entries,
            root.files,
            root.directories,
            root.others,
            root.bytes,
            b"",
            root.level,
        )
        return self._below(top, low, high)

    def _below(self, node: PageDescriptor, low: bytes, high: bytes | None) -> Iterator[PageDescriptor]:
        children = self._children_of(node)
        start = bisect_left(children, low, key=_last_key) if low else 0
        end = len(children) if high is None else bisect_left(children, high, key=_first_key)
        if node.level == 1:
            yield from children[start:end]
            return
        self._announce([child.id for child in children[start:end]])
        for child in children[start:end]:
            yield from self._below(child, low, high)

    def _children_of(self, node: PageDescriptor) -> tuple[PageDescriptor, ...]:
        children = self._nodes.get(node.id)
        if children is not None:
            self._nodes.move_to_end(node.id)
            return children
        children = decode_node(self._fetch(node.id), node.level)
        told = summarise(node.id, node.level, children)
        is_root = node.id == self.root.id
        if totals_of(told) != totals_of(node) or not (
            is_root or (told.first, told.last) == (node.first, node.last)
        ):
            raise CorruptDataError(
                f"a catalogue node of level {node.level} does not add up to what is said of it"
            )
        self._nodes[node.id] = children
        if len(self._nodes) > CACHED_NODES:
            self._nodes.popitem(last=False)
        return children

    def _decoded(self, descriptors: Iterator[PageDescriptor]) -> Iterator[Page]:
        """Yield each page, announcing some of them ahead."""
        ahead: list[PageDescriptor] = []
        for descriptor in descriptors:
            ahead.append(descriptor)
            if len(ahead) == PAGES_AHEAD:
                yield from self._announced(ahead)
                ahead = []
        yield from self._announced(ahead)

    def _announced(self, descriptors: Sequence[PageDescriptor]) -> Iterator[Page]:
        self.announce(descriptors)
        for descriptor in descriptors:
            yield self.page(descriptor)

    def _first_from(self, key: bytes) -> PagedEntry | None:
        """Return the first entry whose key is *key* or greater."""
        descriptor = next(self._pages_between(key, None), None)
        if descriptor is None:
            return None
        page = self.page(descriptor)
        number = bisect_left(page.entries, key, key=entry_key)
        return page, page.entries[number]


def _say_nothing(_ids: Sequence[bytes]) -> None:
    """Take note of nothing, for a store that is near."""


def _first_key(child: PageDescriptor) -> bytes:
    return path_key(child.first)


def _last_key(child: PageDescriptor) -> bytes:
    return path_key(child.last)
