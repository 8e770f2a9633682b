"""The walk turned into windows; folders, links and special files are made on the way."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from backup_manager.common.errors import CorruptDataError
from backup_manager.common.printable import printable
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, Extent, FileContent
from backup_manager.engine.targets.filesystem.checking import Checker
from backup_manager.engine.targets.filesystem.files import Part, PartedFile, WholeFile
from backup_manager.engine.targets.filesystem.mirror import list_others, pass_name, rest_of
from backup_manager.engine.targets.filesystem.options import Tuning
from backup_manager.engine.targets.filesystem.ports import EntryStream
from backup_manager.engine.targets.filesystem.resuming import Leftovers
from backup_manager.engine.targets.filesystem.session import Session
from backup_manager.engine.targets.filesystem.tree import Folder, Step, Walked, relative_path, walk
from backup_manager.engine.targets.filesystem.window import FRAME_BYTES, Link, Window

STEPS_UNASKED = 256  # between two questions whether to stop


@dataclass(slots=True)
class _Unfolding:
    """A file with many parts that is being spread over windows; *begun_fd* is what an earlier restore made of
    it.
    """

    file: PartedFile
    extents: Iterator[Extent]
    begun_fd: int
    position: int = 0


class Gatherer:
    """Yields windows of the entry stream, in order; for one thread."""

    def __init__(self, session: Session, entries: EntryStream) -> None:
        self._session = session
        self._steps = walk(entries, session.options.source, session.options.selects)
        self._mirrors = session.destination.mode is RestoreMode.MIRROR
        self._leftovers = Leftovers(session, Checker(session.contents))
        self._unfolding: _Unfolding | None = None

    def windows(self) -> Iterator[Window]:
        """Yield windows until the stream ends.

        When one is yielded, all folders, links and special files of its stretch are made; its files are not.
        """
        try:
            yield from self._windows(self._session.options.tuning)
        finally:
            if self._unfolding is not None and self._unfolding.begun_fd >= 0:
                os.close(self._unfolding.begun_fd)

    def _windows(self, tuning: Tuning) -> Iterator[Window]:
        window = Window(tuning)
        for number, step in enumerate(self._steps):
            if window.is_full and not window.covers(step.content):
                yield window
                window = Window(tuning)
            if number % STEPS_UNASKED == 0:
                self._session.check_cancelled()
            window.pieces += 1
            self._take(step, window)
            while self._unfolding is not None:
                self._unfold(self._unfolding, window)
                if self._unfolding is not None:
                    yield window
                    window = Window(tuning)
        yield window

    def _take(self, step: Walked, window: Window) -> None:
        if step.step is Step.ITEM:
            if self._mirrors:
                self._remove(step.folder, pass_name(step.folder, step.name))
            if step.wanted and step.entry is not None:
                self._item(step.folder, step.name, step.entry, step.content, window)
        elif step.step is Step.ENTER:
            self._enter(step.folder)
        else:
            self._leave(step.folder, window)

    def _enter(self, folder: Folder) -> None:
        nodes = self._session.nodes
        if self._mirrors:
            if folder.parent is not None:
                self._remove(folder.parent, pass_name(folder.parent, folder.name))
            nodes.enter_existing(folder)
            if folder.exists:
                with self._session.folders.opened(folder) as fd:
                    list_others(folder, fd)
        if folder.wanted or folder.parent is None:
            nodes.make_folder(folder)

    def _leave(self, folder: Folder, window: Window) -> None:
        self._remove(folder, rest_of(folder))
        if folder.exists:
            window.left.append(folder)
            self._session.tally.directories += folder.finishes

    def _remove(self, folder: Folder, names: list[bytes]) -> None:
        session = self._session
        for name in names:
            with session.folders.opened(folder) as fd:
                session.tally.removed += session.clearing.remove_other(fd, folder, name)

    def _item(
        self, folder: Folder, name: bytes, entry: Entry, content: FileContent | None, window: Window
    ) -> None:
        session = self._session
        if folder.parent is None and name == session.destination.claim.file_name:
            raise CorruptDataError(
                f"the catalogue's entry {printable(entry.path)} is called like our state file"
            )
        session.nodes.make_folder(folder)
        if entry.links > 1:
            first = session.links.first_of(entry)
            if first is not None:
                window.links.append(Link(folder, name, entry, first))
                return
        if entry.kind == EntryKind.FILE:
            self._file(folder, name, entry, content, window)
        elif session.nodes.make_item(folder, name, entry):
            session.tally.others += 1
        else:
            return
        if entry.links > 1:
            session.links.remember(entry, relative_path(folder, name))

    def _file(
        self, folder: Folder, name: bytes, entry: Entry, content: FileContent | None, window: Window
    ) -> None:
        if content is None:
            raise CorruptDataError(f"the catalogue does not say what {printable(entry.path)} holds")
        if self._leftovers.is_complete(folder, name, entry, content):
            self._session.tally.skipped += 1
            self._session.done(entry.size, 1)
        elif content.frame is not None and entry.size:
            whole = WholeFile(folder, name, entry, content.offset)
            window.demand(content.frame, FRAME_BYTES).wholes.append(whole)
        elif not entry.size:
            self._session.files.write_whole([WholeFile(folder, name, entry, 0)], b"")
            self._session.done(0, 1)
        elif (blob_id := _only_blob(entry, content)) is not None:
            window.demand(blob_id, entry.size).wholes.append(WholeFile(folder, name, entry, 0))
        else:
            self._begin(folder, name, entry, content, window)

    def _begin(self, folder: Folder, name: bytes, entry: Entry, content: FileContent, window: Window) -> None:
        """Make a file that comes in several parts."""
        session = self._session
        file = PartedFile(folder, name, entry)
        begun_fd = self._leftovers.reopen(file)
        if begun_fd < 0:
            session.files.make(file)
        window.open_files += 1
        self._unfolding = _Unfolding(file, iter(session.contents.extents(content)), begun_fd)

    def _unfold(self, unfolding: _Unfolding, window: Window) -> None:
        """Ask for parts of the file until the window is full or the file ends."""
        file = unfolding.file
        for extent in unfolding.extents:
            position = unfolding.position
            unfolding.position += extent.length
            if extent.blob_id is None or self._leftovers.holds(unfolding.begun_fd, position, extent):
                self._session.done(extent.length, 0)
            else:
                part = Part(file, position, extent.length)
                window.demand(extent.blob_id, extent.length).parts.append(part)
            if window.is_full:
                return
        if unfolding.begun_fd >= 0:
            os.close(unfolding.begun_fd)
        if unfolding.position != file.entry.size:
            raise CorruptDataError(f"the parts of {printable(file.entry.path)} do not add up to its size")
        window.finished.append(file)
        self._unfolding = None


def _only_blob(entry: Entry, content: FileContent) -> bytes | None:
    """Return the blob that is the whole file, if there is one."""
    if content.depth == 0 and len(content.extents) == 1 and content.extents[0].length == entry.size:
        return content.extents[0].blob_id
    return None
