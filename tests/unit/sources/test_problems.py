"""The collector of problems and the printing of odd paths."""

import errno
import threading

import pytest

from backup_manager.common.printable import printable
from backup_manager.engine.sources.filesystem.problems import (
    Problem,
    ProblemKind,
    Problems,
    problem_from,
)

PATHS = {
    "plain": (b"/a/b c", "/a/b c"),
    "utf-8": ("/größe/日本".encode(), "/größe/日本"),
    "not utf-8": (b"/caf\xe9", "/caf\\xe9"),
    "new line": (b"/a\nb", "/a\\nb"),
    "terminal escape": (b"/\x1b[31mred", "/\\x1b[31mred"),
    "right-to-left override": ("/\u202egpj".encode(), "/\\u202egpj"),
    "line separator": ("/a\u2028b".encode(), "/a\\u2028b"),
    "backslash": (b"/a\\nb", "/a\\\\nb"),
}


@pytest.mark.parametrize(("path", "text"), PATHS.values(), ids=PATHS)
def test_a_path_is_printed_on_one_unambiguous_line(path: bytes, text: str) -> None:
    assert printable(path) == text


def test_all_problems_are_counted_and_the_first_of_each_kind_kept() -> None:
    problems = Problems(kept=2)
    for number in range(5):
        problems(Problem(ProblemKind.VANISHED, b"/%d" % number, "gone"))
    problems(Problem(ProblemKind.UNREADABLE, b"/last", "no"))
    assert [problem.path for problem in problems.kept] == [b"/0", b"/1", b"/last"]
    assert (problems.total, problems.count(ProblemKind.VANISHED)) == (6, 5)
    assert problems.counts[ProblemKind.SKIPPED] == 0


def test_threads_may_report_at_once() -> None:
    problems = Problems(kept=3)

    def report() -> None:
        for _ in range(2_000):
            problems(Problem(ProblemKind.CHANGED, b"/x", "busy"))

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems.total == 8_000
    assert len(problems.kept) == 3


REFUSALS = {
    "missing": (errno.ENOENT, ProblemKind.VANISHED),
    "parent is a file now": (errno.ENOTDIR, ProblemKind.VANISHED),
    "denied": (errno.EACCES, ProblemKind.UNREADABLE),
    "disk error": (errno.EIO, ProblemKind.UNREADABLE),
    "stale handle": (errno.ESTALE, ProblemKind.UNREADABLE),
}


@pytest.mark.parametrize(("number", "kind"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_classified(number: int, kind: ProblemKind) -> None:
    problem = problem_from(b"/a\nb", OSError(number, "text"), "opening it")
    assert problem.kind is kind
    assert "\n" not in str(problem)
