"""The entry stream as a walk: folders entered and left, items between, names checked on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from backup_manager.common.errors import CorruptDataError
from backup_manager.common.printable import printable
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, FileContent
from backup_manager.engine.targets.filesystem.ports import EntryStream, Selector

NO_NAMES = frozenset({b"", b".", b".."})


@dataclass(slots=True, eq=False)
class Folder:
    """A folder of the backup, or one implied by the path of something below it (*entry* is ``None``).

    *path* is the original one. *wanted* says that the selector wants it, and so everything below. What
    follows belongs to the users of the walk: *exists*, *finishes* (its metadata are to be set) and
    *borrowed_mode* (to be put back) to whoever makes folders, *fd* and *pins* to the folder cache,
    *newcomer_gid* and *inherits_acl* say what a new file in it gets by itself, *others* are names met in the
    destination, sorted backwards, that the backup has not mentioned yet.
    """

    parent: "Folder | None"
    name: bytes
    path: bytes
    entry: Entry | None
    wanted: bool
    exists: bool = False
    finishes: bool = False
    borrowed_mode: int = -1
    fd: int = -1
    pins: int = 0
    newcomer_gid: int = -1
    inherits_acl: bool = False
    others: list[bytes] = field(default_factory=list)


class Step(IntEnum):
    """What happens next in a walk."""

    ENTER = 1
    ITEM = 2
    LEAVE = 3


class Walked(NamedTuple):
    """One step: *entry* and *name* are those of an item; *wanted* is the folder's or the item's."""

    step: Step
    folder: Folder
    name: bytes
    entry: Entry | None
    content: FileContent | None
    wanted: bool


def walk(entries: EntryStream, source: bytes, selects: Selector | None) -> Iterator[Walked]:
    """Yield the steps through *entries*; the first enters the root, which stands for *source*, the last
    leaves it.

    Raises:
        CorruptDataError: the entries are not in order, not below *source*, below something that is no folder,
            or have names that no file can have.
    """
    return _Walk(source, selects).steps(entries)


def relative_path(folder: Folder, name: bytes) -> bytes:
    """Return the path of *name* in *folder* relative to the walk's root, as selectors see it."""
    root = folder
    while root.parent is not None:
        root = root.parent
    return (folder.path + b"/" + name)[len(root.path) + 1 :]


class _Walk:
    def __init__(self, source: bytes, selects: Selector | None) -> None:
        self._base = source.rstrip(b"/")
        self._start = len(self._base) + 1
        self._selects = selects
        self._folder = Folder(None, b"", self._base, None, selects is None)
        self._last_key = b""
        self._last_item = b""

    def steps(self, entries: EntryStream) -> Iterator[Walked]:
        stream = iter(entries)
        held = next(stream, None)
        if held is not None and held[0].path == (self._base or b"/"):
            held = self._take_root(*held, stream)
        yield self._step(Step.ENTER)
        if held is not None:
            yield from self._visit(*held)
        for entry, content in stream:
            yield from self._visit(entry, content)
        while self._folder.parent is not None:
            yield self._leave()
        yield self._step(Step.LEAVE)

    def _take_root(
        self, entry: Entry, content: FileContent | None, rest: EntryStream
    ) -> tuple[Entry, FileContent | None] | None:
        """Make the source's own entry the root, or the root its parent when it is no folder."""
        if entry.kind == EntryKind.DIRECTORY:
            self._folder.entry = entry
            self._last_key = entry.path.rstrip(b"/").replace(b"/", b"\0")
            return next(iter(rest), None)
        self._base = self._base.rpartition(b"/")[0]
        self._start = len(self._base) + 1
        self._folder.path = self._base
        return entry, content

    def _visit(self, entry: Entry, content: FileContent | None) -> Iterator[Walked]:
        path = entry.path
        key = path.replace(b"/", b"\0")
        if key <= self._last_key:
            raise CorruptDataError(f"the catalogue's entry {printable(path)} is out of order")
        self._last_key = key
        parent, _, name = path.rpartition(b"/")
        if parent != self._folder.path:
            yield from self._move(parent, path)
        folder = self._folder
        if name in NO_NAMES or b"\0" in name:
            raise CorruptDataError(f"the catalogue names {printable(path)}, which no file can be called")
        if entry.kind == EntryKind.DIRECTORY:
            wanted = folder.wanted or self._wants(path, is_folder=True)
            self._folder = Folder(folder, name, path, entry, wanted)
            yield self._step(Step.ENTER)
            return
        self._last_item = path
        wanted = folder.wanted or self._wants(path, is_folder=False)
        yield Walked(Step.ITEM, folder, name, entry, content, wanted)

    def _move(self, parent: bytes, path: bytes) -> Iterator[Walked]:
        """Leave and enter folders until the current one is *parent*."""
        while not (parent + b"/").startswith(self._folder.path + b"/"):
            if self._folder.parent is None:
                raise CorruptDataError(f"the catalogue's entry {printable(path)} lies outside of its source")
            yield self._leave()
        while (above := self._folder).path != parent:
            name = parent[len(above.path) + 1 :].partition(b"/")[0]
            implied = above.path + b"/" + name
            if implied == self._last_item or name in NO_NAMES or b"\0" in name:
                raise CorruptDataError(f"the catalogue's entry {printable(path)} lies below no folder")
            wanted = above.wanted or self._wants(implied, is_folder=True)
            self._folder = Folder(above, name, implied, None, wanted)
            yield self._step(Step.ENTER)

    def _wants(self, path: bytes, *, is_folder: bool) -> bool:
        return self._selects is not None and self._selects(path[self._start :], is_folder)

    def _leave(self) -> Walked:
        step = self._step(Step.LEAVE)
        assert self._folder.parent is not None
        self._folder = self._folder.parent
        return step

    def _step(self, step: Step) -> Walked:
        folder = self._folder
        return Walked(step, folder, folder.name, folder.entry, None, folder.wanted)
