"""Extents of files: as refs in an entry, or in chunk lists when an entry would grow too long.

A file of a terabyte has a million chunks. Its entry stays small, and no step holds more than a few
lists of 4,096 extents.
"""

from collections.abc import Iterator, Sequence

import msgspec

from backup_manager.common.errors import BackupManagerError, CorruptDataError
from backup_manager.engine.repository.catalogue.entries import Extent, FileContent
from backup_manager.engine.repository.catalogue.metadata import (
    Fetch,
    MetadataKind,
    PutMetadata,
    RefTable,
    decode_body,
    expect_kind,
    frame_metadata,
    parse_metadata,
)

MAX_INLINE_EXTENTS = 1024
LIST_EXTENTS = 4096
MAX_DEPTH = 4  # 1,024 * 4,096^4 chunks: more than any file system can hold
HOLE = -1

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, ...])


class ExtentCollector:
    """The extents of one file as they become known, in bounded memory.

    Call :meth:`add` for each extent in order and :meth:`finish` once.
    """

    def __init__(self, put_metadata: PutMetadata) -> None:
        self._put_metadata = put_metadata
        self._levels: list[list[Extent]] = [[]]

    def add(self, blob_id: bytes | None, length: int) -> None:
        """Append *length* bytes: the blob *blob_id*, or a hole."""
        self._append(0, Extent(blob_id, length))

    def finish(self) -> FileContent:
        """Return the content: its extents, or chunk lists that have been put."""
        depth = 0
        while depth + 1 < len(self._levels) or len(self._levels[depth]) > MAX_INLINE_EXTENTS:
            if self._levels[depth]:
                self._put_list(depth)
            depth += 1
        return FileContent(extents=tuple(self._levels[depth]), depth=depth)

    def _append(self, depth: int, extent: Extent) -> None:
        if depth == len(self._levels):
            self._levels.append([])
        self._levels[depth].append(extent)
        if len(self._levels[depth]) == LIST_EXTENTS:
            self._put_list(depth)

    def _put_list(self, depth: int) -> None:
        if depth == MAX_DEPTH:
            raise BackupManagerError(f"a file has more than {LIST_EXTENTS**depth} extents")
        extents, self._levels[depth] = self._levels[depth], []
        list_id = self._put_metadata(encode_chunk_list(extents, depth))
        self._append(depth + 1, Extent(list_id, sum([extent.length for extent in extents])))


def spill(content: FileContent, put_metadata: PutMetadata) -> FileContent:
    """Return *content* with at most 1,024 extents; it is the same when it has no more than that."""
    if len(content.extents) <= MAX_INLINE_EXTENTS:
        return content
    if content.depth:
        raise BackupManagerError("a content of chunk lists was made by something else than ExtentCollector")
    collector = ExtentCollector(put_metadata)
    for extent in content.extents:
        collector.add(extent.blob_id, extent.length)
    return msgspec.structs.replace(collector.finish(), hash=content.hash)


def encode_chunk_list(extents: Sequence[Extent], depth: int) -> bytes:
    """Return the plain bytes of a list of extents (*depth* 0) or of lists (*depth* 1 and more)."""
    table = RefTable()
    body = _encoder.encode(place(extents, table))
    refs: tuple[list[bytes], list[bytes]] = (table.ids(), []) if depth else ([], table.ids())
    return frame_metadata(MetadataKind.CHUNK_LIST, 0, *refs, body)


def decode_chunk_list(plain: bytes, depth: int, length: int) -> tuple[Extent, ...]:
    """Return the extents of a list that covers *length* bytes of its file.

    Raises:
        CorruptDataError: the bytes are not those of such a list.
    """
    blob = parse_metadata(plain)
    expect_kind(blob, MetadataKind.CHUNK_LIST, 0)
    pairs = decode_body(_decoder, blob)
    return extents_of(pairs, blob.metadata_ids if depth else blob.data_ids, length)


def read_extents(content: FileContent, fetch: Fetch) -> Iterator[Extent]:
    """Yield the chunks and holes of *content*, whatever its depth, with a list of each depth in memory.

    Raises:
        CorruptDataError: a list is not one, or does not cover what it should.
    """
    if not content.depth:
        yield from content.extents
        return
    for extent in content.extents:
        if extent.blob_id is None:
            raise CorruptDataError("a file has a hole where a chunk list belongs")
        depth = content.depth - 1
        listed = decode_chunk_list(fetch(extent.blob_id), depth, extent.length)
        yield from read_extents(FileContent(extents=listed, depth=depth), fetch)


def place(extents: Sequence[Extent], table: RefTable) -> tuple[int, ...]:
    """Return extents as flat pairs of ref and length, entering their ids into *table*."""
    pairs: list[int] = []
    for extent in extents:
        pairs.append(HOLE if extent.blob_id is None else table.ref(extent.blob_id))
        pairs.append(extent.length)
    return tuple(pairs)


def extents_of(pairs: Sequence[int], ids: Sequence[bytes], length: int) -> tuple[Extent, ...]:
    """Return the extents that flat pairs of ref and length mean; together they must have *length* bytes.

    Raises:
        CorruptDataError: a ref without an id, or lengths that are not positive or do not add up.
    """
    refs, lengths = pairs[::2], pairs[1::2]
    if len(refs) != len(lengths) or sum(lengths) != length or (lengths and min(lengths) <= 0):
        raise CorruptDataError(f"the extents of a file do not make up its {length} bytes")
    if refs and not HOLE <= min(refs) <= max(refs) < len(ids):
        raise CorruptDataError(f"the extents of a file refer beyond the {len(ids)} ids beside them")
    return tuple(
        [Extent(None if ref < 0 else ids[ref], size) for ref, size in zip(refs, lengths, strict=True)]
    )
