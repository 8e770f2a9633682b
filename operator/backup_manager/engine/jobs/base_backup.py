"""The backup that an incremental run builds upon, as far as it is whole."""

from backup_manager.common.errors import CorruptDataError
from backup_manager.contract.requests import FilesRequest
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.previous import PreviousCatalogue
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.index import Index
from backup_manager.engine.repository.snapshots import Snapshot

FILES = "filesystem"


class BaseBackup:
    """Reads the catalogues of *snapshot*, once each.

    What the *index* does not hold, or condemns, is not known, so that a run reads and stores it again.
    """

    def __init__(self, snapshot: Snapshot, session: Session, index: Index) -> None:
        repository = session.repository
        self._snapshot = snapshot
        self._index = index
        self._blobs = BlobStore(session.storage, repository.vault, repository.compressor, index)

    def catalogue(self, source: FilesRequest) -> PreviousCatalogue | None:
        """Return what the backup knows of the source of this name, to be walked in step."""
        for record in self._snapshot.sources:
            if record.name == source.name and record.kind == FILES:
                reader = CatalogueReader(self._fetch, record.catalogue, self._blobs.prefetch)
                return PreviousCatalogue(reader, self._holds)
        return None

    def _holds(self, blob_id: bytes) -> bool:
        return self._index.find(blob_id) is not None

    def _fetch(self, blob_id: bytes) -> bytes:
        """Fetch a part of the catalogue; the packs where it is damaged are not relied upon from now on."""
        try:
            return self._blobs.fetch(blob_id)
        except CorruptDataError:
            self._index.condemn(place.pack for place in self._index.locations(blob_id))
            raise
