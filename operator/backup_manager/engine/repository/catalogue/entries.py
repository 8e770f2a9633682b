"""What a catalogue is made of: entries, their content, page descriptors, the root.

These are ``msgspec`` structs rather than dataclasses because a page of hundreds of them is encoded and
decoded in one call, without Python between. The order of the fields of :class:`Entry` and of
:class:`PageDescriptor` is part of the format: the package's docstring has it byte by byte. New fields go
to the end, with a default.
"""

import os
import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import islice
from operator import lt
from typing import Protocol, TypeAlias

import msgspec

BlobId: TypeAlias = bytes
EntryPath: TypeAlias = bytes
Digest: TypeAlias = bytes

MODE_BITS = 0o7777
UNSIGNED = 0xFFFF_FFFF_FFFF_FFFF
STAT = struct.Struct("<QQQQIIIQQ")


class EntryKind(IntEnum):
    """What an entry is; the numbers are part of the format."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4
    SOCKET = 5
    CHARACTER = 6
    BLOCK = 7


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One file system entry, as a page holds it.

    ``hash``, ``chunks``, ``offset`` and ``depth`` mean something only together with the page that the entry
    was decoded from (``page.resolve`` gives its :class:`FileContent`). Whoever builds an entry leaves them
    out: the page encoder fills them in.
    """

    path: EntryPath
    kind: EntryKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    links: int
    target: bytes = b""
    rdev: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    racy: bool = False
    hash: Digest = b""
    chunks: tuple[int, ...] = ()
    offset: int = -1
    depth: int = 0
    user: str = ""
    group: str = ""


class Extent(msgspec.Struct, frozen=True, gc=False):
    """*length* bytes of a file: the whole plain blob *blob_id*, or a hole when it is ``None``."""

    blob_id: BlobId | None
    length: int


class FileContent(msgspec.Struct, frozen=True, gc=False):
    """Where the bytes of a file are, independent of any page.

    A small file lies at *offset* of the blob *frame* and has a *hash*, and no extents. Any other file has
    *extents*; with *depth* 0 they are its chunks and holes in order, with a greater one they are chunk lists
    and the bytes these cover: read them by ``CatalogueReader.extents``, which handles both. An empty file
    has neither frame nor extents.
    """

    hash: Digest = b""
    frame: BlobId | None = None
    offset: int = -1
    extents: tuple[Extent, ...] = ()
    depth: int = 0


StoredEntry: TypeAlias = tuple[Entry, FileContent | None]
"""An entry with its content, which is ``None`` for everything but files."""


class PageDescriptor(msgspec.Struct, array_like=True, frozen=True):
    """What a node says of a child: a page at level 0, a node above that.

    *first* and *last* are its outermost paths, *bytes* is the sum of the sizes of its files. *fingerprint* is
    empty when the page must not be reused unread.
    """

    id: BlobId
    first: EntryPath
    last: EntryPath
    entries: int
    files: int
    directories: int
    others: int
    bytes: int
    fingerprint: Digest = b""
    level: int = 0


class CatalogueRoot(msgspec.Struct, frozen=True):
    """The root node of a catalogue with the totals of all entries; stored in the snapshot."""

    id: BlobId
    level: int
    entries: int
    files: int
    directories: int
    others: int
    bytes: int


class Hashing(Protocol):
    """The part of a vault that fingerprints need."""

    def blob_id(self, plain: bytes) -> bytes:
        """Return the 32 bytes of the keyed hash of *plain*."""
        ...


def path_key(path: EntryPath) -> bytes:
    """Return what entries are sorted by: components in order, each compared as bytes."""
    return path.replace(b"/", b"\0")


def is_sorted(paths: Sequence[EntryPath]) -> bool:
    """Whether the paths are in the order of a catalogue, and none occurs twice."""
    keys = [path_key(path) for path in paths]
    return all(map(lt, keys, islice(keys, 1, None)))


def entry_key(entry: Entry) -> bytes:
    """Return the ``path_key`` of an entry."""
    return path_key(entry.path)


def subtree_keys(path: EntryPath) -> tuple[bytes, bytes]:
    """Return the half-open range of the keys of *path* and of all below it."""
    base = path_key(path.rstrip(b"/"))
    return base, base + b"\1"


def pack_stat(status: os.stat_result) -> bytes:
    """Return the fields of ``lstat`` that tell an unchanged entry, as 68 bytes.

    Times are kept modulo 2^64, so that any year that a file system can hold is accepted.
    """
    return STAT.pack(
        status.st_ino,
        status.st_size,
        status.st_mtime_ns & UNSIGNED,
        status.st_ctime_ns & UNSIGNED,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_dev,
    )


def page_fingerprint(hashing: Hashing, marks: Iterable[tuple[EntryPath, bytes]]) -> Digest:
    """Return the fingerprint of a page from the path and the ``pack_stat`` of each entry, in order."""
    return hashing.blob_id(b"".join([path + b"\0" + packed for path, packed in marks]))
