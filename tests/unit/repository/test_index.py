import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.repository.doubles import DoubleStorage
from tests.unit.repository.pack_factory import (
    VAULT,
    build_pack,
    encode,
    encode_frame,
    random_plains,
    store_pack,
    store_shard,
)

from backup_manager.common.errors import CorruptDataError, ObjectMissingError, StorageUnreachableError
from backup_manager.engine.repository.index import Index, load_index
from backup_manager.engine.repository.index_shard import cut_into_shards, decode_shard, encode_shard
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import Member, PackContents
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.storage.faulty import LaggingStorage

plains = st.integers(0, 12).map(lambda number: b"blob %d" % number * number)
frames = st.lists(st.integers(0, 9).map(lambda number: b"file %d" % number), min_size=1, max_size=4)
pack_plans = st.lists(
    st.tuples(st.sampled_from(PackKind), st.lists(plains, max_size=5), st.lists(frames, max_size=2)),
    max_size=6,
)
PackPlans = list[tuple[PackKind, list[bytes], list[list[bytes]]]]


def store_packs(storage: DoubleStorage, plans: PackPlans) -> list[PackContents]:
    packs = []
    for number, (kind, blobs, files) in enumerate(plans):
        encoded = [encode(plain) for plain in blobs] + [encode_frame(frame) for frame in files]
        random.Random(number).shuffle(encoded)
        packs.append(store_pack(storage, build_pack(encoded, number, kind)))
    return packs


def assert_like(index: Index, packs: list[PackContents], condemned: frozenset[str] = frozenset()) -> None:
    """The index says exactly what the packs hold: a plain dict of everything is the oracle."""
    places: dict[bytes, list[tuple[str, PackKind, int, int, int, int, int]]] = {}
    members: dict[bytes, set[tuple[bytes, int, int]]] = {}
    for pack in packs:
        for number, b in enumerate(pack.blobs):
            place = (pack.name, pack.kind, b.offset, b.stored_bytes, b.plain_bytes, b.algorithm, number)
            places.setdefault(b.id, []).append(place)
        for m in pack.members:
            owner = pack.blobs[m.blob_number].id
            members.setdefault(m.hash, set()).add((owner, m.offset, m.length))
    for blob_id, expected in places.items():
        found = [
            (
                place.pack,
                place.kind,
                place.offset,
                place.stored_bytes,
                place.plain_bytes,
                place.algorithm,
                place.number,
            )
            for place in index.locations(blob_id)
        ]
        assert sorted(found) == sorted(expected)
        best = index.find(blob_id)
        usable = {place[0] for place in expected} - condemned
        assert index.holds(blob_id) is bool(usable)
        assert best.pack in usable if best else not usable
    usable_ids = {blob_id for blob_id in places if index.holds(blob_id)}
    for member_hash, found_at in members.items():
        member = index.find_member(member_hash)
        expected_places = {place for place in found_at if place[0] in usable_ids}
        assert (member is None) is (not expected_places)
        assert member is None or (member.blob_id, member.offset, member.length) in expected_places
    assert index.find(b"?" * 32) is None
    assert index.find_member(b"?" * 16) is None
    assert sorted(blob_id for blob_id, _ in index.entries()) == sorted(
        i for i, p in places.items() for _ in p
    )
    assert index.blobs_of([pack.name for pack in packs]) == {pack.name: pack.blobs for pack in packs}


@settings(max_examples=60, deadline=None)
@given(pack_plans, st.randoms(use_true_random=False))
def test_a_loaded_index_says_what_the_packs_hold(plans: PackPlans, chance: random.Random) -> None:
    storage = DoubleStorage()
    packs = store_packs(storage, plans)
    unlisted = build_pack([encode(b"gone")], 99)
    for number in range(chance.randrange(4)):  # shards overlap, and name packs that are no more
        chosen = [pack for pack in packs if chance.random() < 0.5]
        store_shard(storage, [*chosen, unlisted.contents], number)
    condemned = frozenset(pack.name for pack in packs if chance.random() < 0.2)
    problems: list[Problem] = []
    index = load_index(storage, VAULT, condemned=condemned, problems=problems)
    assert problems == []
    assert index.packs() == {pack.name: pack.kind for pack in packs}
    assert index.find(VAULT.blob_id(b"gone")) is None
    assert_like(index, packs, condemned)


@given(pack_plans)
def test_packs_added_one_by_one_give_the_same_index(plans: PackPlans) -> None:
    packs = store_packs(DoubleStorage(), plans)
    index = Index()
    for pack in [*packs, *packs[:2]]:
        index.add(pack)
    assert_like(index, packs)


@given(pack_plans)
def test_a_shard_gives_back_the_trailers_it_was_made_of(plans: PackPlans) -> None:
    packs = store_packs(DoubleStorage(), plans)
    shard = decode_shard(encode_shard(packs), "index/x")
    again = {pack.name: pack for pack in shard.packs({pack.name: pack.kind for pack in packs})}
    assert again.keys() == {pack.name for pack in packs}
    for pack in packs:
        assert again[pack.name].blob_records == pack.blob_records
        assert sorted(again[pack.name].members, key=str) == sorted(pack.members, key=str)
    assert encode_shard(list(again.values())) == encode_shard(packs)


def test_a_shard_has_the_documented_bytes() -> None:
    pack = build_pack([encode(b"b" * 99), encode_frame([b"small"])], 7)
    plain = encode_shard([pack.contents])
    assert plain[:16] == bytes([1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    assert plain[16:32].hex() == pack.name
    blobs = sorted(pack.contents.blob_records[at : at + 48] for at in (0, 48))
    assert plain[32:136] == b"".join(record[:32] + bytes(4) + record[32:] for record in blobs)
    frame = [record[:32] for record in blobs].index(VAULT.blob_id(b"small"))
    member = VAULT.blob_id(b"small")[:16] + bytes([frame, 0, 0, 0]) + bytes(4) + bytes([5, 0, 0, 0])
    assert plain[136:] == member


def test_a_damaged_shard_is_reported_and_its_packs_are_read() -> None:
    storage = DoubleStorage()
    packs = [
        store_pack(storage, build_pack([encode(plain)], n)) for n, plain in enumerate(random_plains(1, 3))
    ]
    damaged = store_shard(storage, packs[:2], 1)
    store_shard(storage, packs[2:], 2)
    storage.objects[damaged] = storage.objects[damaged][:-1] + b"?"
    problems: list[Problem] = []
    index = load_index(storage, VAULT, problems=problems)
    assert [problem.object_name for problem in problems] == [damaged]
    assert_like(index, packs)


def test_a_pack_with_a_damaged_trailer_is_listed_and_reported() -> None:
    storage = DoubleStorage()
    packs = [
        store_pack(storage, build_pack([encode(plain)], n)) for n, plain in enumerate(random_plains(2, 2))
    ]
    name = pack_object(packs[0].name, packs[0].kind)
    storage.objects[name] = storage.objects[name][:-9]
    problems: list[Problem] = []
    index = load_index(storage, VAULT, problems=problems)
    assert [problem.object_name for problem in problems] == [name]
    assert index.packs().keys() == {pack.name for pack in packs}
    assert not index.covers(packs[0].name)
    assert index.covers(packs[1].name)


class VanishingStorage(DoubleStorage):
    """Maintenance runs between the first listing and the first read."""

    def __init__(self, happen: Callable[[DoubleStorage], None], *, times: int = 1) -> None:
        super().__init__()
        self.happen = happen
        self.times = times

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if self.times:
            self.times -= 1
            self.happen(self)
        return super().get(name, start, length)


def test_a_shard_that_vanishes_while_loading_is_no_error() -> None:
    def merge(storage: DoubleStorage) -> None:
        for name in [name for name in storage.objects if name.startswith("index/")]:
            storage.delete(name)
        store_shard(storage, packs, 3)

    storage = VanishingStorage(merge)
    packs = [build_pack([encode(plain)], n).contents for n, plain in enumerate(random_plains(3, 4))]
    for number, plain in enumerate(random_plains(3, 4)):
        store_pack(storage, build_pack([encode(plain)], number))
    store_shard(storage, packs[:2], 1)
    store_shard(storage, packs[2:], 2)
    problems: list[Problem] = []
    assert_like(load_index(storage, VAULT, problems=problems), packs)
    assert problems == []


def test_a_shard_that_stays_listed_when_it_is_gone_is_no_error() -> None:
    storage = DoubleStorage()
    packs = [build_pack([encode(plain)], n) for n, plain in enumerate(random_plains(3, 4))]
    for pack in packs:
        store_pack(storage, pack)
    name = store_shard(storage, [pack.contents for pack in packs], 1)
    lagging = LaggingStorage(storage, 60, clock=lambda: 0)
    lagging.delete(name)
    assert [info.name for info in lagging.list("index/")] == [name]
    assert_like(load_index(lagging, VAULT), [pack.contents for pack in packs])


def test_a_pack_that_vanishes_while_loading_is_not_listed() -> None:
    storage = VanishingStorage(lambda storage: storage.delete(pack_object(f"{0:032x}", PackKind.DATA)))
    packs = [
        store_pack(storage, build_pack([encode(plain)], n)) for n, plain in enumerate(random_plains(4, 2))
    ]
    index = load_index(storage, VAULT)
    assert index.packs().keys() == {packs[1].name}


def test_a_store_that_lists_what_it_does_not_hold_is_an_error() -> None:
    class Liar(DoubleStorage):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            raise ObjectMissingError(name)

    storage = Liar()
    store_pack(storage, build_pack([encode(b"x")], 1))
    with pytest.raises(StorageUnreachableError):
        load_index(storage, VAULT)


def test_foreign_objects_are_left_alone() -> None:
    storage = DoubleStorage()
    for name in ("packs/readme", "packs/x/" + "0" * 32, "index/readme", "packs/d/" + "g" * 32):
        storage.put(name, [b"?"])
    assert load_index(storage, VAULT).packs() == {}


@pytest.mark.parametrize("position", range(16))
def test_a_shard_whose_counts_are_wrong_is_refused(position: int) -> None:
    plain = bytearray(encode_shard([build_pack([encode_frame([b"one", b"two"])], 1).contents]))
    plain[position] += 1
    with pytest.raises(CorruptDataError):
        decode_shard(bytes(plain), "index/x")


def test_shards_that_fit_no_order_or_number_are_refused() -> None:
    packs = [build_pack([encode_frame([plain])], n).contents for n, plain in enumerate(random_plains(5, 2))]
    plain = encode_shard(packs)
    blobs = 16 + 32
    broken = [
        plain[:16] + plain[32:48] + plain[16:32] + plain[48:],  # names
        plain[:blobs] + plain[blobs + 52 : blobs + 104] + plain[blobs : blobs + 52] + plain[blobs + 104 :],
        plain[: blobs + 32] + b"\2" + plain[blobs + 33 :],  # the pack's number
        plain[: blobs + 104 + 16] + b"\2" + plain[blobs + 104 + 17 :],  # a member's blob
        plain[:-1],
        plain[:15],
        b"",
    ]
    for data in broken:
        with pytest.raises(CorruptDataError):
            decode_shard(data, "index/x")


def test_packs_are_grouped_to_shards_of_bounded_size() -> None:
    packs = [PackContents(f"{n:032x}", PackKind.DATA, bytes(48), bytes(28 * 50_000)) for n in range(7)]
    assert [len(group) for group in cut_into_shards(packs)] == [3, 3, 1]


def test_what_only_condemned_packs_hold_counts_as_absent_but_can_be_read() -> None:
    index = Index()
    first, second = build_pack([encode(b"one"), encode(b"two")], 1), build_pack([encode(b"two")], 2)
    index.condemn([second.name])
    index.add(first)
    index.add(second)
    index.condemn([first.name])
    assert not index.holds(VAULT.blob_id(b"one"))
    assert [place.pack for place in index.locations(VAULT.blob_id(b"one"))] == [first.name]
    assert not index.holds(VAULT.blob_id(b"two"))
    index.add(build_pack([encode(b"two")], 3))
    assert index.locations(VAULT.blob_id(b"two"))[0].pack == f"{3:032x}"


def test_members_entered_early_are_found_once_their_frame_is_held() -> None:
    index = Index()
    frame = encode_frame([b"one", b"two"])
    index.add_members(frame.id, frame.members)
    member_hash = VAULT.blob_id(b"two")[:16]
    assert index.find_member(member_hash) is None
    early = index.find_member(member_hash, held=lambda blob_id: blob_id == frame.id)
    index.add(build_pack([frame]), members_are_known=True)
    assert early == index.find_member(member_hash)
    assert early is not None
    assert (early.blob_id, early.offset, early.length) == (frame.id, 3, 3)


def test_a_reader_s_index_knows_no_members() -> None:
    storage = DoubleStorage()
    packs = [store_pack(storage, build_pack([encode_frame([b"one"])], n)) for n in range(2)]
    store_shard(storage, packs[:1])
    index = load_index(storage, VAULT, with_members=False)
    index.add_members(b"i" * 32, [Member(b"m" * 16, 0, 1)])
    assert index.find_member(VAULT.blob_id(b"one")[:16]) is None
    assert len(index.locations(VAULT.blob_id(b"one"))) == 2


def test_marks_take_one_bit_for_each_blob() -> None:
    index = Index()
    ids = [VAULT.blob_id(plain) for plain in random_plains(6, 1000, 20)]
    index.add(build_pack([encode(plain) for plain in random_plains(6, 1000, 20)]))
    index.add(build_pack([encode(plain) for plain in random_plains(6, 10, 20)], 2))
    marks = index.marks()
    assert [marks.mark(blob_id) for blob_id in ids[:500] * 2] == [True] * 500 + [False] * 500
    assert [blob_id in marks for blob_id in ids] == [True] * 500 + [False] * 500
    assert b"?" * 32 not in marks
    with pytest.raises(CorruptDataError):
        marks.mark(b"?" * 32)
