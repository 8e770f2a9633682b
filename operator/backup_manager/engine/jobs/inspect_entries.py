"""What a backup holds at a path, as ``ls`` shows it."""

import heapq
from collections.abc import Iterable, Iterator

from backup_manager.common.errors import NotFoundError
from backup_manager.contract.inspection import EntryType, ListedEntry
from backup_manager.engine.jobs.inspect_paths import Opened, open_backup, original_path, text_of
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, EntryPath, path_key
from backup_manager.engine.repository.catalogue.page import PagedEntry
from backup_manager.engine.repository.catalogue.reader import CatalogueReader

TYPES = {
    EntryKind.FILE: EntryType.FILE,
    EntryKind.DIRECTORY: EntryType.DIRECTORY,
    EntryKind.SYMLINK: EntryType.SYMLINK,
    EntryKind.FIFO: EntryType.FIFO,
    EntryKind.SOCKET: EntryType.SOCKET,
    EntryKind.CHARACTER: EntryType.CHARACTER_DEVICE,
    EntryKind.BLOCK: EntryType.BLOCK_DEVICE,
}

Child = tuple[EntryPath, PagedEntry | None]


def list_entries(
    session: Session, text: str, path: str | None = None, policy: str | None = None
) -> Iterator[ListedEntry]:
    """Return what the backup *text* holds at the original *path*: a folder's children, or the entry itself.

    Without *path*, the paths that were backed up. Entries come in the catalogue's order, as they are read.

    Raises:
        NotFoundError: there is no such backup, or nothing at that path in it.
        CorruptDataError: what has to be read is damaged; also while the entries are taken.
    """
    backup = open_backup(session, text, policy)
    if path is None:
        return (list_one(entry) for entry in _tops(backup))
    wanted = original_path(path)
    found = [reader.find(wanted) for reader in backup.readers]
    entries = [paged[1] for paged in found if paged is not None]
    folders = [
        reader
        for reader, paged in zip(backup.readers, found, strict=True)
        if paged is None or paged[1].kind is EntryKind.DIRECTORY
    ]
    files = [entry for entry in entries if entry.kind is not EntryKind.DIRECTORY]
    if files:
        return iter([list_one(files[0])])
    children = _children(folders, wanted)
    first = next(children, None)
    if first is None and not entries:
        raise NotFoundError(
            f"backup {backup.snapshot.backup_id} holds nothing at {path}",
            solution="Give the path as it was backed up; `sirsinexus backup ls BACKUP` shows where to begin.",
        )
    return _listed(first, children)


def list_one(entry: Entry) -> ListedEntry:
    """Return the line of one entry."""
    return ListedEntry(
        path=text_of(entry.path),
        type=TYPES[entry.kind],
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        user=entry.user,
        group=entry.group,
        size=entry.size,
        modified_ns=entry.mtime_ns,
        target=text_of(entry.target) if entry.kind is EntryKind.SYMLINK else None,
        device=entry.rdev,
        links=entry.links,
    )


def _tops(backup: Opened) -> Iterator[Entry]:
    for source, reader in zip(backup.snapshot.sources, backup.readers, strict=True):
        for path in sorted(set(source.paths), key=path_key):
            found = reader.find(path)
            if found is not None:
                yield found[1]


def _children(readers: Iterable[CatalogueReader], path: EntryPath) -> Iterator[Child]:
    """Yield the children that any source has, each once, those with an entry before those without."""
    streams = (reader.children(path) for reader in readers)
    last: EntryPath | None = None
    for child in heapq.merge(*streams, key=lambda child: (path_key(child[0]), child[1] is None)):
        if child[0] != last:
            last = child[0]
            yield child


def _listed(first: Child | None, rest: Iterator[Child]) -> Iterator[ListedEntry]:
    child = first
    while child is not None:
        path, paged = child
        if paged is None:
            yield ListedEntry(path=text_of(path), type=EntryType.DIRECTORY, is_recorded=False)
        else:
            yield list_one(paged[1])
        child = next(rest, None)
