"""Which part of a backup lands where: --to, targets by name and by path, include globs, points in time."""

import os
from datetime import timedelta

import pytest
from tests.integration.workbench import POLICY, Workbench, files_source, names_below, read, write
from tests.support.trees import compare_trees

from backup_manager.common.errors import NotFoundError, UsageError

GLOBS = [
    (("*.txt",), ["a.txt", "deep", "deep/er", "deep/er/b.txt"]),
    (("/a.txt",), ["a.txt"]),
    (("deep/",), ["deep", "deep/c.log", "deep/er", "deep/er/b.txt", "deep/er/d.bin"]),
    (("/deep/*.log",), ["deep", "deep/c.log"]),
    (("deep/**/*.bin",), ["deep", "deep/er", "deep/er/d.bin"]),
    (("er/*.txt", "/e"), ["e"]),
    (("**/er/*.txt", "/e"), ["deep", "deep/er", "deep/er/b.txt", "e"]),
    (("*.txt", "!b.txt"), ["a.txt"]),
    (("nothing of that name",), []),
]


@pytest.fixture
def tree(bench: Workbench) -> bytes:
    """A small tree with folders of uncommon modes."""
    source = bench.place + b"/source"
    for name in ("a.txt", "e", "deep/c.log", "deep/er/b.txt", "deep/er/d.bin"):
        write(source + b"/" + name.encode(), name)
    os.chmod(source + b"/deep", 0o710)
    os.utime(source + b"/deep", ns=(1, 2))
    return source


def test_to_puts_every_path_below_the_folder(bench: Workbench, tree: bytes) -> None:
    other = write(bench.place + b"/other/file", b"other")
    bench.back_up(tree, other)
    bench.restore(to=bench.place + b"/to")
    assert compare_trees(tree, bench.place + b"/to" + tree) == []
    assert read(bench.place + b"/to" + other) == b"other"


def test_several_paths_of_one_source_land_below_its_target(bench: Workbench, tree: bytes) -> None:
    other = write(bench.place + b"/other/file", b"other")
    bench.back_up(files_source(tree + b"/deep", other, name="both"))
    bench.bring_back("both", bench.place + b"/to")
    assert compare_trees(tree + b"/deep", bench.place + b"/to" + tree + b"/deep") == []
    assert read(bench.place + b"/to" + other) == b"other"


def test_a_source_by_name_lands_with_its_content(bench: Workbench, tree: bytes) -> None:
    bench.back_up(files_source(tree, name="documents"))
    bench.bring_back("documents", bench.place + b"/to")
    assert compare_trees(tree, bench.place + b"/to") == []


def test_a_path_below_a_source_lands_with_its_content(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    bench.bring_back(tree + b"/deep", bench.place + b"/to")
    assert compare_trees(tree + b"/deep", bench.place + b"/to") == []


def test_a_file_below_a_source_lands_under_its_own_name(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    bench.bring_back(tree + b"/deep/c.log", bench.place + b"/to")
    assert names_below(bench.place + b"/to") == [b"c.log"]


def test_a_source_that_is_one_file_lands_under_its_own_name(bench: Workbench, tree: bytes) -> None:
    result = bench.back_up(files_source(tree + b"/a.txt", name="one"))
    bench.bring_back("one", bench.place + b"/to")
    assert (result.files, result.directories) == (1, 0)
    assert names_below(bench.place + b"/to") == [b"a.txt"]
    assert os.stat(bench.place + b"/to/a.txt").st_mtime_ns == os.stat(tree + b"/a.txt").st_mtime_ns


def test_a_source_that_is_a_link_brings_back_what_it_pointed_to(bench: Workbench, tree: bytes) -> None:
    os.symlink(b"source", bench.place + b"/link")
    bench.back_up(bench.place + b"/link")
    bench.bring_back(bench.place + b"/link", bench.place + b"/to")
    assert compare_trees(tree, bench.place + b"/to") == []


def test_each_target_gets_its_part(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    first, second = bench.place + b"/first", bench.place + b"/second"
    result = bench.restore(targets={tree + b"/deep": first, tree + b"/deep/er": second})
    assert compare_trees(tree + b"/deep", first) == []
    assert compare_trees(tree + b"/deep/er", second) == []
    assert result.files == 5


def test_a_path_that_two_sources_hold_comes_back_once(bench: Workbench, tree: bytes) -> None:
    bench.back_up(files_source(tree, name="whole"), files_source(tree + b"/deep", name="part"))
    result = bench.restore(to=bench.place + b"/to")
    assert compare_trees(tree, bench.place + b"/to" + tree) == []
    assert result.files == 5


@pytest.mark.parametrize(("globs", "expected"), GLOBS, ids=[" ".join(globs) for globs, _ in GLOBS])
def test_globs_are_relative_to_the_path_of_the_source(
    bench: Workbench, tree: bytes, globs: tuple[str, ...], expected: list[str]
) -> None:
    bench.back_up(tree)
    for request, landed in (({"to": bench.place + b"/all"}, b"/all" + tree), ({}, b"/target")):
        targets = {} if request else {tree: bench.place + b"/target"}
        bench.restore(include=globs, targets=targets, **request)
        found = bench.place + landed
        assert names_below(found) == [name.encode() for name in expected]


def test_folders_above_an_included_file_keep_their_metadata(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    bench.restore(include=("c.log",), targets={tree: bench.place + b"/to"})
    one, other = os.stat(tree + b"/deep"), os.stat(bench.place + b"/to/deep")
    assert (one.st_mode, one.st_mtime_ns) == (other.st_mode, other.st_mtime_ns)


def test_globs_below_a_subpath_are_relative_to_it(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    bench.restore(include=("/er/*.txt",), targets={tree + b"/deep": bench.place + b"/to"})
    assert names_below(bench.place + b"/to") == [b"er", b"er/b.txt"]


def test_hard_links_to_files_that_are_not_included_are_files(bench: Workbench, tree: bytes) -> None:
    os.link(tree + b"/a.txt", tree + b"/deep/z.txt")
    bench.back_up(tree)
    bench.restore(include=("z.txt",), targets={tree: bench.place + b"/to"})
    assert read(bench.place + b"/to/deep/z.txt") == b"a.txt"


@pytest.mark.parametrize("source", ["unknown", "/nowhere", "/"])
def test_an_unknown_source_is_named(bench: Workbench, tree: bytes, source: str) -> None:
    bench.back_up(tree)
    with pytest.raises(NotFoundError, match="its sources are"):
        bench.bring_back(source, bench.place + b"/to")
    assert not os.path.exists(bench.place + b"/to")


def test_a_path_that_the_source_does_not_hold_is_an_error(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    with pytest.raises(NotFoundError):
        bench.bring_back(tree + b"/deep/gone", bench.place + b"/to")
    assert not os.path.exists(bench.place + b"/to")


@pytest.mark.parametrize("request_", [{}, {"to": b"/x", "targets": {b"/y": b"/z"}}, {"to": b""}], ids=str)
def test_a_restore_needs_one_kind_of_destination(
    bench: Workbench, tree: bytes, request_: dict[str, object]
) -> None:
    bench.back_up(tree)
    with pytest.raises(UsageError):
        bench.restore(**request_)


def test_a_destination_named_twice_is_refused(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    to = bench.place + b"/to"
    with pytest.raises(UsageError, match="same destination"):
        bench.restore(targets={tree: to, tree + b"/deep": to + b"/"})


def test_a_destination_inside_another_is_refused(bench: Workbench, tree: bytes) -> None:
    bench.back_up(tree)
    to = bench.place + b"/to"
    with pytest.raises(UsageError, match="inside"):
        bench.restore(targets={tree: to, tree + b"/deep": to + b"/inner"})


def test_a_point_in_time_means_the_backup_started_last_before_it(bench: Workbench, tree: bytes) -> None:
    first = bench.back_up(tree)
    write(tree + b"/later", b"")
    bench.clock.ahead += 5
    second = bench.back_up(tree)
    shown = first.started_at.replace(microsecond=0)  # as a listing shows it
    cases = (shown, first), (shown + timedelta(seconds=2), first), (shown + timedelta(days=1), second)
    for moment, backup in cases:
        targets = {tree: bench.place + b"/to"}
        restored = bench.restore(policy=POLICY, targets=targets, point_in_time=moment, mode="mirror")
        assert restored.backup == backup.id
        assert (b"later" in names_below(bench.place + b"/to")) is (backup is second)
    with pytest.raises(NotFoundError, match="at or before"):
        bench.restore(to=bench.place + b"/x", point_in_time=shown - timedelta(seconds=1))


def test_a_backup_that_is_named_with_a_point_in_time_was_started_before_it(
    bench: Workbench, tree: bytes
) -> None:
    backup = bench.back_up(tree)
    shown = backup.started_at.replace(microsecond=0)

    later = shown + timedelta(hours=1)
    assert bench.restore(backup=backup.id, to=bench.place + b"/to", point_in_time=later).backup == backup.id
    with pytest.raises(NotFoundError, match="was started after"):
        bench.restore(backup=backup.id, to=bench.place + b"/x", point_in_time=shown - timedelta(seconds=1))
