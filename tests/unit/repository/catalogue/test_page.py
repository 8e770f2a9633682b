"""Pages: boundaries, round trips, resolution, and what the encoder refuses."""

import os
import random
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.catalogue.trees import (
    PATHS,
    Blobs,
    blob_id,
    entry,
    small_tree,
    stored,
    stored_entries,
)

from backup_manager.common.errors import BackupManagerError, CorruptDataError, SourceUnreadableError
from backup_manager.engine.repository.catalogue.entries import (
    Entry,
    EntryKind,
    Extent,
    FileContent,
    StoredEntry,
    pack_stat,
    page_fingerprint,
    path_key,
    subtree_keys,
)
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, frame_metadata, refs_of
from backup_manager.engine.repository.catalogue.page import (
    MAX_PAGE_ENTRIES,
    MAX_PAGE_FILE_BYTES,
    MIN_PAGE_ENTRIES,
    Page,
    decode_page,
    encode_page,
    page_ends_after,
    paginate,
    resolve,
)

BOUNDARY = next(path for n in range(9999) if not zlib.crc32(path := b"/%d" % n) & 0x1FF)
INNER = b"/1"


def refuse_put(_plain: bytes) -> bytes:
    raise AssertionError("nothing but the page itself was to be stored")


def round_trip(items: list[StoredEntry]) -> list[StoredEntry]:
    page = decode_page(encode_page(items, refuse_put))
    bare = [msgspec.structs.replace(e, hash=b"", chunks=(), offset=-1, depth=0) for e in page.entries]
    return [(e, resolve(page, paged)) for e, paged in zip(bare, page.entries, strict=True)]


@given(
    st.lists(PATHS, min_size=1, max_size=8, unique=True).flatmap(
        lambda paths: st.tuples(*[stored_entries(path) for path in paths])
    )
)
def test_a_decoded_page_equals_what_was_encoded(items: tuple[StoredEntry, ...]) -> None:
    assert round_trip(list(items)) == list(items)


def test_an_entry_takes_no_refs_along_from_the_page_it_came_from() -> None:
    first = decode_page(encode_page([stored(b"/a")], refuse_put))
    moved = first.entries[0]
    as_link = msgspec.structs.replace(moved, kind=EntryKind.SYMLINK, size=0)

    page = decode_page(
        encode_page([stored(b"/0"), (moved, resolve(first, moved)), (as_link, None)], refuse_put)
    )

    assert resolve(page, page.entries[1]) == resolve(first, moved)
    assert page.entries[2] == msgspec.structs.replace(as_link, hash=b"", chunks=(), offset=-1)


def test_files_of_one_frame_share_one_ref() -> None:
    kind, level, metadata_ids, data_ids = refs_of(encode_page([stored(b"/a"), stored(b"/b")], refuse_put))

    assert (kind, level, metadata_ids, data_ids) == (MetadataKind.PAGE, 0, [], [blob_id(1)])


def test_the_bytes_of_a_page_are_those_of_the_specification() -> None:
    item = (Entry(b"/a", EntryKind.FILE, 0o600, 1, 2, 3, 4, 5, 6, 7, 1), FileContent(b"h" * 16, b"f" * 32, 9))

    plain = encode_page([item], refuse_put)

    row = [b"/a", 1, 0o600, 1, 2, 3, 4, 5, 6, 7, 1, b"", 0, [], False, b"h" * 16, [0, 3], 9, 0, "", ""]
    frame = bytes.fromhex("010000000000000001000000") + b"f" * 32
    assert plain == frame + msgspec.msgpack.encode([row])


def test_fields_that_a_later_version_appends_are_ignored_and_missing_ones_filled_in() -> None:
    short = [b"/a", 2, 0o700, 1, 2, 0, 4, 5, 6, 7, 1]
    body = msgspec.msgpack.encode([short, [*short, b"", 0, [], False, b"", [], -1, 0, "", "", "more"]])

    page = decode_page(frame_metadata(MetadataKind.PAGE, 0, (), (), body))

    assert page.entries == [Entry(b"/a", EntryKind.DIRECTORY, 0o700, 1, 2, 0, 4, 5, 6, 7, 1)] * 2


@pytest.mark.parametrize(
    ("path", "file_bytes", "entries", "ends"),
    [
        pytest.param(BOUNDARY, 0, MIN_PAGE_ENTRIES, True, id="hash"),
        pytest.param(BOUNDARY, 0, MIN_PAGE_ENTRIES - 1, False, id="too few"),
        pytest.param(INNER, 0, MAX_PAGE_ENTRIES - 1, False, id="inner"),
        pytest.param(INNER, 0, MAX_PAGE_ENTRIES, True, id="too many"),
        pytest.param(INNER, MAX_PAGE_FILE_BYTES - 1, 1, False, id="not quite 4 GiB"),
        pytest.param(INNER, MAX_PAGE_FILE_BYTES, 1, True, id="4 GiB"),
    ],
)
def test_where_pages_end(path: bytes, file_bytes: int, entries: int, ends: bool) -> None:
    assert page_ends_after(path, file_bytes, entries) is ends


@given(st.integers(0, 3000), st.integers(0, 9))
def test_an_entry_inserted_anywhere_changes_only_the_pages_around_it(position: int, seed: int) -> None:
    items = small_tree(3000, seed)
    at = min(position, len(items) - 1)
    inserted = (msgspec.structs.replace(items[at][0], path=items[at][0].path + b"~"), items[at][1])
    before = {id_of(page) for page in paginate(items)}

    after = {id_of(page) for page in paginate([*items[: at + 1], inserted, *items[at + 1 :]])}

    assert len(before - after) <= 2
    assert len(after - before) <= 3


def id_of(page: list[StoredEntry]) -> tuple[bytes, ...]:
    return tuple(made.path for made, _ in page)


@pytest.mark.parametrize(
    "item",
    [
        pytest.param((entry(b"/a"), None), id="no content"),
        pytest.param((entry(b"/a"), FileContent()), id="content too short"),
        pytest.param((entry(b"/a"), FileContent(extents=(Extent(None, 11),))), id="content too long"),
        pytest.param((entry(b"/a", EntryKind.DIRECTORY), FileContent()), id="a folder with content"),
    ],
)
def test_content_that_does_not_fit_its_entry_is_refused(item: StoredEntry) -> None:
    with pytest.raises(BackupManagerError, match="/a"):
        encode_page([item], refuse_put)


def test_a_name_of_an_owner_that_is_not_utf_8_is_made_printable() -> None:
    odd = stored(b"/a", user="M\udcfcller", group="users")

    [(kept, _)] = round_trip([odd])

    assert (kept.user, kept.group) == ("M?ller", "users")


def test_a_time_beyond_64_bits_is_an_unreadable_source_and_the_path_is_named() -> None:
    late = stored(b"/b", mtime_ns=2**64)

    with pytest.raises(SourceUnreadableError, match="/b"):
        encode_page([stored(b"/a"), late], refuse_put)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"chunks": (1, 10)}, id="frame ref behind the last id"),
        pytest.param({"chunks": (-1, 10)}, id="frame is a hole"),
        pytest.param({"chunks": (0, 9)}, id="frame length is not the size"),
        pytest.param({"chunks": ()}, id="no frame"),
        pytest.param({"offset": -1, "chunks": (1, 10)}, id="chunk ref behind the last id"),
        pytest.param({"offset": -1, "chunks": (-2, 10)}, id="negative chunk ref"),
        pytest.param({"offset": -1, "chunks": (0, 9)}, id="chunks too short"),
        pytest.param({"offset": -1, "chunks": (0, 11, 0, -1)}, id="negative length"),
        pytest.param({"offset": -1, "chunks": (0, 10, 0)}, id="odd number"),
        pytest.param({"offset": -1, "depth": 1, "chunks": (0, 10)}, id="list ref behind the last id"),
        pytest.param({"offset": -1, "depth": -1, "chunks": (0, 10)}, id="negative depth"),
    ],
)
def test_refs_that_the_format_does_not_allow_are_corrupt(changes: dict[str, object]) -> None:
    page = decode_page(encode_page([stored(b"/a")], refuse_put))

    with pytest.raises(CorruptDataError):
        resolve(page, msgspec.structs.replace(page.entries[0], **changes))


def test_only_files_have_content() -> None:
    page = Page([entry(b"/a", EntryKind.FIFO)], (), ())

    assert resolve(page, page.entries[0]) is None


def test_what_lstat_says_is_packed_into_68_bytes() -> None:
    status = os.stat_result((0o100644, 2**64 - 1, 2, 3, 4, 5, 6, 0, 0, 0, *[0.0] * 3, 0, -5, 2**64 + 7))

    packed = pack_stat(status)

    assert packed == struct.pack("<QQQQIIIQQ", 2**64 - 1, 6, 2**64 - 5, 7, 0o100644, 4, 5, 3, 2)


def test_any_difference_that_lstat_shows_changes_the_packed_status(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before = pack_stat(path.lstat())

    path.chmod(0o600)

    assert pack_stat(path.lstat()) != before


def test_a_fingerprint_is_the_hash_of_paths_and_statuses_in_order() -> None:
    marks = [(b"/a", b"1" * 68), (b"/b", b"2" * 68)]

    fingerprint = page_fingerprint(Blobs(), marks)

    assert fingerprint == Blobs().blob_id(b"/a\0" + b"1" * 68 + b"/b\0" + b"2" * 68)
    assert fingerprint != page_fingerprint(Blobs(), marks[::-1])


def test_the_order_of_paths_is_that_of_a_walk() -> None:
    walk = [b"/", b"/a", b"/a/b", b"/a/b/c", b"/a/b!", b"/a!", b"/a-b", b"/a.b", b"/a0", b"/b", b"/b/\xff"]

    assert sorted(random.Random(3).sample(walk, len(walk)), key=path_key) == walk


@pytest.mark.parametrize(
    ("path", "other", "inside"),
    [
        (b"/", b"/", True),
        (b"/", b"/\xff\xff", True),
        (b"/a", b"/a", True),
        (b"/a/", b"/a/\xff", True),
        (b"/a", b"/a!", False),
        (b"/a", b"/a\x01", False),
        (b"/a", b"/", False),
        (b"/a/b", b"/a", False),
    ],
)
def test_what_lies_below_a_path(path: bytes, other: bytes, inside: bool) -> None:
    low, high = subtree_keys(path)

    assert (low <= path_key(other) < high) is inside


def test_equal_input_gives_equal_bytes() -> None:
    items = small_tree(200)
    shuffled = random.Random(5).sample(items, len(items))
    shuffled.sort(key=lambda item: path_key(item[0].path))

    assert encode_page(items, refuse_put) == encode_page(shuffled, refuse_put)
