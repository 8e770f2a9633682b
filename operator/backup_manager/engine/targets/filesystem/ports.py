"""What a restore reads from, declared where it is needed."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.entries import Extent, FileContent, StoredEntry
from backup_manager.engine.repository.ports import Buffer

EntryStream: TypeAlias = Iterable[StoredEntry]
"""Entries of one source with their content, in the catalogue's order."""

Selector: TypeAlias = Callable[[bytes, bool], bool]
"""Whether a path, relative to the source and without a leading slash, is wanted; the flag says it is a
folder.

Whatever lies below a wanted folder is wanted without being asked for.
"""


class Contents(Protocol):
    """The bytes behind the entries; for one thread, ``blob_id`` aside."""

    def fetch_many(self, blob_ids: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Yield the plain bytes of each blob in order, verified by its id; reads ahead in *blob_ids*."""
        ...

    def in_pack_order(self, blob_ids: Iterable[bytes]) -> Sequence[bytes]:
        """Return *blob_ids* in the order in which they are best read."""
        ...

    def stored_bytes(self, blob_id: bytes) -> int:
        """Return how many bytes of the store a blob takes."""
        ...

    def extents(self, content: FileContent) -> Iterator[Extent]:
        """Yield the chunks and holes of a file that lies in no frame."""
        ...

    def blob_id(self, plain: Buffer) -> bytes:
        """Return the keyed hash of *plain*; called from several threads."""
        ...


class _ReadsExtents(Protocol):
    def extents(self, content: FileContent) -> Iterator[Extent]: ...


class _Hashes(Protocol):
    def blob_id(self, plain: Buffer) -> bytes: ...


@dataclass(frozen=True, slots=True)
class StoredContents:
    """:class:`Contents` made of a blob store, a catalogue reader and a vault."""

    blobs: BlobStore
    catalogue: _ReadsExtents
    hashes: _Hashes

    def fetch_many(self, blob_ids: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Yield the blobs as the store does."""
        yield from self.blobs.fetch_many(blob_ids)

    def in_pack_order(self, blob_ids: Iterable[bytes]) -> Sequence[bytes]:
        """Sort by pack and place; a blob that the index does not know comes first, and fails soon."""
        return sorted(blob_ids, key=self._place)

    def stored_bytes(self, blob_id: bytes) -> int:
        """Return what the index says; nothing for a blob that it does not know."""
        location = self.blobs.index.find(blob_id)
        return 0 if location is None else location.stored_bytes

    def extents(self, content: FileContent) -> Iterator[Extent]:
        """Yield the extents as the catalogue does."""
        return self.catalogue.extents(content)

    def blob_id(self, plain: Buffer) -> bytes:
        """Return the hash that the vault gives."""
        return self.hashes.blob_id(plain)

    def _place(self, blob_id: bytes) -> tuple[str, int]:
        location = self.blobs.index.find(blob_id)
        return ("", 0) if location is None else (location.pack, location.offset)
