"""Sources that cannot be read, are empty, or are partly excluded."""

import os
import random

import pytest
from tests.integration.workbench import (
    FULL,
    Workbench,
    files_source,
    names_below,
    nothing_was_committed,
    open_to_nobody,
    read,
    write,
)
from tests.support.unprivileged import as_nobody

from backup_manager.common.errors import (
    BackupManagerError,
    ConfigurationError,
    SourceEmptyError,
    SourceUnreadableError,
)
from backup_manager.contract.requests import Hooks

MIB = 1024 * 1024


@pytest.fixture
def tree(bench: Workbench) -> bytes:
    root = bench.place + b"/tree"
    for name in (b"a", b"closed", b"folder/inner", b"z"):
        write(root + b"/" + name, name)
    os.chmod(root, 0o755)
    return root


@pytest.fixture
def closed_file(tree: bytes) -> bytes:
    os.chmod(tree + b"/closed", 0)
    os.chown(tree + b"/closed", 0, 0)
    return tree + b"/closed"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can own what others may not read")


@needs_root
def test_an_unreadable_file_fails_the_run_and_nothing_is_committed(
    bench: Workbench, tree: bytes, closed_file: bytes
) -> None:
    own = open_to_nobody(bench)
    with pytest.raises(
        SourceUnreadableError, match=r"1 entry could not be read: .*/closed: .*EACCES"
    ) as caught:
        as_nobody(lambda: own.back_up(tree))
    assert (caught.value.exit_code, caught.value.reason) == (10, "SourceUnreadable")
    assert nothing_was_committed(own)


@needs_root
def test_an_unreadable_file_is_a_warning_where_that_is_allowed(
    bench: Workbench, tree: bytes, closed_file: bytes
) -> None:
    own = open_to_nobody(bench)
    result = as_nobody(lambda: own.back_up(files_source(tree, allow_unreadable=True)))
    assert [warning.split(":")[0] for warning in result.warnings] == ["unreadable"]
    assert os.fsdecode(closed_file) in result.warnings[0]


@needs_root
def test_an_unreadable_folder_fails_the_run(bench: Workbench, tree: bytes) -> None:
    os.chmod(tree + b"/folder", 0o700)
    os.chown(tree + b"/folder", 0, 0)
    own = open_to_nobody(bench)
    with pytest.raises(SourceUnreadableError, match="listing the directory"):
        as_nobody(lambda: own.back_up(tree))


@needs_root
def test_an_unreadable_entry_that_is_excluded_is_no_problem(
    bench: Workbench, tree: bytes, closed_file: bytes
) -> None:
    own = open_to_nobody(bench)
    result = as_nobody(lambda: own.back_up(files_source(tree, exclude=("closed",))))
    assert result.warnings == ()


@needs_root
def test_a_thousand_unreadable_files_give_a_short_error_and_bounded_warnings(
    bench: Workbench, tree: bytes
) -> None:
    for number in range(1_000):
        os.chmod(write(tree + b"/closed %d" % number, b""), 0)
    own = open_to_nobody(bench)
    with pytest.raises(SourceUnreadableError, match=r"1,000 entries.*and 995 more") as caught:
        as_nobody(lambda: own.back_up(tree))
    assert len(str(caught.value)) < 2_000
    result = as_nobody(lambda: own.back_up(files_source(tree, allow_unreadable=True)))
    assert (len(result.warnings), result.warnings[-1]) == (101, "and 900 more")


def test_a_failed_run_leaves_the_backup_before_as_the_latest(bench: Workbench) -> None:
    own = open_to_nobody(bench)
    source, destination = own.place + b"/own", own.place + b"/to"

    def good_run_then_bad_one() -> tuple[bool, bool]:
        closed = write(source + b"/closed", b"content")
        good = own.back_up(source)
        os.chmod(closed, 0)
        os.utime(source, ns=(1, 2))
        with pytest.raises(SourceUnreadableError):
            own.back_up(source, type=FULL)
        restored = own.restore(targets={source: destination})
        os.chmod(closed, 0o644)
        return restored.backup == good.id, read(closed) == read(destination + b"/closed")

    assert as_nobody(good_run_then_bad_one) == (True, True)


@pytest.mark.parametrize("exclude", [(), ("*",), ("/only",)], ids=str)
def test_an_empty_source_is_an_error_unless_allowed(bench: Workbench, exclude: tuple[str, ...]) -> None:
    source = bench.place + b"/empty"
    os.makedirs(source + b"/folder")
    if exclude:
        write(source + b"/only")
    with pytest.raises(SourceEmptyError, match="there is no file in") as caught:
        bench.back_up(files_source(source, exclude=exclude))
    assert (caught.value.exit_code, caught.value.reason) == (10, "SourceEmpty")
    assert nothing_was_committed(bench)
    allowed = bench.back_up(files_source(source, exclude=exclude, allow_empty=True))
    assert (allowed.files, allowed.source_bytes) == (0, 0)


def test_one_empty_source_of_several_fails_the_run(bench: Workbench, tree: bytes) -> None:
    os.mkdir(bench.place + b"/empty")
    with pytest.raises(SourceEmptyError, match="'files1'"):
        bench.back_up(tree, bench.place + b"/empty")
    assert nothing_was_committed(bench)


@pytest.mark.parametrize("kind", ["missing", "dangling"])
def test_a_source_that_does_not_exist_is_an_error(bench: Workbench, tree: bytes, kind: str) -> None:
    path = bench.place + b"/nowhere"
    if kind == "dangling":
        os.symlink(b"gone", path)
    with pytest.raises(SourceUnreadableError, match="cannot be opened"):
        bench.back_up(files_source(tree, path, allow_unreadable=True, allow_empty=True))
    assert nothing_was_committed(bench)


def test_a_path_named_twice_or_inside_another_is_stored_once(bench: Workbench, tree: bytes) -> None:
    paths = (tree, tree + b"/folder", tree + b"/", tree + b"/folder/../a")
    assert bench.back_up(files_source(*paths)).files == 4


def test_a_source_that_is_neither_file_nor_folder_can_be_stored(bench: Workbench) -> None:
    os.mkfifo(bench.place + b"/fifo")
    bench.back_up(bench.place + b"/fifo")
    bench.restore(to=bench.place + b"/to")
    assert os.path.exists(bench.place + b"/to" + bench.place + b"/fifo")


EXCLUDES = [
    (("*.log",), ["a.txt", "build", "build/c.txt", "keep", "keep/deep", "keep/deep/d.txt"]),
    (("build/",), ["a.txt", "b.log", "keep", "keep/deep", "keep/deep/d.txt", "keep/e.log"]),
    (
        ("*.log", "!e.log"),
        ["a.txt", "build", "build/c.txt", "keep", "keep/deep", "keep/deep/d.txt", "keep/e.log"],
    ),
    (("/*.log",), ["a.txt", "build", "build/c.txt", "keep", "keep/deep", "keep/deep/d.txt", "keep/e.log"]),
    (
        ("keep/**/d.txt", "# a comment", ""),
        ["a.txt", "b.log", "build", "build/c.txt", "keep", "keep/deep", "keep/e.log"],
    ),
    (("*", "!a.txt"), ["a.txt"]),
]


@pytest.mark.parametrize(("exclude", "left"), EXCLUDES, ids=[" ".join(exclude) for exclude, _ in EXCLUDES])
def test_excludes_follow_gitignore(bench: Workbench, exclude: tuple[str, ...], left: list[str]) -> None:
    source = bench.place + b"/source"
    for name in (b"a.txt", b"b.log", b"build/c.txt", b"keep/deep/d.txt", b"keep/e.log"):
        write(source + b"/" + name, name)
    bench.back_up(files_source(source, exclude=exclude))
    bench.bring_back(source, bench.place + b"/to")
    assert names_below(bench.place + b"/to") == [name.encode() for name in left]


def test_a_file_whose_size_is_not_told_is_not_cut(bench: Workbench) -> None:
    """Files of /proc, and of some network file systems, are larger than their size of 0."""
    with pytest.raises(SourceUnreadableError, match="more than its size"):
        bench.back_up(b"/proc/self/status")
    assert nothing_was_committed(bench)


def test_a_link_between_two_paths_of_a_source_is_refused(bench: Workbench, tree: bytes) -> None:
    os.symlink(b"folder", tree + b"/link")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        bench.back_up(files_source(tree, tree + b"/link/inner"))


def test_a_cancelled_backup_commits_nothing_and_serves_the_next(bench: Workbench) -> None:
    path = write(bench.place + b"/large", random.Random(1).randbytes(64 * MIB))
    asked = iter([False] * 5)
    with pytest.raises(BackupManagerError) as caught:
        bench.back_up(path, hooks=Hooks(cancelled=lambda: next(asked, True)))
    assert (caught.value.exit_code, nothing_was_committed(bench)) == (60, True)
    assert bench.back_up(path).added_bytes < 50 * MIB
