"""Pages whose content is still being hashed: kept in order, written when they are complete."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from backup_manager.engine.processors.frames import Frame, FrameBundler
from backup_manager.engine.repository.catalogue.content import ExtentCollector
from backup_manager.engine.repository.catalogue.entries import (
    Digest,
    Entry,
    FileContent,
    PageDescriptor,
    StoredEntry,
)
from backup_manager.engine.repository.catalogue.writer import CatalogueWriter

MOST_PAGES = 48  # of some 500 entries of about 700 bytes: 16 MiB


@dataclass(frozen=True, slots=True)
class InFrame:
    """A small file at *offset* of a frame that may still be open."""

    hash: Digest
    frame: Frame
    offset: int


PendingContent = InFrame | FileContent | None


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Entries with their content, in order."""

    entries: list[tuple[Entry, PendingContent]]
    fingerprint: Digest


class PendingPages:
    """A queue in front of the catalogue writer; pages leave it in the order in which they came."""

    def __init__(self, writer: CatalogueWriter, bundler: FrameBundler) -> None:
        self._writer = writer
        self._bundler = bundler
        self._queue: deque[PendingPage | PageDescriptor] = deque()

    def add(self, page: PendingPage | PageDescriptor) -> None:
        """Append a page; the oldest are written when too many wait."""
        self._queue.append(page)
        while len(self._queue) > MOST_PAGES:
            self._write(self._queue.popleft())

    def flush(self) -> None:
        """Write every page that waits."""
        while self._queue:
            self._write(self._queue.popleft())

    def _write(self, page: PendingPage | PageDescriptor) -> None:
        if isinstance(page, PageDescriptor):
            self._writer.reuse(page)
            return
        stored: list[StoredEntry] = []
        for entry, content in page.entries:
            if isinstance(content, InFrame):
                if not content.frame.is_closed:
                    self._bundler.close_frame()
                stored.append((entry, FileContent(content.hash, content.frame.id, content.offset)))
            else:
                stored.append((entry, content))
        self._writer.add_page(stored, page.fingerprint)


class ChunkQueue:
    """The chunks of one large file on their way to the collector of its extents."""

    def __init__(self, collector: ExtentCollector) -> None:
        self._collector = collector
        self._waiting: deque[tuple[Future[bytes] | None, int]] = deque()

    def add(self, future: "Future[bytes] | None", length: int) -> None:
        """Append a chunk that is being stored, or a hole."""
        self._waiting.append((future, length))
        while self._waiting and (self._waiting[0][0] is None or self._waiting[0][0].done()):
            self._collect()

    def finish(self) -> FileContent:
        """Wait for the last chunk and return the content."""
        while self._waiting:
            self._collect()
        return self._collector.finish()

    def _collect(self) -> None:
        future, length = self._waiting.popleft()
        self._collector.add(None if future is None else future.result(), length)
