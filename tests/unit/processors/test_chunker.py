import hashlib
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_manager.common.errors import UsageError
from backup_manager.engine.processors.chunker import MAX_BYTES, MIN_BYTES, Chunker

SEED = bytes(range(1, 9))
DATA = random.Random(11).randbytes(24 << 20)


def cut_stream(chunker: Chunker, data: bytes, reads: list[int]) -> list[int]:
    """Cut *data* as a reader does that gets so many bytes at a time, and keeps what is left."""
    lengths: list[int] = []
    carried, position, turn = b"", 0, 0
    while position < len(data):
        read = data[position : position + reads[turn % len(reads)]]
        position, turn = position + len(read), turn + 1
        carried += read
        done = chunker.cut(carried, False)
        lengths += done
        carried = carried[sum(done) :]
        assert len(carried) < MAX_BYTES
    return lengths + chunker.cut(carried, True)


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(0, 12 << 20),
    start=st.integers(0, 12 << 20),
    reads=st.lists(st.integers(100_000, 9 << 20), min_size=1, max_size=5),
)
def test_cuts_do_not_depend_on_how_a_stream_was_read(size: int, start: int, reads: list[int]) -> None:
    data = DATA[start : start + size]
    chunker = Chunker(SEED)

    whole = chunker.cut(data, True)

    assert cut_stream(chunker, data, reads) == whole
    assert sum(whole) == len(data)
    assert all(MIN_BYTES <= length <= MAX_BYTES for length in whole[:-1])
    assert all(0 < length <= MAX_BYTES for length in whole[-1:])


def test_golden_cuts_of_format_1_stay_what_they_are() -> None:
    data = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(1 << 18))

    assert Chunker(SEED).cut(data, True) == [964352, 1737987, 1274699, 1490254, 1159740, 1164397, 597179]


def test_the_target_is_about_a_mebibyte() -> None:
    lengths = Chunker(SEED).cut(DATA, True)

    assert 700_000 < sum(lengths) / len(lengths) < 2_000_000


def test_an_insertion_changes_the_chunks_around_it_alone() -> None:
    before = hashes(DATA)
    after = hashes(DATA[: 5 << 20] + b"inserted" + DATA[5 << 20 :])

    assert len(after - before) <= 3


def hashes(data: bytes) -> set[bytes]:
    ends = [0]
    for length in Chunker(SEED).cut(data, True):
        ends.append(ends[-1] + length)
    return {hashlib.sha256(data[start:end]).digest() for start, end in pairwise(ends)}


def test_seeds_give_other_cuts() -> None:
    cuts = {tuple(Chunker(bytes([number]) * 8).cut(DATA, True)) for number in range(1, 9)}

    assert len(cuts) == 8


def test_the_two_highest_bytes_of_a_seed_have_no_effect() -> None:
    """pyfastcdc refuses seeds from 2**63 on; no mask looks at these bits."""
    assert Chunker(SEED[:6] + b"\xff\xff").cut(DATA, True) == Chunker(SEED).cut(DATA, True)


@pytest.mark.parametrize(
    "buffer", [pytest.param(bytearray(DATA[: 5 << 20]), id="bytearray"), memoryview(DATA)[: 5 << 20]]
)
def test_any_buffer_can_be_cut(buffer: bytearray | memoryview) -> None:
    assert Chunker(SEED).cut(buffer, True) == Chunker(SEED).cut(DATA[: 5 << 20], True)


@pytest.mark.parametrize(
    ("buffer", "final", "expected"),
    [
        pytest.param(b"", True, [], id="an empty file"),
        pytest.param(b"", False, [], id="nothing yet"),
        pytest.param(b"x", True, [1], id="one byte"),
        pytest.param(bytes(MAX_BYTES - 1), False, [], id="too little to know"),
        pytest.param(bytes(MAX_BYTES), False, [MAX_BYTES], id="zeros"),
        pytest.param(bytes(MIN_BYTES), True, [MIN_BYTES], id="the least"),
    ],
)
def test_edges(buffer: bytes, final: bool, expected: list[int]) -> None:
    assert Chunker(SEED).cut(buffer, final) == expected


@pytest.mark.parametrize("seed", [b"", bytes(8), bytes(6) + b"\x01\x01", b"\x01" * 7, b"\x01" * 9])
def test_seeds_without_effect_are_refused(seed: bytes) -> None:
    with pytest.raises(UsageError, match="seed"):
        Chunker(seed)


def test_the_seed_is_not_shown() -> None:
    assert repr(Chunker(SEED)) == "Chunker()"
