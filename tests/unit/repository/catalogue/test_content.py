"""Extents in entries and in chunk lists."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.catalogue.trees import Blobs, blob_id, entry, write_pages

from backup_manager.common.errors import BackupManagerError, CorruptDataError
from backup_manager.engine.repository.catalogue.content import (
    LIST_EXTENTS,
    MAX_DEPTH,
    MAX_INLINE_EXTENTS,
    ExtentCollector,
    decode_chunk_list,
    encode_chunk_list,
    read_extents,
)
from backup_manager.engine.repository.catalogue.entries import Extent, FileContent
from backup_manager.engine.repository.catalogue.metadata import refs_of
from backup_manager.engine.repository.catalogue.page import decode_page, encode_page, resolve


def extents(count: int) -> list[Extent]:
    """Every fifth extent is a hole; ids occur again."""
    return [Extent(None if n % 5 == 4 else blob_id(n % 3000), 1 + n % 7) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "depth", "refs"),
    [
        pytest.param(0, 0, 0, id="empty"),
        pytest.param(MAX_INLINE_EXTENTS, 0, MAX_INLINE_EXTENTS, id="the most that stand in an entry"),
        pytest.param(MAX_INLINE_EXTENTS + 1, 1, 1, id="one more"),
        pytest.param(LIST_EXTENTS, 1, 1, id="one full list"),
        pytest.param(LIST_EXTENTS + 1, 1, 2, id="a full list and one more"),
    ],
)
def test_extents_are_read_as_they_were_collected(count: int, depth: int, refs: int) -> None:
    blobs, told = Blobs(), extents(count)
    collector = ExtentCollector(blobs.put)
    for extent in told:
        collector.add(extent.blob_id, extent.length)

    content = collector.finish()

    assert (content.depth, len(content.extents)) == (depth, refs)
    assert list(read_extents(content, blobs.fetch)) == told


def test_a_list_of_lists_is_made_and_read_back_in_bounded_memory() -> None:
    blobs = Blobs()
    collector = ExtentCollector(blobs.put)
    one = encode_chunk_list([Extent(blob_id(1), 1)] * LIST_EXTENTS, 0)
    for _ in range(LIST_EXTENTS * MAX_INLINE_EXTENTS + 1):
        collector.add(b"\1" * 32, 1)

    content = collector.finish()

    assert (content.depth, len(content.extents)) == (2, 1)
    assert content.extents[0].length == LIST_EXTENTS * MAX_INLINE_EXTENTS + 1
    assert max(map(len, blobs.plain.values())) <= len(one)
    assert sum(extent.length for extent in read_extents(content, blobs.fetch)) == content.extents[0].length


def test_a_page_stores_the_extents_of_a_very_large_file_in_lists_and_names_only_those() -> None:
    blobs, told = Blobs(), extents(5000)
    large = entry(b"/large", size=sum(extent.length for extent in told))
    plain = encode_page([(large, FileContent(b"h" * 16, extents=tuple(told)))], blobs.put)

    page = decode_page(plain)

    content = resolve(page, page.entries[0])
    assert content is not None
    assert refs_of(plain)[2:] == (list(page.metadata_refs), [])
    assert (content.hash, content.depth, len(page.metadata_refs)) == (b"h" * 16, 1, 2)
    assert list(read_extents(content, blobs.fetch)) == told


def test_a_reader_yields_the_extents_of_a_very_large_file() -> None:
    blobs, told = Blobs(), extents(5000)
    large = entry(b"/large", size=sum(extent.length for extent in told))
    reader = blobs.reader(write_pages([[(large, FileContent(extents=tuple(told)))]], blobs))
    found = reader.find(b"/large")
    assert found is not None

    content = reader.content(*found)

    assert content is not None
    assert list(reader.extents(content)) == told


def test_an_unchanged_large_file_moves_to_a_new_page_without_its_lists_being_read() -> None:
    blobs, told = Blobs(), extents(5000)
    large = entry(b"/large", size=sum(extent.length for extent in told))
    page = decode_page(encode_page([(large, FileContent(extents=tuple(told)))], blobs.put))
    lists = list(blobs.puts)

    moved = decode_page(encode_page([(page.entries[0], resolve(page, page.entries[0]))], blobs.put))

    assert resolve(moved, moved.entries[0]) == resolve(page, page.entries[0])
    assert (blobs.puts, blobs.fetched) == (lists, [])


def test_equal_extents_give_equal_lists_however_they_arrive() -> None:
    told, streamed, at_once = extents(5000), Blobs(), Blobs()
    collector = ExtentCollector(streamed.put)
    for extent in told:
        collector.add(extent.blob_id, extent.length)
    collector.finish()

    encode_page(
        [(entry(b"/x", size=sum(e.length for e in told)), FileContent(extents=tuple(told)))], at_once.put
    )

    assert streamed.puts == at_once.puts


def test_the_bytes_of_a_chunk_list_are_those_of_the_specification() -> None:
    told = [Extent(b"a" * 32, 5), Extent(None, 9), Extent(b"b" * 32, 2), Extent(b"a" * 32, 5)]
    body = msgspec.msgpack.encode([0, 5, -1, 9, 1, 2, 0, 5])
    ids = b"a" * 32 + b"b" * 32

    chunks, lists = encode_chunk_list(told, 0), encode_chunk_list([told[0], told[2]], 1)

    assert chunks == bytes.fromhex("030000000000000002000000") + ids + body
    assert lists == bytes.fromhex("030000000200000000000000") + ids + msgspec.msgpack.encode([0, 5, 1, 2])


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3), st.booleans())
def test_a_damaged_chunk_list_is_corrupt_or_at_least_covers_its_length(
    at: int, damage: bytes, cut: bool
) -> None:
    plain = encode_chunk_list(extents(10), 0)
    at %= len(plain)
    damaged = plain[:at] + (b"" if cut else damage + plain[at + len(damage) :])

    try:
        read = decode_chunk_list(damaged, 0, sum(e.length for e in extents(10)))
    except CorruptDataError:
        return
    assert sum(extent.length for extent in read) == sum(e.length for e in extents(10))


def test_a_list_that_covers_other_bytes_than_its_ref_says_is_corrupt() -> None:
    blobs = Blobs()
    list_id = blobs.put(encode_chunk_list([Extent(blob_id(1), 5)], 0))

    with pytest.raises(CorruptDataError):
        list(read_extents(FileContent(extents=(Extent(list_id, 6),), depth=1), blobs.fetch))


def test_a_hole_among_lists_is_corrupt() -> None:
    with pytest.raises(CorruptDataError):
        list(read_extents(FileContent(extents=(Extent(None, 6),), depth=1), Blobs().fetch))


def test_a_page_where_a_chunk_list_belongs_is_corrupt() -> None:
    blobs = Blobs()
    page_id = blobs.put(encode_page([], blobs.put))

    with pytest.raises(CorruptDataError, match="PAGE"):
        list(read_extents(FileContent(extents=(Extent(page_id, 6),), depth=1), blobs.fetch))


def test_lists_that_no_collector_made_are_refused() -> None:
    many = tuple([Extent(hashlib.sha256(b"x").digest(), 1)] * (MAX_INLINE_EXTENTS + 1))

    with pytest.raises(BackupManagerError, match="ExtentCollector"):
        encode_page([(entry(b"/x", size=len(many)), FileContent(extents=many, depth=MAX_DEPTH))], Blobs().put)
