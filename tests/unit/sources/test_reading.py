"""Reading files that hold still, that change, that vanish, and that cannot be read."""

import fcntl
import os
import signal
import threading
from collections.abc import Callable

import pytest
from tests.support.trees import build_hostile_tree, describe_tree, write
from tests.support.unprivileged import as_nobody

from backup_manager.engine.sources.filesystem.problems import EntryProblemError, ProblemKind, Problems
from backup_manager.engine.sources.filesystem.reading import (
    OUTGROWN,
    iterate_extents,
    open_regular,
    read_large,
    read_small,
    settle,
)
from backup_manager.engine.sources.filesystem.walk import walk

KIB = 1024
UNREADABLE_IN_THE_MIDDLE = b"/proc/self/mem"  # a regular file whose first page answers EIO


@pytest.fixture
def path(place: bytes) -> bytes:
    name = place + b"/file"
    write(name, b"first content")
    return name


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def replace(path: bytes, content: bytes) -> None:
    write(path + b".new", content)
    os.rename(path + b".new", path)


def test_every_file_of_a_hostile_tree_is_read_as_it_is(place: bytes, problems: Problems) -> None:
    root = place + b"/hostile"
    build_hostile_tree(root)
    facts = describe_tree(root)[0]
    before = descriptors()
    for path, stat in walk([root], None, problems):
        known = facts[os.path.relpath(path, root)]
        if known.kind == "-":
            assert read_small(path, stat, problems) == (known.content, stat, True)
    assert problems.total == 0
    assert descriptors() == before


def test_reading_leaves_the_time_of_access_alone(path: bytes, problems: Problems) -> None:
    os.utime(path, ns=(5, 10))
    read_small(path, os.lstat(path), problems)
    assert os.lstat(path).st_atime_ns == 5


CHANGES: dict[str, tuple[Callable[[bytes], None], bytes]] = {
    "grown": (lambda path: write(path, b"much longer than it was"), b"much longer than it was"),
    "shrunk": (lambda path: write(path, b"short"), b"short"),
    "emptied": (lambda path: write(path, b""), b""),
    "of the same size": (lambda path: write(path, b"other content"), b"other content"),
    "replaced": (lambda path: replace(path, b"a new file"), b"a new file"),
    "touched": (lambda path: os.utime(path, ns=(1, 2)), b"first content"),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_changed_since_the_walk_is_read_with_its_new_stat(
    path: bytes, problems: Problems, change: Callable[[bytes], None], expected: bytes
) -> None:
    seen = os.lstat(path)
    change(path)
    assert read_small(path, seen, problems) == (expected, os.lstat(path), True)
    assert problems.total == 0


def test_a_file_that_never_holds_still_is_kept_as_read_last_and_told(
    path: bytes, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pread

    def read_and_append(descriptor: int, count: int, offset: int) -> bytes:
        content = real(descriptor, count, offset)
        with open(path, "ab") as file:
            file.write(b"+")
        return content

    seen = os.lstat(path)
    write(path, b"second content")
    monkeypatch.setattr(os, "pread", read_and_append)
    content, stat, is_settled = read_small(path, seen, problems)
    assert content.startswith(b"second content+")
    assert stat.st_ino == seen.st_ino
    assert not is_settled
    assert [problem.kind for problem in problems.kept] == [ProblemKind.CHANGED]


def test_a_small_file_that_became_huge_is_not_taken_into_memory_whole(
    path: bytes, problems: Problems
) -> None:
    seen = os.lstat(path)
    os.truncate(path, 1 << 40)
    content, stat, is_settled = read_small(path, seen, problems)
    assert (len(content), stat.st_size, is_settled) == (OUTGROWN, 1 << 40, False)
    assert problems.count(ProblemKind.CHANGED) == 1


def gone(path: bytes) -> None:
    os.remove(path)


def become_fifo(path: bytes) -> None:
    os.remove(path)
    os.mkfifo(path)


def become_directory(path: bytes) -> None:
    os.remove(path)
    os.mkdir(path)


def become_link(path: bytes) -> None:
    os.rename(path, path + b".old")
    write(path + b".other", b"of somebody else")
    os.symlink(path + b".other", path)


def lose_parent(path: bytes) -> None:
    os.rename(os.path.dirname(path), os.path.dirname(path) + b"-moved")
    os.mkdir(os.path.dirname(path))
    os.rename(os.path.dirname(path) + b"-moved", os.path.dirname(path) + b"/moved")


REPLACEMENTS = {
    "removed": (gone, ProblemKind.VANISHED),
    "with its directory": (lose_parent, ProblemKind.VANISHED),
    "a FIFO": (become_fifo, ProblemKind.CHANGED),
    "a directory": (become_directory, ProblemKind.CHANGED),
    "a link": (become_link, ProblemKind.CHANGED),
}


@pytest.mark.parametrize("reader", ["small", "large"])
@pytest.mark.parametrize(("change", "kind"), REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_what_took_the_place_of_a_file_is_never_read(
    path: bytes, problems: Problems, reader: str, change: Callable[[bytes], None], kind: ProblemKind
) -> None:
    seen = os.lstat(path)
    change(path)
    before = descriptors()
    with pytest.raises(EntryProblemError) as caught:
        read_small(path, seen, problems) if reader == "small" else open_regular(path, seen)
    assert caught.value.problem.kind is kind
    assert descriptors() == before


def test_a_link_is_followed_to_the_file_that_the_walk_saw_through_it(path: bytes, problems: Problems) -> None:
    os.symlink(path, path + b".link")
    content, _, is_settled = read_small(path + b".link", os.stat(path), problems)
    assert (content, is_settled) == (b"first content", True)


def test_a_disk_error_is_told_with_the_path(problems: Problems) -> None:
    stat = os.lstat(UNREADABLE_IN_THE_MIDDLE)
    with pytest.raises(EntryProblemError, match="EIO") as small:
        read_small(UNREADABLE_IN_THE_MIDDLE, stat, problems)
    descriptor, _ = open_regular(UNREADABLE_IN_THE_MIDDLE, stat)
    with pytest.raises(EntryProblemError, match="EIO") as large:
        read_large(UNREADABLE_IN_THE_MIDDLE, descriptor, bytearray(10), 0)
    os.close(descriptor)
    for problem in (small.value.problem, large.value.problem):
        assert (problem.kind, problem.path) == (ProblemKind.UNREADABLE, UNREADABLE_IN_THE_MIDDLE)


def test_an_ordinary_user_reads_what_others_own_and_may_not_read_the_rest(path: bytes) -> None:
    write(path + b".closed", b"closed")
    os.chmod(path + b".closed", 0)

    def look() -> tuple[bytes, str]:
        content, _, _ = read_small(path, os.lstat(path), Problems())
        try:
            read_small(path + b".closed", os.lstat(path + b".closed"), Problems())
        except EntryProblemError as err:
            return content, str(err.problem.kind)
        return content, "read"

    assert as_nobody(look) == (b"first content", "unreadable")


def test_read_large_fills_the_buffer_and_tells_the_end(path: bytes) -> None:
    descriptor, stat = open_regular(path, os.lstat(path))
    buffer = bytearray(8)
    assert stat == os.lstat(path)
    assert (read_large(path, descriptor, buffer, 0), bytes(buffer)) == (8, b"first co")
    assert (read_large(path, descriptor, buffer, 8), bytes(buffer[:5])) == (5, b"ntent")
    assert read_large(path, descriptor, buffer, 13) == 0
    os.close(descriptor)


def test_settle_tells_a_file_that_was_written_meanwhile(path: bytes, problems: Problems) -> None:
    descriptor, before = open_regular(path, os.lstat(path))
    assert settle(path, descriptor, before, problems) == (before, True)
    with open(path, "ab") as file:
        file.write(b"more")
    now, is_settled = settle(path, descriptor, before, problems)
    os.close(descriptor)
    assert (now.st_size, is_settled) == (before.st_size + 4, False)
    assert [problem.kind for problem in problems.kept] == [ProblemKind.CHANGED]


def test_reading_a_file_beside_a_busy_writer_ends(path: bytes, problems: Problems) -> None:
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            with open(path, "ab") as file:
                file.write(b".")

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for _ in range(50):
            content, _, _ = read_small(path, os.lstat(path), problems)
            assert content.startswith(b"first content")
    finally:
        stop.set()
        writer.join()


def test_a_file_under_a_lease_is_read_when_its_holder_lets_go(path: bytes, problems: Problems) -> None:
    receiving, sending = os.pipe()
    holder = os.fork()
    if holder == 0:
        lease = os.open(path, os.O_RDWR)
        signal.signal(signal.SIGIO, lambda *_: os._exit(0))
        fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        os.write(sending, b"!")
        while True:
            signal.pause()
    os.read(receiving, 1)
    try:
        assert read_small(path, os.lstat(path), problems)[0] == b"first content"
    finally:
        for descriptor in (receiving, sending):
            os.close(descriptor)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


Layout = list[tuple[int, int, bool]]
LAYOUTS: dict[str, tuple[int, list[tuple[int, int]], Layout]] = {
    "empty": (0, [], []),
    "dense": (128 * KIB, [(0, 128 * KIB)], [(0, 128 * KIB, False)]),
    "nothing but hole": (1000 * KIB, [], [(0, 1000 * KIB, True)]),
    "hole first": (
        512 * KIB,
        [(256 * KIB, 256 * KIB)],
        [(0, 256 * KIB, True), (256 * KIB, 256 * KIB, False)],
    ),
    "hole last": (512 * KIB, [(0, 4 * KIB)], [(0, 4 * KIB, False), (4 * KIB, 508 * KIB, True)]),
    "hole between": (
        512 * KIB,
        [(0, 64 * KIB), (448 * KIB, 64 * KIB)],
        [(0, 64 * KIB, False), (64 * KIB, 384 * KIB, True), (448 * KIB, 64 * KIB, False)],
    ),
    "short holes are data": (
        256 * KIB,
        [(0, 4 * KIB), (32 * KIB, 4 * KIB), (252 * KIB, 4 * KIB)],
        [(0, 36 * KIB, False), (36 * KIB, 216 * KIB, True), (252 * KIB, 4 * KIB, False)],
    ),
    "a short hole is data throughout": (30 * KIB, [], [(0, 30 * KIB, False)]),
    "short hole last": (100 * KIB, [(0, 80 * KIB)], [(0, 100 * KIB, False)]),
}  # fmt: skip


@pytest.mark.parametrize(("size", "data", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_extents_cover_the_file_with_holes_apart(
    place: bytes, size: int, data: list[tuple[int, int]], expected: Layout
) -> None:
    with open(place + b"/sparse", "w+b") as file:
        for offset, length in data:
            file.seek(offset)
            file.write(b"x" * length)
        file.truncate(size)
        file.flush()
        assert list(iterate_extents(file.fileno(), size)) == expected


def test_extents_of_a_file_that_shrinks_are_those_that_were_announced(place: bytes) -> None:
    with open(place + b"/sparse", "w+b") as file:
        file.truncate(1000 * KIB)
        extents = iterate_extents(file.fileno(), 2000 * KIB)
        assert list(extents) == [(0, 2000 * KIB, True)]
