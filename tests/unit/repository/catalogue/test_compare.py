"""Differences between two catalogues."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.catalogue.trees import (
    Blobs,
    blob_id,
    entry,
    page_lists,
    small_tree,
    stored,
    write,
    write_pages,
)

from backup_manager.engine.repository.catalogue.compare import Aspect, Change, Difference, compare
from backup_manager.engine.repository.catalogue.entries import (
    Entry,
    EntryKind,
    Extent,
    FileContent,
    StoredEntry,
)
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, refs_of

Pages = list[list[StoredEntry]]


def differences(before: Pages, after: Pages) -> list[Difference]:
    blobs = Blobs()
    old, new = write_pages(before, blobs), write_pages(after, blobs)
    return list(compare(blobs.reader(old), blobs.reader(new)))


@given(page_lists(), page_lists(), st.booleans())
def test_differences_are_those_of_two_dictionaries(before: Pages, after: Pages, shared: bool) -> None:
    if shared:
        after = [*before, *[page for page in after if not before]]
        after = [page for number, page in enumerate(after) if number % 3]
    old = {made.path: made.size for page in before for made, _ in page}
    new = {made.path: made.size for page in after for made, _ in page}

    found = {difference.path: difference.change for difference in differences(before, after)}

    expected = dict.fromkeys(old.keys() - new.keys(), Change.REMOVED)
    expected |= dict.fromkeys(new.keys() - old.keys(), Change.ADDED)
    expected |= {path: Change.CHANGED for path in old.keys() & new.keys() if old[path] != new[path]}
    assert found == expected


@pytest.mark.parametrize(
    ("changes", "aspects"),
    [
        pytest.param({"size": 11}, (Aspect.CONTENT,), id="size"),
        pytest.param({"mode": 0o600}, (Aspect.MODE,), id="mode"),
        pytest.param({"uid": 0}, (Aspect.OWNER,), id="user"),
        pytest.param({"gid": 0}, (Aspect.OWNER,), id="group"),
        pytest.param({"mtime_ns": 0}, (Aspect.MTIME,), id="mtime"),
        pytest.param({"xattrs": ((b"user.a", b"1"),)}, (Aspect.XATTRS,), id="xattrs"),
        pytest.param({"mode": 0, "mtime_ns": 0}, (Aspect.MODE, Aspect.MTIME), id="two"),
        pytest.param(
            {"inode": 1, "device": 2, "links": 3, "ctime_ns": 4, "racy": True}, (), id="not restored"
        ),
        pytest.param({"user": "ada", "group": "staff"}, (), id="names for people"),
    ],
)
def test_in_what_a_file_differs(changes: dict[str, object], aspects: tuple[Aspect, ...]) -> None:
    found = differences([[stored(b"/a")]], [[stored(b"/a", **changes)]])

    assert [difference.aspects for difference in found] == ([aspects] if aspects else [])


@pytest.mark.parametrize(
    ("kind", "changes", "aspects"),
    [
        pytest.param(EntryKind.SYMLINK, {"target": b"x"}, (Aspect.TARGET,), id="target"),
        pytest.param(EntryKind.BLOCK, {"rdev": 9}, (Aspect.DEVICE,), id="device"),
        pytest.param(EntryKind.FIFO, {"kind": EntryKind.SOCKET}, (Aspect.KIND,), id="kind"),
    ],
)
def test_in_what_other_entries_differ(kind: EntryKind, changes: dict[str, object], aspects: object) -> None:
    made = entry(b"/a", kind)

    found = differences([[(made, None)]], [[(msgspec.structs.replace(made, **changes), None)]])

    assert [difference.aspects for difference in found] == [aspects]


SMALL = FileContent(b"a" * 16, blob_id(1), 0)


@pytest.mark.parametrize(
    ("before", "after", "equal"),
    [
        pytest.param(SMALL, FileContent(b"a" * 16, blob_id(2), 5), True, id="same hash in another frame"),
        pytest.param(SMALL, FileContent(b"b" * 16, blob_id(1), 0), False, id="other hash"),
        pytest.param(
            FileContent(extents=(Extent(blob_id(1), 10),)),
            FileContent(extents=(Extent(blob_id(2), 10),)),
            False,
            id="other chunk",
        ),
        pytest.param(
            FileContent(extents=(Extent(blob_id(1), 10),)),
            FileContent(extents=(Extent(blob_id(1), 10),)),
            True,
            id="same chunk",
        ),
    ],
)
def test_content_is_compared_by_what_names_its_bytes(
    before: FileContent, after: FileContent, equal: bool
) -> None:
    found = differences([[(entry(b"/a"), before)]], [[(entry(b"/a"), after)]])

    assert [difference.aspects for difference in found] == ([] if equal else [(Aspect.CONTENT,)])


def test_a_difference_carries_both_entries_with_their_pages() -> None:
    [difference] = differences([[stored(b"/a")]], [[stored(b"/a", mode=0)]])

    assert difference.before is not None
    assert difference.after is not None
    assert [mode_of(difference.before[1]), mode_of(difference.after[1])] == [0o644, 0]


def mode_of(made: Entry) -> int:
    return made.mode


def test_equal_pages_are_not_read() -> None:
    blobs, items = Blobs(), small_tree(20_000)
    root = write(items, blobs)
    other = write([*items[:9000], *items[9001:]], blobs)

    [difference] = compare(blobs.reader(root), blobs.reader(other))

    assert (difference.path, difference.change) == (items[9000][0].path, Change.REMOVED)
    pages = [i for i in blobs.fetched if refs_of(blobs.plain[i])[0] is MetadataKind.PAGE]
    assert len(pages) <= 4
