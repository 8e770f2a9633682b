"""Marking: every blob that can be reached from a snapshot, each catalogue blob read once."""

from collections.abc import Iterable, Sequence

from backup_manager.common.errors import BackupManagerError, CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.metadata import refs_of
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.index import Index, Marks
from backup_manager.engine.repository.intents import Intent
from backup_manager.engine.repository.names import document_object
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.snapshots import Snapshot

_BATCH = 512  # ids that are looked up together; what waits besides is a node's children on each level


def mark_live(
    parts: Parts, index: Index, snapshots: Sequence[Snapshot], intents: Iterable[Intent] = ()
) -> Marks:
    """Return the blobs that the snapshots need, and as far as they can be read, those of the intents' roots.

    The bases of a writer whose intent is left may be gone: it cannot commit then. A snapshot that was deleted
    meanwhile is passed over.

    Raises:
        CorruptDataError: a catalogue cannot be read, or something that it refers to is in no pack.
    """
    marker = _Marker(parts, index)
    try:
        marker.mark(root for snapshot in snapshots for root in snapshot.roots)
    except CorruptDataError:
        # What is marked by now may lack what lies below it: begin anew.
        return mark_live(parts, index, _without_deleted(parts, index, snapshots), intents)
    for intent in intents:
        marker.mark(intent.roots, is_strict=False)
    return marker.live


def _without_deleted(parts: Parts, index: Index, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Return the snapshots but for those that cannot be followed, which must have been deleted meanwhile."""
    remaining = []
    for snapshot in snapshots:
        try:
            _Marker(parts, index).mark(snapshot.roots)
        except CorruptDataError as err:
            if _exists(parts, snapshot):
                raise _damaged(snapshot, err) from err
        else:
            remaining.append(snapshot)
    return remaining


class _Marker:
    """Marks set by set: a metadata blob that is marked was read, or waits to be."""

    def __init__(self, parts: Parts, index: Index) -> None:
        self.live = index.marks()
        self._blobs = BlobStore(parts.storage, parts.vault, parts.compressor, index, cache_bytes=0)
        self._is_strict = True

    def mark(self, roots: Iterable[bytes], *, is_strict: bool = True) -> None:
        """Mark all that can be reached; unless *is_strict*, what cannot be read is passed over."""
        self._is_strict = is_strict
        waiting = self._mark_new(roots)
        while waiting:
            batch = waiting[-_BATCH:]
            del waiting[-_BATCH:]
            for plain in self._blobs.fetch_each(batch):
                if not isinstance(plain, BackupManagerError):
                    waiting += self._follow(plain)
                elif is_strict or not isinstance(plain, CorruptDataError):
                    raise plain

    def _follow(self, plain: bytes) -> list[bytes]:
        try:
            _, _, metadata, data = refs_of(plain)
        except CorruptDataError:
            if self._is_strict:
                raise
            return []
        self._mark_new(data)
        return self._mark_new(metadata)

    def _mark_new(self, ids: Iterable[bytes]) -> list[bytes]:
        if self._is_strict:
            return [blob_id for blob_id in ids if self.live.mark(blob_id)]
        new = []
        for blob_id in ids:
            try:
                if self.live.mark(blob_id):
                    new.append(blob_id)
            except CorruptDataError:
                continue
        return new


def _exists(parts: Parts, snapshot: Snapshot) -> bool:
    try:
        parts.storage.size(document_object(ObjectKind.SNAPSHOT, snapshot.name))
    except ObjectMissingError:
        return False
    return True


def _damaged(snapshot: Snapshot, err: CorruptDataError) -> CorruptDataError:
    return CorruptDataError(
        f"the catalogue of backup {snapshot.backup_id} (snapshot {snapshot.name}) cannot be followed: {err.facts}; "
        "nothing is deleted as long as it is there",
        solution="Run `sirsinexus backup verify --all`; then delete the backups that cannot be restored.",
    )
