"""A backup opened for looking inside: its catalogues, its blobs, and paths as people type them."""

import os
from dataclasses import dataclass

from backup_manager.common.errors import during
from backup_manager.engine.jobs.listing import find_snapshot
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.entries import EntryPath
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.snapshots import Snapshot
from backup_manager.engine.sources.filesystem.roots import normalized

OPERATION = "Failed to read backup"


@dataclass(frozen=True, slots=True)
class Opened:
    """A backup with a reader for each of its sources, in their order."""

    snapshot: Snapshot
    blobs: BlobStore
    readers: tuple[CatalogueReader, ...]


def open_backup(session: Session, text: str, policy: str | None = None) -> Opened:
    """Return the backup that *text* names, opened; raises as ``listing.find_snapshot``."""
    with during(OPERATION):
        snapshot = find_snapshot(session, text, policy)
        blobs = session.read_blobs()
    return Opened(snapshot, blobs, open_readers(snapshot, blobs))


def open_readers(snapshot: Snapshot, blobs: BlobStore) -> tuple[CatalogueReader, ...]:
    """Return a reader of each source's catalogue."""
    return tuple(CatalogueReader(blobs.fetch, source.catalogue) for source in snapshot.sources)


def original_path(text: str) -> EntryPath:
    """Return *text* as a path of the catalogue: absolute, without dots and doubled slashes."""
    return normalized(os.fsencode(text))


def text_of(path: bytes) -> str:
    """Return *path* as text; what is not UTF-8 becomes surrogate escapes."""
    return path.decode("utf-8", "surrogateescape")
