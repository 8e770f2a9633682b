"""Files of every size at which something changes: frames, chunks, blocks, chunk lists."""

import os
import random

import pytest
from tests.integration.workbench import FULL, Workbench, read, write
from tests.support.trees import compare_trees

KIB, MIB = 1024, 1024 * 1024
SMALL = 256 * KIB  # the largest file in a frame
BLOCK = 12 * MIB  # what is read at once
EDGES = [edge + more for edge in (SMALL, MIB, 4 * MIB, BLOCK) for more in (-1, 0, 1)]
HOLE = 64 * KIB  # the smallest that is kept
MOST_INLINE_EXTENTS = 1_024


def fill(path: bytes, size: int, kind: str) -> None:
    noise = random.Random(size)
    contents = {
        "noise": noise.randbytes,
        "zeros": bytes,
        "text": lambda n: (b"line after line\n" * (n // 16 + 1))[:n],
    }
    write(path, contents[kind](size))


@pytest.mark.parametrize("kind", ["noise", "zeros", "text"])
def test_files_at_every_edge_come_back(bench: Workbench, kind: str) -> None:
    source = bench.place + b"/from"
    sizes = [0, 1, 2, *EDGES, *((2 * BLOCK, 30 * MIB + 7) if kind == "noise" else ())]
    for size in sizes:
        fill(b"%s/%09d" % (source, size), size, kind)
    first = bench.back_up(source)
    assert (first.read_bytes, first.files) == (sum(sizes), len(sizes))
    bench.bring_back(source, bench.place + b"/to")
    assert compare_trees(source, bench.place + b"/to") == []
    assert bench.back_up(source, type=FULL).added_bytes < 20 * KIB


@pytest.mark.parametrize(("size", "in_frame"), [(SMALL - 1, True), (SMALL, True), (SMALL + 1, False)])
def test_a_frame_holds_files_up_to_the_repositorys_constant(
    bench: Workbench, size: int, in_frame: bool
) -> None:
    path = bench.place + b"/file"
    fill(path, size, "noise")
    bench.back_up(path)
    content = bench.entries()[path][1]
    assert content is not None
    assert (content.frame is not None) is in_frame


def test_frames_of_any_filling_come_back(bench: Workbench) -> None:
    """Files that end a frame exactly, overfill it, or leave one byte of it."""
    source, noise = bench.place + b"/from", random.Random(77)
    sizes = [SMALL] * 4 + [SMALL - 1] * 5 + [1] * 9 + [SMALL] * 3 + [SMALL - 1, 1, SMALL] + [MIB // 3] * 2
    for number, size in enumerate(sizes):
        write(b"%s/%03d" % (source, number), noise.randbytes(size))
    bench.back_up(source)
    bench.bring_back(source, bench.place + b"/to")
    assert compare_trees(source, bench.place + b"/to") == []


def build_with_holes(path: bytes, pieces: int) -> None:
    noise = random.Random(pieces)
    with open(path, "wb") as file:
        for number in range(pieces):
            file.seek(number * (HOLE + 4 * KIB) + HOLE)
            file.write(noise.randbytes(4 * KIB))


@pytest.mark.parametrize("pieces", [511, 512, 513, 1_500])
def test_more_extents_than_an_entry_holds_come_back(bench: Workbench, pieces: int) -> None:
    path = bench.place + b"/holes"
    build_with_holes(path, pieces)
    bench.back_up(path)
    content = bench.entries()[path][1]
    assert content is not None
    assert (content.depth > 0) is (2 * pieces > MOST_INLINE_EXTENTS)
    bench.bring_back(path, bench.place + b"/to")
    restored = bench.place + b"/to/holes"
    assert read(restored) == read(path)
    assert os.stat(restored).st_blocks <= os.stat(path).st_blocks * 1.1


def test_an_unchanged_file_of_chunk_lists_is_taken_over(bench: Workbench) -> None:
    source = bench.place + b"/from"
    os.mkdir(source)
    build_with_holes(source + b"/holes", 1_500)
    bench.back_up(source)
    write(source + b"/other", b"changed")
    assert bench.back_up(source).read_bytes == 7
    bench.bring_back(source, bench.place + b"/to")
    assert read(bench.place + b"/to/holes") == read(source + b"/holes")


def test_a_file_of_many_gigabytes_of_holes_comes_back(bench: Workbench) -> None:
    path = bench.place + b"/huge"
    with open(path, "wb") as file:
        for offset in (0, 5 << 30, (1 << 40) - 4):
            file.seek(offset)
            file.write(b"data")
    bench.back_up(path)
    bench.bring_back(path, bench.place + b"/to")
    with open(bench.place + b"/to/huge", "rb") as file:
        file.seek(5 << 30)
        assert file.read(4) == b"data"
    assert os.stat(bench.place + b"/to/huge").st_size == 1 << 40
