"""The closing comparison: everything that was restored, read again and held against the catalogue."""

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from backup_manager.common.errors import InterruptedRunError, TargetUnusableError
from backup_manager.common.printable import printable
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, Extent, FileContent
from backup_manager.engine.targets.filesystem.checking import Aspect, Checker, Difference
from backup_manager.engine.targets.filesystem.destination import (
    LOST_AND_FOUND,
    STATE_PREFIX,
    read_destination,
)
from backup_manager.engine.targets.filesystem.folders import FolderCache
from backup_manager.engine.targets.filesystem.links import LinkGroups
from backup_manager.engine.targets.filesystem.mirror import list_others, pass_name, rest_of
from backup_manager.engine.targets.filesystem.options import RestoreOptions, WarningKind
from backup_manager.engine.targets.filesystem.ports import Contents, EntryStream
from backup_manager.engine.targets.filesystem.tree import Folder, Step, Walked, walk

INLINE_BYTES = 1_048_576  # a longer file is hashed by other threads
SEGMENT_BYTES = 8 * 1_048_576
STEPS_UNASKED = 256


def compare(
    entries: EntryStream,
    contents: Contents,
    destination: bytes,
    options: RestoreOptions,
    forgiven: frozenset[WarningKind] = frozenset(),
    *,
    extras: bool = False,
) -> Iterator[Difference]:
    """Yield every difference between *entries* and what lies in *destination*; nothing there is changed.

    Contents are compared by their keyed hashes, byte for byte. *forgiven* are the classes that the restore
    warned about. With *extras*, names that the backup has not are differences too.

    Raises:
        TargetUnusableError: the destination is not there or cannot be read.
        InterruptedRunError: ``options.cancelled`` said so.
    """
    fd = read_destination(destination)
    if fd is None:
        raise TargetUnusableError(f"destination {printable(destination)} is gone")
    comparison = _Comparison(contents, fd, options, forgiven, extras=extras)
    try:
        yield from comparison.differences(entries)
    finally:
        comparison.close()
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A stretch of a long file being hashed; the last one closes the file."""

    entry: Entry
    fd: int
    is_right: Future[bool]
    is_last: bool


class _Comparison:
    def __init__(
        self,
        contents: Contents,
        fd: int,
        options: RestoreOptions,
        forgiven: frozenset[WarningKind],
        *,
        extras: bool,
    ) -> None:
        self._contents = contents
        self._options = options
        self._forgiven = forgiven
        self._extras = extras
        self._folders = FolderCache(fd, options.tuning.open_folders)
        self._checker = Checker(contents, forgiven)
        self._links = LinkGroups()
        self._threads = max(1, options.parallel)
        self._pool: ThreadPoolExecutor | None = None
        self._readings: deque[_Reading] = deque()
        self._wrong: Entry | None = None

    def differences(self, entries: EntryStream) -> Iterator[Difference]:
        options = self._options
        files = done = 0
        for number, step in enumerate(walk(entries, options.source, options.selects)):
            yield from self._take(step)
            if step.entry is not None and step.wanted and step.entry.kind == EntryKind.FILE:
                files, done = files + 1, done + step.entry.size
            if number % STEPS_UNASKED == 0:
                self._report(done, files)
                files = done = 0
        yield from self._settle(0)
        self._report(done, files)

    def close(self) -> None:
        """End the threads and close all files."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        for reading in self._readings:
            if reading.is_last:
                os.close(reading.fd)
        self._folders.close()
        self._links.close()

    def _report(self, done: int, files: int) -> None:
        if files:
            self._options.progress(done, files)
        if self._options.cancelled():
            raise InterruptedRunError("the comparison was cancelled")

    def _take(self, step: Walked) -> Iterable[Difference]:
        folder = step.folder
        if step.step is Step.ENTER:
            return self._enter(folder)
        if step.step is Step.LEAVE:
            return self._leave(folder)
        found: list[Difference] = []
        if self._extras:
            found += self._extra(folder, pass_name(folder, step.name))
        if step.wanted and step.entry is not None and step.entry.kind != EntryKind.SOCKET:
            found += self._item(folder, step.name, step.entry, step.content)
        return found

    def _enter(self, folder: Folder) -> Iterable[Difference]:
        found: list[Difference] = []
        if self._extras and folder.parent is not None:
            found += self._extra(folder.parent, pass_name(folder.parent, folder.name))
        if folder.parent is not None and not folder.parent.exists:
            return found
        try:
            with self._folders.opened(folder) as fd:
                folder.exists = True
                if self._extras:
                    list_others(folder, fd)
        except OSError:
            folder.exists = False  # said when it is left, with the reason
        return found

    def _leave(self, folder: Folder) -> Iterable[Difference]:
        entry = folder.entry
        found: list[Difference] = []
        if self._extras:
            found += self._extra(folder, rest_of(folder))
        if folder.exists:
            with self._folders.opened(folder) as fd:
                if folder.borrowed_mode >= 0:
                    os.fchmod(fd, folder.borrowed_mode)
                if folder.wanted and entry is not None:
                    found += self._checker.folder(fd, entry)
            self._folders.forget(folder)
        elif folder.wanted and entry is not None:
            found.append(self._absent(folder, entry))
        return found

    def _absent(self, folder: Folder, entry: Entry) -> Difference:
        """Return why a folder could not be opened."""
        above = folder.parent
        if above is None or not above.exists:
            return Difference(entry.path, Aspect.MISSING)
        try:
            with self._folders.opened(above) as fd:
                mode = os.stat(folder.name, dir_fd=fd, follow_symlinks=False).st_mode
        except OSError:
            return Difference(entry.path, Aspect.MISSING)
        return Difference(entry.path, Aspect.UNREADABLE if stat.S_ISDIR(mode) else Aspect.KIND)

    def _extra(self, folder: Folder, names: list[bytes]) -> list[Difference]:
        if folder.parent is None:
            names = [n for n in names if n != LOST_AND_FOUND and not n.startswith(STATE_PREFIX)]
        return [Difference(folder.path + b"/" + name, Aspect.EXTRA) for name in names]

    def _item(
        self, folder: Folder, name: bytes, entry: Entry, content: FileContent | None
    ) -> list[Difference]:
        if not folder.exists:
            return [Difference(entry.path, Aspect.MISSING)]
        folder_fd = self._folders.acquire(folder)
        try:
            found = self._linked(folder_fd, name, entry) if entry.links > 1 else []
            if entry.kind != EntryKind.FILE or content is None:
                return found + self._checker.node(folder_fd, name, entry)
            fd = self._checker.open_file(folder_fd, name, entry)
            return [*found, fd] if isinstance(fd, Difference) else found + self._file(fd, entry, content)
        finally:
            self._folders.release(folder)

    def _file(self, fd: int, entry: Entry, content: FileContent) -> list[Difference]:
        """Compare an open file, now or in other threads, and see to its being closed."""
        is_long = content.frame is None and entry.size > INLINE_BYTES
        try:
            found = self._checker.file_metadata(fd, entry)
            if any(difference.aspect in (Aspect.KIND, Aspect.SIZE) for difference in found):
                is_long = False
            elif not is_long and not self._checker.content_is_right(fd, entry, content):
                found.append(Difference(entry.path, Aspect.CONTENT))
        finally:
            if not is_long:
                os.close(fd)
        if is_long:
            found += self._begin(fd, entry, content)
        return found

    def _begin(self, fd: int, entry: Entry, content: FileContent) -> list[Difference]:
        """Have a long file hashed in segments; return what earlier ones turned out to be."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="restore-compare")
        found: list[Difference] = []
        position = 0
        for segment in _segments(self._contents.extents(content)):
            is_right = self._pool.submit(self._segment_is_right, fd, position, segment)
            position += sum(extent.length for extent in segment)
            self._readings.append(_Reading(entry, fd, is_right, is_last=position >= entry.size))
            found += self._settle(2 * self._threads)
        return found

    def _segment_is_right(self, fd: int, position: int, segment: list[Extent]) -> bool:
        for extent in segment:
            if not self._checker.extent_is_right(fd, position, extent):
                return False
            position += extent.length
        return True

    def _settle(self, most: int) -> list[Difference]:
        """Take the oldest results until at most *most* are awaited."""
        found = []
        while len(self._readings) > most:
            reading = self._readings[0]
            if not reading.is_right.result() and self._wrong is not reading.entry:
                self._wrong = reading.entry
                found.append(Difference(reading.entry.path, Aspect.CONTENT))
            self._readings.popleft()
            if reading.is_last:
                os.close(reading.fd)
        return found

    def _linked(self, folder_fd: int, name: bytes, entry: Entry) -> list[Difference]:
        """Compare which entries are the same file; the inode of the first names the group."""
        try:
            found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        except OSError:
            return []  # said by whoever opens it
        called = b"%d:%d" % (found.st_dev, found.st_ino)
        first = self._links.first_of(entry)
        if first is None:
            self._links.remember(entry, called)
        elif first != called and WarningKind.HARD_LINKS not in self._forgiven:
            return [Difference(entry.path, Aspect.LINKS)]
        return []


def _segments(extents: Iterable[Extent]) -> Iterator[list[Extent]]:
    """Yield runs of extents with up to ``SEGMENT_BYTES`` of data."""
    segment: list[Extent] = []
    data = 0
    for extent in extents:
        segment.append(extent)
        data += extent.length if extent.blob_id is not None else 0
        if data >= SEGMENT_BYTES:
            yield segment
            segment, data = [], 0
    if segment:
        yield segment
