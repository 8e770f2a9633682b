"""One page of a catalogue: what its node said of it, its order, and every reference of its entries."""

from collections.abc import Sequence
from dataclasses import dataclass

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.content import read_extents
from backup_manager.engine.repository.catalogue.entries import (
    Entry,
    EntryKind,
    PageDescriptor,
    is_sorted,
)
from backup_manager.engine.repository.catalogue.metadata import Fetch
from backup_manager.engine.repository.catalogue.page import Page, decode_page, resolve
from backup_manager.engine.repository.checks.faults import Faults
from backup_manager.engine.repository.checks.needs import Needs

HOLE = -1
UNKNOWN = -1  # the size of a blob that is lost, which is on record already


@dataclass(frozen=True, slots=True)
class PageFindings:
    """What is wrong with one page; see ``catalogue_walk.WalkResult``."""

    losses: Faults
    contradictions: Faults


class PageChecker:
    """Checks pages against the blobs that *needs* locates; chunk lists come by *fetch*."""

    def __init__(self, needs: Needs, fetch: Fetch) -> None:
        self._needs = needs
        self._fetch = fetch

    def check(self, descriptor: PageDescriptor, plain: bytes) -> PageFindings:
        """Return all that is wrong with the page *plain*."""
        found = PageFindings(Faults(), Faults())
        try:
            page = decode_page(plain)
        except CorruptDataError as err:
            found.contradictions.add(err.facts)
            return found
        _check_descriptor(descriptor, page.entries, found.contradictions)
        sizes = [self._size(blob_id, found.losses) for blob_id in page.data_refs]
        for entry in page.entries:
            if entry.kind is EntryKind.FILE:
                self._check_file(page, entry, sizes, found)
        return found

    def _size(self, blob_id: bytes, losses: Faults) -> int:
        try:
            return self._needs.locate(blob_id).plain_bytes
        except CorruptDataError as err:
            losses.add(err.facts)
            return UNKNOWN

    def _check_file(self, page: Page, entry: Entry, sizes: Sequence[int], found: PageFindings) -> None:
        try:
            content = resolve(page, entry)
        except CorruptDataError as err:
            found.contradictions.add(err.facts)
            return
        if entry.depth:
            assert content is not None
            try:
                for extent in read_extents(content, self._fetch_list):
                    if extent.blob_id is not None:
                        size = self._size(extent.blob_id, found.losses)
                        _compare(entry, size, extent.length, found.contradictions)
            except CorruptDataError as err:
                found.losses.add(f"the chunk lists of {entry.path!r}: {err.facts}")
        elif entry.offset >= 0:
            size = sizes[entry.chunks[0]]
            if size != UNKNOWN and entry.offset + entry.size > size:
                found.contradictions.add(f"the small file {entry.path!r} lies beyond the end of its frame")
        else:
            for ref, length in zip(entry.chunks[::2], entry.chunks[1::2], strict=True):
                if ref != HOLE:
                    _compare(entry, sizes[ref], length, found.contradictions)

    def _fetch_list(self, blob_id: bytes) -> bytes:
        self._needs.locate(blob_id)
        return self._fetch(blob_id)


def _compare(entry: Entry, size: int, length: int, contradictions: Faults) -> None:
    if size not in (UNKNOWN, length):
        contradictions.add(f"a chunk of {entry.path!r} has {size} bytes where {length} belong")


def _check_descriptor(descriptor: PageDescriptor, entries: Sequence[Entry], contradictions: Faults) -> None:
    kinds = [entry.kind for entry in entries]
    files, directories = kinds.count(EntryKind.FILE), kinds.count(EntryKind.DIRECTORY)
    size = sum([entry.size for entry in entries if entry.kind is EntryKind.FILE])
    told = (descriptor.entries, descriptor.files, descriptor.directories, descriptor.others, descriptor.bytes)
    if (len(kinds), files, directories, len(kinds) - files - directories, size) != told:
        contradictions.add(f"page {descriptor.id.hex()} does not add up to what its node says of it")
    if not entries or (entries[0].path, entries[-1].path) != (descriptor.first, descriptor.last):
        contradictions.add(f"page {descriptor.id.hex()} holds other paths than its node says")
    if not is_sorted([entry.path for entry in entries]):
        contradictions.add(f"page {descriptor.id.hex()} is not sorted")
