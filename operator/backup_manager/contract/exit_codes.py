"""The exit codes of every program of ours, a promise to scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process says by its exit code."""

    DONE = 0
    CONFIGURATION = 2
    NOT_FOUND = 3
    SOURCE = 10
    STORAGE = 20
    NO_SPACE = 21
    KEY = 30
    CORRUPT = 40
    INCONCLUSIVE = 41
    TARGET = 50
    INTERRUPTED = 60
    DEFECT = 70


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.CONFIGURATION: "usage or configuration: nothing was started",
    ExitCode.NOT_FOUND: "no such backup (or removed meanwhile), policy, path, repository or bucket",
    ExitCode.SOURCE: "source unreadable, empty where that is not allowed, or incomplete",
    ExitCode.STORAGE: "storage unreachable, credentials refused or access denied",
    ExitCode.NO_SPACE: "insufficient storage space",
    ExitCode.KEY: "key unavailable or wrong, a key slot or `config` damaged",
    ExitCode.CORRUPT: "verification failed: corrupt or missing data",
    ExitCode.INCONCLUSIVE: "verification inconclusive",
    ExitCode.TARGET: "restore target unusable, not empty, or not confirmed",
    ExitCode.INTERRUPTED: "deadline passed, cancelled, interrupted",
    ExitCode.DEFECT: "a defect of ours",
}
