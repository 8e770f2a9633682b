"""What is restored equals what was backed up, in bytes and metadata, through the public jobs."""

import os
import random
import stat

import pytest
from tests.integration.workbench import (
    FULL,
    Workbench,
    files_source,
    names_below,
    open_to_nobody,
    read,
    write,
)
from tests.support import trees
from tests.support.trees import build_hostile_tree, compare_trees
from tests.support.unprivileged import as_nobody

MIB = 1024 * 1024
SOCKET_IS_LEFT_OUT = ["b'specials/socket': only in the first"]
SPARSE_BYTES = 80 * MIB
METADATA_BYTES = 262_144  # of metadata for the hostile tree, at most


def test_everything_a_file_system_holds_comes_back(folder_bench: Workbench) -> None:
    source, destination = folder_bench.place + b"/from", folder_bench.place + b"/to"
    build_hostile_tree(source)
    folder_bench.back_up(source)
    result = folder_bench.bring_back(source, destination)
    assert compare_trees(source, destination) == SOCKET_IS_LEFT_OUT
    assert result.verified
    assert [warning for warning in result.warnings if "sockets" not in warning] == []


def test_an_unchanged_second_backup_restores_everything_too(bench: Workbench) -> None:
    source, destination = bench.place + b"/from", bench.place + b"/to"
    build_hostile_tree(source)
    bench.back_up(source)
    again = bench.back_up(source)
    bench.bring_back(source, destination, again.id)
    assert compare_trees(source, destination) == SOCKET_IS_LEFT_OUT


def test_a_full_backup_reads_every_byte_again_and_adds_only_metadata(bench: Workbench) -> None:
    source, destination = bench.place + b"/from", bench.place + b"/to"
    build_hostile_tree(source)
    first = bench.back_up(source)
    second = bench.back_up(source, type=FULL)
    assert (second.source_bytes, second.read_bytes) == (first.source_bytes, first.read_bytes)
    assert second.added_bytes < METADATA_BYTES
    bench.bring_back(source, destination, second.id)
    assert compare_trees(source, destination) == SOCKET_IS_LEFT_OUT


def test_a_restored_tree_backs_up_to_the_same_content(bench: Workbench) -> None:
    source, destination = bench.place + b"/from", bench.place + b"/to"
    build_hostile_tree(source)
    bench.back_up(source)
    bench.bring_back(source, destination)
    of_copy = bench.back_up(destination, policy="copy")
    assert of_copy.added_bytes < METADATA_BYTES
    bench.restore(policy="copy", targets={destination: bench.place + b"/again"})
    assert compare_trees(destination, bench.place + b"/again") == []


def test_an_ordinary_user_gets_everything_of_an_own_tree_back(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "IS_ROOT", False)
    own = open_to_nobody(bench)
    source, destination = bench.place + b"/from", bench.place + b"/to"

    def round_trip() -> list[str]:
        build_hostile_tree(source)
        own.back_up(source)
        own.bring_back(source, destination)
        return compare_trees(source, destination)

    assert as_nobody(round_trip) == SOCKET_IS_LEFT_OUT


@pytest.mark.parametrize(
    "data_at",
    [
        (),
        (0,),
        (SPARSE_BYTES - MIB,),
        (0, 40 * MIB, SPARSE_BYTES - MIB),
        tuple(range(3 * MIB, SPARSE_BYTES, 8 * MIB)),
    ],
    ids=["hole", "start", "end", "three", "ten"],
)
def test_sparse_files_of_80_mib_stay_sparse(bench: Workbench, data_at: tuple[int, ...]) -> None:
    noise = random.Random(80)
    path = bench.place + b"/from/sparse"
    os.mkdir(bench.place + b"/from")
    with open(path, "wb") as file:
        for offset in data_at:
            file.seek(offset)
            file.write(noise.randbytes(MIB))
        file.truncate(SPARSE_BYTES)
    result = bench.back_up(path)
    assert (result.source_bytes, result.read_bytes) == (SPARSE_BYTES, len(data_at) * MIB)
    bench.bring_back(path, bench.place + b"/to")
    restored = bench.place + b"/to/sparse"
    assert read(restored) == read(path)
    assert os.stat(restored).st_blocks <= os.stat(path).st_blocks + 8 * len(data_at)


def test_a_name_of_every_byte_comes_back(bench: Workbench) -> None:
    source = bench.place + b"/from"
    for byte in set(range(1, 256)) - {ord("/"), ord(".")}:
        write(source + b"/%c" % byte, b"%d" % byte)
        os.makedirs(source + b"/in %c/x" % byte)
    bench.back_up(source)
    bench.bring_back(source, bench.place + b"/to")
    assert compare_trees(source, bench.place + b"/to") == []


def test_hard_links_across_folders_are_one_file_again(bench: Workbench) -> None:
    source, destination = bench.place + b"/from", bench.place + b"/to"
    for size in (0, 5, 300_000, 3 * MIB):
        first = write(b"%s/a/%d" % (source, size), random.Random(size).randbytes(size))
        for folder in (b"b", b"b/deeper", b"z"):
            os.makedirs(source + b"/" + folder, exist_ok=True)
            os.link(first, b"%s/%s/%d" % (source, folder, size))
    result = bench.back_up(source)
    assert result.read_bytes == 5 + 300_000 + 3 * MIB
    bench.bring_back(source, destination)
    assert compare_trees(source, destination) == []
    assert os.stat(destination + b"/z/300000").st_nlink == 4


@pytest.mark.parametrize("mode", [0o600, 0o4755, 0o2755, 0o1777, 0o7777, 0])
def test_modes_come_back(bench: Workbench, mode: int) -> None:
    source = write(bench.place + b"/from/file", b"x")
    os.chmod(source, mode)
    os.mkdir(bench.place + b"/from/folder")
    os.chmod(bench.place + b"/from/folder", mode | 0o500)
    bench.back_up(bench.place + b"/from")
    bench.bring_back(bench.place + b"/from", bench.place + b"/to")
    assert stat.S_IMODE(os.stat(bench.place + b"/to/file").st_mode) == mode
    assert stat.S_IMODE(os.stat(bench.place + b"/to/folder").st_mode) == mode | 0o500


@pytest.mark.parametrize("time_ns", [-1, -(2**31) * 10**9, 1, 2**31 * 10**9 + 1, 15_000_000_000_123_456_789])
def test_times_come_back_to_the_nanosecond(bench: Workbench, time_ns: int) -> None:
    source = bench.place + b"/from"
    write(source + b"/file", b"x")
    os.symlink(b"file", source + b"/link")
    os.mkfifo(source + b"/fifo")
    for path in (source + b"/file", source + b"/link", source + b"/fifo", source):
        os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)
    bench.back_up(source)
    bench.bring_back(source, bench.place + b"/to")
    assert compare_trees(source, bench.place + b"/to") == []


def test_a_tree_of_empty_folders_comes_back_when_that_is_allowed(bench: Workbench) -> None:
    source = bench.place + b"/from"
    os.makedirs(source + b"/a/b/c")
    os.makedirs(source + b"/d")
    bench.back_up(files_source(source, allow_empty=True))
    bench.bring_back("files", bench.place + b"/to")
    assert names_below(bench.place + b"/to") == [b"a", b"a/b", b"a/b/c", b"d"]
    assert compare_trees(source, bench.place + b"/to") == []
