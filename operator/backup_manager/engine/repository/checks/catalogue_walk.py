"""One catalogue walked completely: every blob it refers to located, every entry checked, all totals added up."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from backup_manager.common.errors import BackupManagerError, CorruptDataError
from backup_manager.engine.repository.catalogue.entries import CatalogueRoot, PageDescriptor, path_key
from backup_manager.engine.repository.catalogue.node import decode_node, summarise, totals_of
from backup_manager.engine.repository.checks.faults import Faults
from backup_manager.engine.repository.checks.needs import Needs
from backup_manager.engine.repository.checks.page_check import PageChecker


class Blobs(Protocol):
    """The part of a blob store that a walk needs."""

    def fetch(self, blob_id: bytes) -> bytes:
        """Return a blob; raises ``CorruptDataError``."""
        ...

    def fetch_each(self, ids: Iterable[bytes]) -> Iterator[bytes | BackupManagerError]:
        """Yield each blob, or its error, reading ahead."""
        ...


@dataclass(slots=True)
class WalkResult:
    """What a walk came to. *losses*: data that are missing or damaged; *contradictions*: what cannot be true."""

    losses: Faults
    contradictions: Faults
    entries: int = 0
    files: int = 0
    directories: int = 0
    others: int = 0
    bytes: int = 0
    pages: int = 0

    @property
    def totals(self) -> tuple[int, int, int, int, int]:
        """Entries, files, directories, others and bytes."""
        return self.entries, self.files, self.directories, self.others, self.bytes


class CatalogueWalk:
    """Walks catalogues over one set of blobs; for one thread.

    What was found to be in order once is not decoded again: backups share most of their pages. *note* is
    told of each page; what it raises ends the walk.
    """

    def __init__(self, blobs: Blobs, needs: Needs, note: Callable[[], None] = lambda: None) -> None:
        self._blobs = blobs
        self._needs = needs
        self._note = note
        self._in_order: dict[bytes, int] = {}  # pages, each with the hash of what was said of it
        self._pages = PageChecker(needs, blobs.fetch)

    def walk(self, root: CatalogueRoot) -> WalkResult:
        """Return what there is to say about the catalogue of *root*; never raises ``CorruptDataError``.

        Raises:
            StorageUnreachableError: the store did not answer.
        """
        result = WalkResult(Faults(), Faults())
        last_key: bytes | None = None
        for descriptor, plain in self._fetched(self._wanted(root, result)):
            self._note()
            result.pages += 1
            first_key = path_key(descriptor.first)
            if last_key is not None and first_key <= last_key:
                result.contradictions.add(f"page {descriptor.id.hex()} repeats paths of the page before it")
            last_key = path_key(descriptor.last)
            self._take(descriptor, plain, result)
        if not (result.losses or result.contradictions) and result.totals != _totals(root):
            result.contradictions.add(
                f"the catalogue adds up to {result.totals}, and its root says {_totals(root)} "
                "(entries, files, folders, others, bytes)"
            )
        return result

    def _take(
        self, descriptor: PageDescriptor, plain: bytes | BackupManagerError | None, result: WalkResult
    ) -> None:
        for name, count in zip(
            ("entries", "files", "directories", "others", "bytes"), totals_of(descriptor), strict=True
        ):
            setattr(result, name, getattr(result, name) + count)
        if plain is None:
            return
        if isinstance(plain, BackupManagerError):
            result.losses.add(f"{_told(descriptor)}: {plain.facts}")
            return
        found = self._pages.check(descriptor, plain)
        result.losses.extend(found.losses)
        result.contradictions.extend(found.contradictions)
        if not (found.losses or found.contradictions):
            self._in_order[descriptor.id] = hash(descriptor)

    def _wanted(self, root: CatalogueRoot, result: WalkResult) -> Iterator[tuple[PageDescriptor, bool]]:
        """Yield each page, and whether it has to be read."""
        top = PageDescriptor(root.id, b"", b"", *_totals(root), b"", root.level)
        for descriptor in self._leaves(top, result, is_root=True):
            if self._in_order.get(descriptor.id) == hash(descriptor):
                yield descriptor, False
                continue
            self._locate(descriptor, result)
            yield descriptor, True

    def _leaves(self, node: PageDescriptor, result: WalkResult, *, is_root: bool) -> Iterator[PageDescriptor]:
        self._locate(node, result)
        try:
            children = decode_node(self._blobs.fetch(node.id), node.level)
        except CorruptDataError as err:
            result.losses.add(f"{_told(node)}: {err.facts}")
            return
        told = summarise(node.id, node.level, children)
        if totals_of(told) != totals_of(node) or not (
            is_root or (told.first, told.last) == (node.first, node.last)
        ):
            result.contradictions.add(f"{_told(node)} does not add up to what is said of it")
        if node.level == 1:
            yield from children
            return
        for child in children:
            yield from self._leaves(child, result, is_root=False)

    def _locate(self, descriptor: PageDescriptor, result: WalkResult) -> None:
        try:
            self._needs.locate(descriptor.id)
        except CorruptDataError as err:
            result.losses.add(f"{_told(descriptor)}: {err.facts}")

    def _fetched(
        self, wanted: Iterator[tuple[PageDescriptor, bool]]
    ) -> Iterator[tuple[PageDescriptor, bytes | BackupManagerError | None]]:
        """Yield the pages with their plain bytes, read ahead; ``None`` for those that need not be read."""
        waiting: deque[tuple[PageDescriptor, bool]] = deque()

        def ids() -> Iterator[bytes]:
            for item in wanted:
                waiting.append(item)
                if item[1]:
                    yield item[0].id

        for plain in self._blobs.fetch_each(ids()):
            while not waiting[0][1]:
                yield waiting.popleft()[0], None
            yield waiting.popleft()[0], plain
        while waiting:
            yield waiting.popleft()[0], None


def _totals(root: CatalogueRoot) -> tuple[int, int, int, int, int]:
    return root.entries, root.files, root.directories, root.others, root.bytes


def _told(descriptor: PageDescriptor) -> str:
    what = f"node of level {descriptor.level}" if descriptor.level else "page"
    return f"catalogue {what} {descriptor.id.hex()}"
