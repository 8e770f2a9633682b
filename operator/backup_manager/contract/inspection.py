"""What looking inside a repository answers: entries, changes, key slots and findings, and their JSON.

Paths are text here; bytes that are not UTF-8 travel as surrogate escapes (``os.fsencode`` brings them back).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from backup_manager.common.units import format_time
from backup_manager.contract.backups import Document

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EntryType(StrEnum):
    """What an entry of a backup is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    CHARACTER_DEVICE = "characterDevice"
    BLOCK_DEVICE = "blockDevice"


LETTERS = {
    EntryType.FILE: "-",
    EntryType.DIRECTORY: "d",
    EntryType.SYMLINK: "l",
    EntryType.FIFO: "p",
    EntryType.SOCKET: "s",
    EntryType.CHARACTER_DEVICE: "c",
    EntryType.BLOCK_DEVICE: "b",
}


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One line of ``ls``. *mode* has the 12 bits of permissions; *user* and *group* may be empty.

    *is_recorded*: false for a folder that stands above the paths that were backed up, of which nothing but
    the name is known. *modified_ns* are nanoseconds since 1970, and may be negative.
    """

    path: str
    type: EntryType
    mode: int = 0
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    size: int = 0
    modified_ns: int = 0
    target: str | None = None
    device: int = 0
    links: int = 1
    is_recorded: bool = True

    @property
    def permissions(self) -> str:
        """The ten characters of ``ls -l``, such as ``drwxr-xr-x``."""
        letters = [letter if self.mode >> 8 - at & 1 else "-" for at, letter in enumerate("rwxrwxrwx")]
        for bit, at, letter in ((0o4000, 2, "s"), (0o2000, 5, "s"), (0o1000, 8, "t")):
            if self.mode & bit:
                letters[at] = letter if letters[at] == "x" else letter.upper()
        return LETTERS[self.type] + "".join(letters)

    @property
    def modified_at(self) -> datetime | None:
        """The time of the last change in UTC, or ``None`` beyond the years 1 to 9999."""
        try:
            return EPOCH + timedelta(microseconds=self.modified_ns // 1000)
        except OverflowError:
            return None

    def document(self) -> Document:
        """The JSON object of an entry; ``modifiedNs`` is exact where ``modifiedAt`` has whole seconds."""
        when = self.modified_at
        return {
            "path": self.path,
            "type": self.type.value,
            "mode": f"{self.mode:04o}",
            "uid": self.uid,
            "gid": self.gid,
            "user": self.user,
            "group": self.group,
            "size": self.size,
            "modifiedAt": format_time(when) if when else None,
            "modifiedNs": self.modified_ns,
            "target": self.target,
            "links": self.links,
        }


class ChangeKind(StrEnum):
    """What happened to a path between two backups."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One path in which two backups differ; *aspects* (content, mode, …) is empty unless it changed."""

    path: str
    change: ChangeKind
    aspects: tuple[str, ...] = ()
    size_before: int | None = None
    size_after: int | None = None

    def document(self) -> Document:
        """The JSON object of a difference."""
        return {
            "path": self.path,
            "change": self.change.value,
            "aspects": list(self.aspects),
            "sizeBefore": self.size_before,
            "sizeAfter": self.size_after,
        }


@dataclass(frozen=True, slots=True)
class KeySlotInfo:
    """One way to open a repository, without any secret; *is_current*: the key in use opens it.

    *key* names the key where it has a name: the ARN of a key of KMS.
    """

    id: str
    provider: str
    label: str
    created_at: str
    is_current: bool = False
    key: str | None = None

    def document(self) -> Document:
        """The JSON object of a key slot."""
        return {
            "id": self.id,
            "provider": self.provider,
            "key": self.key,
            "label": self.label,
            "createdAt": self.created_at,
            "current": self.is_current,
        }


class FindingLevel(StrEnum):
    """How bad a finding of ``doctor`` is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``doctor`` looked at; *solution* is empty where nothing is to be done.

    *exit_code* is that of the error behind an ``error``, else 0.
    """

    level: FindingLevel
    subject: str
    facts: str
    solution: str = ""
    exit_code: int = 0

    def document(self) -> Document:
        """The JSON object of a finding."""
        return {
            "level": self.level.value,
            "subject": self.subject,
            "facts": self.facts,
            "solution": self.solution,
        }
