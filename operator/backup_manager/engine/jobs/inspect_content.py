"""The bytes of one file of a backup, as ``cat`` writes them."""

from collections.abc import Iterator

from backup_manager.common.errors import CorruptDataError, NotFoundError, UsageError
from backup_manager.engine.jobs.inspect_paths import open_backup, original_path, text_of
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, FileContent
from backup_manager.engine.repository.catalogue.page import PagedEntry, resolve
from backup_manager.engine.repository.catalogue.reader import CatalogueReader

ZEROS = bytes(1 << 20)


def read_file(session: Session, text: str, path: str, policy: str | None = None) -> Iterator[bytes]:
    """Return the bytes of the regular file at the original *path*, piece by piece, each verified.

    Raises:
        NotFoundError: there is no such backup, or no such path in it.
        UsageError: it is no regular file.
        CorruptDataError: what has to be read is damaged; also while the pieces are taken.
    """
    backup = open_backup(session, text, policy)
    wanted = original_path(path)
    for reader in backup.readers:
        found = reader.find(wanted)
        if found is not None:
            content = _content(found)
            return _read(backup.blobs, reader, found[1], content)
    raise NotFoundError(
        f"backup {backup.snapshot.backup_id} holds nothing at {path}",
        solution="Give the path as it was backed up; `sirsinexus backup ls BACKUP PATH` shows what is there.",
    )


def _content(found: PagedEntry) -> FileContent:
    entry = found[1]
    path = text_of(entry.path)
    if entry.kind is EntryKind.SYMLINK:
        raise UsageError(
            f"{path} is a symbolic link to {text_of(entry.target)}",
            solution="Give the path that it points to, if that was backed up.",
        )
    content = resolve(*found)
    if content is None:
        kind = entry.kind.name.lower()
        raise UsageError(f"{path} is a {kind}, not a regular file", solution="Give the path of a file.")
    return content


def _read(blobs: BlobStore, reader: CatalogueReader, entry: Entry, content: FileContent) -> Iterator[bytes]:
    if not entry.size:
        return
    if content.frame is not None:
        plain = blobs.fetch(content.frame)[content.offset : content.offset + entry.size]
        if len(plain) != entry.size:
            raise CorruptDataError(f"{text_of(entry.path)} lies beyond the end of its frame")
        yield plain
        return
    chunk_ids = (extent.blob_id for extent in reader.extents(content) if extent.blob_id is not None)
    chunks = blobs.fetch_many(chunk_ids)
    for extent in reader.extents(content):
        if extent.blob_id is None:
            yield from _zeros(extent.length)
            continue
        plain = next(chunks)
        if len(plain) != extent.length:
            raise CorruptDataError(f"a chunk of {text_of(entry.path)} has {len(plain)} bytes")
        yield plain


def _zeros(length: int) -> Iterator[bytes]:
    for start in range(0, length, len(ZEROS)):
        yield ZEROS[: length - start]
