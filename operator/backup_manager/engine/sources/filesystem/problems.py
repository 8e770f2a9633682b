"""What went wrong with single entries of a source: told apart, counted, and printable.

A problem is not yet an error. Whether an unreadable entry fails the run is decided where the configuration
is known; here it is only said what was met, where, and why.
"""

import errno
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from backup_manager.common.printable import printable

KEPT = 1_000  # messages, about 300 bytes each: enough to see a pattern, too few to fill the memory


class ProblemKind(StrEnum):
    """The classes of problems; only ``UNREADABLE`` means that data which exist are missing."""

    UNREADABLE = "unreadable"  # it is there and could not be read
    VANISHED = "vanished"  # it was there and is no more
    CHANGED = "changed"  # it was written while it was read; what was read last is kept
    SKIPPED = "skipped"  # left out on purpose, such as an unreadable lost+found


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry and what happened to it; *reason* is one clause without a final stop."""

    kind: ProblemKind
    path: bytes
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}: {printable(self.path)}: {self.reason}"


class EntryProblemError(Exception):
    """An entry could not be read at all; carries the :class:`Problem` from the reader to its pipeline."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Problems:
    """Counts every problem and keeps the first *kept* of each kind; any number of threads may call it.

    An instance is itself the ``Callable[[Problem], None]`` that the walker and the readers ask for.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = threading.Lock()
        self._limit = kept
        self._counts = dict.fromkeys(ProblemKind, 0)
        self._kept: list[Problem] = []

    def __call__(self, problem: Problem) -> None:
        """Count *problem*, and keep it while there is room for its kind."""
        with self._lock:
            self._counts[problem.kind] += 1
            if self._counts[problem.kind] <= self._limit:
                self._kept.append(problem)

    @property
    def kept(self) -> tuple[Problem, ...]:
        """The problems that were kept, in the order of their arrival."""
        with self._lock:
            return tuple(self._kept)

    @property
    def counts(self) -> Mapping[ProblemKind, int]:
        """How many problems of each kind there were, zeros included."""
        with self._lock:
            return dict(self._counts)

    @property
    def total(self) -> int:
        """How many problems there were."""
        return sum(self.counts.values())

    def count(self, kind: ProblemKind) -> int:
        """Return how many problems of *kind* there were."""
        return self._counts[kind]


def problem_from(path: bytes, err: OSError, doing: str) -> Problem:
    """Return the problem that the system's refusal *err* means, met while *doing* something to *path*."""
    if err.errno in (errno.ENOENT, errno.ENOTDIR):
        return Problem(ProblemKind.VANISHED, path, "it was removed while the source was read")
    name = errno.errorcode.get(err.errno or 0, "unknown error")
    return Problem(ProblemKind.UNREADABLE, path, f"{doing} failed: {err.strerror} ({name})")
