import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.repository.doubles import DoubleStorage
from tests.unit.repository.pack_factory import (
    VAULT,
    build_pack,
    encode,
    random_plains,
    store_pack,
    store_shard,
)

from backup_manager.common.errors import CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.cache import CachingStorage
from backup_manager.engine.repository.cache_files import BLOCK_BYTES, TEMPORARY, CacheFiles
from backup_manager.engine.repository.documents import open_document, seal_document
from backup_manager.engine.repository.index import load_index
from backup_manager.engine.repository.names import PackKind, document_object, pack_object
from backup_manager.engine.repository.ports import ObjectKind

REPOSITORY = "5e" * 16
SNAPSHOT = document_object(ObjectKind.SNAPSHOT, f"{3:032x}")
METADATA = pack_object(f"{1:032x}", PackKind.METADATA)
DATA = pack_object(f"{2:032x}", PackKind.DATA)


@pytest.fixture
def store() -> DoubleStorage:
    storage = DoubleStorage()
    contents = store_pack(
        storage, build_pack([encode(p) for p in random_plains(1, 90)], 1, PackKind.METADATA)
    )
    store_pack(storage, build_pack([encode(b"data")], 2))
    store_shard(storage, [contents])
    sealed = seal_document(VAULT, None, ObjectKind.SNAPSHOT, f"{3:032x}", b"snapshot")
    storage.put(SNAPSHOT, [sealed])
    storage.put("config", [b"{}"])
    storage.calls.clear()
    return storage


def cached(storage: DoubleStorage, folder: Path, **options: object) -> CachingStorage:
    return CachingStorage(storage, folder, REPOSITORY, VAULT, **options)  # type: ignore[arg-type]  # of tests


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_small_sealed_objects_are_read_once_and_others_always(store: DoubleStorage, tmp_path: Path) -> None:
    for _ in range(2):
        cache = cached(store, tmp_path)
        for name, data in list(store.objects.items()):
            assert cache.get(name) == data
    reads = [name for call, name in store.calls if call == "get"]
    assert {name: reads.count(name) for name in store.objects} == {
        name: 2 if name in (DATA, "config") else 1 for name in store.objects
    }


ranges = st.tuples(st.integers(-400_000, 400_000), st.none() | st.integers(0, 400_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(ranges, min_size=1, max_size=5), st.sampled_from([METADATA, SNAPSHOT]))
def test_every_range_is_that_of_the_store(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[int, int | None]], name: str
) -> None:
    storage = DoubleStorage()
    plains = random_plains(2, 3, 2 * BLOCK_BYTES)
    store_pack(storage, build_pack([encode(plain) for plain in plains], 1, PackKind.METADATA))
    storage.put(SNAPSHOT, [seal_document(VAULT, None, ObjectKind.SNAPSHOT, f"{3:032x}", bytes(BLOCK_BYTES))])
    cache = cached(storage, tmp_path_factory.mktemp("cache"))
    for start, length in wanted:
        assert cache.get(name, start, length) == storage.get(name, start, length)


def test_a_ranged_read_of_a_metadata_pack_brings_all_of_it(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    assert cache.get(METADATA, 100, 50) == store.objects[METADATA][100:150]
    assert cache.get(METADATA, 0, 16) == store.objects[METADATA][:16]
    assert cache.get(METADATA, -100) == store.objects[METADATA][-100:]
    assert store.calls == [("get", METADATA)]


def test_a_read_of_a_trailer_brings_only_that(store: DoubleStorage, tmp_path: Path) -> None:
    assert cached(store, tmp_path).get(METADATA, -100) == store.objects[METADATA][-100:]
    assert files_of(tmp_path) == []


def test_what_is_put_need_not_be_read(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    pack = build_pack([encode(b"new")], 9, PackKind.METADATA)
    store_pack(cache, pack)
    assert cache.get(pack_object(pack.name, pack.kind)) == b"".join(pack.parts)
    assert [call for call, _ in store.calls] == ["put"]


def test_what_exists_is_the_store_s_answer(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    for name in store.objects:
        cache.get(name)
    store.objects.clear()
    assert list(cache.list("")) == []
    with pytest.raises(ObjectMissingError):
        cache.size(SNAPSHOT)
    index = load_index(cache, VAULT)
    assert index.packs() == {}
    assert len(index) == 0


def test_a_deleted_object_is_not_read_any_more(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    cache.get(SNAPSHOT)
    cache.delete(SNAPSHOT)
    with pytest.raises(ObjectMissingError):
        cache.get(SNAPSHOT)


def test_every_damage_of_a_copy_is_found_and_repaired(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    cache.get(SNAPSHOT)
    (path,) = files_of(tmp_path)
    whole = path.read_bytes()
    flipped = [whole[:n] + bytes([whole[n] ^ 1 << n % 8]) + whole[n + 1 :] for n in range(len(whole))]
    for damaged in [*flipped, *(whole[:length] for length in range(len(whole))), whole + b"\0"]:
        path.write_bytes(damaged)
        assert cache.get(SNAPSHOT) == store.objects[SNAPSHOT]
        assert path.read_bytes() == whole


def test_damage_outside_the_range_is_left_for_whoever_reads_it(tmp_path: Path) -> None:
    files = CacheFiles(tmp_path / "x", "label", most_bytes=10 * BLOCK_BYTES)
    content = random.Random(1).randbytes(2 * BLOCK_BYTES + 10)
    files.write("name", [content[:5], content[5:]])
    (path,) = files_of(tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert files.read("name", 5, BLOCK_BYTES) == content[5 : 5 + BLOCK_BYTES]
    assert files.read("name", 2 * BLOCK_BYTES, 3) is None
    assert files.read("name", 5, 5) is None  # dropped


def test_no_copy_stands_for_another(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    cache.get(SNAPSHOT)
    (path,) = files_of(tmp_path)
    other = document_object(ObjectKind.SNAPSHOT, "44" * 16)
    store.put(other, [seal_document(VAULT, None, ObjectKind.SNAPSHOT, "44" * 16, b"other")])
    path.rename(path.with_name(other.replace("/", "-")))
    assert open_document(VAULT, None, ObjectKind.SNAPSHOT, "44" * 16, cache.get(other)) == b"other"
    foreign = CachingStorage(store, tmp_path, "77" * 16, VAULT)
    (tmp_path / REPOSITORY).rename(tmp_path / ("77" * 16))
    store.calls.clear()
    foreign.get(other)
    assert store.calls == [("get", other)]


@pytest.mark.parametrize("name", [SNAPSHOT, METADATA])
def test_bytes_that_do_not_authenticate_are_not_kept(store: DoubleStorage, tmp_path: Path, name: str) -> None:
    cache = cached(store, tmp_path)
    good = store.objects[name]
    for damaged in (good[:60] + b"?" + good[61:], good[:20], b"", b"?" + good[1:]):
        store.objects[name] = damaged
        assert cache.get(name) == damaged
    assert files_of(tmp_path) == []
    store.objects[name] = good
    assert cache.get(name) == good


def test_a_lost_folder_is_made_again(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    cache.get(SNAPSHOT)
    for path in files_of(tmp_path):
        path.unlink()
        path.parent.rmdir()
    assert cache.get(SNAPSHOT) == store.objects[SNAPSHOT]
    assert len(files_of(tmp_path)) == 1


def make_it_a_file(folder: Path) -> None:
    folder.write_bytes(b"")


def make_it_read_only(folder: Path) -> None:
    folder.mkdir()
    (folder / REPOSITORY).symlink_to(folder / "nowhere" / "deeper")


@pytest.mark.parametrize("spoil", [make_it_a_file, make_it_read_only])
def test_trouble_with_the_folder_fails_nothing(
    store: DoubleStorage, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / "cache")
    cache = cached(store, tmp_path / "cache")
    for _ in range(2):
        for name, data in list(store.objects.items()):
            assert cache.get(name, 5, 20) == data[5:25]
    cache.put(SNAPSHOT, [store.objects[SNAPSHOT]])
    cache.delete(SNAPSHOT)


def test_the_least_recently_used_copies_make_room(tmp_path: Path) -> None:
    now = 1e9
    files = CacheFiles(tmp_path, "label", most_bytes=10_000, clock=lambda: now)
    for number in range(9):
        files.write(f"n{number}", [bytes(1000)])
        os.utime(tmp_path / f"n{number}", (now + number * 10_000, now + number * 10_000))
    now += 100_000
    assert files.read("n0", 0, 1) == b"\0"
    files.write("n9", [bytes(1000)])
    kept = {path.name for path in files_of(tmp_path)}
    assert {"n0", "n9", "n8"} <= kept
    assert "n1" not in kept
    assert sum(path.stat().st_size for path in files_of(tmp_path)) <= 10_000
    files.write("huge", [bytes(2501)])
    assert files.read("huge", 0, None) is None


def test_left_over_temporary_files_are_removed(tmp_path: Path) -> None:
    left, young = tmp_path / f"{TEMPORARY}1", tmp_path / f"{TEMPORARY}2"
    for path in (left, young):
        path.write_bytes(b"x")
    os.utime(left, (1, 1))
    CacheFiles(tmp_path, "label", most_bytes=10_000).write("name", [b"x"])
    assert not left.exists()
    assert young.exists()


def test_threads_and_processes_that_share_a_folder_read_the_truth(tmp_path: Path) -> None:
    storage = DoubleStorage()
    names = []
    for number, plain in enumerate(random_plains(7, 12, 3000)):
        pack = build_pack([encode(plain)], number, PackKind.METADATA)
        store_pack(storage, pack)
        names.append(pack_object(pack.name, pack.kind))
    caches = [cached(storage, tmp_path, most_bytes=20_000) for _ in range(3)]  # room for five
    barrier = threading.Barrier(6)

    def read_all(seed: int) -> bool:
        chance = random.Random(seed)
        barrier.wait(10)
        return all(
            caches[seed % 3].get(name) == storage.objects[name] for name in chance.choices(names, k=100)
        )

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read_all, range(6)))


def test_a_copy_can_be_dropped_by_whoever_doubts_it(store: DoubleStorage, tmp_path: Path) -> None:
    cache = cached(store, tmp_path)
    cache.get(SNAPSHOT)
    cache.discard(SNAPSHOT)
    store.objects[SNAPSHOT] = b"?"
    with pytest.raises(CorruptDataError):
        open_document(VAULT, None, ObjectKind.SNAPSHOT, f"{3:032x}", cache.get(SNAPSHOT))
