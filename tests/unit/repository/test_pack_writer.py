import random
import threading
import time
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.unit.repository.doubles import DoubleStorage, DoubleVault
from tests.unit.repository.pack_factory import VAULT, encode, encode_frame, random_plains, store_pack
from tests.unit.repository.pack_factory import build_pack as build_whole_pack

from backup_manager.common.errors import (
    CorruptDataError,
    InsufficientStorageError,
    InterruptedRunError,
    StorageUnreachableError,
)
from backup_manager.engine.repository.index import Index, load_index
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob, PackContents
from backup_manager.engine.repository.pack_writer import MOST_UPLOADS, PackWriter, WriterStatistics
from backup_manager.engine.repository.ports import Algorithm, Buffer
from backup_manager.engine.storage.faulty import SimulatedCrash

MIB = 2**20


class FastVault(DoubleVault):
    """Seals by adding sixteen bytes, where only the sizes matter."""

    def seal(self, kind: object, name: str, number: int, plain: Buffer, header: bytes) -> bytes:
        return bytes(plain) + bytes(16)


def big_blob(number: int, size: int = MIB) -> EncodedBlob:
    return EncodedBlob(number.to_bytes(32, "big"), Algorithm.STORED, size, bytes(size))


def test_what_was_put_is_durable_and_indexed_after_a_flush() -> None:
    storage, index = DoubleStorage(), Index()
    plains = random_plains(1, 40)
    with PackWriter(storage, VAULT, index) as writer:
        for number, plain in enumerate(plains):
            kind = PackKind.METADATA if number % 4 == 0 else PackKind.DATA
            assert writer.put(encode(plain), kind)
        writer.flush()
        assert writer.statistics == WriterStatistics(
            packs=2,
            blobs=40,
            plain_bytes=40 * 200,
            stored_bytes=sum(
                len(data) for name, data in storage.objects.items() if name.startswith("packs/")
            ),
            shards=1,
            index_bytes=sum(len(data) for name, data in storage.objects.items() if name.startswith("index/")),
        )
    storage.calls.clear()
    loaded = load_index(storage, VAULT)
    assert [name for call, name in storage.calls if call == "get"] == [
        name for name in storage.objects if name.startswith("index/")
    ]
    for plain in plains:
        assert loaded.find(VAULT.blob_id(plain)) == index.find(VAULT.blob_id(plain)) is not None


def test_packs_are_durable_before_the_shard_that_names_them() -> None:
    storage = DoubleStorage()
    with PackWriter(storage, FastVault(), Index()) as writer:
        for number in range(40):
            writer.put(big_blob(number), PackKind.DATA)
    names = [name.split("/")[0] for call, name in storage.calls if call == "put"]
    assert names == ["packs", "packs", "packs", "index"]


def test_a_blob_that_is_stored_or_on_its_way_is_dropped() -> None:
    storage, index = DoubleStorage(), Index()
    index.add(store_pack(storage, build_whole_pack([encode(b"stored")])))
    with PackWriter(storage, VAULT, index) as writer:
        assert writer.holds(VAULT.blob_id(b"stored"))
        assert not writer.put(encode(b"stored"), PackKind.DATA)
        assert not writer.holds(VAULT.blob_id(b"new"))
        assert writer.put(encode(b"new"), PackKind.DATA)
        assert writer.holds(VAULT.blob_id(b"new"))
        assert not writer.put(encode(b"new"), PackKind.METADATA)
        writer.flush()
        assert not writer.put(encode(b"new"), PackKind.DATA)
        assert writer.statistics.blobs == 1


def test_a_blob_of_a_condemned_pack_is_stored_again() -> None:
    storage, index = DoubleStorage(), Index()
    index.add(store_pack(storage, build_whole_pack([encode(b"stored")], 1)))
    index.condemn([f"{1:032x}"])
    with PackWriter(storage, VAULT, index) as writer:
        assert writer.put(encode(b"stored"), PackKind.DATA)
    assert len(index.locations(VAULT.blob_id(b"stored"))) == 2


def test_small_files_are_found_while_their_frame_is_on_its_way() -> None:
    writer = PackWriter(DoubleStorage(), VAULT, Index())
    frame = encode_frame([b"one", b"two"])
    member_hash = VAULT.blob_id(b"two")[:16]
    assert writer.find_member(member_hash) is None
    writer.put(frame, PackKind.DATA)
    before = writer.find_member(member_hash)
    writer.flush()
    assert before == writer.find_member(member_hash) is not None
    writer.close()


@pytest.mark.parametrize("local", [True, False])
def test_many_threads_store_each_blob_once(local: bool) -> None:
    storage, index = DoubleStorage(local=local), Index()
    plains = random_plains(2, 60, 100_000)
    with PackWriter(storage, VAULT, index) as writer:

        def put_all(seed: int) -> int:
            order = random.Random(seed).sample(plains, len(plains))
            return sum(writer.put(encode(plain), PackKind.METADATA) for plain in order)

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(put_all, range(6))) == len(plains)
    assert writer.statistics.packs == 2
    loaded = load_index(storage, VAULT)
    assert all(len(loaded.locations(VAULT.blob_id(plain))) == 1 for plain in plains)
    assert len(loaded) == len(plains)


class SlowStorage(DoubleStorage):
    """Notes how many puts run at once, keeps nothing."""

    def __init__(self, connections: int) -> None:
        super().__init__(connections=connections)
        self.running = 0
        self.most_running = 0

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        with self._lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(0.02)
        with self._lock:
            self.running -= 1


@pytest.mark.parametrize("connections", [1, 2, 8])
def test_memory_stays_bounded_when_the_store_is_slow(connections: int) -> None:
    storage = SlowStorage(connections)
    tracemalloc.start()
    with PackWriter(storage, FastVault(), Index()) as writer, ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda number: writer.put(big_blob(number), PackKind.DATA), range(150)))
        list(pool.map(lambda number: writer.put(big_blob(1000 + number), PackKind.METADATA), range(40)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert storage.most_running == min(connections, MOST_UPLOADS)
    assert peak < 80 * MIB


def test_an_index_shard_follows_every_64_packs() -> None:
    storage = DoubleStorage()
    with PackWriter(storage, VAULT, Index(), closed_at_bytes={PackKind.DATA: 1}) as writer:
        for number in range(130):
            writer.put(encode(b"%d" % number), PackKind.DATA)
        writer.flush()
        assert (writer.statistics.packs, writer.statistics.shards) == (130, 3)
    assert len(load_index(storage, VAULT)) == 130


def test_shards_are_written_early_when_packs_have_many_members() -> None:
    contents = [PackContents(f"{n:032x}", PackKind.DATA, b"", bytes(28 * 100_000)) for n in range(3)]
    writer = PackWriter(DoubleStorage(), VAULT, Index())
    assert [len(writer._take_account(pack, 1)) for pack in contents] == [0, 2, 0]
    writer.close()


class FailingStorage(DoubleStorage):
    def __init__(self, error: BaseException, prefix: str = "packs/") -> None:
        super().__init__()
        self.error = error
        self.prefix = prefix

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        if name.startswith(self.prefix):
            raise self.error
        super().put(name, parts)


@pytest.mark.parametrize("error", [InsufficientStorageError("full"), SimulatedCrash()], ids=["full", "crash"])
def test_the_first_error_of_an_upload_is_raised_by_what_follows(error: BaseException) -> None:
    writer = PackWriter(FailingStorage(error), FastVault(), Index())

    def put_many() -> None:
        for number in range(200):
            writer.put(big_blob(number), PackKind.DATA)

    with pytest.raises(type(error)):
        put_many()
    for call in (lambda: writer.put(big_blob(999), PackKind.METADATA), writer.flush):
        with pytest.raises(type(error)):
            call()
    writer.abort()


def test_an_error_of_the_last_pack_or_of_the_shard_is_raised_by_the_flush() -> None:
    for prefix in ("packs/", "index/"):
        writer = PackWriter(FailingStorage(StorageUnreachableError("gone"), prefix), VAULT, Index())
        writer.put(encode(b"one"), PackKind.DATA)
        with pytest.raises(StorageUnreachableError):
            writer.flush()
        writer.abort()


def test_threads_that_wait_for_room_learn_of_an_error() -> None:
    release = threading.Event()

    class Stuck(DoubleStorage):
        def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
            release.wait(10)
            raise InsufficientStorageError("full")

    writer = PackWriter(Stuck(connections=1), FastVault(), Index())

    def fill(first: int) -> None:
        for number in range(first, first + 100):
            writer.put(big_blob(number), PackKind.DATA)

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(fill, 1000 * number) for number in range(3)]
        time.sleep(0.05)
        release.set()
        for future in futures:
            with pytest.raises(InsufficientStorageError):
                future.result(10)
    writer.abort()


def test_a_blob_that_cannot_be_sealed_fails_the_run() -> None:
    class Broken(DoubleVault):
        def seal(self, kind: object, name: str, number: int, plain: Buffer, header: bytes) -> bytes:
            raise CorruptDataError("broken")

    writer = PackWriter(DoubleStorage(), Broken(), Index())
    with pytest.raises(CorruptDataError):
        writer.put(encode(b"one"), PackKind.DATA)
    with pytest.raises(CorruptDataError):
        writer.flush()
    writer.abort()


def test_an_aborted_run_leaves_no_shard_and_takes_no_more() -> None:
    storage = DoubleStorage()
    writer = PackWriter(storage, VAULT, Index())

    def fail_midway() -> None:
        with writer:
            writer.put(encode(b"one"), PackKind.DATA)
            raise KeyError

    with pytest.raises(KeyError):
        fail_midway()
    assert storage.objects == {}
    with pytest.raises(InterruptedRunError):
        writer.put(encode(b"two"), PackKind.DATA)


def test_a_run_without_blobs_writes_nothing() -> None:
    storage = DoubleStorage()
    with PackWriter(storage, VAULT, Index()) as writer:
        writer.flush()
        writer.flush()
        writer.close()
    assert storage.calls == []
