"""Excludes and includes beyond what the comparison with git covers."""

import random
import re
import time

import pytest

from backup_manager.common.errors import ConfigurationError
from backup_manager.engine.sources.filesystem.excludes import Excludes, Includes

MATCHES = [
    ("*.tmp", b"deep/down/a.tmp", True),
    ("*.tmp", b"a.tmp/below", True),
    ("*.tmp", b"a.tmpx", False),
    ("/a", b"b/a", False),
    ("a/b", b"x/a/b", False),
    ("**/a/b", b"x/a/b", True),
    ("a/**/b", b"a/b", True),
    ("a/**", b"a", False),
    ("a/**", b"a/x/y", True),
    ("a/*/b", b"a/x/y/b", False),
    ("*", b"new\nline", True),
    ("?", b"\n", True),
    ("??", "é".encode(), True),
    ("caf\udce9", b"caf\xe9", True),
    ("[!a-z]", b"\xff", True),
    ("# a comment", b"# a comment", False),
    ("\\#file", b"#file", True),
    ("", b"a", False),
    ("a ", b"a", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_pattern_follows_gitignore(pattern: str, path: bytes, expected: bool) -> None:
    assert Excludes([pattern]).match(path, False) is expected


def test_the_source_itself_is_never_excluded() -> None:
    assert not Excludes(["*", "**", "/"]).match(b"", True)


def test_no_patterns_are_false() -> None:
    assert not Excludes([])
    assert not Excludes(["", "# comment", "   "])
    assert Excludes(["a"])


MALFORMED = ["[abc", "a[", "[[:nonsense:]]", "ends in\\", "a/[!", "two\nlines", "nul\0", "[a\\"]


@pytest.mark.parametrize("pattern", MALFORMED)
def test_a_pattern_that_can_never_match_is_refused_and_named(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(pattern))):
        Excludes(["*.fine", pattern])


def test_answers_do_not_depend_on_the_order_of_questions() -> None:
    rules = Excludes(["a/b", "!c", "d/"])
    paths = [
        (b"a/b/c", True),
        (b"a/c", False),
        (b"d/x", False),
        (b"a/b", True),
        (b"x/d/y", False),
        (b"d", False),
    ]
    expected = [Excludes(["a/b", "!c", "d/"]).match(*path) for path in paths]
    shuffled = random.Random(3).choices(range(len(paths)), k=200)
    assert [rules.match(*paths[i]) for i in shuffled] == [expected[i] for i in shuffled]


SELECTED = [
    (["*.jpg"], b"a/b.jpg", True),
    (["*.jpg"], b"a/b.png", False),
    (["photos"], b"x/photos/2020/a", True),
    (["/data/*/a"], b"data/x/a/below", True),
    (["/data/*/a"], b"data/x", False),
    (["/data", "!*.tmp"], b"data/x", True),
    (["*.tmp", "!keep.tmp"], b"keep.tmp", False),
    ([], b"anything", True),
]


@pytest.mark.parametrize(("globs", "path", "expected"), SELECTED)
def test_an_entry_is_selected_by_itself_or_a_directory_above(
    globs: list[str], path: bytes, expected: bool
) -> None:
    assert Includes(globs).selects(path, False) is expected


WAYS = [
    (["/data/*/a"], b"data", True),
    (["/data/*/a"], b"data/x", True),
    (["/data/*/a"], b"data/x/a", True),
    (["/data/*/a"], b"data/x/b", False),
    (["/data/*/a"], b"other", False),
    (["/data/*/a"], b"", True),
    (["/data/**/a"], b"data/x/y/z", True),
    (["/data/**/a"], b"other", False),
    (["**/a"], b"anything/at/all", True),
    (["a.jpg"], b"anything/at/all", True),
    (["/a/b", "/c/d"], b"c", True),
    (["/a/b", "!/a/b/c"], b"b", False),
    (["a\\/b/c"], b"a", True),
    (["a\\/b/c"], b"b", False),
    ([], b"anything", True),
]


@pytest.mark.parametrize(("globs", "directory", "expected"), WAYS)
def test_a_directory_that_cannot_hold_a_match_is_known(
    globs: list[str], directory: bytes, expected: bool
) -> None:
    assert Includes(globs).may_contain(directory) is expected


def test_includes_without_globs_are_false_and_select_all() -> None:
    assert not Includes([])
    assert Includes(["a"])


def test_twenty_patterns_cost_about_a_microsecond() -> None:
    patterns = [
        "*.tmp",
        "*.log",
        ".git/",
        "node_modules/",
        "*~",
        "*.py[co]",
        "__pycache__",
        "/var/cache/**",
        "*.bak",
        "build/*/out",
        "Thumbs.db",
        ".DS_Store",
        "*.swp",
        "core.*",
        "tmp*",
        "/proc",
        "/sys/",
        "**/cache/*.dat",
        "a?b",
        "!keep.log",
    ]
    rules = Excludes(patterns)
    names = [b"document-%d.txt" % number for number in range(1_000)]
    best = min(timed(rules, names) for _ in range(5))
    assert best / len(names) < 10e-6  # seconds; measured 0.8e-6, wide for busy machines


def timed(rules: Excludes, names: list[bytes]) -> float:
    start = time.perf_counter()
    for name in names:
        rules.match_entry(b"some/directory/of/files/" + name, name, False)
    return time.perf_counter() - start
