"""Fail, merge and mirror; a dry run tells exactly what is then done; links in a destination are not followed."""

import os
from itertools import count

import pytest
from tests.integration.workbench import Workbench, names_below, read, write
from tests.support.trees import build_hostile_tree, compare_trees, describe_tree

from backup_manager.common.errors import ChecksumMismatchError, TargetUnusableError
from backup_manager.contract.requests import Hooks, Progress


@pytest.fixture
def source(bench: Workbench) -> bytes:
    """A small backed-up tree."""
    path = bench.place + b"/source"
    for name in (b"a", b"b", b"folder/c", b"folder/deep/d", b"last"):
        write(path + b"/" + name, name)
    os.link(path + b"/a", path + b"/folder/link of a")
    os.symlink(b"a", path + b"/symlink")
    bench.back_up(path)
    return path


@pytest.fixture
def crowded(bench: Workbench) -> bytes:
    """A destination with equal, different, foreign and misplaced things."""
    path = bench.place + b"/to"
    for name in (b"a", b"own", b"folder/c", b"folder/own", b"own folder/deep/own", b"symlink"):
        write(path + b"/" + name, b"of the destination")
    os.symlink(b"/nowhere", path + b"/b")
    os.mkdir(path + b"/last")
    return path


def fingerprint(path: bytes) -> object:
    return describe_tree(path) if os.path.lexists(path) else None


def test_fail_refuses_what_is_not_empty_and_changes_nothing(
    bench: Workbench, source: bytes, crowded: bytes
) -> None:
    before = fingerprint(crowded)
    with pytest.raises(TargetUnusableError, match="not empty"):
        bench.bring_back(source, crowded)
    assert fingerprint(crowded) == before


@pytest.mark.parametrize("name", [b"", b"/lost+found"], ids=["empty", "lost+found"])
def test_fail_takes_an_empty_folder(bench: Workbench, source: bytes, name: bytes) -> None:
    os.makedirs(bench.place + b"/to" + name)
    bench.bring_back(source, bench.place + b"/to")
    assert read(bench.place + b"/to/folder/deep/d") == b"folder/deep/d"


def test_merge_overwrites_and_keeps_the_rest(bench: Workbench, source: bytes, crowded: bytes) -> None:
    bench.restore(targets={source: crowded}, mode="merge")
    only_here = {b"own", b"folder/own", b"own folder", b"own folder/deep", b"own folder/deep/own"}
    assert set(names_below(crowded)) - set(names_below(source)) == only_here
    differences = compare_trees(source, crowded)
    assert len(differences) == len(only_here)
    assert all("only in the second" in line for line in differences)


def test_mirror_makes_the_destination_equal(bench: Workbench, source: bytes, crowded: bytes) -> None:
    bench.restore(targets={source: crowded}, mode="mirror")
    assert compare_trees(source, crowded) == []


def test_mirror_removes_only_what_is_included(bench: Workbench, source: bytes, crowded: bytes) -> None:
    bench.restore(targets={source: crowded}, mode="mirror", include=("folder",))
    assert compare_trees(source + b"/folder", crowded + b"/folder", ignore=frozenset({"links"})) == []
    assert read(crowded + b"/own folder/deep/own") == b"of the destination"


def test_a_folder_with_content_in_the_way_stops_a_merge(bench: Workbench, source: bytes) -> None:
    write(bench.place + b"/to/last/own", b"kept")
    with pytest.raises(TargetUnusableError, match="folder with content"):
        bench.restore(targets={source: bench.place + b"/to"}, mode="merge")
    assert read(bench.place + b"/to/last/own") == b"kept"


def test_mirroring_the_hostile_tree_over_another_makes_them_equal(folder_bench: Workbench) -> None:
    first, second = folder_bench.place + b"/first", folder_bench.place + b"/second"
    build_hostile_tree(first, seed=1)
    build_hostile_tree(second, seed=2)
    write(second + b"/names/own/deep/own", b"of the second")
    os.unlink(first + b"/specials/socket")
    folder_bench.back_up(first)
    folder_bench.restore(targets={first: second}, mode="mirror")
    assert compare_trees(first, second) == []


@pytest.mark.parametrize("mode", ["fail", "merge", "mirror"])
@pytest.mark.parametrize("include", [(), ("folder",), ("*.none",), ("a", "d")], ids=str)
def test_a_dry_run_tells_what_is_then_done(
    bench: Workbench, source: bytes, crowded: bytes, mode: str, include: tuple[str, ...]
) -> None:
    destination = bench.place + b"/new" if mode == "fail" else crowded
    request: dict[str, object] = {"targets": {source: destination}, "mode": mode, "include": include}
    before = fingerprint(destination)
    plan = bench.plan(**request)
    assert fingerprint(destination) == before
    names_before = set(names_below(destination)) if before else set()
    result = bench.restore(**request)
    names_after = set(names_below(destination))
    assert (plan.files, plan.bytes) == (result.files, result.bytes)
    assert relative(plan.written.paths, destination) == names_after - names_before
    assert relative(plan.removed.paths, destination) == names_before - names_after
    assert relative(plan.replaced.paths, destination) <= names_before & names_after
    assert plan.written.count == len(plan.written.paths)


def relative(paths: tuple[str, ...], destination: bytes) -> set[bytes]:
    return {os.path.relpath(os.fsencode(path), destination) for path in paths}


def test_a_dry_run_refuses_what_the_restore_would_refuse(
    bench: Workbench, source: bytes, crowded: bytes
) -> None:
    with pytest.raises(TargetUnusableError, match="not empty"):
        bench.plan(targets={source: crowded})


@pytest.mark.parametrize("mode", ["merge", "mirror"])
def test_links_in_the_destination_are_never_followed(bench: Workbench, source: bytes, mode: str) -> None:
    outside = bench.place + b"/outside"
    for name in (b"a", b"c", b"deep/d", b"own", b"last/x"):
        write(outside + b"/" + name, b"untouched")
    destination = bench.place + b"/to"
    os.mkdir(destination)
    os.symlink(outside + b"/a", destination + b"/a")
    os.symlink(outside, destination + b"/folder")
    os.symlink(b"../outside/last", destination + b"/last")
    os.symlink(outside, destination + b"/own")
    before = fingerprint(outside)
    bench.restore(targets={source: destination}, mode=mode)
    assert fingerprint(outside) == before
    assert not os.path.islink(destination + b"/folder")
    assert read(destination + b"/folder/deep/d") == b"folder/deep/d"
    assert os.path.lexists(destination + b"/own") is (mode == "merge")


@pytest.mark.parametrize("mode", ["merge", "mirror"])
def test_hard_links_in_the_destination_are_broken_not_written_through(
    bench: Workbench, source: bytes, mode: str
) -> None:
    outside = write(bench.place + b"/outside", b"untouched")
    os.mkdir(bench.place + b"/to")
    os.link(outside, bench.place + b"/to/a")
    os.link(outside, bench.place + b"/to/b")
    bench.restore(targets={source: bench.place + b"/to"}, mode=mode)
    assert (read(outside), read(bench.place + b"/to/b")) == (b"untouched", b"b")


def test_a_fifo_in_the_way_does_not_hang_the_restore(bench: Workbench, source: bytes) -> None:
    os.mkdir(bench.place + b"/to")
    os.mkfifo(bench.place + b"/to/a")
    bench.restore(targets={source: bench.place + b"/to"}, mode="merge")
    assert read(bench.place + b"/to/a") == b"a"


def tamper_content(path: bytes) -> None:
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


TAMPERINGS = {
    "content": tamper_content,
    "mode": lambda path: os.chmod(path, 0o600),
    "time": lambda path: os.utime(path, ns=(0, 0)),
    "missing": os.unlink,
    "link": lambda path: (os.unlink(path), os.symlink(b"b", path)),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
@pytest.mark.parametrize("size", [700, 5_000_000], ids=["small", "large"])
def test_the_closing_comparison_finds_a_tampered_file(bench: Workbench, tampering: str, size: int) -> None:
    source = bench.place + b"/source"
    write(source + b"/a", bytes(range(250)) * (size // 250))
    write(source + b"/other", bytes(300_000))
    bench.back_up(source)
    target = bench.place + b"/to/a"

    def tamper(progress: Progress) -> None:
        if progress.files == progress.total_files and next(calls) == 0:
            TAMPERINGS[tampering](target)

    calls = count()
    with pytest.raises(ChecksumMismatchError, match="not what was backed up"):
        bench.restore(targets={source: bench.place + b"/to"}, hooks=Hooks(progress=tamper))


@pytest.mark.parametrize(
    ("inside", "mode", "include", "is_refused"),
    [
        (b"", "merge", (), True),
        (b"/packs/new", "fail", (), True),
        (b"/..", "mirror", (), True),
        (b"/..", "mirror", ("repo*",), True),
        (b"/..", "mirror", ("a", "folder"), False),
        (b"/..", "merge", (), False),
        (b"/../beside", "mirror", (), False),
    ],
)
def test_a_restore_never_overwrites_or_removes_its_repository(
    folder_bench: Workbench, inside: bytes, mode: str, include: tuple[str, ...], is_refused: bool
) -> None:
    source = folder_bench.place + b"/source"
    write(source + b"/a", b"a")
    folder_bench.back_up(source)
    before = names_below(os.fsencode(folder_bench.address.url) + b"/packs")
    targets = {source: os.fsencode(folder_bench.address.url) + inside}
    if is_refused:
        for refusing in (folder_bench.plan, folder_bench.restore):
            with pytest.raises(TargetUnusableError, match="overlap"):
                refusing(targets=targets, mode=mode, include=include)
    else:
        folder_bench.restore(targets=targets, mode=mode, include=include)
    assert names_below(os.fsencode(folder_bench.address.url) + b"/packs") == before
