"""What a later backup adds: only what is new, whatever was inserted, moved, renamed or copied."""

import os
import random

import pytest
from tests.integration.workbench import FULL, Workbench, write
from tests.support.trees import compare_trees

MIB = 1024 * 1024
KILOBYTE = 1_000
SMALL_FILES = 2_000
MANY_FILES = 100_000


def build_small_files(root: bytes, count: int, *, seed: int = 11) -> None:
    """Make *count* files of 0.5 to 16 KB, 100 to a folder, half of them incompressible."""
    noise = random.Random(seed)
    for number in range(count):
        size = noise.randrange(500, 16_000) if count <= SMALL_FILES else noise.randrange(500, 2_000)
        path = b"%s/%04d/%03d" % (root, number // 100, number % 100)
        write(path, noise.randbytes(size // 2) + b"compressible " * (size // 26))


def folder_of(bench: Workbench, count: int = SMALL_FILES) -> bytes:
    root = bench.place + b"/many"
    build_small_files(root, count)
    return root


def added_after_insertion(bench: Workbench, count: int) -> int:
    root = folder_of(bench, count)
    bench.back_up(root)
    write(root + b"/0000/!", b"inserted in front of all others")
    return bench.back_up(root, type=FULL).stored_bytes


def test_a_file_in_front_of_many_small_ones_adds_little_to_a_full_backup(bench: Workbench) -> None:
    assert added_after_insertion(bench, SMALL_FILES) < 200 * KILOBYTE


@pytest.mark.slow
def test_a_file_in_front_of_100_000_small_ones_adds_less_than_2_mib(bench: Workbench) -> None:
    assert added_after_insertion(bench, MANY_FILES) < 2 * MIB


@pytest.mark.slow
def test_100_000_unchanged_files_add_less_than_200_kb(bench: Workbench) -> None:
    root = folder_of(bench, MANY_FILES)
    bench.back_up(root)
    again = bench.back_up(root)
    assert (again.read_bytes, again.stored_bytes < 200 * KILOBYTE) == (0, True)


def test_unchanged_and_partly_changed_small_files_add_little(bench: Workbench) -> None:
    root = folder_of(bench)
    first = bench.back_up(root)
    again = bench.back_up(root)
    assert (again.read_bytes, again.added_bytes) == (0, 0)
    assert again.stored_bytes < 20 * KILOBYTE
    changed = write(root + b"/0020/050", b"changed")
    bench.back_up(root)
    assert bench.back_up(root).read_bytes == 0
    os.unlink(changed)
    assert bench.back_up(root).stored_bytes < 100 * KILOBYTE
    full = bench.back_up(root, type=FULL)
    assert full.stored_bytes < 20 * KILOBYTE
    assert first.stored_bytes > 7 * MIB


def test_a_renamed_folder_adds_only_metadata(bench: Workbench) -> None:
    root = folder_of(bench)
    first = bench.back_up(root)
    os.rename(root, bench.place + b"/renamed")
    renamed = bench.back_up(bench.place + b"/renamed")
    assert renamed.read_bytes == first.read_bytes
    assert renamed.stored_bytes < 400 * KILOBYTE


def test_a_shuffled_tree_is_stored_once_and_restores(bench: Workbench) -> None:
    """Files that move between folders come from frames that hold them in another order."""
    root = folder_of(bench)
    bench.back_up(root)
    names = [(folder, name) for folder, _, files in os.walk(root) for name in files]
    random.Random(4).shuffle(names)
    for number, (folder, name) in enumerate(names[: SMALL_FILES // 4]):
        target = b"%s/%04d/moved %d" % (root, number * 7 % (SMALL_FILES // 100), number)
        os.rename(os.path.join(folder, name), target)
    moved = bench.back_up(root)
    assert moved.stored_bytes < 400 * KILOBYTE
    bench.bring_back(root, bench.place + b"/to")
    assert compare_trees(root, bench.place + b"/to") == []


def test_policies_with_equal_data_share_it(bench: Workbench) -> None:
    root = folder_of(bench)
    bench.back_up(root, policy="one")
    copy = bench.place + b"/copy"
    build_small_files(copy, SMALL_FILES)
    write(copy + b"/own", b"the copy's own")
    second = bench.back_up(copy, policy="two")
    assert second.stored_bytes < 400 * KILOBYTE
    bench.restore(policy="two", targets={copy: bench.place + b"/to"})
    assert compare_trees(copy, bench.place + b"/to") == []


def test_a_byte_in_front_of_a_large_file_adds_one_chunk(bench: Workbench) -> None:
    path = write(bench.place + b"/large", random.Random(8).randbytes(24 * MIB))
    bench.back_up(path)
    with open(path, "rb") as file:
        content = file.read()
    write(path, b"!" + content)
    assert bench.back_up(path).added_bytes < 5 * MIB
    with open(path, "ab") as file:
        file.write(b"!")
    assert bench.back_up(path).added_bytes < 5 * MIB


def test_equal_files_within_one_backup_are_stored_once(bench: Workbench) -> None:
    large, small = random.Random(9).randbytes(5 * MIB), random.Random(10).randbytes(9_000)
    for number in range(5):
        write(bench.place + b"/source/large %d" % number, large)
        write(bench.place + b"/source/small %d" % number, small)
    assert bench.back_up(bench.place + b"/source").stored_bytes < 6 * MIB
