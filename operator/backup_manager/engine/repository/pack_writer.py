"""The end of a backup's pipeline: blobs into packs, packs into the store, their records into the index."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from backup_manager.common.errors import InterruptedRunError
from backup_manager.engine.repository.documents import seal_document
from backup_manager.engine.repository.index import Index
from backup_manager.engine.repository.index_members import MemberLocation
from backup_manager.engine.repository.index_shard import (
    SHARD_BYTES,
    SHARD_PACKS,
    cut_into_shards,
    encode_shard,
)
from backup_manager.engine.repository.names import PackKind, document_object, pack_object, random_name
from backup_manager.engine.repository.pack import CLOSED_AT_BYTES, EncodedBlob, PackBuilder, PackContents
from backup_manager.engine.repository.ports import ObjectKind, Vault
from backup_manager.engine.storage.base import Storage

MOST_UPLOADS = 3
LOCAL_UPLOADS = 2  # one waits for the disk while the other is written
# Packs in memory, open or on their way: 3 * 20 + 2 * 8 MiB at the very most.
MOST_ALIVE = {PackKind.DATA: 3, PackKind.METADATA: 2}


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """What became durable so far; *stored_bytes* are those of whole packs, padding included."""

    packs: int = 0
    blobs: int = 0
    plain_bytes: int = 0
    stored_bytes: int = 0
    shards: int = 0
    index_bytes: int = 0


class _OpenPack:
    """A pack from its first blob until it is durable."""

    def __init__(self, builder: PackBuilder) -> None:
        self.builder = builder
        self.unsealed = 0  # blobs that some thread is sealing now
        self.is_closed = False


class PackWriter:
    """Stores blobs that the index does not hold; every method may be called from any thread.

    :meth:`put` seals in the caller's thread and waits when there are :data:`MOST_ALIVE` packs on
    their way. The first error of an upload is raised by each later :meth:`put` and :meth:`flush`: nothing
    can be committed any more. Used as a context manager it flushes at the end, or aborts on an error.
    """

    def __init__(
        self,
        storage: Storage,
        vault: Vault,
        index: Index,
        *,
        random_bytes: Callable[[int], bytes] = os.urandom,
        closed_at_bytes: Mapping[PackKind, int] = CLOSED_AT_BYTES,
        shard_packs: int = SHARD_PACKS,
    ) -> None:
        self._storage = storage
        self._vault = vault
        self._index = index
        self._random_bytes = random_bytes
        self._closed_at_bytes = closed_at_bytes
        self._shard_packs = shard_packs
        uploads = LOCAL_UPLOADS if storage.properties.local else MOST_UPLOADS
        uploads = max(1, min(uploads, storage.properties.connections))
        self._pool = ThreadPoolExecutor(uploads, thread_name_prefix="upload")
        self._most_alive = {kind: min(most, uploads + 1) for kind, most in MOST_ALIVE.items()}
        self._changed = threading.Condition()
        self._open: dict[PackKind, _OpenPack] = {}
        self._alive: Counter[PackKind] = Counter()  # packs in memory, open or on their way
        self._under_way = 0  # uploads that have not ended, with the index shards that follow them
        self._pending: set[bytes] = set()
        # What a killed run left behind is indexed with what this run adds, and so found without its trailers.
        self._unindexed: list[PackContents] = list(index.unindexed)
        self._totals: Counter[str] = Counter()
        self._failure: BaseException | None = None

    @property
    def index(self) -> Index:
        """The index that it was given, in which all that is durable can be found."""
        return self._index

    @property
    def statistics(self) -> WriterStatistics:
        """What became durable so far."""
        with self._changed:
            return WriterStatistics(**self._totals)

    def holds(self, blob_id: bytes) -> bool:
        """Whether the blob is stored, or on its way."""
        return blob_id in self._pending or self._index.holds(blob_id)

    def find_member(self, member_hash: bytes) -> MemberLocation | None:
        """Return the place of a small file in a frame that is stored, or on its way."""
        return self._index.find_member(member_hash, held=self._pending.__contains__)

    def put(self, blob: EncodedBlob, kind: PackKind) -> bool:
        """Store the blob, whose payload is not needed any more afterwards; False if it is held already."""
        with self._changed:
            pack = self._await_room(blob.id, kind)
            if pack is None:
                return False
            number = pack.builder.reserve(blob)
            pack.unsealed += 1
            self._pending.add(blob.id)
            if blob.members:
                self._index.add_members(blob.id, blob.members)
            if pack.builder.bytes_so_far >= self._closed_at_bytes[kind]:
                self._close_pack(kind)
        try:
            pack.builder.seal(number, blob.payload)
        except BaseException as err:
            self._fail(err)
            raise
        with self._changed:
            pack.unsealed -= 1
            self._upload_if_complete(pack)
        return True

    def flush(self) -> None:
        """Return when all that was put before is durable and indexed; more may be put afterwards.

        Raises:
            BackupManagerError: the first error of any upload.
        """
        with self._changed:
            for kind in tuple(self._open):
                self._close_pack(kind)
            self._changed.wait_for(lambda: self._failure or not (self._under_way or self._alive.total()))
            self._raise_failure()
            unindexed, self._unindexed = self._unindexed, []
        for group in cut_into_shards(unindexed):
            self._write_shard(group)

    def close(self) -> None:
        """Wait for uploads and end the threads, without a flush; may be called twice."""
        self._pool.shutdown(wait=True)

    def abort(self) -> None:
        """Drop what is not on its way and wait for the rest; a later run finds the packs that were stored."""
        self._fail(InterruptedRunError("the run was aborted"))
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.abort()

    def _await_room(self, blob_id: bytes, kind: PackKind) -> _OpenPack | None:
        while True:
            self._raise_failure()
            if self.holds(blob_id):  # asked again after each wait: another thread may have put it
                return None
            if kind in self._open:
                return self._open[kind]
            if self._alive[kind] < self._most_alive[kind]:
                self._alive[kind] += 1
                self._open[kind] = _OpenPack(PackBuilder(self._vault, kind, random_name(self._random_bytes)))
                return self._open[kind]
            self._changed.wait()

    def _close_pack(self, kind: PackKind) -> None:
        pack = self._open.pop(kind)
        pack.is_closed = True
        self._upload_if_complete(pack)

    def _upload_if_complete(self, pack: _OpenPack) -> None:
        if pack.is_closed and not pack.unsealed and self._failure is None:
            self._under_way += 1
            self._pool.submit(self._upload, pack.builder).add_done_callback(self._uploaded)

    def _upload(self, builder: PackBuilder) -> None:
        pack = builder.finish()
        self._storage.put(pack_object(pack.name, pack.kind), pack.parts)
        self._index.add(pack, members_are_known=True)
        stored_bytes = pack.stored_bytes
        contents = pack.contents
        del pack, builder  # the sealed bytes: others may use the memory while an index shard is written
        group = self._take_account(contents, stored_bytes)
        if group:
            self._write_shard(group)

    def _take_account(self, contents: PackContents, stored_bytes: int) -> list[PackContents]:
        blobs = contents.blobs
        with self._changed:
            self._pending.difference_update(blob.id for blob in blobs)
            self._alive[contents.kind] -= 1
            self._totals["packs"] += 1
            self._totals["blobs"] += len(blobs)
            self._totals["plain_bytes"] += sum(blob.plain_bytes for blob in blobs)
            self._totals["stored_bytes"] += stored_bytes
            self._unindexed.append(contents)
            self._changed.notify_all()
            size = sum(pack.record_bytes for pack in self._unindexed)
            if size < SHARD_BYTES and len(self._unindexed) < self._shard_packs:
                return []
            group, self._unindexed = self._unindexed, []
            return group

    def _write_shard(self, packs: "list[PackContents] | tuple[PackContents, ...]") -> None:
        name = random_name(self._random_bytes)
        sealed = seal_document(self._vault, None, ObjectKind.INDEX, name, encode_shard(packs))
        self._storage.put(document_object(ObjectKind.INDEX, name), (sealed,))
        with self._changed:
            self._totals["shards"] += 1
            self._totals["index_bytes"] += len(sealed)

    def _uploaded(self, upload: "Future[None]") -> None:
        failure = None if upload.cancelled() else upload.exception()
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()
        if failure is not None:
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
