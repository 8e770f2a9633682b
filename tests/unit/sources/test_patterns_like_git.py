"""Our patterns against the real ``git check-ignore``, on random patterns over one tree."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backup_manager.common.errors import ConfigurationError
from backup_manager.engine.sources.filesystem.excludes import Excludes, Includes

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None, reason="compares with git, which is not installed"
)

NAMES = (
    b"a",
    b"b",
    b"ab",
    b"ba",
    b"a b",
    b"a ",
    b"a.c",
    b"-",
    b"!",
    b"#a",
    b"[",
    b"\\",
    b"*",
    b"A",
    b"1",
    b"\xe9",
    b"\xc3\xa9",
)
LEVELS = ((b"a", b"b", b"ab", b"a.c", b"\xe9"), (b"a", b"b", b"ba", b"*"), NAMES)


def build_tree(root: bytes) -> list[tuple[bytes, bool]]:
    """Make two levels of directories with odd names; return each entry and whether it is a directory."""
    found: dict[bytes, bool] = {}
    for first in NAMES:
        is_directory = first in LEVELS[0]
        found[first] = is_directory
        if not is_directory:
            continue
        for second in NAMES:
            path = first + b"/" + second
            found[path] = second in LEVELS[1]
            if found[path]:
                found.update({path + b"/" + third: third in (b"b", b"a.c") for third in NAMES[:8]})
    for path, is_directory in found.items():
        full = os.path.join(root, path)
        if is_directory:
            os.makedirs(full, exist_ok=True)
        else:
            Path(os.fsdecode(full)).touch()
    return list(found.items())


class Git:
    """A scratch repository whose only exclude file is rewritten for each list of patterns."""

    def __init__(self, root: Path) -> None:
        self.root = root
        environment = {**os.environ, "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
        self._environment = {
            key: value for key, value in environment.items() if not key.startswith("GIT_DIR")
        }
        self._run("init", "-q", "--template=", data=b"")
        (root / ".git" / "info").mkdir()
        self.entries = build_tree(os.fsencode(root))

    def ignored(self, patterns: list[bytes]) -> set[bytes]:
        (self.root / ".git" / "info" / "exclude").write_bytes(b"".join(line + b"\n" for line in patterns))
        paths = b"".join(path + b"\0" for path, _ in self.entries)
        fields = self._run("check-ignore", "--no-index", "--stdin", "-z", "-v", "-n", data=paths).split(b"\0")
        rows = zip(fields[2::4], fields[3::4], strict=True)
        return {path for pattern, path in rows if pattern and not pattern.startswith(b"!")}

    def _run(self, *arguments: str, data: bytes) -> bytes:
        command = ["git", "-c", "core.excludesFile=/dev/null", "-c", "core.ignoreCase=false", *arguments]
        done = subprocess.run(
            command, cwd=self.root, input=data, capture_output=True, env=self._environment, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    return Git(tmp_path_factory.mktemp("repository"))


PIECES = [
    b"a",
    b"b",
    b"ab",
    b"a.c",
    b"*",
    b"**",
    b"?",
    b"/",
    b"**/",
    b"/**",
    b"/**/",
    b"[ab]",
    b"[!a]",
    b"[^b]",
    b"[a-c]",
    b"[]a]",
    b"[a-]",
    b"[-a]",
    b"[\\]]",
    b"[[:alpha:]]",
    b"[![:digit:]b]",
    b"[[:a]",
    b"[z-a]",
    b"\\*",
    b"\\a",
    b"\\\\",
    b"\\/",
    b"\\ ",
    b" ",
    b"!",
    b"\\!",
    b"#",
    b"\\#",
    b"-",
    b".c",
    b"\xe9",
    b"\xc3\xa9",
    b"A",
    b"***",
    b"[/]",
    b"[",
    b"\\",
    b"[a\\-c]",
]
PATTERN = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map(b"".join)
NEGATABLE = st.tuples(st.sampled_from([b"", b"", b"!"]), PATTERN).map(b"".join)


def usable(lines: list[bytes]) -> list[bytes]:
    """Return the patterns that we accept; git reads those that we refuse as matching nothing."""
    good = []
    for line in lines:
        try:
            Excludes([os.fsdecode(line)])
        except ConfigurationError:
            continue
        good.append(line)
    return good


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(NEGATABLE, min_size=1, max_size=5))
@example(lines=[b"a**/b"])
@example(lines=[b"/a**"])
@example(lines=[b"a/**", b"!a/b"])
@example(lines=[b"*", b"!*/", b"!b"])
@example(lines=[b"a  ", b"a\\ "])
def test_any_list_of_patterns_excludes_what_git_ignores(git: Git, lines: list[bytes]) -> None:
    rules = Excludes([os.fsdecode(line) for line in usable(lines)])
    ours = {path for path, is_directory in git.entries if rules.match(path, is_directory)}
    theirs = git.ignored(lines)
    assert (ours - theirs, theirs - ours) == (set(), set())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(NEGATABLE, min_size=1, max_size=4))
@example(lines=[b"/**", b"!a"])
@example(lines=[b"a**", b"!a/b"])
def test_every_directory_above_a_selected_entry_may_contain_it(git: Git, lines: list[bytes]) -> None:
    rules = Includes([os.fsdecode(line) for line in usable(lines)])
    for path, is_directory in git.entries:
        if rules.selects(path, is_directory):
            above = path
            while above:
                above = above.rpartition(b"/")[0]
                assert rules.may_contain(above), (path, above)
