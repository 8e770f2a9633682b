"""Small files bundled into frames of about 1 MiB, in the order in which they are met.

Compressed together, files of a few kilobytes shrink to half of what they need alone, and a repository of a million of
them holds a few thousand blobs. A file that some frame holds already, in this run or an earlier one, is not
bundled again: later frames hold only what is new, whatever was inserted before it.

Files are read straight into the frame's buffer (:meth:`FrameBundler.room`): the allocation and the copy of each
file cost more than reading it.
"""

import queue
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from backup_manager.engine.repository.pack import Member
from backup_manager.engine.repository.ports import Buffer

MOST_RECENT = 50_000  # files of frames that the index may not know yet; 50,000 need about 10 MiB
MOST_KNOWN = 64  # neighbours share a frame; remembering more would only cost memory
BUFFERS = 8  # of 1.25 MiB: one is filled while the others wait for, or undergo, compression


class FoundMember(Protocol):
    """A small file that the repository holds."""

    @property
    def blob_id(self) -> bytes:
        """The frame."""
        ...

    @property
    def offset(self) -> int:
        """Where in the plain frame it begins."""
        ...


class Submit(Protocol):
    """Where closed frames go (``BlobEncoder.submit``)."""

    def __call__(
        self, plain: Buffer, members: tuple[Member, ...], release: Callable[[], None] | None
    ) -> "Future[bytes]":
        """Store *plain* and call *release* when it is not needed any more."""
        ...


class Frame:
    """A bundle; its id is known once it was closed and hashed."""

    __slots__ = ("_id", "future")

    def __init__(self, blob_id: bytes | None = None) -> None:
        self._id = blob_id
        self.future: Future[bytes] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is added, so that :attr:`id` will come without further calls."""
        return self._id is not None or self.future is not None

    @property
    def id(self) -> bytes:
        """The frame's blob id; waits for it when the frame is still being hashed."""
        if self._id is None:
            assert self.future is not None
            self._id = self.future.result()
            self.future = None
        return self._id


class FrameBundler:
    """Places small files in frames; used by the one thread that reads them.

    *frame_bytes* closes a frame, *small_bytes* is the size of the largest file that is placed in one.
    """

    def __init__(
        self,
        submit: Submit,
        find_member: Callable[[bytes], FoundMember | None],
        *,
        frame_bytes: int,
        small_bytes: int,
    ) -> None:
        self._submit = submit
        self._find_member = find_member
        self._frame_bytes = frame_bytes
        self._capacity = frame_bytes + small_bytes + 1
        self._pool: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._made = 0
        self._recent: OrderedDict[bytes, tuple[Frame, int]] = OrderedDict()
        self._known: dict[bytes, Frame] = {}
        self._members: list[Member] = []
        self._size = 0
        self._open = Frame()
        self._buffer = self._take_buffer()
        self._view = memoryview(self._buffer)

    def room(self, size: int) -> memoryview:
        """Return *size* + 1 bytes of the open frame to read a file into; :meth:`place` then keeps or drops them."""
        return self._view[self._size : self._size + size + 1]

    def place(self, member_hash: bytes, length: int) -> tuple[Frame, int]:
        """Return the frame that holds the *length* bytes that were read into :meth:`room`, and the offset in it."""
        recent = self._recent.get(member_hash)
        if recent is not None:
            return recent
        stored = self._find_member(member_hash)
        if stored is not None:
            return self._known_frame(stored.blob_id), stored.offset
        offset = self._size
        place = self._recent[member_hash] = (self._open, offset)
        self._members.append(Member(member_hash, offset, length))
        self._size = offset + length
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)
        if self._size >= self._frame_bytes:
            self.close_frame()
        return place

    def close_frame(self) -> None:
        """Send the open frame on its way; the next file begins a new one."""
        if not self._size:
            return
        frame, buffer = self._open, self._buffer
        frame.future = self._submit(
            self._view[: self._size], tuple(self._members), lambda: self._pool.put(buffer)
        )
        self._open, self._members, self._size = Frame(), [], 0
        self._buffer = self._take_buffer()
        self._view = memoryview(self._buffer)

    def _take_buffer(self) -> bytearray:
        if self._made < BUFFERS and self._pool.empty():
            self._made += 1
            return bytearray(self._capacity)
        return self._pool.get()

    def _known_frame(self, blob_id: bytes) -> Frame:
        frame = self._known.get(blob_id)
        if frame is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            frame = self._known[blob_id] = Frame(blob_id)
        return frame
