"""Large files: read in blocks, cut by content, stored chunk by chunk; holes stay holes."""

import os
import queue
import threading
from collections.abc import Callable

from backup_manager.engine.processors.chunker import Chunker
from backup_manager.engine.processors.encoder import BlobEncoder
from backup_manager.engine.repository.catalogue.content import ExtentCollector
from backup_manager.engine.repository.catalogue.entries import FileContent
from backup_manager.engine.sources.filesystem.pending import ChunkQueue
from backup_manager.engine.sources.filesystem.problems import Problem
from backup_manager.engine.sources.filesystem.reading import iterate_extents, open_regular, read_large, settle

BLOCK_BYTES = 12 << 20  # three of the largest chunks: at most a third of what is read is carried over
BLOCKS = 3  # one being read and cut, two being stored


class _Block:
    """A buffer that returns to its pool when the last chunk in it was stored."""

    def __init__(self, pool: "queue.SimpleQueue[bytearray]", buffer: bytearray) -> None:
        self._pool = pool
        self.buffer = buffer
        self._users = 1
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Count one more user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Count one user less; the last one gives the buffer back."""
        with self._lock:
            self._users -= 1
            is_last = self._users == 0
        if is_last:
            self._pool.put(self.buffer)


class LargeFileReader:
    """Stores files of any size in bounded memory (36 MiB of buffers); for one thread."""

    def __init__(
        self,
        encoder: BlobEncoder,
        chunker: Chunker,
        problems: Callable[[Problem], None],
    ) -> None:
        self._encoder = encoder
        self._chunker = chunker
        self._problems = problems
        self._pool: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._made = 0

    def read(
        self, path: bytes, stat: os.stat_result, count: Callable[[int], None]
    ) -> tuple[FileContent, int, os.stat_result, bool]:
        """Store the file and return its content, the bytes it has, its stat, and whether both belong together.

        *count* is told the bytes of each block that was read.

        Raises:
            EntryProblemError: the file vanished or cannot be read.
        """
        descriptor, before = open_regular(path, stat)
        try:
            chunks = ChunkQueue(ExtentCollector(self._encoder.put_metadata))
            size = 0
            for offset, length, is_hole in iterate_extents(descriptor, before.st_size):
                if is_hole:
                    chunks.add(None, length)
                    size += length
                    continue
                read = self._store_extent(path, descriptor, (offset, length), chunks, count)
                size += read
                if read < length:
                    break
            now, settled = settle(path, descriptor, before, self._problems)
            return chunks.finish(), size, now, settled and size == now.st_size
        finally:
            os.close(descriptor)

    def _store_extent(
        self,
        path: bytes,
        descriptor: int,
        extent: tuple[int, int],
        chunks: ChunkQueue,
        count: Callable[[int], None],
    ) -> int:
        """Cut and store one stretch of data; return how many bytes of it there were."""
        offset, length = extent
        done = 0
        carried = b""
        while done < length:
            block = self._take_block()
            try:
                buffer = block.buffer
                buffer[: len(carried)] = carried
                view = memoryview(buffer)
                room = min(len(buffer) - len(carried), length - done)
                read = read_large(path, descriptor, view[len(carried) : len(carried) + room], offset + done)
                done += read
                count(read)
                is_last = read < room or done == length
                carried = self._store_block(block, view[: len(carried) + read], is_last, chunks)
            finally:  # also of a file that cannot be read: the files after it need the buffer
                block.release()
            if read < room:
                break
        return done

    def _store_block(self, block: _Block, filled: memoryview, is_last: bool, chunks: ChunkQueue) -> bytes:
        """Cut and store what *block* was *filled* with; return what is left for the next one."""
        end = 0
        for size in self._chunker.cut(filled, is_last):
            block.hold()
            chunks.add(self._encoder.submit(filled[end : end + size], (), block.release), size)
            end += size
        return bytes(filled[end:])

    def _take_block(self) -> _Block:
        if self._made < BLOCKS and self._pool.empty():
            self._made += 1
            return _Block(self._pool, bytearray(BLOCK_BYTES))
        return _Block(self._pool, self._pool.get())
