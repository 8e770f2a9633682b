"""Nodes: lists of descriptors of pages or of lower nodes, and where they end."""

import zlib
from collections.abc import Sequence

import msgspec

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.entries import EntryPath, PageDescriptor, is_sorted
from backup_manager.engine.repository.catalogue.metadata import (
    MetadataKind,
    decode_body,
    expect_kind,
    frame_metadata,
    parse_metadata,
)

MIN_NODE_CHILDREN = 4
MAX_NODE_CHILDREN = 512
NODE_BOUNDARY_MASK = 0x3F  # on average, 64 children follow the first 4

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[PageDescriptor])


def node_ends_after(first: EntryPath, children: int) -> bool:
    """Whether a node ends after its child number *children* (from 1), whose first path is *first*."""
    if children >= MAX_NODE_CHILDREN:
        return True
    return children >= MIN_NODE_CHILDREN and not zlib.crc32(first) & NODE_BOUNDARY_MASK


def encode_node(level: int, children: Sequence[PageDescriptor]) -> bytes:
    """Return the plain bytes of the node of these children, which are of the level below."""
    body = _encoder.encode([msgspec.structs.replace(child, id=b"") for child in children])
    return frame_metadata(MetadataKind.NODE, level, [child.id for child in children], (), body)


def decode_node(plain: bytes, level: int) -> tuple[PageDescriptor, ...]:
    """Return the children of a node, their ids filled in.

    Raises:
        CorruptDataError: the bytes are not those of a node of this level.
    """
    blob = parse_metadata(plain)
    expect_kind(blob, MetadataKind.NODE, level)
    children = decode_body(_decoder, blob)
    if len(children) != len(blob.metadata_ids) or any(child.level != level - 1 for child in children):
        raise CorruptDataError(f"a catalogue node of level {level} does not match the children it refers to")
    if not _are_in_order(children):
        raise CorruptDataError(f"the children of a catalogue node of level {level} are not in order")
    pairs = zip(children, blob.metadata_ids, strict=True)
    return tuple(msgspec.structs.replace(child, id=blob_id) for child, blob_id in pairs)


def summarise(blob_id: bytes, level: int, children: Sequence[PageDescriptor]) -> PageDescriptor:
    """Return the descriptor of a stored node."""
    return PageDescriptor(
        id=blob_id,
        first=children[0].first if children else b"",
        last=children[-1].last if children else b"",
        entries=sum(child.entries for child in children),
        files=sum(child.files for child in children),
        directories=sum(child.directories for child in children),
        others=sum(child.others for child in children),
        bytes=sum(child.bytes for child in children),
        level=level,
    )


def totals_of(node: PageDescriptor) -> tuple[int, int, int, int, int]:
    """Return the counts of a descriptor that those of its children must add up to."""
    return node.entries, node.files, node.directories, node.others, node.bytes


def _are_in_order(children: Sequence[PageDescriptor]) -> bool:
    """Whether each child begins behind the end of the one before; one of a single entry has but one path."""
    edges: list[EntryPath] = []
    for child in children:
        edges += [child.first] if child.first == child.last else [child.first, child.last]
    return is_sorted(edges)
