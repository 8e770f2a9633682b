"""Catalogues that authenticate and yet cannot be true, and blobs that are lost: each is told, none stops the walk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from tests.unit.repository.catalogue.trees import entry
from tests.unit.repository.doubles import DoubleStorage
from tests.unit.repository.pack_factory import COMPRESSOR, VAULT, build_pack, encode, store_pack

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.entries import (
    CatalogueRoot,
    Entry,
    EntryKind,
    Extent,
    FileContent,
    PageDescriptor,
)
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, frame_metadata
from backup_manager.engine.repository.catalogue.node import encode_node, summarise
from backup_manager.engine.repository.catalogue.page import encode_page
from backup_manager.engine.repository.checks.catalogue_walk import CatalogueWalk, WalkResult
from backup_manager.engine.repository.checks.faults import Faults
from backup_manager.engine.repository.checks.needs import Needs
from backup_manager.engine.repository.index import Location, load_index
from backup_manager.engine.repository.names import PackKind

FRAME = b"0123456789" * 10
FRAME_ID = VAULT.blob_id(FRAME)
CHUNK = b"chunk"
CHUNK_ID = VAULT.blob_id(CHUNK)
MANY = 1100  # extents: more than an entry holds, so that a chunk list follows


@dataclass
class Draft:
    """Blobs that will become a repository; what is in *lost* is referred to and never stored."""

    plains: dict[bytes, bytes] = field(default_factory=lambda: {FRAME_ID: FRAME, CHUNK_ID: CHUNK})
    lost: set[bytes] = field(default_factory=set)

    def put(self, plain: bytes) -> bytes:
        blob_id = VAULT.blob_id(plain)
        self.plains[blob_id] = plain
        return blob_id

    def page(self, *entries: Entry, refs: Sequence[bytes] = (FRAME_ID, CHUNK_ID)) -> PageDescriptor:
        """Put a page as it is given, whatever it says, and return an honest descriptor of it."""
        body = msgspec.msgpack.encode(entries)
        plain = frame_metadata(MetadataKind.PAGE, 0, [], refs, body)
        return describe(self.put(plain), entries)

    def root(self, *pages: PageDescriptor) -> CatalogueRoot:
        node = self.put(encode_node(1, pages))
        told = summarise(node, 1, pages)
        return CatalogueRoot(node, 1, told.entries, told.files, told.directories, told.others, told.bytes)

    def walk(self, root: CatalogueRoot) -> WalkResult:
        return self.walker().walk(root)

    def walker(self) -> CatalogueWalk:
        storage = DoubleStorage()
        kept = [encode(plain) for blob_id, plain in self.plains.items() if blob_id not in self.lost]
        store_pack(storage, build_pack(kept, 1, PackKind.METADATA))
        index = load_index(storage, VAULT)
        return CatalogueWalk(BlobStore(storage, VAULT, COMPRESSOR, index), Needs(index))


def describe(blob_id: bytes, entries: Sequence[Entry]) -> PageDescriptor:
    kinds = [made.kind for made in entries]
    files, folders = kinds.count(EntryKind.FILE), kinds.count(EntryKind.DIRECTORY)
    others = len(kinds) - files - folders
    size = sum(made.size for made in entries if made.kind is EntryKind.FILE)
    return PageDescriptor(
        blob_id, entries[0].path, entries[-1].path, len(kinds), files, folders, others, size
    )


def small(path: bytes, **changes: object) -> Entry:
    """Return a file of ten bytes at the beginning of the frame."""
    return entry(path, **{"hash": b"h" * 16, "chunks": (0, 10), "offset": 0, **changes})


def large(path: bytes, chunks: tuple[int, ...] = (1, 5, -1, 20), size: int = 25) -> Entry:
    """Return a file of a chunk and a hole."""
    return entry(path, chunks=chunks, size=size)


FOLDER = entry(b"/a", EntryKind.DIRECTORY)


def test_a_sound_catalogue_is_counted_and_nothing_is_found() -> None:
    draft = Draft()
    first = draft.page(FOLDER, small(b"/a/b"), large(b"/a/c"), entry(b"/a/d", EntryKind.SYMLINK))
    second = draft.page(small(b"/b", size=0, chunks=(), offset=-1))
    result = draft.walk(draft.root(first, second))
    assert not result.losses, result.losses.told()
    assert not result.contradictions, result.contradictions.told()
    assert result.totals == (5, 3, 1, 1, 35)
    assert result.pages == 2


WRONG_PAGES = {
    "a small file beyond its frame": (small(b"/a", offset=91),),
    "a chunk of another length": (large(b"/a", (1, 4, -1, 21)),),
    "extents that do not add up": (large(b"/a", (1, 5), 25),),
    "a reference beyond the list": (large(b"/a", (2, 25)),),
    "a small file in no frame": (small(b"/a", chunks=(2, 10)),),
    "chunk lists deeper than any": (entry(b"/a", depth=9),),
    "entries out of order": (small(b"/b"), small(b"/a")),
    "a path twice": (small(b"/a"), small(b"/a")),
}


@pytest.mark.parametrize("entries", WRONG_PAGES.values(), ids=WRONG_PAGES)
def test_a_page_that_cannot_be_true_is_a_contradiction(entries: tuple[Entry, ...]) -> None:
    draft = Draft()
    page = draft.page(*entries)
    if entries[0].path >= entries[-1].path and len(entries) > 1:  # the node is to look plausible
        page = msgspec.structs.replace(page, first=b"/a", last=b"/b")
    result = draft.walk(draft.root(page))
    assert result.contradictions
    assert not result.losses


WRONG_DESCRIPTORS = {
    "entries": {"entries": 3},
    "files": {"files": 0, "others": 2},
    "bytes": {"bytes": 36},
    "first": {"first": b"/0"},
    "last": {"last": b"/z"},
}


@pytest.mark.parametrize("changes", WRONG_DESCRIPTORS.values(), ids=WRONG_DESCRIPTORS)
def test_a_page_that_is_not_what_its_node_says_is_a_contradiction(changes: dict[str, object]) -> None:
    draft = Draft()
    page = msgspec.structs.replace(draft.page(small(b"/a"), large(b"/b")), **changes)
    assert draft.walk(draft.root(page)).contradictions


def test_a_blob_that_is_no_page_is_a_contradiction() -> None:
    draft = Draft()
    page = msgspec.structs.replace(draft.page(small(b"/a")), id=CHUNK_ID)
    assert draft.walk(draft.root(page)).contradictions


def test_a_root_that_counts_otherwise_is_a_contradiction() -> None:
    draft = Draft()
    root = draft.root(draft.page(small(b"/a")))
    for name in ("entries", "files", "directories", "others", "bytes"):
        lying = msgspec.structs.replace(root, **{name: getattr(root, name) + 1})
        assert draft.walk(lying).contradictions, name


def two_levels(draft: Draft, change: Callable[[PageDescriptor], PageDescriptor]) -> CatalogueRoot:
    """Return a root above two nodes, the second of which is described with a *change*."""
    pages = [draft.page(small(b"/%d" % number)) for number in range(2)]
    nodes = [summarise(draft.put(encode_node(1, [page])), 1, [page]) for page in pages]
    nodes[1] = change(nodes[1])
    top = summarise(draft.put(encode_node(2, nodes)), 2, nodes)
    return CatalogueRoot(top.id, 2, top.entries, top.files, top.directories, top.others, top.bytes)


@pytest.mark.parametrize("changes", [{}, {"bytes": 11}, {"last": b"/9"}], ids=["none", "bytes", "last"])
def test_a_node_that_is_not_what_is_said_of_it_is_a_contradiction(changes: dict[str, object]) -> None:
    draft = Draft()
    root = two_levels(draft, lambda node: msgspec.structs.replace(node, **changes))
    result = draft.walk(root)
    assert bool(result.contradictions) is bool(changes)
    assert result.pages == 2


def test_pages_that_overlap_across_nodes_are_a_contradiction() -> None:
    draft = Draft()
    root = two_levels(draft, lambda node: node)
    first, second = (draft.page(small(path)) for path in (b"/5", b"/3"))
    nodes = [summarise(draft.put(encode_node(1, [page])), 1, [page]) for page in (first, second)]
    nodes[1] = msgspec.structs.replace(nodes[1], first=b"/6", last=b"/6")
    top = draft.put(encode_node(2, nodes))
    result = draft.walk(msgspec.structs.replace(root, id=top))
    assert "repeats paths" in result.contradictions.told()


def test_what_is_lost_is_told_and_the_rest_is_walked() -> None:
    draft = Draft()
    first, second, third = (
        draft.page(small(b"/%d" % number), large(b"/%d0" % number)) for number in (1, 2, 3)
    )
    root = draft.root(first, second, third)
    draft.lost = {second.id}
    result = draft.walk(root)
    assert second.id.hex() in result.losses.told()
    assert result.pages == 3
    draft.lost = {FRAME_ID}
    result = draft.walk(root)
    assert result.losses.count == 3  # once for each page
    assert FRAME_ID.hex() in result.losses.told()
    draft.lost = {root.id}
    assert draft.walk(root).losses


def deep(draft: Draft) -> CatalogueRoot:
    """Return a catalogue with one file of so many chunks that a chunk list holds them."""
    content = FileContent(extents=tuple(Extent(CHUNK_ID, len(CHUNK)) for _ in range(MANY)))
    made = entry(b"/deep", size=MANY * len(CHUNK))
    plain = encode_page([(made, content)], draft.put)
    return draft.root(describe(draft.put(plain), [made]))


def test_chunk_lists_are_walked() -> None:
    draft = Draft()
    root = deep(draft)
    result = draft.walk(root)
    assert (result.losses.count, result.contradictions.count) == (0, 0)
    assert result.bytes == MANY * len(CHUNK)
    (chunk_list,) = [
        blob_id for blob_id, plain in draft.plains.items() if plain[0] == MetadataKind.CHUNK_LIST
    ]
    draft.lost = {chunk_list}
    assert chunk_list.hex() in draft.walk(root).losses.told()
    draft.lost = {CHUNK_ID}
    assert CHUNK_ID.hex() in draft.walk(root).losses.told()


def test_what_was_in_order_once_is_not_read_again() -> None:
    draft = Draft()
    shared = draft.page(small(b"/a"))
    roots = [draft.root(shared, draft.page(small(b"/b%d" % number))) for number in (7, 8)]
    lying = draft.root(msgspec.structs.replace(shared, bytes=11))
    storage = DoubleStorage()
    store_pack(storage, build_pack([encode(plain) for plain in draft.plains.values()], 1, PackKind.METADATA))
    index = load_index(storage, VAULT)
    blobs = Watched(BlobStore(storage, VAULT, COMPRESSOR, index))
    walk = CatalogueWalk(blobs, Needs(index))
    results = [walk.walk(root) for root in roots]
    assert [result.totals for result in results] == [(2, 2, 0, 0, 20)] * 2
    assert blobs.asked.count(shared.id) == 1
    assert walk.walk(lying).contradictions  # another node says something else of the same page
    assert blobs.asked.count(shared.id) == 2


class Watched:
    """Blobs that remember which pages were asked for."""

    def __init__(self, inner: BlobStore) -> None:
        self._inner = inner
        self.asked: list[bytes] = []

    def fetch(self, blob_id: bytes) -> bytes:
        return self._inner.fetch(blob_id)

    def fetch_each(self, ids: Iterable[bytes]) -> Iterator[object]:
        def noted() -> Iterator[bytes]:
            for blob_id in ids:
                self.asked.append(blob_id)
                yield blob_id

        return self._inner.fetch_each(noted())


def test_a_blob_is_needed_where_it_is_sound() -> None:
    storage = DoubleStorage()
    for name in (1, 2):
        store_pack(storage, build_pack([encode(FRAME)], name))
    index = load_index(storage, VAULT)
    bad: set[str] = set()

    def is_sound(_blob_id: bytes, place: Location) -> bool:
        return place.pack not in bad

    first = Needs(index, is_sound).locate(FRAME_ID).pack
    bad.add(first)
    needs = Needs(index, is_sound)
    second = needs.locate(FRAME_ID).pack
    assert {first, second} == {f"{number:032x}" for number in (1, 2)}
    assert set(needs.packs) == {second}
    assert FRAME_ID in needs
    assert CHUNK_ID not in needs
    bad.add(second)
    lost = Needs(index, is_sound)
    with pytest.raises(CorruptDataError, match="damaged in every pack"):
        lost.locate(FRAME_ID)
    assert set(lost.packs) == {first, second}  # nobody should call them garbage
    with pytest.raises(CorruptDataError, match="in no pack"):
        lost.locate(CHUNK_ID)


def test_faults_are_counted_and_the_first_are_kept() -> None:
    faults, more = Faults(kept=2), Faults()
    assert not faults
    for number in range(3):
        more.add(f"fault {number}")
    faults.extend(more)
    assert (faults.count, faults.kept) == (3, ("fault 0", "fault 1"))
    assert faults.told(1) == "fault 0; and 2 more"
    assert more.told() == "fault 0; fault 1; fault 2"
