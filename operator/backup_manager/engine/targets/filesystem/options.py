"""How a restore is to be done, and what it answers."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from backup_manager.common.printable import printable
from backup_manager.engine.targets.filesystem.ports import Selector


class WarningKind(StrEnum):
    """What a restore may have to leave out; each is one warning, however many entries it met."""

    OWNER = "owner"
    SPECIAL_BITS = "specialBits"
    MODE = "mode"
    TIMES = "times"
    DEVICES = "devices"
    SOCKETS = "sockets"
    PRIVILEGED_ATTRIBUTES = "privilegedAttributes"
    ATTRIBUTES = "attributes"
    HARD_LINKS = "hardLinks"


EXPLANATIONS = {
    WarningKind.OWNER: "the owner or group could not be set: the process lacks the right (CAP_CHOWN)",
    WarningKind.SPECIAL_BITS: "set-id bits were left out because the owner they act for could not be set",
    WarningKind.MODE: "the mode was refused: the file system has none, or the folder is somebody else's",
    WarningKind.TIMES: "the times were refused: the folder is somebody else's",
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


@dataclass(frozen=True, slots=True)
class Tuning:
    """Bounds of what a restore holds at once; the defaults keep it below 40 MiB beside the blobs read ahead.

    A window ends at *pieces* (of about 700 bytes each; two windows are held), at *blob_bytes* (blobs are read
    in the order of their packs within a window, and again if the next one needs them) or at *open_files*.
    *creators* fixes the number of threads that write; 0 finds it by measuring.
    """

    pieces: int = 8_192
    blob_bytes: int = 64 * 1024 * 1024
    open_files: int = 128
    open_folders: int = 128  # with the files, a quarter of the 1,024 descriptors a process usually has
    creators: int = 0


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
    tuning: Tuning = Tuning()


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
