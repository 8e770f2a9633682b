"""Files into a catalogue: what changed is read and stored, what did not is taken over.

One thread walks, looks and reads; the encoder's threads hash and compress behind it. Nothing here grows with the number
of files, but for what is bounded and said so.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from backup_manager.common.errors import InterruptedRunError
from backup_manager.engine.processors.frames import FrameBundler
from backup_manager.engine.repository.catalogue.entries import (
    MODE_BITS,
    CatalogueRoot,
    Entry,
    EntryKind,
    FileContent,
    PageDescriptor,
)
from backup_manager.engine.repository.catalogue.page import Page, resolve
from backup_manager.engine.repository.catalogue.writer import CatalogueWriter
from backup_manager.engine.repository.ports import Buffer
from backup_manager.engine.sources.filesystem.file_types import REGULAR, SYMLINK, TYPE_BITS
from backup_manager.engine.sources.filesystem.large import LargeFileReader
from backup_manager.engine.sources.filesystem.metadata import (
    OwnerNames,
    Xattrs,
    kind_of,
    read_link,
    read_xattrs,
)
from backup_manager.engine.sources.filesystem.pending import PendingContent, PendingPage, PendingPages
from backup_manager.engine.sources.filesystem.problems import EntryProblemError, Problem
from backup_manager.engine.sources.filesystem.read_ahead import ReadAhead
from backup_manager.engine.sources.filesystem.reading import has_hole
from backup_manager.engine.sources.filesystem.scan import ScannedPage, is_racy, scan_pages
from backup_manager.engine.sources.filesystem.small import SmallFileReader
from backup_manager.engine.sources.filesystem.walk import Found

MOST_LINKED = (
    50_000  # inodes with several names whose content is remembered; more are read again, and deduplicate
)
MOST_LINKED_CHUNKS = 200_000  # of these, at 130 bytes each


class Previous(Protocol):
    """The catalogue of the backup before, walked in step (``catalogue.previous.PreviousCatalogue``)."""

    def match(self, fingerprint: bytes, first_path: bytes) -> PageDescriptor | None:
        """The page with this fingerprint that begins with this path."""
        ...

    def entries_of(self, paths: Sequence[bytes]) -> dict[bytes, tuple[Page, Entry]]:
        """What is known of these sorted paths."""
        ...


class Hashing(Protocol):
    """The part of a vault that reading files needs."""

    def blob_id(self, plain: Buffer) -> bytes:
        """32 bytes of keyed hash."""
        ...

    def member_hash(self, plain: Buffer) -> bytes:
        """16 bytes of keyed hash."""
        ...


@dataclass(frozen=True, slots=True)
class IngestTools:
    """What an ingest works with; *small_file_bytes* is the repository's constant."""

    hashing: Hashing
    bundler: FrameBundler
    large: LargeFileReader
    writer: CatalogueWriter
    previous: Previous | None
    problems: Callable[[Problem], None]
    clock: Callable[[], float]
    small_file_bytes: int
    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[int, int], None] = lambda _bytes, _files: None


@dataclass(slots=True)
class IngestTotals:
    """What was done: files and bytes that were read, files and bytes in all."""

    read_bytes: int = 0
    read_files: int = 0
    reused_pages: int = 0
    bytes: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class _ComparedPage:
    """A page, and what the previous backup knows of it: all of it (*same*), or some entries (*old*)."""

    page: ScannedPage
    fingerprint: bytes
    same: PageDescriptor | None
    old: dict[bytes, tuple[Page, Entry]]


class FilesystemIngest:
    """The backup of one source; used once, by one thread."""

    def __init__(self, tools: IngestTools) -> None:
        self._tools = tools
        self._pending = PendingPages(tools.writer, tools.bundler)
        self._names = OwnerNames()
        self._small = SmallFileReader(
            tools.bundler, tools.hashing.member_hash, tools.problems, small_bytes=tools.small_file_bytes
        )
        self._linked: dict[tuple[int, int], tuple[Entry, PendingContent]] = {}
        self._linked_chunks = 0
        self._read_of_file = 0
        self._looked_at = 0.0
        self.totals = IngestTotals()

    def run(self, found: Iterable[Found]) -> CatalogueRoot:
        """Store everything *found*, in its order, and return the root of its catalogue.

        Raises:
            InterruptedRunError: ``cancelled`` said so; what was stored serves the next run.
        """
        ahead = ReadAhead()
        for page in ahead.through(map(self._compare, scan_pages(found)), self._small_files):
            if self._tools.cancelled():
                raise InterruptedRunError("the backup was cancelled before it was complete")
            self._take(page)
            ahead.note(*self._small.take_timing())
            self._tools.progress(self.totals.bytes, self.totals.files)
        self._tools.bundler.close_frame()
        self._pending.flush()
        return self._tools.writer.finish()

    def _compare(self, page: ScannedPage) -> "_ComparedPage":
        """Find out what the previous backup knows of *page*, before anything of it is read."""
        tools = self._tools
        fingerprint = tools.hashing.blob_id(page.marks)
        if tools.previous is None:
            return _ComparedPage(page, fingerprint, None, {})
        same = tools.previous.match(fingerprint, page.entries[0][0])
        if same is not None:
            return _ComparedPage(page, fingerprint, same, {})
        old = tools.previous.entries_of([path for path, _ in page.entries])
        return _ComparedPage(page, fingerprint, None, old)

    def _small_files(self, compared: "_ComparedPage") -> Iterator[Found]:
        """Yield the small files of a page that are going to be read."""
        if compared.same is not None:
            return
        most = self._tools.small_file_bytes
        for path, stat in compared.page.entries:
            if stat.st_mode & TYPE_BITS == REGULAR and 0 < stat.st_size <= most:
                old = compared.old.get(path)
                if old is None or not is_unchanged(old[1], stat):
                    yield path, stat

    def _take(self, compared: "_ComparedPage") -> None:
        tools, page, same = self._tools, compared.page, compared.same
        if same is not None:
            self._pending.add(same)
            self.totals.reused_pages += 1
            self.totals.bytes += same.bytes
            self.totals.files += same.files
            return
        entries: list[tuple[Entry, PendingContent]] = []
        whole = True
        for path, stat in page.entries:
            try:
                entry, content = self._entry(path, stat, compared.old.get(path))
            except EntryProblemError as err:
                tools.problems(err.problem)
                whole = False
                continue
            whole = whole and entry.ctime_ns == stat.st_ctime_ns
            entries.append((entry, content))
            if entry.kind is EntryKind.FILE:
                self.totals.files += 1
                self.totals.bytes += entry.size
        if entries:
            self._pending.add(PendingPage(entries, compared.fingerprint if whole else b""))

    def _entry(
        self, path: bytes, stat: os.stat_result, old: tuple[Page, Entry] | None
    ) -> tuple[Entry, PendingContent]:
        if old is not None and is_unchanged(old[1], stat):
            return old[1], resolve(*old)
        self._looked_at = self._tools.clock()  # before it is read, as reading may take hours
        if stat.st_mode & TYPE_BITS != REGULAR:
            return self._special(path, stat), None
        if stat.st_nlink > 1:
            return self._linked_file(path, stat)
        return self._file(path, stat)

    def _file(self, path: bytes, stat: os.stat_result) -> tuple[Entry, PendingContent]:
        if stat.st_size > self._tools.small_file_bytes or has_hole(stat):
            return self._large_file(path, stat)
        reading = self._small.read(path, stat)
        if reading is None:
            return self._large_file(path, stat)
        self.totals.read_bytes += reading.size
        self.totals.read_files += 1
        xattrs = () if reading.is_plain else read_xattrs(path, follow=True)
        return self._build(path, reading.stat, reading.size, reading.is_settled, xattrs), reading.content

    def _large_file(self, path: bytes, stat: os.stat_result) -> tuple[Entry, PendingContent]:
        self._read_of_file = 0
        content, size, stat, settled = self._tools.large.read(path, stat, self._count)
        self.totals.read_files += 1
        return self._build(path, stat, size, settled, read_xattrs(path, follow=True)), content

    def _count(self, read: int) -> None:
        self.totals.read_bytes += read
        self._read_of_file += read
        self._tools.progress(self.totals.bytes + self._read_of_file, self.totals.files)
        if self._tools.cancelled():
            raise InterruptedRunError("the backup was cancelled before it was complete")

    def _linked_file(self, path: bytes, stat: os.stat_result) -> tuple[Entry, PendingContent]:
        """Read a file with several names once, as long as its inode is remembered and did not change.

        What was written while it was read is remembered too: all names of one state must have one content.
        """
        inode = (stat.st_dev, stat.st_ino)
        known = self._linked.get(inode)
        if known is not None and known[0].ctime_ns == stat.st_ctime_ns and known[0].size == stat.st_size:
            return self._build(path, stat, stat.st_size, not known[0].racy, known[0].xattrs), known[1]
        entry, content = self._file(path, stat)
        if known is not None and known[0].ctime_ns == entry.ctime_ns and known[0].size == entry.size:
            # It changed while one name was read, and was seen under this one before: both are told to be of the
            # state after the change, so both must have one content. The next run reads them again.
            return msgspec.structs.replace(entry, racy=True), known[1]
        chunks = len(content.extents) if isinstance(content, FileContent) else 0
        has_room = len(self._linked) < MOST_LINKED and self._linked_chunks + chunks <= MOST_LINKED_CHUNKS
        if known is not None or has_room:
            self._linked[inode] = entry, content
            self._linked_chunks += chunks
        return entry, content

    def _special(self, path: bytes, stat: os.stat_result) -> Entry:
        is_link = stat.st_mode & TYPE_BITS == SYMLINK
        target = read_link(path) if is_link else b""
        return self._build(path, stat, 0, True, read_xattrs(path, follow=not is_link), target)

    def _build(
        self,
        path: bytes,
        stat: os.stat_result,
        size: int,
        settled: bool,
        xattrs: Xattrs,
        target: bytes = b"",
    ) -> Entry:
        return Entry(
            path,
            kind_of(stat.st_mode),
            stat.st_mode & MODE_BITS,
            stat.st_uid,
            stat.st_gid,
            size,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_ino,
            stat.st_dev,
            stat.st_nlink,
            target,
            stat.st_rdev,
            xattrs,
            not settled or is_racy(stat, self._looked_at),
            user=self._names.user(stat.st_uid),
            group=self._names.group(stat.st_gid),
        )


def is_unchanged(entry: Entry, stat: os.stat_result) -> bool:
    """Whether *entry* was read from what *stat* shows, so that neither content nor attributes need reading."""
    return (
        not entry.racy
        and entry.ctime_ns == stat.st_ctime_ns
        and entry.mtime_ns == stat.st_mtime_ns
        and entry.inode == stat.st_ino
        and entry.device == stat.st_dev
        and (entry.size == stat.st_size or entry.kind is not EntryKind.FILE)
        and entry.mode == stat.st_mode & MODE_BITS
        and entry.uid == stat.st_uid
        and entry.gid == stat.st_gid
        and entry.links == stat.st_nlink
        and entry.kind is kind_of(stat.st_mode)
    )
