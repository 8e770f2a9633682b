"""Writing a catalogue: pages in order, nodes as they fill, one root at the end."""

from collections.abc import Sequence

from backup_manager.common.errors import BackupManagerError
from backup_manager.engine.repository.catalogue.entries import (
    CatalogueRoot,
    Digest,
    EntryKind,
    EntryPath,
    PageDescriptor,
    StoredEntry,
    path_key,
)
from backup_manager.engine.repository.catalogue.metadata import PutMetadata
from backup_manager.engine.repository.catalogue.node import encode_node, node_ends_after, summarise
from backup_manager.engine.repository.catalogue.page import encode_page


class CatalogueWriter:
    """The catalogue of one backup while it is written; for one thread.

    *put_metadata* stores the plain bytes of a metadata blob, unless the repository has it, and returns its
    id. Memory is bounded by one page and one node of each level.
    """

    def __init__(self, put_metadata: PutMetadata) -> None:
        self._put_metadata = put_metadata
        self._levels: list[list[PageDescriptor]] = [[]]
        self._last_key: bytes | None = None
        self._root: CatalogueRoot | None = None

    def add_page(self, entries: Sequence[StoredEntry], fingerprint: Digest) -> None:
        """Store one page, whose entries all follow those already there.

        The caller ends pages by ``page_ends_after``. *fingerprint* is empty when a later run must not reuse
        the page unread; one racy entry has the same effect. No entries, no page.

        Raises:
            BackupManagerError: an entry is out of order, or its content does not have its size.
        """
        if not entries:
            return
        for entry, _ in entries:
            self._advance(entry.path)
        page_id = self._put_metadata(encode_page(entries, self._put_metadata))
        self._append(0, _describe(page_id, entries, fingerprint))

    def reuse(self, descriptor: PageDescriptor) -> None:
        """Refer to a page that another catalogue of this repository holds; it must follow what is there.

        Raises:
            BackupManagerError: it is out of order.
        """
        if descriptor.level:
            raise BackupManagerError("only pages can be reused, and this is a node")
        self._advance(descriptor.first)
        self._last_key = path_key(descriptor.last)
        self._append(0, descriptor)

    def finish(self) -> CatalogueRoot:
        """Store what is left, the root node last, and return the root; later calls return the same."""
        if self._root is None:
            top = self._put_root()
            self._root = CatalogueRoot(
                top.id, top.level, top.entries, top.files, top.directories, top.others, top.bytes
            )
        return self._root

    def _put_root(self) -> PageDescriptor:
        level = 0
        while True:
            children = self._levels[level]
            is_top = level + 1 == len(self._levels)
            if is_top and level and len(children) == 1:
                return children[0]
            if children or is_top:
                self._put_node(level)
            level += 1

    def _advance(self, path: EntryPath) -> None:
        key = path_key(path)
        if self._last_key is not None and key <= self._last_key:
            raise BackupManagerError(f"the catalogue entry {path!r} is out of order")
        self._last_key = key

    def _append(self, level: int, child: PageDescriptor) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(child)
        if node_ends_after(child.first, len(self._levels[level])):
            self._put_node(level)

    def _put_node(self, level: int) -> None:
        """Store the children waiting at *level* as a node, which then waits one level higher."""
        children, self._levels[level] = self._levels[level], []
        node_id = self._put_metadata(encode_node(level + 1, children))
        self._append(level + 1, summarise(node_id, level + 1, children))


def _describe(page_id: bytes, stored: Sequence[StoredEntry], fingerprint: Digest) -> PageDescriptor:
    kinds = [entry.kind for entry, _ in stored]
    files, directories = kinds.count(EntryKind.FILE), kinds.count(EntryKind.DIRECTORY)
    racy = any(entry.racy for entry, _ in stored)
    return PageDescriptor(
        id=page_id,
        first=stored[0][0].path,
        last=stored[-1][0].path,
        entries=len(kinds),
        files=files,
        directories=directories,
        others=len(kinds) - files - directories,
        bytes=sum([entry.size for entry, _ in stored if entry.kind is EntryKind.FILE]),
        fingerprint=b"" if racy else fingerprint,
    )
