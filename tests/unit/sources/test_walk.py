"""The walk: order, roots, excludes, and what happens when the tree changes under it."""

import os
import shutil
import stat
from collections.abc import Sequence

import pytest
from tests.support.trees import build_hostile_tree, describe_tree, write
from tests.support.unprivileged import as_nobody

from backup_manager.common.errors import ConfigurationError, SourceUnreadableError
from backup_manager.engine.sources.filesystem.excludes import Excludes
from backup_manager.engine.sources.filesystem.problems import Problems
from backup_manager.engine.sources.filesystem.roots import catalogue_key
from backup_manager.engine.sources.filesystem.walk import walk


def make(root: bytes, *paths: bytes) -> None:
    """Make files, and directories for paths that end in a slash."""
    for path in paths:
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if not path.endswith(b"/"):
            write(full, b"content")


def walked(place: bytes, roots: Sequence[bytes], *patterns: str) -> list[bytes]:
    """Return the paths below *place* that a walk over *roots* yields, in its order."""
    problems = Problems()
    full = [os.path.join(place, root) for root in roots]
    found = [os.path.relpath(path, place) for path, _ in walk(full, Excludes(patterns), problems)]
    assert problems.kept == ()
    return found


def kinds(problems: Problems) -> list[tuple[str, bytes]]:
    return [(problem.kind.name, os.path.basename(problem.path)) for problem in problems.kept]


def test_every_entry_of_a_hostile_tree_is_yielded_once_in_catalogue_order(
    place: bytes, problems: Problems
) -> None:
    root = place + b"/hostile"
    build_hostile_tree(root)

    found = [path for path, _ in walk([root], None, problems)]

    expected = {root if path == b"." else root + b"/" + path for path in describe_tree(root)[0]}
    assert set(found) == expected
    assert found == sorted(found, key=catalogue_key)
    assert len(found) == len(expected)
    assert max(map(len, found)) > 4096
    assert problems.total == 0


def test_stat_is_that_of_the_entry_and_not_of_what_a_link_points_to(place: bytes, problems: Problems) -> None:
    make(place, b"file")
    os.symlink(b"file", place + b"/link")
    found = dict(walk([place], None, problems))
    assert found[place + b"/link"] == os.lstat(place + b"/link")
    assert found[place + b"/file"] == os.lstat(place + b"/file")


def test_a_link_to_a_directory_is_not_entered(place: bytes) -> None:
    make(place, b"tree/file", b"outside/file")
    os.symlink(b"../outside", place + b"/tree/link")
    os.symlink(b".", place + b"/tree/loop")
    assert walked(place, [b"tree"]) == [b"tree", b"tree/file", b"tree/link", b"tree/loop"]


def test_tree_of_many_levels_needs_neither_recursion_nor_descriptors(
    place: bytes, problems: Problems
) -> None:
    depth = 400
    os.makedirs(place + b"/d" * depth)
    assert len(list(walk([place], None, problems))) == depth + 1


ROOTS = {
    "one": ([b"a"], [b"a", b"a/b", b"a/b/c", b"a/b/c/f", b"a/b/g"]),
    "a file": ([b"a/b/g"], [b"a/b/g"]),
    "the same twice": ([b"x", b"x/", b"./x"], [b"x", b"x/h"]),
    "one beneath the other": ([b"x/h", b"x"], [b"x", b"x/h"]),
    "component-wise order": ([b"a-b", b"a/b/g", b"a b"], [b"a/b/g", b"a b", b"a-b"]),
    "a name that begins like another": ([b"x", b"a-b", b"a b"], [b"a b", b"a-b", b"x", b"x/h"]),
    "dots are resolved": ([b"a/../x"], [b"x", b"x/h"]),
}  # fmt: skip


@pytest.mark.parametrize(("roots", "expected"), ROOTS.values(), ids=ROOTS)
def test_roots_come_out_in_order_and_once(place: bytes, roots: list[bytes], expected: list[bytes]) -> None:
    make(place, b"a/b/c/f", b"a/b/g", b"a b/", b"a-b/", b"x/h")
    assert walked(place, roots) == expected


def test_the_root_directory_has_entries_of_a_single_slash(problems: Problems) -> None:
    everything_below = Excludes(["/*/*"])
    found = [path for path, _ in walk([b"/"], everything_below, problems)]
    assert found[0] == b"/"
    assert found[1:] == sorted(b"/" + name for name in os.listdir(b"/"))


def test_a_root_that_is_a_link_stands_for_its_target_under_its_own_name(place: bytes) -> None:
    make(place, b"target/file")
    os.symlink(b"target", place + b"/link")
    os.symlink(b"target/file", place + b"/link to file")
    found = dict(walk([place + b"/link", place + b"/link to file"], None, Problems()))
    assert list(found) == [place + b"/link", place + b"/link/file", place + b"/link to file"]
    assert stat.S_ISREG(found[place + b"/link to file"].st_mode)


UNUSABLE = {"missing": b"missing", "dangling link": b"dangling", "below a file": b"file/x", "loop": b"loop"}


@pytest.mark.parametrize("name", UNUSABLE.values(), ids=UNUSABLE)
def test_a_root_that_is_not_there_is_named_before_anything_is_yielded(place: bytes, name: bytes) -> None:
    make(place, b"file")
    os.symlink(b"nowhere", place + b"/dangling")
    os.symlink(b"loop", place + b"/loop")
    with pytest.raises(SourceUnreadableError, match=name.decode()):
        next(walk([place + b"/file", place + b"/" + name], None, Problems()))


@pytest.mark.parametrize("path", [b"", b"nul\0byte"])
def test_what_cannot_be_a_path_is_refused(path: bytes) -> None:
    with pytest.raises(ConfigurationError):
        next(walk([path], None, Problems()))


def test_a_root_behind_a_link_of_another_root_is_refused(place: bytes) -> None:
    make(place, b"outside/deep/file", b"tree/")
    os.symlink(b"../outside", place + b"/tree/link")
    with pytest.raises(ConfigurationError, match="tree/link") as caught:
        next(walk([place + b"/tree", place + b"/tree/link/deep"], None, Problems()))
    assert "outside/deep" in caught.value.solution


def test_a_named_link_inside_another_root_is_followed(place: bytes) -> None:
    make(place, b"outside/file", b"tree/z")
    os.symlink(b"../outside", place + b"/tree/link")
    expected = [b"tree", b"tree/link", b"tree/link/file", b"tree/z"]
    assert walked(place, [b"tree", b"tree/link"]) == expected


EXCLUDED = {
    "by name": (["*.log"], [b"t", b"t/a", b"t/a/keep", b"t/b"]),
    "a directory with all below": (["a/"], [b"t", b"t/b", b"t/x.log"]),
    "anchored": (["/b"], [b"t", b"t/a", b"t/a/keep", b"t/a/y.log", b"t/x.log"]),
    "a directory's pattern spares files": (["b/", "*.log"], [b"t", b"t/a", b"t/a/keep", b"t/b"]),
    "taken back": (["*.log", "!y.log"], [b"t", b"t/a", b"t/a/keep", b"t/a/y.log", b"t/b"]),
    "not below an excluded directory": (["a", "!y.log"], [b"t", b"t/b", b"t/x.log"]),
    "everything": (["*"], [b"t"]),
}  # fmt: skip


@pytest.mark.parametrize(("patterns", "expected"), EXCLUDED.values(), ids=EXCLUDED)
def test_excluded_entries_are_left_out(place: bytes, patterns: list[str], expected: list[bytes]) -> None:
    make(place, b"t/a/keep", b"t/a/y.log", b"t/b", b"t/x.log")
    assert walked(place, [b"t"], *patterns) == expected


def test_a_root_that_the_outer_one_excludes_is_walked_at_its_place(place: bytes) -> None:
    make(place, b"t/cache/deep/file", b"t/cache/other", b"t/a", b"t/z")
    found = walked(place, [b"t", b"t/cache/deep"], "cache")
    assert found == [b"t", b"t/a", b"t/cache/deep", b"t/cache/deep/file", b"t/z"]


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a mount inside a mount")
def test_one_file_system_shows_a_mount_point_without_its_content(problems: Problems) -> None:
    found = [path for path, _ in walk([b"/dev"], None, problems, one_file_system=True)]
    assert b"/dev/shm" in found
    assert not [path for path in found if path.startswith(b"/dev/shm/")]


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a mount inside a mount")
def test_a_root_on_another_file_system_is_walked_as_it_was_named(problems: Problems) -> None:
    mine = b"/dev/shm/mine-%d" % os.getpid()
    make(mine, b"file")
    try:
        found = [path for path, _ in walk([b"/dev", mine], None, problems, one_file_system=True)]
    finally:
        shutil.rmtree(mine)
    assert [path for path in found if path.startswith(b"/dev/shm")] == [b"/dev/shm", mine, mine + b"/file"]
    assert found == sorted(found, key=catalogue_key)


def test_what_vanishes_during_the_walk_is_told_and_left_out(place: bytes, problems: Problems) -> None:
    make(place, b"a", b"b", b"c/file", b"d")
    found = []
    for path, _ in walk([place], None, problems):
        found.append(os.path.relpath(path, place))
        if path.endswith(b"/a"):
            os.remove(place + b"/b")
        if path.endswith(b"/c"):
            shutil.rmtree(path)
    assert found == [b".", b"a", b"c", b"d"]
    assert kinds(problems) == [("VANISHED", b"b"), ("VANISHED", b"c")]


def test_a_root_that_goes_away_is_an_error_and_no_shrunken_source(place: bytes, problems: Problems) -> None:
    make(place, b"root/a", b"root/b")
    walking = walk([place + b"/root"], None, problems)
    assert [next(walking)[0], next(walking)[0]] == [place + b"/root", place + b"/root/a"]
    shutil.rmtree(place + b"/root")
    with pytest.raises(SourceUnreadableError, match="root"):
        list(walking)


def closed_tree(place: bytes) -> None:
    """Make one directory that may not be listed, one that may not be entered, and a lost+found."""
    make(place, b"a", b"unlisted/file", b"unentered/file", b"lost+found/x", b"sub/lost+found/x", b"z")
    for name, mode in ((b"unlisted", 0o711), (b"unentered", 0o744)):
        os.chmod(place + b"/" + name, mode)
    for name in (b"lost+found", b"sub/lost+found"):
        os.chmod(place + b"/" + name, 0o700)
    if os.geteuid() != 0:
        for name in (b"unlisted", b"unentered", b"lost+found", b"sub/lost+found"):
            os.chmod(place + b"/" + name, {b"unlisted": 0o311, b"unentered": 0o444}.get(name, 0))


def test_what_may_not_be_read_is_told_and_the_rest_is_walked(place: bytes) -> None:
    closed_tree(place)

    def look() -> tuple[list[bytes], list[tuple[str, bytes]]]:
        problems = Problems()
        found = [os.path.relpath(path, place) for path, _ in walk([place], None, problems)]
        return found, kinds(problems)

    found, told = as_nobody(look)
    assert found == [b".", b"a", b"lost+found", b"sub", b"sub/lost+found", b"unentered", b"unlisted", b"z"]
    assert told == [
        ("SKIPPED", b"lost+found"),
        ("UNREADABLE", b"lost+found"),
        ("UNREADABLE", b"file"),
        ("UNREADABLE", b"unlisted"),
    ]


def test_an_unreadable_entry_that_is_excluded_is_no_problem(place: bytes) -> None:
    closed_tree(place)

    def look() -> list[tuple[str, bytes]]:
        problems = Problems()
        rules = Excludes(["lost+found", "unlisted/", "file"])
        assert list(walk([place], rules, problems))
        return kinds(problems)

    told = as_nobody(look)
    assert told == []


def test_a_root_below_a_directory_that_may_not_be_listed_is_found(place: bytes) -> None:
    closed_tree(place)

    def look() -> list[bytes]:
        roots = [place, place + b"/unlisted/file"]
        return [os.path.relpath(path, place) for path, _ in walk(roots, None, Problems())]

    found = as_nobody(look)
    assert b"unlisted/file" in found
