"""How a restore is to be done, and what it answers."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from backup_manager.engine.targets.filesystem.ports import Selector
from backup_manager.engine.targets.filesystem.printing import printable


class RestoreMode(StrEnum):
    """What may already be in the destination, and what becomes of it."""

    FAIL = "fail"  # nothing may be there
    MERGE = "merge"  # what the backup has is overwritten, the rest stays
    MIRROR = "mirror"  # what the backup has not is removed, within what the selector wants


class WarningKind(StrEnum):
    """What a restore may have to leave out; each is one warning, however many entries it met."""

    OWNER = "owner"
    SPECIAL_BITS = "specialBits"
    MODE = "mode"
    DEVICES = "devices"
    SOCKETS = "sockets"
    PRIVILEGED_ATTRIBUTES = "privilegedAttributes"
    ATTRIBUTES = "attributes"
    HARD_LINKS = "hardLinks"


EXPLANATIONS = {
    WarningKind.OWNER: "the owner or group could not be set: the process lacks the right (CAP_CHOWN)",
    WarningKind.SPECIAL_BITS: "set-id bits were left out because the owner they act for could not be set",
    WarningKind.MODE: "the destination's file system refused the mode",
    WarningKind.DEVICES: "device nodes were left out: the process lacks the right (CAP_MKNOD)",
    WarningKind.SOCKETS: "sockets were left out: only the process that listens on one can make it",
    WarningKind.PRIVILEGED_ATTRIBUTES: "security or trusted attributes could not be set for lack of rights",
    WarningKind.ATTRIBUTES: "extended attributes or ACLs were refused by the destination's file system",
    WarningKind.HARD_LINKS: "hard links were refused by the destination's file system; copies were made",
}


@dataclass(frozen=True, slots=True)
class RestoreWarning:
    """One class of things left out: how many entries, and the first of them."""

    kind: WarningKind
    count: int
    first: bytes

    def __str__(self) -> str:
        entries = "1 entry" if self.count == 1 else f"{self.count:,} entries"
        return f"{entries}: {EXPLANATIONS[self.kind]}; first {printable(self.first)}"


class Warnings:
    """Counts what was left out, by class; any number of threads may call :meth:`note`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[WarningKind, tuple[int, bytes]] = {}

    def note(self, kind: WarningKind, path: bytes) -> None:
        """Count one entry; the *path* of the first is kept."""
        with self._lock:
            count, first = self._found.get(kind, (0, path))
            self._found[kind] = (count + 1, first)

    def all(self) -> tuple[RestoreWarning, ...]:
        """Return one warning for each class that was met."""
        with self._lock:
            found = self._found
            return tuple(RestoreWarning(kind, *found[kind]) for kind in WarningKind if kind in found)


def _never() -> bool:
    return False


def _silent(_bytes: int, _files: int, /) -> None:
    return None


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What to restore and how.

    The content of the folder *source* lands in the destination; ``/`` puts every path P at ``DESTINATION/P``.
    A *source* that is no folder lands in the destination under its own name. *parallel* is the most threads
    that write at once. *progress* is told the bytes and files done since it was last called, from the calling
    thread; *cancelled* is asked about a thousand times a second.
    """

    source: bytes = b"/"
    selects: Selector | None = None
    parallel: int = 4
    cancelled: Callable[[], bool] = _never
    progress: Callable[[int, int], None] = _silent


@dataclass(frozen=True, slots=True)
class RestoreStats:
    """What a restore did; *skipped* files were complete from an earlier, interrupted one.

    *files*, *directories*, *others* and *bytes* count everything that now stands there, skipped files
    included.
    """

    files: int
    directories: int
    others: int
    bytes: int
    skipped: int
    removed: int
    warnings: tuple[RestoreWarning, ...]
