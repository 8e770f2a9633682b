"""Entries, trees and a store of metadata blobs for the tests of the catalogue."""

import hashlib
import itertools
import random
from collections.abc import Iterable, Sequence

import msgspec
from hypothesis import strategies as st

from backup_manager.engine.repository.catalogue.entries import (
    CatalogueRoot,
    Entry,
    EntryKind,
    Extent,
    FileContent,
    PageDescriptor,
    StoredEntry,
    path_key,
)
from backup_manager.engine.repository.catalogue.page import paginate
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.catalogue.writer import CatalogueWriter


class Blobs:
    """Metadata blobs in memory; *put* and *fetched* name the ids in the order of the calls."""

    def __init__(self) -> None:
        self.plain: dict[bytes, bytes] = {}
        self.puts: list[bytes] = []
        self.fetched: list[bytes] = []

    def put(self, plain: bytes) -> bytes:
        blob_id = hashlib.sha256(plain).digest()
        self.puts.append(blob_id)
        self.plain[blob_id] = plain
        return blob_id

    def fetch(self, blob_id: bytes) -> bytes:
        self.fetched.append(blob_id)
        return self.plain[blob_id]

    def blob_id(self, plain: bytes) -> bytes:
        return hashlib.sha256(b"fingerprint" + plain).digest()

    def reader(self, root: CatalogueRoot) -> CatalogueReader:
        return CatalogueReader(self.fetch, root)


def blob_id(number: int) -> bytes:
    """Return an id that is the same for the same number."""
    return hashlib.sha256(number.to_bytes(8, "little")).digest()


def entry(path: bytes, kind: EntryKind = EntryKind.FILE, **changes: object) -> Entry:
    """Return a valid entry with these differences; a file is 10 bytes long."""
    size = 10 if kind is EntryKind.FILE else 0
    plain = Entry(path, kind, 0o644, 1000, 1000, size, 1_700_000_000_000_000_000, 1_700_000_001, 42, 2049, 1)
    return msgspec.structs.replace(plain, **changes)


def stored(path: bytes, kind: EntryKind = EntryKind.FILE, **changes: object) -> StoredEntry:
    """Return an entry with content: files lie in frame 1."""
    made = entry(path, kind, **changes)
    if kind is not EntryKind.FILE:
        return made, None
    return made, FileContent(hash=blob_id(made.size)[:16], frame=blob_id(1), offset=7)


def small_tree(files: int, seed: int = 1) -> list[StoredEntry]:
    """Return a sorted tree of about *files* small files in folders of about 40, in frames of about 120."""
    draw = random.Random(seed)
    items = [stored(b"/data", EntryKind.DIRECTORY)]
    for number in range(files):
        if number % 40 == 0:
            folder = b"/data/folder-%05d" % (number // 40)
            items.append(stored(folder, EntryKind.DIRECTORY))
        made = entry(folder + b"/file-%07d.txt" % number, size=draw.randrange(1, 16000), inode=number)
        content = FileContent(draw.randbytes(16), blob_id(number // 120), number % 120 * 16000)
        items.append((made, content))
    return items


def write(items: Iterable[StoredEntry], blobs: Blobs) -> CatalogueRoot:
    """Write a catalogue with the boundaries of the format."""
    return write_pages(paginate(items), blobs)


def write_pages(pages: Iterable[Sequence[StoredEntry]], blobs: Blobs) -> CatalogueRoot:
    """Write a catalogue with boundaries of the caller's own; the fingerprint is that of the paths."""
    writer = CatalogueWriter(blobs.put)
    for page in pages:
        writer.add_page(page, fingerprint_of(page))
    return writer.finish()


def fingerprint_of(page: Sequence[StoredEntry]) -> bytes:
    """Return a fingerprint of everything in the entries."""
    return hashlib.sha256(repr([made for made, _ in page]).encode()).digest()


def read(reader: CatalogueReader) -> list[StoredEntry]:
    """Return all entries with their contents, without the refs of their pages."""
    return [unpaged(*paged, reader) for paged in reader.entries()]


def unpaged(page: object, made: Entry, reader: CatalogueReader) -> StoredEntry:
    """Return an entry as it was before it came to a page, with its content."""
    content = reader.content(page, made)  # type: ignore[arg-type]  # any page of this reader
    return msgspec.structs.replace(made, hash=b"", chunks=(), offset=-1, depth=0), content


def descriptors(reader: CatalogueReader) -> list[PageDescriptor]:
    return list(reader.pages())


# Bytes on both sides of the slash, whose order among names is where sorting goes wrong.
NAMES = st.text("\x01 !-./0a\xff", min_size=1, max_size=3).map(
    lambda name: name.encode("latin-1").replace(b"/", b"~")
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: b"/" + b"/".join(names))
NUMBERS = st.integers(0, 2**64 - 1)
TIMES = st.integers(-(2**63), 2**63 - 1)


@st.composite
def contents(draw: st.DrawFn) -> tuple[int, FileContent]:
    """Draw a size and a content of that size."""
    if draw(st.booleans()):
        small = FileContent(draw(st.binary(min_size=16, max_size=16)), blob_id(draw(st.integers(0, 3))), 5)
        return draw(st.integers(1, 9999)), small
    ids = st.one_of(st.none(), st.integers(0, 5).map(blob_id))
    extents = draw(st.lists(st.builds(Extent, ids, st.integers(1, 2**40)), max_size=5))
    return sum(extent.length for extent in extents), FileContent(extents=tuple(extents))


@st.composite
def stored_entries(draw: st.DrawFn, path: bytes) -> StoredEntry:
    """Draw an entry of any kind with any metadata that an operating system can report."""
    kind = draw(st.sampled_from(EntryKind))
    size, content = draw(contents()) if kind is EntryKind.FILE else (0, None)
    pairs = st.tuples(st.binary(max_size=4), st.binary(max_size=4))
    made = Entry(
        path,
        kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(NUMBERS),
        gid=draw(NUMBERS),
        size=size,
        mtime_ns=draw(TIMES),
        ctime_ns=draw(TIMES),
        inode=draw(NUMBERS),
        device=draw(NUMBERS),
        links=draw(NUMBERS),
        target=draw(st.binary(max_size=5)),
        rdev=draw(NUMBERS),
        xattrs=tuple(draw(st.lists(pairs, max_size=2))),
        racy=draw(st.booleans()),
        user=draw(st.text(max_size=3)),
        group=draw(st.text(max_size=3)),
    )
    return made, content


@st.composite
def page_lists(draw: st.DrawFn, paths: st.SearchStrategy[bytes] = PATHS) -> list[list[StoredEntry]]:
    """Draw a tree cut into pages anywhere, so that few entries make a deep catalogue."""
    chosen = sorted(draw(st.sets(paths, max_size=60)), key=path_key)
    items = [stored(path, size=draw(st.integers(1, 3))) for path in chosen]
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(items) - 1)))))
    edges = [0, *[cut for cut in cuts if cut < len(items)], len(items)]
    return [items[start:end] for start, end in itertools.pairwise(edges) if start < end]
