"""Plain bytes to stored blobs, on a bounded number of threads.

The caller reads and cuts; the encoder's threads hash, look up and compress; the pack writer seals and uploads. All
of that work is done by C libraries that release the interpreter's lock, so few threads fill the machine. What is
in flight is bounded in bytes: a caller that is faster than compression and store waits in :meth:`BlobEncoder.submit`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob, Member
from backup_manager.engine.repository.ports import Buffer, Compressor, Vault

MOST_BYTES_IN_FLIGHT = (
    24 << 20
)  # six of the largest chunks: enough to keep two cores busy while one file is read


class BlobSink(Protocol):
    """Where encoded blobs go; ``repository.pack_writer.PackWriter`` is the one in use."""

    def holds(self, blob_id: bytes) -> bool:
        """Whether the blob is stored, or on its way, so that it need not be compressed at all."""
        ...

    def put(self, blob: EncodedBlob, kind: PackKind) -> bool:
        """Take the blob; False when it was there already."""
        ...


class ByteBudget:
    """A semaphore that counts bytes; a single request larger than the budget is let through alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until *size* bytes fit."""
        with self._changed:
            while self._used and self._used + size > self._most:
                self._changed.wait()
            self._used += size

    def give_back(self, size: int) -> None:
        """Return what :meth:`take` took."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()


class BlobEncoder:
    """Hashes, deduplicates and compresses blobs in the background; one writer of a backup owns it.

    ``added_bytes`` counts the plain bytes of blobs that were new to the repository.
    """

    def __init__(self, vault: Vault, compressor: Compressor, sink: BlobSink, *, threads: int = 2) -> None:
        self._vault = vault
        self._compressor = compressor
        self._sink = sink
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")
        self._budget = ByteBudget(MOST_BYTES_IN_FLIGHT)
        self._failed: BaseException | None = None
        self._lock = threading.Lock()
        self.added_bytes = 0

    def submit(
        self, plain: Buffer, members: tuple[Member, ...] = (), release: Callable[[], None] | None = None
    ) -> "Future[bytes]":
        """Return the future of the blob's id; *plain* must not change until it is done, when *release* is called.

        Raises:
            BackupManagerError: an earlier blob could not be stored; the run cannot succeed any more.
        """
        if self._failed is not None:
            raise self._failed
        size = len(plain)
        self._budget.take(size)
        future = self._pool.submit(self._encode, plain, members)

        def finish(done: "Future[bytes]") -> None:
            self._budget.give_back(size)
            if release is not None:
                release()
            if not done.cancelled() and (err := done.exception()) is not None and self._failed is None:
                self._failed = err

        future.add_done_callback(finish)
        return future

    def _encode(self, plain: Buffer, members: tuple[Member, ...]) -> bytes:
        if self._failed is not None:
            raise self._failed
        return self._store(plain, members, PackKind.DATA)

    def put_metadata(self, plain: bytes) -> bytes:
        """Store a metadata blob now, in the caller's thread, and return its id."""
        return self._store(plain, (), PackKind.METADATA)

    def _store(self, plain: Buffer, members: tuple[Member, ...], kind: PackKind) -> bytes:
        blob_id = self._vault.blob_id(plain)
        if self._sink.holds(blob_id):
            return blob_id
        algorithm, payload = self._compressor.compress(plain)
        size = len(plain)
        if self._sink.put(EncodedBlob(blob_id, algorithm, size, payload, members), kind):
            with self._lock:
                self.added_bytes += size
        return blob_id

    def close(self) -> None:
        """Wait for what is under way; what has not begun is dropped when something failed."""
        self._pool.shutdown(wait=True, cancel_futures=self._failed is not None)
        if self._failed is not None:
            raise self._failed

    def abort(self) -> None:
        """Drop what has not begun and wait for the rest, without an error."""
        self._pool.shutdown(wait=True, cancel_futures=True)
