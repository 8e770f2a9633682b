"""In what two backups differ, as ``diff`` shows it."""

from collections.abc import Iterator

from backup_manager.common.errors import during
from backup_manager.contract.inspection import Change, ChangeKind
from backup_manager.engine.jobs.inspect_paths import OPERATION, open_readers, text_of
from backup_manager.engine.jobs.listing import find_snapshot, read_all_snapshots
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.catalogue.compare import Difference, compare
from backup_manager.engine.repository.catalogue.page import PagedEntry
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.snapshots import Snapshot, SourceRecord

Pair = tuple[CatalogueReader | None, CatalogueReader | None]


def compare_backups(session: Session, before: str, after: str, policy: str | None = None) -> Iterator[Change]:
    """Return what differs from the first backup to the second; what both share unchanged is not read.

    Sources are compared by name, those whose names do not occur in both by their paths; the rest was added
    or removed as a whole.

    Raises:
        NotFoundError, UsageError: one of the backups cannot be told.
        CorruptDataError: what has to be read is damaged; also while the changes are taken.
    """
    with during(OPERATION):
        known = read_all_snapshots(session)
        old = find_snapshot(session, before, policy, known)
        new = find_snapshot(session, after, policy, known)
        blobs = session.read_blobs()
    pairs = _pairs(old, open_readers(old, blobs), new, open_readers(new, blobs))
    return (change for pair in pairs for change in _changes(*pair))


def _pairs(
    old: Snapshot,
    old_readers: tuple[CatalogueReader, ...],
    new: Snapshot,
    new_readers: tuple[CatalogueReader, ...],
) -> list[Pair]:
    left = list(zip(old.sources, old_readers, strict=True))
    pairs: list[Pair] = []
    for source, reader in zip(new.sources, new_readers, strict=True):
        partner = _partner(source, [known for known, _ in left], {known.name for known in new.sources})
        pairs.append((left.pop(partner)[1] if partner is not None else None, reader))
    return [*pairs, *((reader, None) for _, reader in left)]


def _partner(source: SourceRecord, left: list[SourceRecord], names: set[str]) -> int | None:
    """Return the number of the source to compare with; a name that both backups have is nobody else's."""
    for number, other in enumerate(left):
        if other.name == source.name:
            return number
    for number, other in enumerate(left):
        if other.name not in names and set(other.paths) == set(source.paths):
            return number
    return None


def _changes(old: CatalogueReader | None, new: CatalogueReader | None) -> Iterator[Change]:
    if old is not None and new is not None:
        if old.root.id != new.root.id:
            yield from (_change(difference) for difference in compare(old, new))
    elif new is not None:
        for _, entry in new.entries():
            yield Change(text_of(entry.path), ChangeKind.ADDED, size_after=entry.size)
    elif old is not None:
        for _, entry in old.entries():
            yield Change(text_of(entry.path), ChangeKind.REMOVED, size_before=entry.size)


def _change(difference: Difference) -> Change:
    return Change(
        path=text_of(difference.path),
        change=ChangeKind(difference.change.value),
        aspects=tuple(aspect.value for aspect in difference.aspects),
        size_before=_size(difference.before),
        size_after=_size(difference.after),
    )


def _size(paged: PagedEntry | None) -> int | None:
    return None if paged is None else paged[1].size
