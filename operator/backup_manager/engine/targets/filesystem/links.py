"""Hard links: which file was the first of its group, in bounded memory."""

import sqlite3
from dataclasses import dataclass

from backup_manager.engine.repository.catalogue.entries import Entry

GROUPS_IN_MEMORY = 50_000  # of about 400 bytes each: 20 MiB
PAGE_CACHE_KIB = 4_096


@dataclass(frozen=True, slots=True)
class _Group:
    first: bytes
    state: tuple[int, int, int]
    missing: int


class LinkGroups:
    """The first member of each group of hard links whose other members were not all met yet.

    What a member is called is the caller's business. A group is dropped with its last member; groups with
    members outside of the backup never end, so that above *most* of them the rest lives in a temporary file.
    """

    def __init__(self, most: int = GROUPS_IN_MEMORY) -> None:
        self._most = most
        self._groups: dict[tuple[int, int], _Group] = {}
        self._overflow: sqlite3.Connection | None = None

    def first_of(self, entry: Entry) -> bytes | None:
        """Return what the first member of the entry's group was called, or ``None`` if this is the first.

        An entry of another size or time is not the same file, whatever its inode says: the number was used
        again while the source was read, or the file was changed between two of its names.
        """
        key = (entry.device, entry.inode)
        group = self._groups.get(key)
        if group is None:
            return self._spilled(entry)
        if group.state != _state_of(entry):
            return None
        if group.missing == 1:
            del self._groups[key]
        else:
            self._groups[key] = _Group(group.first, group.state, group.missing - 1)
        return group.first

    def remember(self, entry: Entry, called: bytes) -> None:
        """Make *entry* the first of its group."""
        if len(self._groups) < self._most:
            key = (entry.device, entry.inode)
            self._groups[key] = _Group(called, _state_of(entry), entry.links - 1)
            return
        if self._overflow is None:
            self._overflow = _temporary_table()
        row = (entry.device.to_bytes(8), entry.inode.to_bytes(8), called, *_state_of(entry))
        self._overflow.execute("INSERT OR REPLACE INTO groups VALUES (?, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Give back the temporary file."""
        if self._overflow is not None:
            self._overflow.close()

    def _spilled(self, entry: Entry) -> bytes | None:
        if self._overflow is None:
            return None
        key = (entry.device.to_bytes(8), entry.inode.to_bytes(8), *_state_of(entry))
        found: tuple[bytes] | None = self._overflow.execute(
            "SELECT first FROM groups WHERE device = ? AND inode = ? AND size = ? AND mtime = ? AND ctime = ?",
            key,
        ).fetchone()
        return found[0] if found else None


def _state_of(entry: Entry) -> tuple[int, int, int]:
    return entry.size, entry.mtime_ns, entry.ctime_ns


def _temporary_table() -> sqlite3.Connection:
    """Return a table in a file that SQLite makes, never syncs, and removes by itself."""
    table = sqlite3.connect("", isolation_level=None)
    table.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
    table.execute("PRAGMA journal_mode = OFF")
    table.execute("PRAGMA synchronous = OFF")
    table.execute(
        "CREATE TABLE groups (device BLOB, inode BLOB, first BLOB, size INTEGER, mtime INTEGER,"
        " ctime INTEGER,"
        " PRIMARY KEY (device, inode)) WITHOUT ROWID"
    )
    return table
