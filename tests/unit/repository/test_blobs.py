import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.repository.doubles import DoubleStorage
from tests.unit.repository.pack_factory import (
    COMPRESSOR,
    VAULT,
    build_pack,
    encode,
    random_plains,
    store_pack,
    store_shard,
)

from backup_manager.common.errors import CorruptDataError, StorageUnreachableError
from backup_manager.engine.repository.blobs import MOST_GAP_BYTES, MOST_READ_BYTES, BlobStore
from backup_manager.engine.repository.index import Index, load_index
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import EncodedBlob
from backup_manager.engine.repository.ports import Algorithm


def store_blobs(storage: DoubleStorage, packs: Sequence[Sequence[bytes]]) -> Index:
    for number, plains in enumerate(packs):
        store_pack(storage, build_pack([encode(plain) for plain in plains], number))
    return load_index(storage, VAULT)


def open_blobs(storage: DoubleStorage, index: Index, **options: object) -> BlobStore:
    storage.calls.clear()
    return BlobStore(storage, VAULT, COMPRESSOR, index, **options)  # type: ignore[arg-type]  # options of tests


def data_pack(number: int) -> str:
    return pack_object(f"{number:032x}", PackKind.DATA)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=60), max_size=6), min_size=1, max_size=4),
    st.lists(st.integers(0, 40), max_size=40),
)
def test_blobs_come_back_in_the_order_that_was_asked(packs: list[list[bytes]], picks: list[int]) -> None:
    storage = DoubleStorage()
    index = store_blobs(storage, packs)
    plains = [plain for pack in packs for plain in pack]
    wanted = [plains[pick % len(plains)] for pick in picks] if plains else []
    blobs = open_blobs(storage, index)
    assert list(blobs.fetch_many(VAULT.blob_id(plain) for plain in wanted)) == wanted
    assert [blobs.fetch(VAULT.blob_id(plain)) for plain in wanted] == wanted


def test_neighbours_come_with_one_read() -> None:
    storage = DoubleStorage()
    plains = random_plains(1, 300, 1000)
    index = store_blobs(storage, [plains])
    blobs = open_blobs(storage, index)
    wanted = plains[10:200:3]
    random.Random(1).shuffle(wanted)
    assert list(blobs.fetch_many(map(VAULT.blob_id, wanted))) == wanted
    assert storage.calls == [("get", data_pack(0))]


def test_reads_are_bounded_and_gaps_are_not_bridged_at_any_price() -> None:
    class Noting(DoubleStorage):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            lengths.append(length or 0)
            return super().get(name, start, length)

    lengths: list[int] = []
    storage = Noting()
    plains = random_plains(2, 40, 600_000)
    plains[4:4] = random_plains(3, 1, MOST_GAP_BYTES)
    index = store_blobs(storage, [plains])
    blobs = open_blobs(storage, index)
    wanted = plains[2:4] + plains[5:7]
    lengths.clear()
    assert list(blobs.fetch_many(map(VAULT.blob_id, wanted))) == wanted
    assert lengths == [2 * 600_016, 2 * 600_016]  # the gap is a segment of 128 KiB and a tag
    lengths.clear()
    assert list(blobs.fetch_many(map(VAULT.blob_id, plains))) == plains
    assert len(lengths) < 10
    assert max(lengths) <= MOST_READ_BYTES


def test_what_is_asked_is_consumed_only_a_little_ahead() -> None:
    storage = DoubleStorage()
    plains = random_plains(4, 16, 1_000_000)
    index = store_blobs(storage, [plains])
    consumed = 0

    def ids() -> object:
        nonlocal consumed
        for number in range(500):
            consumed += 1
            yield VAULT.blob_id(plains[number % 16])

    found = open_blobs(storage, index).fetch_many(ids())  # type: ignore[arg-type]  # a generator
    assert next(found) == plains[0]
    assert consumed <= 40
    found.close()  # type: ignore[attr-defined]  # ends the threads


def test_the_last_blobs_are_kept_within_the_limit() -> None:
    storage = DoubleStorage()
    plains = random_plains(5, 5, 1000)
    index = store_blobs(storage, [plains])
    blobs = open_blobs(storage, index, cache_bytes=2500)
    for number in (0, 1, 0, 2, 0, 1):
        assert blobs.fetch(VAULT.blob_id(plains[number])) == plains[number]
    assert len(storage.calls) == 4
    unkept = open_blobs(storage, index, cache_bytes=0)
    assert [unkept.fetch(VAULT.blob_id(plains[0])) for _ in range(2)] == [plains[0]] * 2
    assert len(storage.calls) == 2


def flip(storage: DoubleStorage, name: str, position: int) -> None:
    data = bytearray(storage.objects[name])
    data[position] ^= 4
    storage.objects[name] = bytes(data)


def test_every_flipped_byte_of_a_segment_is_found_and_others_still_come() -> None:
    storage = DoubleStorage()
    plains = [b"first", b"second" * 20, b"third"]
    index = store_blobs(storage, [plains])
    ids = [VAULT.blob_id(plain) for plain in plains]
    place = index.locations(ids[1])[0]
    whole = storage.objects[data_pack(0)]
    for position in range(place.offset, place.offset + place.stored_bytes):
        storage.objects[data_pack(0)] = whole
        flip(storage, data_pack(0), position)
        first, second, third = open_blobs(storage, index).fetch_each(ids)
        assert (first, third) == (plains[0], plains[2])
        assert isinstance(second, CorruptDataError)
        with pytest.raises(CorruptDataError):
            open_blobs(storage, index).fetch(ids[1])
        with pytest.raises(CorruptDataError):
            list(open_blobs(storage, index).fetch_many(ids))


def test_a_pack_cut_at_any_length_gives_whole_blobs_or_errors() -> None:
    storage = DoubleStorage()
    plains = [b"first", b"second" * 20, b"third"]
    index = store_blobs(storage, [plains])
    whole = storage.objects[data_pack(0)]
    for length in range(len(whole)):
        storage.objects[data_pack(0)] = whole[:length]
        for plain, outcome in zip(
            plains, open_blobs(storage, index).fetch_each(map(VAULT.blob_id, plains)), strict=True
        ):
            assert outcome == plain or isinstance(outcome, CorruptDataError)


def test_segments_that_were_swapped_are_found() -> None:
    storage = DoubleStorage()
    plains = random_plains(6, 2, 50)
    index = store_blobs(storage, [plains])
    first, second = (index.locations(VAULT.blob_id(plain))[0] for plain in plains)
    data = storage.objects[data_pack(0)]
    middle = first.offset + first.stored_bytes
    end = second.offset + second.stored_bytes
    storage.objects[data_pack(0)] = data[:16] + data[middle:end] + data[16:middle] + data[end:]
    for plain in plains:
        with pytest.raises(CorruptDataError):
            open_blobs(storage, index).fetch(VAULT.blob_id(plain))


def test_a_blob_that_authenticates_but_has_another_id_is_refused() -> None:
    storage = DoubleStorage()
    wrong = EncodedBlob(VAULT.blob_id(b"promised"), Algorithm.STORED, 5, b"other")
    store_pack(storage, build_pack([wrong], 0))
    with pytest.raises(CorruptDataError):
        open_blobs(storage, load_index(storage, VAULT)).fetch(wrong.id)


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_another_copy_is_read_where_one_is_damaged(damage: str) -> None:
    storage = DoubleStorage()
    index = store_blobs(storage, [[b"twice", b"x"], [b"twice"]])
    if damage == "gone":
        storage.delete(data_pack(0))
    else:
        flip(storage, data_pack(0), 17)
    blob_id = VAULT.blob_id(b"twice")
    assert open_blobs(storage, index).fetch(blob_id) == b"twice"
    assert list(open_blobs(storage, index).fetch_many([blob_id, blob_id])) == [b"twice", b"twice"]


Fetch = Callable[[BlobStore, bytes], bytes]
FETCHES = [
    pytest.param(lambda blobs, blob_id: blobs.fetch(blob_id), id="fetch"),
    pytest.param(lambda blobs, blob_id: next(blobs.fetch_many([blob_id])), id="fetch_many"),
]


@pytest.mark.parametrize("fetch", FETCHES)
def test_a_blob_that_maintenance_moved_is_found_by_another_look(fetch: Fetch) -> None:
    storage = DoubleStorage()
    index = store_blobs(storage, [[b"moved", b"dropped"]])
    store_shard(storage, [store_pack(storage, build_pack([encode(b"moved")], 7))])
    storage.delete(data_pack(0))
    blobs = open_blobs(storage, index)
    assert fetch(blobs, VAULT.blob_id(b"moved")) == b"moved"
    with pytest.raises(CorruptDataError):
        fetch(blobs, VAULT.blob_id(b"dropped"))
    assert blobs.index is not index


@pytest.mark.parametrize("fetch", FETCHES)
def test_the_index_is_not_loaded_again_for_each_missing_blob(fetch: Fetch) -> None:
    storage = DoubleStorage()
    now = 0.0
    blobs = open_blobs(storage, store_blobs(storage, [[b"one"]]), clock=lambda: now)
    for number in range(20):
        with pytest.raises(CorruptDataError):
            fetch(blobs, VAULT.blob_id(b"never stored %d" % number))
    assert storage.calls.count(("list", "index/")) == 1
    now = 61.0
    with pytest.raises(CorruptDataError):
        fetch(blobs, VAULT.blob_id(b"never stored"))
    assert storage.calls.count(("list", "index/")) == 2


def test_a_store_that_does_not_answer_is_not_taken_for_damage() -> None:
    class Silent(DoubleStorage):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            raise StorageUnreachableError("no answer")

    storage = DoubleStorage()
    index = store_blobs(storage, [[b"one"]])
    blobs = open_blobs(Silent(), index)
    with pytest.raises(StorageUnreachableError):
        blobs.fetch(VAULT.blob_id(b"one"))
    with pytest.raises(StorageUnreachableError):
        list(blobs.fetch_each([VAULT.blob_id(b"one")]))


def test_blobs_of_condemned_packs_can_still_be_read() -> None:
    storage = DoubleStorage()
    index = store_blobs(storage, [[b"one"]])
    index.condemn([f"{0:032x}"])
    blobs = open_blobs(storage, index)
    assert list(blobs.fetch_many([VAULT.blob_id(b"one")])) == [b"one"]
