"""Small files in frames: placed once, found again, closed when full."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from backup_manager.engine.processors.frames import BUFFERS, MOST_KNOWN, FrameBundler
from backup_manager.engine.repository.pack import Member
from backup_manager.engine.repository.ports import Buffer


@dataclass
class Submitted:
    plain: bytes
    members: tuple[Member, ...]


@dataclass
class Found:
    blob_id: bytes
    offset: int


class Frames:
    """A bundler with what it submitted; ids count up."""

    def __init__(self, known: dict[bytes, Found] | None = None, *, holds_buffers: bool = False) -> None:
        self.submitted: list[Submitted] = []
        self.releases: list[Callable[[], None]] = []
        self._holds = holds_buffers
        known = known or {}
        self.bundler = FrameBundler(self._submit, known.get, frame_bytes=100, small_bytes=50)

    def _submit(
        self, plain: Buffer, members: tuple[Member, ...], release: Callable[[], None] | None
    ) -> "Future[bytes]":
        self.submitted.append(Submitted(bytes(plain), members))
        future: Future[bytes] = Future()
        future.set_result(bytes([len(self.submitted)]) * 32)
        assert release is not None
        self.releases.append(release)
        if not self._holds:
            release()
        return future

    def place(self, data: bytes) -> tuple[bytes, int, bool]:
        self.bundler.room(len(data))[: len(data)] = data
        frame, offset = self.bundler.place(data[:16].ljust(16), len(data))
        return (frame.id if frame.is_closed else b"", offset, frame.is_closed)


def test_files_of_one_frame_follow_one_another() -> None:
    frames = Frames()
    assert [frames.place(b"a" * 10)[1], frames.place(b"b" * 20)[1], frames.place(b"c")[1]] == [0, 10, 30]
    frames.bundler.close_frame()
    assert frames.submitted[0].plain == b"a" * 10 + b"b" * 20 + b"c"
    assert [(member.offset, member.length) for member in frames.submitted[0].members] == [
        (0, 10),
        (10, 20),
        (30, 1),
    ]


def test_equal_file_is_placed_once() -> None:
    frames = Frames()
    first = frames.bundler.place(b"h" * 16, 5)
    assert frames.bundler.place(b"h" * 16, 5) == first
    frames.bundler.close_frame()
    assert len(frames.submitted[0].members) == 1


def test_file_of_an_earlier_run_is_found_in_its_frame() -> None:
    frames = Frames({b"known".ljust(16): Found(b"F" * 32, 77)})
    assert frames.place(b"known") == (b"F" * 32, 77, True)
    frames.bundler.close_frame()
    assert frames.submitted == []


def test_frame_closes_when_it_is_full() -> None:
    frames = Frames()
    for number in range(5):
        frames.place(bytes([number]) * 40)
    assert [len(submitted.plain) for submitted in frames.submitted] == [120]


def test_empty_frame_is_not_submitted() -> None:
    frames = Frames()
    frames.bundler.close_frame()
    assert frames.submitted == []


def test_what_was_read_and_not_placed_is_overwritten() -> None:
    frames = Frames()
    frames.bundler.room(5)[:5] = b"wrong"
    frames.place(b"right")
    frames.bundler.close_frame()
    assert frames.submitted[0].plain == b"right"


def test_room_has_one_byte_more_than_the_largest_file_at_the_end_of_a_frame() -> None:
    frames = Frames()
    frames.place(b"x" * 49)
    frames.place(b"y" * 50)
    assert len(frames.bundler.room(50)) == 51


def test_buffer_is_not_written_before_it_was_given_back() -> None:
    frames = Frames(holds_buffers=True)
    for number in range(BUFFERS - 1):
        frames.place(bytes([number]) * 50)
        frames.bundler.close_frame()
    for release in frames.releases:
        release()
    frames.place(b"z" * 50)
    frames.bundler.close_frame()
    assert [submitted.plain[:1] for submitted in frames.submitted] == [
        bytes([n]) for n in range(BUFFERS - 1)
    ] + [b"z"]


def test_known_frames_are_remembered_boundedly() -> None:
    known = {bytes([number] * 16): Found(bytes([number]) * 32, 0) for number in range(MOST_KNOWN + 5)}
    frames = Frames(known)
    for digest, found in known.items():
        assert frames.bundler.place(digest, 1)[0].id == found.blob_id
