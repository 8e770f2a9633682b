"""Files that vanish, change, grow, shrink or are replaced while a source is read."""

import os
import random
import socket
from collections.abc import Callable

import pytest
from tests.integration.workbench import (
    Workbench,
    files_source,
    names_below,
    nothing_was_committed,
    read,
    write,
)
from tests.support.trees import compare_trees

from backup_manager.common.errors import SourceUnreadableError
from backup_manager.contract.requests import Hooks

MIB = 1024 * 1024
MORE_THAN_A_PAGE = 4 << 30  # bytes of a file after which the catalogue begins a new page


def once(action: Callable[[], object]) -> Callable[..., bool]:
    """Return a hook that carries out *action* the first time it is called, and never cancels."""
    actions = [action]

    def hook(*_arguments: object) -> bool:
        if actions:
            actions.pop()()
        return False

    return hook


def before_reading(action: Callable[[], object]) -> Hooks:
    """Return hooks that act when the entries were seen and none was read."""
    return Hooks(cancelled=once(action))


def after_first_block(action: Callable[[], object]) -> Hooks:
    """Return hooks that act when 12 MiB of the first large file were read, or else after the first page."""
    return Hooks(progress=once(action))


@pytest.fixture
def tree(bench: Workbench) -> bytes:
    root = bench.place + b"/tree"
    for name in (b"a", b"closed", b"folder/inner", b"z"):
        write(root + b"/" + name, name)
    return root


def take_place(path: bytes, make: Callable[[bytes], object]) -> None:
    os.unlink(path)
    make(path)


def listen(path: bytes) -> None:
    before = os.getcwd()
    os.chdir(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.basename(path))
    os.chdir(before)


MEANWHILE: dict[str, tuple[Callable[[bytes], object], str]] = {
    "removed": (os.unlink, "vanished"),
    "became a link": (
        lambda path: take_place(path, lambda name: os.symlink(b"/etc/hostname", name)),
        "changed",
    ),
    "became a fifo": (lambda path: take_place(path, os.mkfifo), "changed"),
    "became a folder": (lambda path: take_place(path, os.mkdir), "changed"),
    "became a socket": (lambda path: take_place(path, listen), "changed"),
}


@pytest.mark.parametrize("size", [5, 400_000])
@pytest.mark.parametrize("change", MEANWHILE)
def test_a_file_that_goes_between_seeing_and_reading_is_left_out_and_told(
    bench: Workbench, tree: bytes, change: str, size: int
) -> None:
    act, told = MEANWHILE[change]
    path = write(tree + b"/m", b"x" * size)
    result = bench.back_up(tree, hooks=before_reading(lambda: act(path)))
    assert [warning.split(":")[0] for warning in result.warnings] == [told]
    assert path not in bench.entries()
    bench.bring_back(tree, bench.place + b"/to", result.id)
    assert names_below(bench.place + b"/to") == [b"a", b"closed", b"folder", b"folder/inner", b"z"]
    again = bench.back_up(tree)
    assert (path in bench.entries()) is (change != "removed")
    assert again.warnings == ()


@pytest.mark.parametrize(
    "new", [b"", b"1", b"12345", b"1" * 300_000, b"1" * 9 * MIB], ids=lambda new: str(len(new))
)
@pytest.mark.parametrize("size", [0, 5, 400_000])
def test_a_file_written_between_seeing_and_reading_is_stored_as_it_is_then(
    bench: Workbench, tree: bytes, size: int, new: bytes
) -> None:
    path = write(tree + b"/m", b"x" * size)
    bench.back_up(tree, hooks=before_reading(lambda: write(path, new)))
    bench.bring_back(tree, bench.place + b"/to")
    assert compare_trees(tree, bench.place + b"/to") == []


def test_a_folder_removed_between_seeing_and_listing_is_told(bench: Workbench, tree: bytes) -> None:
    with open(tree + b"/large", "wb") as file:
        file.truncate(MORE_THAN_A_PAGE)

    def remove() -> None:
        os.unlink(tree + b"/z folder/inner")
        os.rmdir(tree + b"/z folder")

    write(tree + b"/z folder/inner", b"")
    result = bench.back_up(tree, hooks=before_reading(remove))
    assert all(warning.startswith("vanished") for warning in result.warnings)
    assert tree + b"/z folder/inner" not in bench.entries()


def test_a_source_that_goes_away_as_a_whole_fails_the_run(bench: Workbench, tree: bytes) -> None:
    with open(tree + b"/large", "wb") as file:
        file.truncate(MORE_THAN_A_PAGE)
    with pytest.raises(SourceUnreadableError, match="cannot be opened"):
        bench.back_up(
            files_source(tree, allow_unreadable=True),
            hooks=before_reading(lambda: os.rename(tree, bench.place + b"/away")),
        )
    assert nothing_was_committed(bench)


def grow(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"more" * MIB)


def rewrite(path: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")


@pytest.mark.parametrize(
    "change",
    [
        grow,
        rewrite,
        lambda path: os.truncate(path, 13 * MIB),
        lambda path: os.truncate(path, 12 * MIB),
        lambda path: os.truncate(path, 0),
    ],
    ids=["grows", "rewritten", "shrinks", "shrinks to what was read", "emptied"],
)
def test_a_large_file_that_changes_while_it_is_read_restores_as_it_was_read(
    bench: Workbench, tree: bytes, change: Callable[[bytes], object]
) -> None:
    path = write(tree + b"/large", random.Random(30).randbytes(30 * MIB))
    before = read(path)
    result = bench.back_up(tree, hooks=after_first_block(lambda: change(path)))
    bench.bring_back(tree, bench.place + b"/to", result.id)
    stored = read(bench.place + b"/to/large")
    assert stored[: 12 * MIB] == before[: 12 * MIB]
    assert {warning.split(":")[0] for warning in result.warnings} <= {"changed"}
    if result.warnings:
        assert bench.entries()[path][0].racy
    again = bench.back_up(tree)
    bench.bring_back(tree, bench.place + b"/again", again.id)
    assert compare_trees(tree, bench.place + b"/again") == []


@pytest.mark.parametrize(
    "change", [os.unlink, lambda path: os.rename(path, path + b".old")], ids=["removed", "renamed"]
)
def test_a_large_file_that_goes_while_it_is_read_is_whole_or_told(
    bench: Workbench, tree: bytes, change: Callable[[bytes], object]
) -> None:
    path = write(tree + b"/large", random.Random(30).randbytes(30 * MIB))
    before = read(path)
    result = bench.back_up(tree, hooks=after_first_block(lambda: change(path)))
    bench.bring_back(tree, bench.place + b"/to", result.id)
    assert {warning.split(":")[0] for warning in result.warnings} <= {"changed", "vanished"}
    if path in bench.entries():
        assert read(bench.place + b"/to/large") == before
    else:
        assert result.warnings


def test_a_sparse_file_that_shrinks_while_it_is_read_restores(bench: Workbench, tree: bytes) -> None:
    path = write(tree + b"/large", random.Random(3).randbytes(13 * MIB))
    os.truncate(path, 60 * MIB)
    with open(path, "r+b") as file:
        file.seek(50 * MIB)
        file.write(b"data")
    result = bench.back_up(tree, hooks=after_first_block(lambda: os.truncate(path, 20 * MIB)))
    bench.bring_back(tree, bench.place + b"/to", result.id)
    assert read(bench.place + b"/to/large")[: 13 * MIB] == read(path)[: 13 * MIB]


def rewrite_and_put_time_back(path: bytes) -> None:
    before = os.stat(path).st_mtime_ns
    rewrite(path)
    os.utime(path, ns=(before, before))


@pytest.mark.parametrize("size", [100, 400_000])
@pytest.mark.parametrize(
    "change",
    [
        grow,
        rewrite,
        rewrite_and_put_time_back,
        lambda path: os.truncate(path, 10),
        lambda path: os.chmod(path, 0o600),
    ],
    ids=["grows", "rewritten", "time put back", "shrinks", "mode"],
)
def test_a_hard_linked_file_that_changes_between_its_names_restores_as_states_it_had(
    bench: Workbench, tree: bytes, size: int, change: Callable[[bytes], object]
) -> None:
    """One name is read before the change, the other is seen after it: neither may bear the other's content."""
    before = b"0" * size
    first = write(tree + b"/a linked", before)
    with open(tree + b"/b large", "wb") as file:
        file.truncate(MORE_THAN_A_PAGE)
    os.link(first, tree + b"/c linked")
    result = bench.back_up(tree, hooks=after_first_block(lambda: change(first)))
    bench.restore(result.id, targets={tree: bench.place + b"/to"}, include=("*linked",))
    for name in (b"/a linked", b"/c linked"):
        assert read(bench.place + b"/to" + name) in (before, read(first))
    again = bench.back_up(tree)
    bench.restore(again.id, targets={tree: bench.place + b"/again"}, include=("*linked",))
    assert read(bench.place + b"/again/a linked") == read(first)
    assert os.stat(bench.place + b"/again/c linked").st_nlink == 2
