"""A restore that was killed goes on, and what it left behind is not believed without looking."""

import os
import random
import signal
from collections.abc import Callable

import pytest
from tests.integration.workbench import Workbench, files_source, write
from tests.support.trees import build_hostile_tree, compare_trees

from backup_manager.common.errors import InterruptedRunError, TargetUnusableError
from backup_manager.contract.requests import Hooks, Progress

MIB = 1024 * 1024
SOCKET_IS_LEFT_OUT = ["b'specials/socket': only in the first"]


def kill_child_when(condition: Callable[[Progress], bool], restore: Callable[[Hooks], object]) -> bool:
    """Run *restore* in a child that kills itself when *condition* comes true; return whether it did."""
    child = os.fork()
    if child == 0:

        def progress(now: Progress) -> None:
            if condition(now):
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            restore(Hooks(progress=progress))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.fixture
def source(folder_bench: Workbench) -> bytes:
    """A backed-up tree of everything, with a file of several chunks and many small ones."""
    path = folder_bench.place + b"/from"
    build_hostile_tree(path)
    noise = random.Random(3)
    write(path + b"/contents/large", noise.randbytes(10 * MIB))
    for number in range(300):
        write(b"%s/zz/%d" % (path, number), noise.randbytes(3_000))
    folder_bench.back_up(path)
    return path


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_a_killed_restore_goes_on_where_it_was(folder_bench: Workbench, source: bytes, share: float) -> None:
    destination = folder_bench.place + b"/to"

    def restore(hooks: Hooks | None = None) -> object:
        return folder_bench.restore(targets={source: destination}, hooks=hooks)

    assert kill_child_when(lambda now: now.bytes >= share * now.total_bytes, restore)
    restore()
    assert compare_trees(source, destination) == SOCKET_IS_LEFT_OUT


def test_a_restore_killed_again_and_again_ends(folder_bench: Workbench, source: bytes) -> None:
    destination = folder_bench.place + b"/to"
    for files in range(20, 400, 90):
        kill_child_when(
            lambda now, files=files: now.files >= files,
            lambda hooks: folder_bench.restore(targets={source: destination}, hooks=hooks),
        )
    folder_bench.bring_back(source, destination)
    assert compare_trees(source, destination) == SOCKET_IS_LEFT_OUT


@pytest.mark.parametrize("mode", ["merge", "mirror"])
def test_a_killed_merge_goes_on_too(folder_bench: Workbench, source: bytes, mode: str) -> None:
    destination = folder_bench.place + b"/to"
    build_hostile_tree(destination, seed=9)
    os.unlink(destination + b"/specials/socket")

    def restore(hooks: Hooks | None = None) -> object:
        return folder_bench.restore(targets={source: destination}, hooks=hooks, mode=mode)

    assert kill_child_when(lambda now: now.bytes >= now.total_bytes // 2, restore)
    restore()
    assert compare_trees(source, destination) == SOCKET_IS_LEFT_OUT


def interrupted(bench: Workbench, source: bytes, destination: bytes) -> None:
    """Leave a restore unfinished at its very end."""
    last = False

    def progress(now: Progress) -> None:
        nonlocal last
        last = now.files == now.total_files

    with pytest.raises(InterruptedRunError):
        bench.restore(targets={source: destination}, hooks=Hooks(progress, lambda: last))


def damage(path: bytes) -> None:
    """Change a byte and put the time back, as a power failure may leave a file."""
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"X")
    os.utime(path, ns=(0, status.st_mtime_ns))


def small_tree(bench: Workbench) -> bytes:
    source = bench.place + b"/from"
    write(source + b"/large", random.Random(1).randbytes(9 * MIB))
    write(source + b"/middle", random.Random(2).randbytes(300_000))
    write(source + b"/small", b"small")
    bench.back_up(source)
    return source


@pytest.mark.parametrize("name", [b"large", b"middle", b"small"])
def test_a_left_over_of_right_size_and_time_is_not_believed(bench: Workbench, name: bytes) -> None:
    source, destination = small_tree(bench), bench.place + b"/to"
    interrupted(bench, source, destination)
    damage(destination + b"/" + name)
    bench.bring_back(source, destination)
    assert compare_trees(source, destination) == []


def test_going_on_writes_only_what_is_missing(bench: Workbench) -> None:
    source, destination = small_tree(bench), bench.place + b"/to"
    interrupted(bench, source, destination)
    inode = os.stat(destination + b"/large").st_ino
    os.unlink(destination + b"/small")
    plan = bench.plan(targets={source: destination})
    assert (plan.files, plan.bytes) == (1, 5)
    bench.bring_back(source, destination)
    assert os.stat(destination + b"/large").st_ino == inode
    assert compare_trees(source, destination) == []


def test_another_restore_does_not_go_on_with_it(bench: Workbench) -> None:
    source, destination = small_tree(bench), bench.place + b"/to"
    interrupted(bench, source, destination)
    with pytest.raises(TargetUnusableError, match="unfinished restore"):
        bench.restore(targets={source: destination}, include=("small",))
    newer = bench.back_up(files_source(source))
    with pytest.raises(TargetUnusableError, match="not empty"):
        bench.bring_back(source, destination, newer.id)


def test_two_restores_at_once_into_one_folder_are_refused(bench: Workbench) -> None:
    source, destination = small_tree(bench), bench.place + b"/to"
    seen: list[BaseException] = []

    def second(_now: Progress) -> None:
        if not seen:
            with pytest.raises(TargetUnusableError, match="another restore") as caught:
                bench.bring_back(source, destination)
            seen.append(caught.value)

    bench.restore(targets={source: destination}, hooks=Hooks(second))
    assert len(seen) == 1
    assert compare_trees(source, destination) == []
