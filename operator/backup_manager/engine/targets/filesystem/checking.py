"""One restored entry against what the catalogue says of it."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from backup_manager.common.printable import printable
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, Extent, FileContent
from backup_manager.engine.targets.filesystem.folders import make_accessible
from backup_manager.engine.targets.filesystem.metadata import OURS_TO_REMOVE, PRIVILEGED, listed_attributes
from backup_manager.engine.targets.filesystem.options import WarningKind
from backup_manager.engine.targets.filesystem.ports import Contents

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
HASH_BYTES = 16
ZEROS = bytes(1_048_576)
SPECIAL_BITS = 0o7000
GRANULARITIES = (100, 1_000, 1_000_000_000, 2_000_000_000)  # of time in NTFS, UFS, ext3 and FAT, in ns
TYPES = {
    EntryKind.FILE: stat.S_IFREG,
    EntryKind.DIRECTORY: stat.S_IFDIR,
    EntryKind.SYMLINK: stat.S_IFLNK,
    EntryKind.FIFO: stat.S_IFIFO,
    EntryKind.SOCKET: stat.S_IFSOCK,
    EntryKind.CHARACTER: stat.S_IFCHR,
    EntryKind.BLOCK: stat.S_IFBLK,
}


class Aspect(StrEnum):
    """In what a restored entry may differ."""

    MISSING = "missing"
    EXTRA = "extra"
    UNREADABLE = "unreadable"
    KIND = "kind"
    SIZE = "size"
    CONTENT = "content"
    MODE = "mode"
    OWNER = "owner"
    TIME = "time"
    ATTRIBUTES = "attributes"
    TARGET = "target"
    DEVICE = "device"
    LINKS = "links"


FORGIVING = {
    Aspect.OWNER: WarningKind.OWNER,
    Aspect.MODE: WarningKind.MODE,
    Aspect.ATTRIBUTES: WarningKind.ATTRIBUTES,
    Aspect.LINKS: WarningKind.HARD_LINKS,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One aspect in which the entry of the original *path* is not what the backup says; never holds
    content.
    """

    path: bytes
    aspect: Aspect
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        told = f": expected {self.expected}, found {self.found}" if self.expected or self.found else ""
        return f"{printable(self.path)}: {self.aspect}{told}"


class Checker:
    """Compares entries with what lies in open folders; any number of threads may use it.

    What falls under *forgiven* is not a difference, because the restore said that it could not set it.
    """

    def __init__(self, contents: Contents, forgiven: frozenset[WarningKind] = frozenset()) -> None:
        self._contents = contents
        self._forgiven = forgiven

    def open_file(self, folder_fd: int, name: bytes, entry: Entry) -> int | Difference:
        """Return a descriptor of the regular file *name*, or why there is none."""
        try:
            try:
                fd = os.open(name, READ, dir_fd=folder_fd)
            except PermissionError:
                fd = _open_own(folder_fd, name)
        except FileNotFoundError:
            return Difference(entry.path, Aspect.MISSING)
        except OSError as err:
            if err.errno in (errno.ELOOP, errno.ENXIO):
                return Difference(entry.path, Aspect.KIND, "file", "another kind")
            return Difference(entry.path, Aspect.UNREADABLE, found=err.strerror or "")
        return fd

    def file_metadata(self, fd: int, entry: Entry) -> list[Difference]:
        """Return how the open file differs, content aside."""
        found = os.fstat(fd)
        if (
            found.st_mode == stat.S_IFREG | entry.mode
            and found.st_size == entry.size
            and found.st_mtime_ns == entry.mtime_ns
            and found.st_uid == entry.uid
            and found.st_gid == entry.gid
            and not entry.xattrs
            and not os.listxattr(fd)
        ):
            return []
        return self._differences(found, entry, fd, follow=True)

    def folder(self, fd: int, entry: Entry) -> list[Difference]:
        """Return how the open folder differs from its entry."""
        return self._differences(os.fstat(fd), entry, fd, follow=True)

    def node(self, folder_fd: int, name: bytes, entry: Entry) -> list[Difference]:
        """Return how a link, FIFO or device differs from its entry."""
        is_device = entry.kind in (EntryKind.CHARACTER, EntryKind.BLOCK)
        try:
            found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        except FileNotFoundError:
            if is_device and WarningKind.DEVICES in self._forgiven:
                return []
            return [Difference(entry.path, Aspect.MISSING)]
        place = b"/proc/self/fd/%d/%s" % (folder_fd, name)
        differences = self._differences(found, entry, place, follow=False)
        if stat.S_IFMT(found.st_mode) != TYPES[entry.kind]:
            return differences
        if entry.kind == EntryKind.SYMLINK and os.readlink(name, dir_fd=folder_fd) != entry.target:
            differences.append(Difference(entry.path, Aspect.TARGET))
        if is_device and found.st_rdev != entry.rdev:
            differences.append(Difference(entry.path, Aspect.DEVICE, str(entry.rdev), str(found.st_rdev)))
        return differences

    def small_content_is_right(self, fd: int, entry: Entry, content: FileContent) -> bool:
        """Return whether the open file's bytes have the hash of a file that lies in a frame, or none at
        all.
        """
        if not entry.size:
            return True
        data = os.pread(fd, entry.size, 0)
        return len(data) == entry.size and self._contents.blob_id(data)[:HASH_BYTES] == content.hash

    def extent_is_right(self, fd: int, position: int, extent: Extent) -> bool:
        """Return whether the open file holds the chunk or hole *extent* at *position*."""
        if extent.blob_id is None:
            return _is_hole(fd, position, position + extent.length)
        data = os.pread(fd, extent.length, position)
        return len(data) == extent.length and self._contents.blob_id(data) == extent.blob_id

    def content_is_right(self, fd: int, entry: Entry, content: FileContent) -> bool:
        """Return whether the open file holds exactly the bytes that the catalogue says."""
        if content.frame is not None or not entry.size:
            return self.small_content_is_right(fd, entry, content)
        position = 0
        for extent in self._contents.extents(content):
            if not self.extent_is_right(fd, position, extent):
                return False
            position += extent.length
        return position == entry.size

    def _differences(
        self, found: os.stat_result, entry: Entry, target: int | bytes, *, follow: bool
    ) -> list[Difference]:
        if stat.S_IFMT(found.st_mode) != TYPES[entry.kind]:
            seen = oct(stat.S_IFMT(found.st_mode))
            return [Difference(entry.path, Aspect.KIND, entry.kind.name.lower(), seen)]
        differences = [
            Difference(entry.path, aspect, expected, seen)
            for aspect, expected, seen in self._stat_differences(found, entry)
            if FORGIVING.get(aspect) not in self._forgiven
        ]
        if entry.xattrs or follow:
            wrong = self._wrong_attribute(target, entry, follow=follow)
            if wrong is not None:
                differences.append(Difference(entry.path, Aspect.ATTRIBUTES, found=printable(wrong)))
        return differences

    def _stat_differences(self, found: os.stat_result, entry: Entry) -> Iterator[tuple[Aspect, str, str]]:
        if entry.kind == EntryKind.FILE and found.st_size != entry.size:
            yield Aspect.SIZE, str(entry.size), str(found.st_size)
        mode, compared = stat.S_IMODE(found.st_mode), 0o7777
        if WarningKind.SPECIAL_BITS in self._forgiven:
            compared = 0o777
        if entry.kind != EntryKind.SYMLINK and (mode ^ entry.mode) & compared:
            yield Aspect.MODE, oct(entry.mode), oct(mode)
        if (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
            yield Aspect.OWNER, f"{entry.uid}:{entry.gid}", f"{found.st_uid}:{found.st_gid}"
        is_others = WarningKind.TIMES in self._forgiven and found.st_uid != os.geteuid()
        if not is_others and not _is_same_time(entry.mtime_ns, found.st_mtime_ns):
            yield Aspect.TIME, str(entry.mtime_ns), str(found.st_mtime_ns)

    def _wrong_attribute(self, target: int | bytes, entry: Entry, *, follow: bool) -> bytes | None:
        """Return the name of an attribute that is missing, different or too many."""
        names = listed_attributes(target, follow=follow)
        for name, value in entry.xattrs:
            privileged = name.startswith(PRIVILEGED)
            kind = WarningKind.PRIVILEGED_ATTRIBUTES if privileged else WarningKind.ATTRIBUTES
            if kind in self._forgiven:
                continue
            if name not in names or os.getxattr(target, name, follow_symlinks=follow) != value:
                return name
        if WarningKind.ATTRIBUTES in self._forgiven:
            return None
        known = {name for name, _ in entry.xattrs}
        return next((n for n in names if n not in known and n.startswith(OURS_TO_REMOVE)), None)


def _is_same_time(expected: int, found: int) -> bool:
    """Return whether *found* is what a file system may make of *expected*."""
    return expected == found or any(expected - expected % grain == found for grain in GRANULARITIES)


def _is_hole(fd: int, start: int, end: int) -> bool:
    """Return whether all bytes between are zero; those that the file system knows as a hole are not read."""
    position = start
    while position < end:
        try:
            position = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as err:
            if err.errno == errno.ENXIO:
                return os.fstat(fd).st_size >= end
            raise
        if position >= end:
            return True
        data = os.pread(fd, min(len(ZEROS), end - position), position)
        if not data or data != ZEROS[: len(data)]:
            return False
        position += len(data)
    return True


def _open_own(folder_fd: int, name: bytes) -> int:
    """Open a file that its owner, this process, may not read by its mode, and put the mode back."""
    mode = make_accessible(name, folder_fd)
    fd = os.open(name, READ, dir_fd=folder_fd)
    os.fchmod(fd, mode)
    return fd
