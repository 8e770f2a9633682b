"""Blobs on their way to the store: once each, bounded, and failing loudly."""

import threading
import time

import pytest

from backup_manager.common.errors import InsufficientStorageError
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.processors.encoder import BlobEncoder, ByteBudget
from backup_manager.engine.repository.keyring import Secrets
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob

VAULT = RepositoryVault(Secrets(b"m" * 32, b"i" * 32, b"s" * 8), "0" * 32)


class Sink:
    """Keeps blobs in memory; fails after *room* of them."""

    def __init__(self, room: int = 1000) -> None:
        self.blobs: dict[bytes, tuple[EncodedBlob, PackKind]] = {}
        self._room = room
        self._lock = threading.Lock()

    def holds(self, blob_id: bytes) -> bool:
        return blob_id in self.blobs

    def put(self, blob: EncodedBlob, kind: PackKind) -> bool:
        with self._lock:
            if len(self.blobs) >= self._room:
                raise InsufficientStorageError("the sink is full")
            if blob.id in self.blobs:
                return False
            self.blobs[blob.id] = (blob, kind)
            return True


def encoder(sink: Sink) -> BlobEncoder:
    return BlobEncoder(VAULT, ZstdCompressor(3), sink)


def submit_for_seconds(encoding: BlobEncoder, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        encoding.submit(b"more")


def test_blob_is_stored_under_the_id_of_its_plain_bytes() -> None:
    sink = Sink()
    encoding = encoder(sink)
    future = encoding.submit(b"content" * 1000)
    encoding.close()
    assert future.result() == VAULT.blob_id(b"content" * 1000)
    stored, kind = sink.blobs[future.result()]
    assert (stored.plain_bytes, kind) == (7000, PackKind.DATA)
    assert len(stored.payload) < 100


def test_only_new_bytes_count_as_added() -> None:
    sink = Sink()
    encoding = encoder(sink)
    for _ in range(20):
        encoding.submit(b"equal" * 100)
    encoding.put_metadata(b"page")
    encoding.put_metadata(b"page")
    encoding.close()
    assert encoding.added_bytes == 504


def test_failure_of_the_store_reaches_the_reader() -> None:
    encoding = encoder(Sink(room=0))
    encoding.submit(b"first")
    with pytest.raises(InsufficientStorageError, match="full"):
        submit_for_seconds(encoding, 10)
    with pytest.raises(InsufficientStorageError):
        encoding.close()


def test_buffers_are_given_back_also_after_a_failure() -> None:
    released = []
    encoding = encoder(Sink(room=0))
    encoding.submit(b"first", (), lambda: released.append(1))
    encoding.abort()
    assert released == [1]


def test_budget_lets_a_large_request_through_alone() -> None:
    budget = ByteBudget(10)
    budget.take(100)
    budget.give_back(100)
    budget.take(5)
    budget.take(5)
    waited = threading.Thread(target=budget.take, args=(1,), daemon=True)
    waited.start()
    waited.join(0.05)
    assert waited.is_alive()
    budget.give_back(5)
    waited.join(5)
    assert not waited.is_alive()
