"""Which packs and shards go is decided by numbers alone, and everybody decides the same."""

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_manager.engine.repository.index import Index, Marks
from backup_manager.engine.repository.maintenance.choice import (
    SMALL_PACKS,
    Choice,
    PackUse,
    choose_packs,
    measure_use,
)
from backup_manager.engine.repository.maintenance.reading import ShardInfo
from backup_manager.engine.repository.maintenance.shards import SMALL_SHARDS, choose_shards
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import BLOB, PackContents

MIB = 2**20
LARGE = 16 * MIB


def use(name: str, used: int, *, total: int = 100, size: int = LARGE) -> PackUse:
    return PackUse(name, PackKind.DATA, size, total, used)


@pytest.mark.parametrize(
    ("uses", "dead", "sparse"),
    [
        pytest.param([], "", "", id="nothing"),
        pytest.param([use("a", 100), use("b", 60)], "", "", id="used"),
        pytest.param([use("a", 0), use("b", 0)], "ab", "", id="unused"),
        pytest.param([use("a", 0, total=0)], "a", "", id="nobody-knows-what-is-in-it"),
        pytest.param([use("a", 59), use("b", 1)], "", "ba", id="sparse-the-emptiest-first"),
        pytest.param([use("a", 50), use("b", 40), use("c", 45)], "", "bc", id="bounded"),
    ],
)
def test_packs_are_chosen(uses: list[PackUse], dead: str, sparse: str) -> None:
    choice = choose_packs(uses, 90)
    assert "".join(found.name for found in choice.dead) == dead
    assert "".join(found.name for found in choice.sparse) == sparse
    assert choice.rewritten_bytes <= 90
    assert choice.packs == tuple(dead + sparse)


def test_small_packs_are_joined_when_there_are_many() -> None:
    small = [use(f"{number:02}", 100, size=MIB) for number in range(SMALL_PACKS)]
    assert choose_packs(small[1:], 10**9) == Choice((), ())
    assert len(choose_packs(small, 10**9).sparse) == SMALL_PACKS
    assert len(choose_packs(small, 500).sparse) == 5


def index_of(packs: Mapping[str, Sequence[int]]) -> Index:
    index = Index(with_members=False)
    for name, blobs in packs.items():
        ids = (random.Random(blob).randbytes(32) for blob in blobs)
        records = b"".join(
            BLOB.pack(blob_id, 16 + 100 * n, 100, 84, 0, b"\0\0\0") for n, blob_id in enumerate(ids)
        )
        index.add(PackContents(name, PackKind.DATA, records, b""))
    return index


def marked(index: Index, blobs: Sequence[int]) -> Marks:
    live = index.marks()
    for blob in blobs:
        live.mark(random.Random(blob).randbytes(32))
    return live


def used_bytes(packs: Mapping[str, Sequence[int]], live: Sequence[int], distrusted: str = "") -> list[int]:
    index = index_of(packs)
    uses = measure_use(index, marked(index, live), dict.fromkeys(packs, 1000), distrusted)
    return [found.used_bytes for found in uses]


@pytest.mark.parametrize(
    ("packs", "live", "distrusted", "expected"),
    [
        pytest.param({"a": [1, 2], "b": [3]}, [1, 3], "", [100, 100], id="one-place-each"),
        pytest.param({"a": [1, 2], "b": [1]}, [1], "", [0, 100], id="where-most-is-used"),
        pytest.param({"a": [1], "b": [1]}, [1], "", [100, 0], id="then-by-name"),
        pytest.param({"a": [1], "b": [1]}, [1], "a", [0, 100], id="not-where-it-is-planned"),
        pytest.param({"a": [1], "b": [1]}, [1], "ab", [100, 0], id="unless-all-are-planned"),
        pytest.param({"a": [1, 2], "b": [1, 2]}, [], "", [0, 0], id="nothing-needed"),
    ],
)
def test_a_blob_is_used_in_one_place(
    packs: Mapping[str, Sequence[int]], live: Sequence[int], distrusted: str, expected: list[int]
) -> None:
    assert used_bytes(packs, live, distrusted) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(0, 9), unique=True), min_size=1),
    st.sets(st.integers(0, 9)),
    st.sets(st.sampled_from("abcdef")),
)
def test_every_live_blob_is_used_exactly_once(
    packs: dict[str, list[int]], wanted: set[int], distrusted: set[str]
) -> None:
    live = sorted(wanted & {blob for blobs in packs.values() for blob in blobs})
    assert sum(used_bytes(packs, live, "".join(sorted(distrusted)))) == 100 * len(live)


def test_a_pack_that_is_gone_is_not_measured() -> None:
    index = index_of({"a": [1], "b": [1, 2]})
    (found,) = measure_use(index, marked(index, [1]), {"b": 1000}, ())
    assert (found.name, found.used_bytes, found.blob_bytes) == ("b", 100, 200)


def shard(name: str, packs: str, size: int = 4 * MIB) -> ShardInfo:
    return ShardInfo(name, size, tuple(packs))


@pytest.mark.parametrize(
    ("shards", "staying", "young", "expected"),
    [
        pytest.param([], "", "", ("", "", ""), id="nothing"),
        pytest.param([shard("1", "abcd")], "abcd", "", ("", "", ""), id="large-and-current"),
        pytest.param([shard("1", "abcd")], "ab", "", ("1", "", ""), id="stale"),
        pytest.param([shard("1", "abcd")], "abc", "", ("", "", ""), id="a-little-stale"),
        pytest.param([shard("1", "ab"), shard("2", "")], "ab", "", ("", "2", ""), id="damaged"),
        pytest.param([shard("1", "ab"), shard("2", "b")], "ab", "", ("", "2", ""), id="says-nothing-new"),
        pytest.param([shard("1", "ab"), shard("2", "ab")], "ab", "", ("", "2", ""), id="twice"),
        pytest.param([shard("1", "ab")], "", "", ("", "1", ""), id="of-packs-that-go"),
        pytest.param([shard("1", "a")], "abc", "c", ("", "", "b"), id="a-pack-that-no-shard-names"),
        pytest.param(
            [shard(str(n), "abcdefg"[n], 9) for n in range(7)], "abcdefg", "", ("", "", ""), id="seven"
        ),
        pytest.param(
            [shard(str(n), "abcdefgh"[n], 9) for n in range(8)],
            "abcdefgh",
            "",
            ("01234567", "", ""),
            id="eight",
        ),
    ],
)
def test_shards_are_chosen(
    shards: list[ShardInfo], staying: str, young: str, expected: tuple[str, str, str]
) -> None:
    choice = choose_shards(tuple(shards), set(staying), set(young))
    assert ("".join(choice.merged), "".join(choice.useless), "".join(choice.uncovered)) == expected
    assert set(choice.removed) == set(expected[0] + expected[1])
    assert SMALL_SHARDS == 8
