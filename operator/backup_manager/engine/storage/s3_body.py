"""Bodies of uploads: many buffers sent as one stream, and the checksums of it; nothing is copied."""

import base64
import hashlib
import zlib
from collections.abc import Iterator, Sequence

SEND_BYTES = 1 << 20  # a piece given to the socket at once; 16 KiB ones cost 64 times the calls


class PartsBody:
    """A readable stream over *views*, as botocore wants it: length, read, seek, tell."""

    def __init__(self, views: Sequence[memoryview]) -> None:
        self._views = tuple(views)
        self._length = sum(view.nbytes for view in self._views)
        self._position = 0

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = -1) -> bytes | memoryview:
        """Return the next piece, or empty bytes at the end.

        The piece ends where a buffer ends, and may be longer than *size*: its callers (urllib3 and
        botocore's signer) send and hash whatever they get.
        """
        del size
        offset = self._position
        for view in self._views:
            if offset < view.nbytes:
                piece = view[offset : offset + SEND_BYTES]
                self._position += piece.nbytes
                return piece
            offset -= view.nbytes
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to *offset*, from the start (0), from here (1) or from the end (2)."""
        self._position = offset + (0, self._position, self._length)[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position


def build_body(views: Sequence[memoryview]) -> bytes | PartsBody:
    """Return *views* as one body: joined when small, since a stream costs another round trip (Expect)."""
    if sum(view.nbytes for view in views) <= SEND_BYTES:
        return b"".join(views)
    return PartsBody(views)


def split_views(views: Sequence[memoryview], part_bytes: int) -> Iterator[tuple[memoryview, ...]]:
    """Yield consecutive groups of views, *part_bytes* long each, the last one shorter."""
    group: list[memoryview] = []
    room = part_bytes
    for whole in views:
        view = whole
        while view.nbytes:
            piece, view = view[:room], view[room:]
            group.append(piece)
            room -= piece.nbytes
            if not room:
                yield tuple(group)
                group, room = [], part_bytes
    if group:
        yield tuple(group)


def crc32(views: Sequence[memoryview]) -> str:
    """Return the CRC-32 as S3 writes it: four bytes, big-endian, base64."""
    value = 0
    for view in views:
        value = zlib.crc32(view, value)
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def md5(views: Sequence[memoryview]) -> str:
    """Return the value of Content-MD5 (RFC 1864); a transport checksum, not a matter of security."""
    digest = hashlib.md5(usedforsecurity=False)
    for view in views:
        digest.update(view)
    return base64.b64encode(digest.digest()).decode()
