"""The frame that all metadata blobs share: kind, level, the ids they refer to, and a body.

The ids stand in front, in binary, so that maintenance can tell what is in use without decoding a body.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias, TypeVar

import msgspec

from backup_manager.common.errors import CorruptDataError

FRAME = struct.Struct("<BBHII")  # kind, level, zero, metadata refs, data refs
ID_BYTES = 32
Body = TypeVar("Body")

PutMetadata: TypeAlias = Callable[[bytes], bytes]
"""Stores the plain bytes of a metadata blob, unless they are stored already, and returns their id."""

Fetch: TypeAlias = Callable[[bytes], bytes]
"""Returns the plain bytes of the blob with this id, verified."""


class MetadataKind(IntEnum):
    """What a metadata blob is; the numbers are part of the format."""

    PAGE = 1
    NODE = 2
    CHUNK_LIST = 3


@dataclass(frozen=True, slots=True)
class MetadataBlob:
    """A metadata blob taken out of its frame; *body* is still encoded."""

    kind: MetadataKind
    level: int
    metadata_ids: tuple[bytes, ...]
    data_ids: tuple[bytes, ...]
    body: memoryview


class RefTable:
    """Ids in the order of their first mention, each with its number."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def ref(self, blob_id: bytes) -> int:
        """Return the number of *blob_id*, a new one at its first mention."""
        return self._numbers.setdefault(blob_id, len(self._numbers))

    def ids(self) -> list[bytes]:
        """The ids by number."""
        return list(self._numbers)


def frame_metadata(
    kind: MetadataKind, level: int, metadata_ids: Sequence[bytes], data_ids: Sequence[bytes], body: bytes
) -> bytes:
    """Return the plain bytes of a metadata blob."""
    head = FRAME.pack(kind, level, 0, len(metadata_ids), len(data_ids))
    return b"".join([head, *metadata_ids, *data_ids, body])


def parse_metadata(plain: bytes) -> MetadataBlob:
    """Take the plain bytes of a metadata blob out of their frame.

    Raises:
        CorruptDataError: the frame is not one, or is longer than the blob.
    """
    if len(plain) < FRAME.size:
        raise CorruptDataError(f"a catalogue blob of {len(plain)} bytes is shorter than its frame")
    number, level, zero, metadata_refs, data_refs = FRAME.unpack_from(plain)
    middle = FRAME.size + metadata_refs * ID_BYTES
    end = middle + data_refs * ID_BYTES
    if zero or end > len(plain):
        raise CorruptDataError(f"a catalogue blob of {len(plain)} bytes names {end} bytes of ids")
    try:
        kind = MetadataKind(number)
    except ValueError as err:
        raise CorruptDataError(f"a catalogue blob has the unknown kind {number}") from err
    return MetadataBlob(
        kind,
        level,
        tuple(plain[at : at + ID_BYTES] for at in range(FRAME.size, middle, ID_BYTES)),
        tuple(plain[at : at + ID_BYTES] for at in range(middle, end, ID_BYTES)),
        memoryview(plain)[end:],
    )


def expect_kind(blob: MetadataBlob, kind: MetadataKind, level: int) -> None:
    """Raise ``CorruptDataError`` unless *blob* is of this kind and level."""
    if blob.kind != kind or blob.level != level:
        raise CorruptDataError(
            f"a catalogue blob is a {blob.kind.name} of level {blob.level} where a {kind.name} of level"
            f" {level} belongs"
        )


def decode_body(decoder: msgspec.msgpack.Decoder[Body], blob: MetadataBlob) -> Body:
    """Return the decoded body; raises ``CorruptDataError`` when it is not what *decoder* expects."""
    try:
        return decoder.decode(blob.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        what = f"the body of a {blob.kind.name} of {len(blob.body)} bytes"
        raise CorruptDataError(f"{what} in the catalogue cannot be decoded: {err}") from err


def refs_of(plain: bytes) -> tuple[MetadataKind, int, list[bytes], list[bytes]]:
    """Return kind, level, metadata ids and data ids of a metadata blob; its body is not decoded.

    Raises:
        CorruptDataError: as :func:`parse_metadata`.
    """
    blob = parse_metadata(plain)
    return blob.kind, blob.level, list(blob.metadata_ids), list(blob.data_ids)
