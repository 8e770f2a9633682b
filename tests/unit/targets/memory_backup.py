"""A backup in memory: entries of a real tree, and the blobs behind them."""

import hashlib
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, Extent, FileContent
from backup_manager.engine.targets.filesystem.compare import compare
from backup_manager.engine.targets.filesystem.destination import Claim, open_destination
from backup_manager.engine.targets.filesystem.options import RestoreOptions, RestoreStats
from backup_manager.engine.targets.filesystem.restore import restore

CHUNK = 64 * 1024
FRAME = 128 * 1024
SMALL = 32 * 1024
CLAIM = Claim("7f3c", "request")
OPTIONS = RestoreOptions()
KINDS = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
    stat.S_IFIFO: EntryKind.FIFO,
    stat.S_IFSOCK: EntryKind.SOCKET,
    stat.S_IFCHR: EntryKind.CHARACTER,
    stat.S_IFBLK: EntryKind.BLOCK,
}


def hash_of(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32, key=b"test").digest()


@dataclass
class MemoryBackup:
    """Stored entries by path, in order, and blobs by id; implements ``Contents``."""

    blobs: dict[bytes, bytes] = field(default_factory=dict)
    entries: list[tuple[Entry, FileContent | None]] = field(default_factory=list)
    fetched: list[bytes] = field(default_factory=list)
    before_blob: Callable[[int], None] = lambda number: None
    frame: bytearray = field(default_factory=bytearray)
    members: list[tuple[int, int]] = field(default_factory=list)

    def put(self, data: bytes) -> bytes:
        blob_id = hash_of(data)
        self.blobs[blob_id] = data
        return blob_id

    def add(
        self, path: bytes, content: bytes = b"", kind: EntryKind = EntryKind.FILE, **fields: object
    ) -> None:
        """Add an entry with a small content of its own frame; as root's, long ago, unless *fields* say else."""
        values: dict[str, object] = {
            "mode": 0o755 if kind == EntryKind.DIRECTORY else 0o644,
            "uid": os.geteuid(),
            "gid": os.getegid(),
            "size": len(content) if kind == EntryKind.FILE else 0,
            "mtime_ns": 1_500_000_000_123_456_789,
            "ctime_ns": 0,
            "inode": len(self.entries) + 1,
            "device": 1,
            "links": 1,
        }
        entry = Entry(path=path, kind=kind, **(values | fields))  # type: ignore[arg-type]
        stored = None
        if kind == EntryKind.FILE:
            frame = self.put(b"before" + content + b"behind") if content else None
            stored = FileContent(hash_of(content)[:16], frame, 6) if content else FileContent()
        self.entries.append((entry, stored))

    def sort(self) -> "MemoryBackup":
        self.entries.sort(key=lambda stored: stored[0].path.replace(b"/", b"\0"))
        return self

    def fetch_many(self, blob_ids: Iterable[bytes]) -> Generator[bytes, None, None]:
        ahead: list[bytes] = []
        for blob_id in blob_ids:
            ahead.append(blob_id)
            if len(ahead) > 60:
                yield self._blob(ahead.pop(0))
        for blob_id in ahead:
            yield self._blob(blob_id)

    def _blob(self, blob_id: bytes) -> bytes:
        self.before_blob(len(self.fetched))
        self.fetched.append(blob_id)
        return self.blobs[blob_id]

    def in_pack_order(self, blob_ids: Iterable[bytes]) -> Sequence[bytes]:
        return sorted(blob_ids)

    def stored_bytes(self, blob_id: bytes) -> int:
        return len(self.blobs[blob_id])

    def extents(self, content: FileContent) -> Iterator[Extent]:
        return iter(content.extents)

    def blob_id(self, plain: bytes) -> bytes:
        return hash_of(plain)


def back_up(root: bytes, source: bytes | None = None) -> MemoryBackup:
    """Return a backup of the tree *root*, whose entries are named as if it stood at *source*."""
    backup = MemoryBackup()
    source = root if source is None else source
    waiting: list[tuple[int, bytes, int]] = []  # number of the entry, hash, offset in the frame

    def close_frame() -> None:
        frame_id = backup.put(bytes(backup.frame))
        for number, digest, offset in waiting:
            backup.entries[number] = (backup.entries[number][0], FileContent(digest, frame_id, offset))
        backup.frame.clear()
        waiting.clear()

    def visit(parent: int, name: bytes, path: bytes) -> None:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        entry = _entry(parent, name, path or b"/", status)
        content = None
        if entry.kind == EntryKind.FILE:
            fd = os.open(name, os.O_RDONLY, dir_fd=parent)
            if 0 < entry.size <= SMALL:
                data = os.read(fd, entry.size)
                waiting.append((len(backup.entries), hash_of(data)[:16], len(backup.frame)))
                backup.frame += data
            else:
                content = FileContent(extents=tuple(_extents(backup, fd, entry.size)))
            os.close(fd)
        backup.entries.append((entry, content))
        if len(backup.frame) >= FRAME:
            close_frame()
        if entry.kind == EntryKind.DIRECTORY:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            for child in sorted(map(os.fsencode, os.listdir(fd))):
                visit(fd, child, path + b"/" + child)
            os.close(fd)

    visit(os.open(b"/", os.O_RDONLY), root, source.rstrip(b"/"))
    if waiting:
        close_frame()
    return backup


def _entry(parent: int, name: bytes, path: bytes, status: os.stat_result) -> Entry:
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    place = b"/proc/self/fd/%d/%s" % (parent, name) if not name.startswith(b"/") else name
    names = sorted(map(os.fsencode, os.listxattr(place, follow_symlinks=False)))
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind == EntryKind.FILE else 0,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        inode=status.st_ino,
        device=status.st_dev,
        links=status.st_nlink if kind != EntryKind.DIRECTORY else 1,
        target=os.readlink(place) if kind == EntryKind.SYMLINK else b"",
        rdev=status.st_rdev,
        xattrs=tuple((key, os.getxattr(place, key, follow_symlinks=False)) for key in names),
    )


def _extents(backup: MemoryBackup, fd: int, size: int) -> Iterator[Extent]:
    position = 0
    while position < size:
        try:
            data_at = os.lseek(fd, position, os.SEEK_DATA)
        except OSError:
            data_at = size
        if data_at > position:
            yield Extent(None, data_at - position)
            position = data_at
            continue
        end = min(os.lseek(fd, position, os.SEEK_HOLE), position + CHUNK)
        data = os.pread(fd, end - position, position)
        yield Extent(backup.put(data), len(data))
        position += len(data)


def bring_back(
    backup: MemoryBackup,
    destination: bytes,
    mode: RestoreMode = RestoreMode.FAIL,
    *,
    claim: Claim = CLAIM,
    options: RestoreOptions = OPTIONS,
    finish: bool = True,
) -> RestoreStats:
    """Restore *backup* as a job does, and compare it."""
    with open_destination(destination, mode, claim) as target:
        stats = restore(backup.entries, backup, target, options)
        forgiven = frozenset(warning.kind for warning in stats.warnings)
        found = list(compare(backup.entries, backup, destination, options, forgiven))
        assert found == [], [str(difference) for difference in found]
        if finish:
            target.finish()
    return stats
