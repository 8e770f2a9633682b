"""A folder of checked copies: what comes out is what went in, or nothing.

A file holds a digest of all that precedes the content, the content's size, a digest of each 64 KiB block,
and the content. A ranged read checks the blocks that it touches and no others. The digests guard
against disks and half-written files, not against an enemy: what is cached is sealed.
"""

import hashlib
import os
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backup_manager.engine.repository.ports import Buffer

BLOCK_BYTES = 64 * 1024
TEMPORARY = ".tmp-"
TEMPORARY_SECONDS = 3600  # a temporary file of that age was left behind by a process that died
TOUCH_SECONDS = 3600  # how exact "least recently used" is; each touch is a write to the disk
KEPT_SHARE = 0.8  # what is left of the limit after files were dropped, so that it is not done at each write

_DIGEST_BYTES = 16
_SIZE = struct.Struct("<Q")
_HEAD_BYTES = _DIGEST_BYTES + _SIZE.size


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    size: int
    used: float


class CacheFiles:
    """Copies by name in *folder*, at most about *most_bytes*; the least recently used are dropped first.

    Several threads and processes may share the folder. Reads treat every trouble as a miss; :meth:`write`
    raises ``OSError``. *label* enters the digests, so that a file of another folder is not taken for ours.
    """

    def __init__(
        self, folder: Path, label: str, *, most_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = os.path.abspath(folder)
        self._label = label
        self._most_bytes = most_bytes
        self._clock = clock
        self._used_bytes: int | None = None  # as far as this process knows

    def read(self, name: str, start: int, length: int | None) -> bytes | None:
        """Return a range as ``Storage.get`` does, or ``None`` if there is no sound copy."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            content = self._read_range(descriptor, name, start, length)
            if content is not None:
                self._touch(descriptor)
        except OSError:
            content = None
        finally:
            os.close(descriptor)
        if content is None:
            self.discard(name)
        return content

    def write(self, name: str, parts: Sequence[Buffer]) -> None:
        """Keep a copy, unless it would take more than a quarter of the room; the file appears as a whole."""
        size = sum(len(part) for part in parts)
        if size > self._most_bytes // 4:
            return
        content = b"".join(parts)
        head = self._head(name, content)
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._make_room(len(head) + size)
        temporary = os.path.join(self._folder, TEMPORARY + secrets.token_hex(8))
        try:
            with open(temporary, "xb") as file:
                file.writelines((head, content))
            os.replace(temporary, self._path(name))
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def discard(self, name: str) -> None:
        """Drop the copy, if there is one."""
        with suppress(OSError):
            os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name.replace("/", "-"))

    def _head(self, name: str, content: bytes) -> bytes:
        view = memoryview(content)
        blocks = (view[at : at + BLOCK_BYTES] for at in range(0, len(view), BLOCK_BYTES))
        table = _SIZE.pack(len(content)) + b"".join(_digest(block) for block in blocks)
        return self._table_digest(name, table) + table

    def _table_digest(self, name: str, table: bytes) -> bytes:
        return _digest(f"{self._label}\n{name}\n".encode() + table)

    def _read_range(self, descriptor: int, name: str, start: int, length: int | None) -> bytes | None:
        head = os.pread(descriptor, _HEAD_BYTES, 0)
        if len(head) < _HEAD_BYTES:
            return None
        (size,) = _SIZE.unpack_from(head, _DIGEST_BYTES)
        block_count = -(-size // BLOCK_BYTES)
        content_at = _HEAD_BYTES + _DIGEST_BYTES * block_count
        if os.fstat(descriptor).st_size != content_at + size:
            return None
        digests = os.pread(descriptor, content_at - _HEAD_BYTES, _HEAD_BYTES)
        if self._table_digest(name, head[_DIGEST_BYTES:] + digests) != head[:_DIGEST_BYTES]:
            return None
        first, end = _bounds(size, start, length)
        block = first // BLOCK_BYTES
        blocks_at = block * BLOCK_BYTES
        data = os.pread(
            descriptor, min(size, -(-end // BLOCK_BYTES) * BLOCK_BYTES) - blocks_at, content_at + blocks_at
        )
        view = memoryview(data)
        found = b"".join(_digest(view[at : at + BLOCK_BYTES]) for at in range(0, len(view), BLOCK_BYTES))
        expected = digests[block * _DIGEST_BYTES :][: len(found)]
        if found != expected or blocks_at + len(data) < end:
            return None
        return data[first - blocks_at : end - blocks_at]

    def _touch(self, descriptor: int) -> None:
        now = self._clock()
        if now - os.fstat(descriptor).st_mtime > TOUCH_SECONDS:
            os.utime(descriptor, (now, now))

    def _make_room(self, size: int) -> None:
        if self._used_bytes is None or self._used_bytes + size > self._most_bytes:
            self._used_bytes = self._drop_least_used(size)
        self._used_bytes += size

    def _drop_least_used(self, size: int) -> int:
        found = self._scan()
        used = sum(file.size for file in found)
        if used + size <= self._most_bytes:
            return used
        for file in sorted(found, key=lambda file: file.used):
            if used + size <= self._most_bytes * KEPT_SHARE:
                break
            with suppress(OSError):
                os.unlink(file.path)
            used -= file.size
        return used

    def _scan(self) -> list[_Found]:
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):  # another process dropped it meanwhile
                    status = entry.stat()
                    if not entry.name.startswith(TEMPORARY):
                        found.append(_Found(entry.path, status.st_size, status.st_mtime))
                    elif self._clock() - status.st_mtime > TEMPORARY_SECONDS:
                        os.unlink(entry.path)
        return found


def _bounds(size: int, start: int, length: int | None) -> tuple[int, int]:
    first = min(size, start) if start >= 0 else max(0, size + start)
    return first, size if length is None else min(size, first + length)


def _digest(data: Buffer) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
