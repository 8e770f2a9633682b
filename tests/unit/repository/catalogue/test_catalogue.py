"""Writing and reading whole catalogues."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.catalogue.trees import (
    PATHS,
    Blobs,
    descriptors,
    page_lists,
    read,
    small_tree,
    stored,
    write,
    write_pages,
)

from backup_manager.common.errors import BackupManagerError
from backup_manager.engine.repository.catalogue.entries import (
    CatalogueRoot,
    EntryKind,
    EntryPath,
    StoredEntry,
    path_key,
    subtree_keys,
)
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, refs_of
from backup_manager.engine.repository.catalogue.node import (
    MAX_NODE_CHILDREN,
    decode_node,
    encode_node,
    node_ends_after,
)
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.catalogue.writer import CatalogueWriter

Pages = list[list[StoredEntry]]


def flat(pages: Pages) -> list[StoredEntry]:
    return [item for page in pages for item in page]


def paths_of(pages: Pages) -> list[EntryPath]:
    return [made.path for made, _ in flat(pages)]


def reachable(blobs: Blobs, root: CatalogueRoot) -> set[bytes]:
    """Return the metadata ids that maintenance finds from the root, without decoding a body."""
    found, waiting = set(), [root.id]
    while waiting:
        blob_id = waiting.pop()
        found.add(blob_id)
        waiting += refs_of(blobs.plain[blob_id])[2]
    return found


@given(page_lists())
def test_what_was_written_is_read_in_order_with_its_content(pages: Pages) -> None:
    blobs = Blobs()

    root = write_pages(pages, blobs)

    assert read(blobs.reader(root)) == flat(pages)
    assert (root.entries, root.files) == (len(flat(pages)), len(flat(pages)))
    assert root.bytes == sum(made.size for made, _ in flat(pages))


@given(page_lists())
def test_maintenance_reaches_every_blob_that_was_put(pages: Pages) -> None:
    blobs = Blobs()

    root = write_pages(pages, blobs)

    assert reachable(blobs, root) == set(blobs.plain)


@given(page_lists(), PATHS | st.just(b"/"))
def test_a_prefix_lists_the_path_and_what_lies_below_it(pages: Pages, prefix: bytes) -> None:
    blobs = Blobs()
    reader = blobs.reader(write_pages(pages, blobs))

    listed = [made.path for _, made in reader.entries(prefix)]

    below = prefix.rstrip(b"/") + b"/"
    assert listed == [path for path in paths_of(pages) if path == prefix or path.startswith(below)]


@given(page_lists(), PATHS)
def test_a_path_is_found_when_and_only_when_it_is_there(pages: Pages, path: bytes) -> None:
    blobs = Blobs()
    reader = blobs.reader(write_pages(pages, blobs))

    for wanted in [path, *paths_of(pages)]:
        found = reader.find(wanted)
        assert (found and found[1].path) == (wanted if wanted in paths_of(pages) else None)


@given(page_lists(), PATHS | st.just(b"/"))
def test_children_are_those_of_a_walk_over_all_paths(pages: Pages, folder: bytes) -> None:
    blobs = Blobs()
    reader = blobs.reader(write_pages(pages, blobs))

    listed = [(path, paged and paged[1].path) for path, paged in reader.children(folder)]

    below, everything = folder.rstrip(b"/") + b"/", paths_of(pages)
    names = {path[len(below) :].split(b"/")[0] for path in everything if path.startswith(below)}
    expected = sorted((below + name for name in names if name), key=path_key)
    assert listed == [(path, path if path in everything else None) for path in expected]


@given(page_lists(), PATHS)
def test_pages_from_a_path_on_are_those_that_end_behind_it(pages: Pages, start: bytes) -> None:
    blobs = Blobs()
    reader = blobs.reader(write_pages(pages, blobs))

    firsts = [descriptor.first for descriptor in reader.pages(start)]

    assert firsts == [page[0][0].path for page in pages if path_key(page[-1][0].path) >= path_key(start)]


@given(page_lists(), st.data())
def test_pages_that_are_reused_give_the_same_catalogue(pages: Pages, data: st.DataObject) -> None:
    blobs = Blobs()
    root = write_pages(pages, blobs)
    again = Blobs()
    writer = CatalogueWriter(again.put)
    for page, descriptor in zip(pages, descriptors(blobs.reader(root)), strict=True):
        if data.draw(st.booleans()):
            writer.reuse(descriptor)
        else:
            writer.add_page(page, descriptor.fingerprint)

    assert writer.finish() == root


def test_a_large_tree_has_levels_and_its_totals_add_up() -> None:
    blobs, items = Blobs(), small_tree(8000)
    items.insert(1, stored(b"/data/fifo", EntryKind.FIFO))

    root = write_pages([items[at : at + 20] for at in range(0, len(items), 20)], blobs)

    assert root.level >= 2
    assert (root.entries, root.files, root.directories, root.others) == (8202, 8000, 201, 1)
    assert read(blobs.reader(root)) == items


def test_a_file_inserted_in_front_changes_two_pages_and_one_node_of_each_level() -> None:
    blobs, items = Blobs(), small_tree(60_000)
    root = write(items, blobs)
    known = set(blobs.plain)

    write([items[0], stored(b"/data/aaa"), *items[1:]], blobs)

    assert len(set(blobs.plain) - known) <= 2 + 2 * root.level


def test_the_catalogue_of_nothing_is_a_root_without_children() -> None:
    blobs = Blobs()
    writer = CatalogueWriter(blobs.put)
    writer.add_page([], b"")

    root = writer.finish()

    reader = blobs.reader(root)
    assert root == CatalogueRoot(root.id, 1, 0, 0, 0, 0, 0)
    assert (list(reader.entries()), list(reader.pages()), reader.find(b"/")) == ([], [], None)
    assert list(reader.children(b"/")) == []


def test_finishing_twice_gives_the_same_root_and_stores_nothing_more() -> None:
    blobs = Blobs()
    writer = CatalogueWriter(blobs.put)
    writer.add_page([stored(b"/a")], b"")
    root = writer.finish()
    puts = len(blobs.puts)

    assert writer.finish() == root
    assert len(blobs.puts) == puts


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param([b"/b", b"/a"], id="backwards"),
        pytest.param([b"/a", b"/a"], id="twice"),
        pytest.param([b"/a!", b"/a/b"], id="slash ranked as a byte"),
    ],
)
@pytest.mark.parametrize("pages", [1, 2])
def test_entries_out_of_order_are_refused(paths: list[bytes], pages: int) -> None:
    items = [stored(path) for path in paths]

    with pytest.raises(BackupManagerError, match="out of order"):
        write_pages([items] if pages == 1 else [[item] for item in items], Blobs())


def test_a_reused_page_out_of_order_is_refused() -> None:
    blobs = Blobs()
    page = descriptors(blobs.reader(write_pages([[stored(b"/a"), stored(b"/c")]], blobs)))[0]
    writer = CatalogueWriter(blobs.put)
    writer.reuse(page)

    with pytest.raises(BackupManagerError, match="out of order"):
        writer.add_page([stored(b"/b")], b"")


def test_a_node_is_not_reused_as_a_page() -> None:
    blobs = Blobs()
    page = descriptors(blobs.reader(write_pages([[stored(b"/a")]], blobs)))[0]

    with pytest.raises(BackupManagerError, match="node"):
        CatalogueWriter(blobs.put).reuse(msgspec.structs.replace(page, level=1))


def test_one_racy_entry_takes_the_fingerprint_from_its_page() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a"), stored(b"/b", racy=True)], [stored(b"/c")]], blobs)

    fingerprints = [bool(page.fingerprint) for page in blobs.reader(root).pages()]

    assert fingerprints == [False, True]


def test_a_node_ends_at_512_children_at_the_latest() -> None:
    inner = next(path for n in range(99) if not node_ends_after(path := b"/%d" % n, 100))

    assert [node_ends_after(inner, count) for count in (MAX_NODE_CHILDREN - 1, MAX_NODE_CHILDREN)] == [
        False,
        True,
    ]


def test_a_prefix_opens_only_the_pages_it_needs() -> None:
    blobs, items = Blobs(), small_tree(30_000)
    reader = blobs.reader(write(items, blobs))
    wanted = b"/data/folder-00400"

    assert len(list(reader.entries(wanted))) == 41

    assert len([i for i in blobs.fetched if refs_of(blobs.plain[i])[0] is MetadataKind.PAGE]) <= 2


def test_a_full_reading_fetches_each_blob_once_and_announces_it_before() -> None:
    blobs, announced = Blobs(), set()
    root = write(small_tree(30_000), blobs)

    def fetch(blob_id: bytes) -> bytes:
        assert blob_id in announced or blob_id == root.id
        return blobs.fetch(blob_id)

    def announce(ids: object) -> None:
        announced.update(ids)  # type: ignore[arg-type]  # a sequence of ids

    assert sum(1 for _ in CatalogueReader(fetch, root, announce).entries()) == root.entries

    assert len(blobs.fetched) == len(set(blobs.fetched)) == len(blobs.plain)


def test_a_node_keeps_the_ids_of_its_children_only_as_refs() -> None:
    blobs = Blobs()
    page = descriptors(blobs.reader(write_pages([[stored(b"/a")]], blobs)))[0]

    plain = encode_node(1, [page])

    assert plain.count(page.id) == 1
    assert decode_node(plain, 1) == (page,)


def test_the_root_folder_is_not_its_own_child() -> None:
    blobs = Blobs()
    tree = [
        stored(b"/", EntryKind.DIRECTORY),
        stored(b"/a", EntryKind.DIRECTORY),
        stored(b"/a/b"),
        stored(b"/c"),
    ]
    reader = blobs.reader(write_pages([tree], blobs))

    assert [path for path, _ in reader.children(b"/")] == [b"/a", b"/c"]


def test_only_a_few_pages_and_nodes_stay_in_memory() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/%05d" % n)] for n in range(6000)], blobs)
    reader = blobs.reader(root)
    list(reader.entries())
    blobs.fetched.clear()

    list(reader.entries())

    assert len(blobs.fetched) >= 6000


def test_the_range_of_a_subtree_includes_its_top() -> None:
    assert subtree_keys(b"/a/b/") == subtree_keys(b"/a/b") == (b"\0a\0b", b"\0a\0b\1")
