"""An incremental backup restores what a full one would, after every kind of change."""

import os
import random
import time
from collections.abc import Callable

import pytest
from tests.integration.workbench import FULL, INCREMENTAL, Workbench, files_source, read, write
from tests.support.trees import IS_ROOT, compare_trees

from backup_manager.contract.backups import BackupType
from backup_manager.contract.requests import Hooks, Progress

MIB = 1024 * 1024
OLD_NS = 1_500_000_000_123_456_789


@pytest.fixture
def tree(bench: Workbench) -> bytes:
    """A backed-up tree whose times lie in the past; ``other`` is as it is in every test."""
    root = bench.place + b"/tree"
    noise = random.Random(5)
    for name in (b"small", b"other", b"folder/inner", b"folder/deep/inner", b"second/inner"):
        write(root + b"/" + name, noise.randbytes(5_000))
    write(root + b"/large", noise.randbytes(3 * MIB))
    os.symlink(b"small", root + b"/link")
    os.mkfifo(root + b"/fifo")
    os.link(root + b"/folder/inner", root + b"/linked")
    for path in (b"small", b"large", b"folder", b"folder/deep", b"fifo", b"folder/inner"):
        os.utime(root + b"/" + path, ns=(OLD_NS, OLD_NS))
    bench.back_up(root)
    return root


def keep_time(path: bytes, change: Callable[[bytes], object]) -> None:
    """Carry out *change* and put the modification time back; only ctime can tell."""
    before = os.stat(path, follow_symlinks=False).st_mtime_ns
    change(path)
    os.utime(path, ns=(before, before), follow_symlinks=False)


def overwrite(path: bytes) -> None:
    """Change bytes in the middle; the size stays."""
    with open(path, "r+b") as file:
        file.seek(1_000)
        file.write(b"changed")


def replace(path: bytes, make: Callable[[bytes], object]) -> None:
    """Put something new in the place of a path, with its times."""
    status = os.lstat(path)
    make(path + b".new")
    if os.path.isdir(path) and not os.path.islink(path):
        os.rename(path, path + b".old")
    os.rename(path + b".new", path)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)


def with_inner(path: bytes) -> None:
    write(path + b"/inner", b"inside")


def append(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def swap(first: bytes, second: bytes) -> None:
    os.rename(first, first + b".x")
    os.rename(second, first)
    os.rename(first + b".x", second)


def link_target_changes(root: bytes) -> None:
    status = os.lstat(root + b"/link")
    os.unlink(root + b"/link")
    os.symlink(b"large", root + b"/link")
    os.utime(root + b"/link", ns=(0, status.st_mtime_ns), follow_symlinks=False)


CHANGES: dict[str, Callable[[bytes], object]] = {
    "nothing": lambda root: None,
    "content of equal size": lambda root: overwrite(root + b"/small"),
    "content of equal size, large": lambda root: overwrite(root + b"/large"),
    "content with its time put back": lambda root: keep_time(root + b"/small", overwrite),
    "content with its time put back, large": lambda root: keep_time(root + b"/large", overwrite),
    "appended": lambda root: append(root + b"/large"),
    "truncated": lambda root: os.truncate(root + b"/large", 100),
    "emptied": lambda root: os.truncate(root + b"/small", 0),
    "touched": lambda root: os.utime(root + b"/small"),
    "time of a folder": lambda root: os.utime(root + b"/folder", ns=(1, 2)),
    "time of a link": lambda root: os.utime(root + b"/link", ns=(1, 2), follow_symlinks=False),
    "renamed file": lambda root: os.rename(root + b"/small", root + b"/zz"),
    "renamed folder": lambda root: os.rename(root + b"/folder", root + b"/a folder"),
    "moved into a folder": lambda root: os.rename(root + b"/small", root + b"/folder/small"),
    "two files swapped": lambda root: swap(root + b"/small", root + b"/other"),
    "two folders swapped": lambda root: swap(root + b"/folder/deep", root + b"/second"),
    "removed": lambda root: os.unlink(root + b"/small"),
    "added": lambda root: write(root + b"/added/deep/file", b"new"),
    "added in front": lambda root: write(root + b"/!", b"new"),
    "mode": lambda root: os.chmod(root + b"/small", 0o4711),
    "mode of a folder": lambda root: os.chmod(root + b"/folder", 0o1700),
    "xattr": lambda root: os.setxattr(root + b"/small", b"user.new", b"value"),
    "xattr of a folder": lambda root: os.setxattr(root + b"/folder", b"user.new", b"value"),
    "xattr with its time put back": lambda root: keep_time(
        root + b"/large", lambda path: os.setxattr(path, b"user.new", b"value")
    ),
    "hard link added": lambda root: os.link(root + b"/small", root + b"/folder/twin"),
    "hard link removed": lambda root: os.unlink(root + b"/linked"),
    "hard link written": lambda root: overwrite(root + b"/linked"),
    "hard link broken": lambda root: replace(root + b"/linked", lambda path: write(path, b"own")),
    "other inode, equal size and time": lambda root: replace(
        root + b"/small", lambda path: write(path, random.Random(6).randbytes(5_000))
    ),
    "link says something else": link_target_changes,
    "file becomes folder": lambda root: replace_kind(root + b"/small", with_inner),
    "file becomes link": lambda root: replace_kind(root + b"/small", lambda path: os.symlink(b"other", path)),
    "file becomes fifo": lambda root: replace_kind(root + b"/small", os.mkfifo),
    "folder becomes file": lambda root: replace_kind(root + b"/folder", write),
    "folder becomes link": lambda root: replace_kind(
        root + b"/folder", lambda path: os.symlink(b"large", path)
    ),
    "link becomes file": lambda root: replace_kind(root + b"/link", lambda path: write(path, b"x")),
    "link becomes folder": lambda root: replace_kind(root + b"/link", with_inner),
    "fifo becomes file": lambda root: replace_kind(root + b"/fifo", write),
    "becomes sparse": lambda root: os.truncate(root + b"/large", 20 * MIB),
}
if IS_ROOT:
    CHANGES["owner"] = lambda root: os.chown(root + b"/small", 1234, -1)
    CHANGES["group of a link"] = lambda root: os.lchown(root + b"/link", -1, 1234)
    CHANGES["owner with its time put back"] = lambda root: keep_time(
        root + b"/large", lambda path: os.chown(path, 77, 78)
    )


def replace_kind(path: bytes, make: Callable[[bytes], object]) -> None:
    """Put another kind of entry in the place of a path, with the times of what stood there."""
    status = os.lstat(path)
    os.rename(path, os.path.dirname(path) + b"/zz moved")
    make(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


@pytest.mark.parametrize("change", CHANGES)
def test_incremental_and_full_restore_the_changed_tree(bench: Workbench, tree: bytes, change: str) -> None:
    CHANGES[change](tree)
    incremental = bench.back_up(tree)
    full = bench.back_up(tree, type=FULL)
    assert (incremental.type, full.type) == (INCREMENTAL, FULL)
    for number, backup in enumerate((incremental, full)):
        destination = bench.place + b"/to%d" % number
        bench.bring_back(tree, destination, backup.id)
        assert compare_trees(tree, destination) == []
    assert full.read_bytes >= incremental.read_bytes


def test_an_unchanged_tree_is_not_read_again(bench: Workbench, tree: bytes) -> None:
    again = bench.back_up(tree)
    assert (again.type, again.read_bytes, again.added_bytes) == (INCREMENTAL, 0, 0)
    assert again.source_bytes > 3 * MIB


def test_only_changed_files_are_read(bench: Workbench, tree: bytes) -> None:
    overwrite(tree + b"/small")
    os.chmod(tree + b"/folder", 0o700)
    assert bench.back_up(tree).read_bytes == 5_000


def test_full_reads_everything_though_nothing_changed(bench: Workbench, tree: bytes) -> None:
    full = bench.back_up(tree, type=FULL)
    # The second name of a linked file is counted, but need not be read.
    assert full.read_bytes == full.source_bytes - 5_000


def test_the_first_backup_of_a_policy_is_full_and_shares_equal_data(bench: Workbench, tree: bytes) -> None:
    other = bench.back_up(tree, policy="other")
    assert (other.type, other.read_bytes) == (BackupType.FULL, 3 * MIB + 5 * 5_000)
    assert other.added_bytes < 50_000


def test_every_backup_restores_as_its_tree_was(bench: Workbench, tree: bytes) -> None:
    states = {}
    for number, change in enumerate((b"1", b"22", b"333")):
        write(tree + b"/small", change)
        write(tree + b"/only %d" % number, change)
        states[bench.back_up(tree).id] = number
    for backup, number in states.items():
        destination = bench.place + b"/to %d" % number
        bench.bring_back(tree, destination, backup)
        assert read(destination + b"/small") == str(number + 1).encode() * (number + 1)
        assert os.path.exists(destination + b"/only 2") is (number == 2)


def test_an_incremental_backup_after_an_interrupted_one_compares_with_the_last_committed(
    bench: Workbench, tree: bytes
) -> None:
    def interrupt(_now: Progress) -> None:
        raise KeyboardInterrupt

    write(tree + b"/small", b"now")
    with pytest.raises(KeyboardInterrupt):
        bench.back_up(tree, hooks=Hooks(progress=interrupt))
    assert bench.back_up(tree).read_bytes == 3
    bench.bring_back(tree, bench.place + b"/to")
    assert compare_trees(tree, bench.place + b"/to") == []


def test_a_source_added_to_a_policy_is_read_whole(bench: Workbench, tree: bytes) -> None:
    other = write(bench.place + b"/other/file", b"12345")
    result = bench.back_up(tree, files_source(other, name="new"))
    assert (result.type, result.read_bytes) == (INCREMENTAL, 5)


def test_a_path_added_to_a_source_is_read_whole(bench: Workbench, tree: bytes) -> None:
    bench.back_up(files_source(tree, name="files"), policy="p")
    other = write(bench.place + b"/a/file", b"12345")
    result = bench.back_up(files_source(tree, os.path.dirname(other), name="files"), policy="p")
    assert result.read_bytes == 5


def test_what_is_excluded_now_is_not_in_the_next_backup(bench: Workbench, tree: bytes) -> None:
    bench.back_up(files_source(tree, exclude=("small", "folder/")))
    assert {os.path.basename(path) for path in bench.entries()} == {
        b"tree",
        b"large",
        b"link",
        b"fifo",
        b"linked",
        b"other",
        b"second",
        b"inner",
    }


def test_a_file_of_this_moment_is_read_again(bench: Workbench) -> None:
    bench.clock.ahead = 0
    path = write(bench.place + b"/tree/file", b"12345")
    bench.back_up(path)
    bench.clock.ahead = 10
    assert bench.back_up(path).read_bytes == 5
    assert bench.back_up(path).read_bytes == 0


def test_a_file_of_the_future_is_read_each_time(bench: Workbench) -> None:
    path = write(bench.place + b"/tree/file", b"12345")
    os.utime(path, (time.time() + 1_000,) * 2)
    assert [bench.back_up(path).read_bytes for _ in range(3)] == [5, 5, 5]


def test_one_racy_file_does_not_cost_its_neighbours(bench: Workbench) -> None:
    for number in range(50):
        write(bench.place + b"/tree/%d" % number, b"12345")
    os.utime(bench.place + b"/tree/7", (time.time() + 1_000,) * 2)
    bench.back_up(bench.place + b"/tree")
    assert bench.back_up(bench.place + b"/tree").read_bytes == 5


@pytest.mark.parametrize("size", [5, 400_000])
def test_a_change_that_no_time_tells_is_found(bench: Workbench, size: int) -> None:
    """Written within one tick of the clock: size, mtime, ctime and inode are all equal."""
    bench.clock.ahead = 0
    path = write(bench.place + b"/tree/file", b"1" * size)
    for _ in range(10):  # recent kernels give each write that is looked at a time of its own
        bench.back_up(path)
        before = os.stat(path)
        with open(path, "r+b") as file:
            file.write(b"2")
        if os.stat(path).st_ctime_ns == before.st_ctime_ns:
            break
        write(path, b"1" * size)
    bench.clock.ahead = 10
    bench.back_up(path)
    bench.bring_back(path, bench.place + b"/to")
    assert read(bench.place + b"/to/file") == read(path)
