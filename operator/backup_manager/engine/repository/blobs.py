"""Reading blobs: located, authenticated, decompressed, and proved to be what their id says."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backup_manager.common.errors import BackupManagerError, CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.index import Index, Location, load_index
from backup_manager.engine.repository.names import pack_object
from backup_manager.engine.repository.pack import PACK_HEADER
from backup_manager.engine.repository.ports import Buffer, Compressor, ObjectKind, Vault
from backup_manager.engine.repository.read_ahead import map_ahead
from backup_manager.engine.storage.base import Storage

CACHE_BYTES = 16 * 2**20
MOST_GAP_BYTES = 128 * 1024  # between two segments; it costs less to read than another request does
MOST_READ_BYTES = 8 * 2**20
GROUP_BYTES = 4 * 2**20  # plain bytes that one thread reads and decodes at a time
GROUP_BLOBS = 1024
GROUPS_AHEAD = 6  # 24 MiB of decoded blobs, and up to 4 MiB of sealed ones in each thread
RELOAD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Wanted:
    blob_id: bytes
    location: Location | None


Outcome = bytes | BackupManagerError


class BlobStore:
    """Blobs by id. Safe for several threads; keeps up to *cache_bytes* of what :meth:`fetch` returned last.

    Where a blob is in several packs and one is damaged, another is read. A pack or blob that is
    missing makes it load the index again, once in a while, as maintenance may have moved things.
    """

    def __init__(
        self,
        storage: Storage,
        vault: Vault,
        compressor: Compressor,
        index: Index,
        *,
        cache_bytes: int = CACHE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._vault = vault
        self._compressor = compressor
        self._index = index
        self._clock = clock
        self._cache = _Cache(cache_bytes)
        self._reload_lock = threading.Lock()
        self._reloaded_at: float | None = None

    @property
    def index(self) -> Index:
        """The index in use; another one after a reload."""
        return self._index

    def fetch(self, blob_id: bytes) -> bytes:
        """Return the plain bytes of a blob.

        Raises:
            CorruptDataError: no pack holds the blob, or no undamaged one.
        """
        plain = self._cache.get(blob_id)
        if plain is None:
            plain = self._fetch_anywhere(blob_id)
            self._cache.put(blob_id, plain)
        return plain

    def fetch_many(self, ids: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the plain bytes of each of *ids* in their order; raises as :meth:`fetch` does."""
        for outcome in self.fetch_each(ids):
            if isinstance(outcome, BackupManagerError):
                raise outcome
            yield outcome

    def prefetch(self, ids: Iterable[bytes]) -> None:
        """Bring blobs that :meth:`fetch` will soon be asked for, neighbours in one read; damage shows later."""
        wanted = [blob_id for blob_id in ids if self._cache.get(blob_id) is None]
        for blob_id, outcome in zip(wanted, self.fetch_each(wanted), strict=True):
            if isinstance(outcome, bytes):
                self._cache.put(blob_id, outcome)

    def fetch_each(self, ids: Iterable[bytes]) -> Iterator[Outcome]:
        """Yield plain bytes, or the error that :meth:`fetch` would raise, for each of *ids* in their order.

        It reads ahead: *ids* is consumed up to about 32 MiB before what is yielded. Blobs that lie close
        to one another in a pack, and in *ids*, come with one request.
        """
        threads = max(1, self._storage.properties.connections)
        with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
            for outcomes in map_ahead(pool, self._read_group, self._groups(ids), ahead=GROUPS_AHEAD):
                yield from outcomes

    def _groups(self, ids: Iterable[bytes]) -> Iterator[list[_Wanted]]:
        group: list[_Wanted] = []
        size = 0
        for blob_id in ids:
            location = self._locate(blob_id)
            group.append(_Wanted(blob_id, location))
            size += location.plain_bytes if location else 0
            if size >= GROUP_BYTES or len(group) >= GROUP_BLOBS:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _locate(self, blob_id: bytes) -> Location | None:
        return self._index.find(blob_id) or next(iter(self._index.locations(blob_id)), None)

    def _read_group(self, group: list[_Wanted]) -> list[Outcome]:
        found: dict[bytes, Outcome] = {}
        for run in _runs(group):
            first, last = run[0][1], run[-1][1]
            start, end = first.offset, last.offset + last.stored_bytes
            try:
                data = memoryview(self._storage.get(pack_object(first.pack, first.kind), start, end - start))
            except ObjectMissingError:
                data = memoryview(b"")
            for blob_id, place in run:
                segment = data[place.offset - start : place.offset - start + place.stored_bytes]
                found[blob_id] = self._decode_or_retry(blob_id, place, segment)
        for wanted in group:
            if wanted.location is None and wanted.blob_id not in found:
                found[wanted.blob_id] = self._outcome(wanted.blob_id)
        return [found[wanted.blob_id] for wanted in group]

    def _decode_or_retry(self, blob_id: bytes, place: Location, segment: memoryview) -> Outcome:
        try:
            return self._decode(blob_id, place, segment)
        except CorruptDataError:
            return self._outcome(blob_id)  # from another pack, or after another look at the index

    def _outcome(self, blob_id: bytes) -> Outcome:
        try:
            return self._fetch_anywhere(blob_id)
        except CorruptDataError as err:
            return err

    def _fetch_anywhere(self, blob_id: bytes) -> bytes:
        index = self._index
        try:
            return self._fetch_from(index, blob_id)
        except ObjectMissingError as err:
            if not self._reload(index):
                raise CorruptDataError(err.facts) from err
        try:
            return self._fetch_from(self._index, blob_id)
        except ObjectMissingError as err:
            raise CorruptDataError(err.facts) from err

    def _fetch_from(self, index: Index, blob_id: bytes) -> bytes:
        damage: CorruptDataError | None = None
        missing = f"blob {blob_id.hex()} is in no pack"
        for place in index.locations(blob_id):
            object_name = pack_object(place.pack, place.kind)
            try:
                sealed = self._storage.get(object_name, place.offset, place.stored_bytes)
                return self._decode(blob_id, place, sealed)
            except ObjectMissingError:
                missing = f"{object_name} is gone, which held blob {blob_id.hex()}"
            except CorruptDataError as err:
                damage = damage or err
        if damage is not None:
            raise damage
        raise ObjectMissingError(missing)

    def _reload(self, seen: Index) -> bool:
        """Load the index again unless that was done since *seen* or lately; whether it is another one now."""
        with self._reload_lock:
            if self._index is not seen:
                return True
            now = self._clock()
            if self._reloaded_at is not None and now - self._reloaded_at < RELOAD_SECONDS:
                return False
            self._reloaded_at = now
            self._index = load_index(self._storage, self._vault, with_members=False)
            return True

    def _decode(self, blob_id: bytes, place: Location, sealed: Buffer) -> bytes:
        return decode_blob(self._vault, self._compressor, blob_id, place, sealed)


def decode_blob(
    vault: Vault, compressor: Compressor, blob_id: bytes, place: Location, sealed: Buffer
) -> bytes:
    """Return the plain bytes of the segment *sealed*; ``CorruptDataError`` unless they have this id."""
    claim = f"blob {blob_id.hex()} in {pack_object(place.pack, place.kind)}"
    if len(sealed) != place.stored_bytes:
        raise CorruptDataError(f"{claim} is cut off: {len(sealed)} of {place.stored_bytes} bytes")
    payload = vault.open(ObjectKind.PACK, place.pack, place.number, sealed, PACK_HEADER)
    plain = compressor.decompress(place.algorithm, payload, place.plain_bytes)
    if vault.blob_id(plain) != blob_id:
        raise CorruptDataError(f"{claim} has other content than its id says")
    return plain


def _runs(group: list[_Wanted]) -> Iterator[list[tuple[bytes, Location]]]:
    """Yield the located blobs of *group* in runs that one read can bring."""
    places = {wanted.blob_id: wanted.location for wanted in group if wanted.location is not None}
    ordered = sorted(places.items(), key=lambda item: (item[1].pack, item[1].offset))
    run: list[tuple[bytes, Location]] = []
    for blob_id, place in ordered:
        if run and not _is_near(run[0][1], run[-1][1], place):
            yield run
            run = []
        run.append((blob_id, place))
    if run:
        yield run


def _is_near(first: Location, last: Location, place: Location) -> bool:
    gap = place.offset - last.offset - last.stored_bytes
    span = place.offset + place.stored_bytes - first.offset
    return first.pack == place.pack and gap <= MOST_GAP_BYTES and span <= MOST_READ_BYTES


class _Cache:
    """Plain blobs, the least recently used dropped first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._blobs: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, blob_id: bytes) -> bytes | None:
        with self._lock:
            if blob_id in self._blobs:
                self._blobs.move_to_end(blob_id)
            return self._blobs.get(blob_id)

    def put(self, blob_id: bytes, plain: bytes) -> None:
        with self._lock:
            if blob_id in self._blobs or len(plain) > self._most_bytes:
                return
            self._blobs[blob_id] = plain
            self._bytes += len(plain)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._blobs.popitem(last=False)[1])
