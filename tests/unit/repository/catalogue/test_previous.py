"""The previous catalogue, walked in step."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.catalogue.trees import (
    PATHS,
    Blobs,
    fingerprint_of,
    page_lists,
    read,
    small_tree,
    stored,
    write,
    write_pages,
)

from backup_manager.engine.repository.catalogue.entries import EntryPath, StoredEntry, path_key
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, refs_of
from backup_manager.engine.repository.catalogue.page import paginate
from backup_manager.engine.repository.catalogue.previous import PreviousCatalogue
from backup_manager.engine.repository.catalogue.writer import CatalogueWriter

Pages = list[list[StoredEntry]]


def pages_fetched(blobs: Blobs) -> int:
    kinds = [refs_of(blobs.plain[blob_id])[0] for blob_id in blobs.fetched]
    return kinds.count(MetadataKind.PAGE)


def incremental(pages: Pages, previous: PreviousCatalogue, writer: CatalogueWriter) -> list[EntryPath]:
    """Write *pages* as a run does, and return the paths that had to be read again."""
    changed = []
    for page in pages:
        same = previous.match(fingerprint_of(page), page[0][0].path)
        if same is not None:
            writer.reuse(same)
            continue
        known = previous.entries_of([made.path for made, _ in page])
        changed += [made.path for made, _ in page if made.path not in known]
        writer.add_page(page, fingerprint_of(page))
    return changed


def test_an_unchanged_tree_is_reused_without_a_page_being_read() -> None:
    blobs, items = Blobs(), small_tree(20_000)
    root = write(items, blobs)
    blobs.puts.clear()
    writer = CatalogueWriter(blobs.put)

    changed = incremental(list(paginate(items)), PreviousCatalogue(blobs.reader(root)), writer)

    assert writer.finish() == root
    assert (changed, pages_fetched(blobs)) == ([], 0)
    assert len(blobs.puts) <= 1 + root.entries // 1000  # nodes, which exist already


def test_a_new_file_costs_the_reading_of_one_page() -> None:
    blobs, items = Blobs(), small_tree(20_000)
    root = write(items, blobs)
    new = stored(items[9000][0].path + b"~")
    now = [*items[:9001], new, *items[9001:]]
    writer = CatalogueWriter(blobs.put)

    changed = incremental(list(paginate(now)), PreviousCatalogue(blobs.reader(root)), writer)

    assert changed == [new[0].path]
    assert pages_fetched(blobs) <= 2
    assert read(blobs.reader(writer.finish())) == now


@given(page_lists(), page_lists())
def test_any_tree_after_any_other_is_written_as_it_is_and_only_new_paths_are_unknown(
    before: Pages, after: Pages
) -> None:
    blobs = Blobs()
    previous = PreviousCatalogue(blobs.reader(write_pages(before, blobs)))
    writer = CatalogueWriter(blobs.put)

    changed = incremental(after, previous, writer)

    known = {made.path for page in before for made, _ in page}
    assert changed == [path for page in after for made, _ in page if (path := made.path) not in known]
    assert read(blobs.reader(writer.finish())) == [item for page in after for item in page]


@given(page_lists(), st.lists(PATHS, min_size=2, max_size=8, unique=True))
def test_entries_between_are_those_of_the_range(pages: Pages, edges: list[bytes]) -> None:
    blobs = Blobs()
    previous = PreviousCatalogue(blobs.reader(write_pages(pages, blobs)))
    edges.sort(key=path_key)

    for first, last in zip(edges[::2], edges[1::2], strict=False):
        known = previous.entries_between(first, last)

        low, high = path_key(first), path_key(last)
        assert list(known) == [
            made.path for page in pages for made, _ in page if low <= path_key(made.path) <= high
        ]


def test_entries_that_lie_far_apart_are_found_without_what_is_between() -> None:
    blobs, items = Blobs(), small_tree(20_000)
    previous = PreviousCatalogue(blobs.reader(write(items, blobs)))
    wanted = [items[5][0].path, items[-5][0].path]

    known = previous.entries_of(wanted)

    assert (list(known), pages_fetched(blobs)) == (wanted, 2)


def test_an_equal_fingerprint_behind_another_first_path_is_no_match() -> None:
    blobs = Blobs()
    page = [stored(b"/b"), stored(b"/c")]
    root = write_pages([page], blobs)

    assert PreviousCatalogue(blobs.reader(root)).match(fingerprint_of(page), b"/a") is None
    assert PreviousCatalogue(blobs.reader(root)).match(b"", b"/b") is None
    assert PreviousCatalogue(blobs.reader(root)).match(fingerprint_of(page), b"/b") is not None
    assert PreviousCatalogue(blobs.reader(root)).match(fingerprint_of(page), b"/d") is None


def test_a_page_without_fingerprint_is_never_matched() -> None:
    blobs = Blobs()
    writer = CatalogueWriter(blobs.put)
    writer.add_page([stored(b"/a")], b"")

    assert PreviousCatalogue(blobs.reader(writer.finish())).match(b"", b"/a") is None


def test_what_lies_before_an_earlier_question_is_no_longer_known() -> None:
    blobs = Blobs()
    previous = PreviousCatalogue(blobs.reader(write_pages([[stored(b"/a")], [stored(b"/b")]], blobs)))
    previous.entries_of([b"/b"])

    assert previous.entries_of([b"/a"]) == {}
