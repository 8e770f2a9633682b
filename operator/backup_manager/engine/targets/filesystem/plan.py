"""What a restore would do, for a dry run; nothing is changed."""

import os
import stat
from dataclasses import dataclass

from backup_manager.common.errors import CorruptDataError
from backup_manager.common.printable import printable
from backup_manager.contract.requests import RestoreMode
from backup_manager.contract.results import PathSample
from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind, FileContent
from backup_manager.engine.targets.filesystem.clearing import (
    find_unwanted,
    folder_is_full,
    is_exempt,
    open_unchanged,
)
from backup_manager.engine.targets.filesystem.destination import Claim, check_holdings, read_destination
from backup_manager.engine.targets.filesystem.failures import target_error
from backup_manager.engine.targets.filesystem.folders import FolderCache, landing
from backup_manager.engine.targets.filesystem.mirror import list_others, pass_name, rest_of
from backup_manager.engine.targets.filesystem.options import RestoreOptions, Tuning
from backup_manager.engine.targets.filesystem.ports import Contents, EntryStream
from backup_manager.engine.targets.filesystem.tree import Folder, Step, Walked, relative_path, walk

MOST_PATHS = 1_000  # of each kind


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What would happen: *bytes* would be written to *files*, *fetch_bytes* read from the store.

    *written* and *replaced* count entries of any kind, *removed* everything that would go in mirror mode.
    """

    files: int
    directories: int
    others: int
    bytes: int
    fetch_bytes: int
    written: PathSample
    replaced: PathSample
    removed: PathSample


def plan_restore(
    entries: EntryStream,
    contents: Contents,
    destination: bytes,
    mode: RestoreMode,
    claim: Claim,
    options: RestoreOptions,
) -> RestorePlan:
    """Return what ``restore`` would do with the same arguments.

    Raises:
        TargetUnusableError: the restore would refuse the destination.
    """
    fd = read_destination(destination)
    planning = _Planning(contents, destination, fd, mode, claim, options)
    try:
        return planning.plan(entries)
    except OSError as err:
        raise target_error(err, "read", destination) from err
    finally:
        planning.close()


class _Sample:
    def __init__(self) -> None:
        self._count = 0
        self._paths: list[str] = []

    def add(self, path: bytes) -> None:
        self._count += 1
        if self._count <= MOST_PATHS:
            self._paths.append(printable(path))

    def result(self) -> PathSample:
        return PathSample(self._count, tuple(self._paths))


class _Fetched:
    """Bytes to be read from the store; a blob that two windows need is read twice, and counted so."""

    def __init__(self, contents: Contents, tuning: Tuning) -> None:
        self._tuning = tuning
        self.bytes = 0
        self._contents = contents
        self._window: set[bytes] = set()
        self._window_bytes = 0

    def add(self, blob_id: bytes) -> None:
        if blob_id in self._window:
            return
        if len(self._window) >= self._tuning.pieces or self._window_bytes >= self._tuning.blob_bytes:
            self._window.clear()
            self._window_bytes = 0
        stored = self._contents.stored_bytes(blob_id)
        self._window.add(blob_id)
        self._window_bytes += stored
        self.bytes += stored


class _Planning:
    def __init__(
        self,
        contents: Contents,
        destination: bytes,
        fd: int | None,
        mode: RestoreMode,
        claim: Claim,
        options: RestoreOptions,
    ) -> None:
        self._contents = contents
        self._destination = destination
        self._fd = fd
        self._mode = mode
        self._claim = claim
        self._options = options
        self._folders = FolderCache(-1 if fd is None else fd, options.tuning.open_folders, may_change=False)
        self._resuming = fd is not None and check_holdings(destination, fd, mode, claim)
        self._written, self._replaced, self._removed = _Sample(), _Sample(), _Sample()
        self._fetched = _Fetched(contents, options.tuning)
        self._files = self._directories = self._others = self._bytes = 0

    def plan(self, entries: EntryStream) -> RestorePlan:
        for step in walk(entries, self._options.source, self._options.selects):
            self._take(step)
        return RestorePlan(
            files=self._files,
            directories=self._directories,
            others=self._others,
            bytes=self._bytes,
            fetch_bytes=self._fetched.bytes,
            written=self._written.result(),
            replaced=self._replaced.result(),
            removed=self._removed.result(),
        )

    def close(self) -> None:
        self._folders.close()
        if self._fd is not None:
            os.close(self._fd)

    def _take(self, step: Walked) -> None:
        folder = step.folder
        if step.step is Step.ENTER:
            self._enter(folder)
        elif step.step is Step.LEAVE:
            self._remove(folder, rest_of(folder))
            self._folders.forget(folder)
        else:
            self._remove(folder, pass_name(folder, step.name))
            if step.wanted and step.entry is not None and step.entry.kind != EntryKind.SOCKET:
                self._item(folder, step.name, step.entry, step.content)

    def _enter(self, folder: Folder) -> None:
        above = folder.parent
        if above is None:
            folder.exists = self._fd is not None
        else:
            self._remove(above, pass_name(above, folder.name))
            folder.exists = above.exists and self._mode_of(above, folder.name) == stat.S_IFDIR
        if folder.exists and self._mode is RestoreMode.MIRROR:
            with self._folders.opened(folder) as fd:
                list_others(folder, fd)
        if folder.wanted or above is None:
            self._make(folder)

    def _make(self, folder: Folder) -> None:
        """Count the folder and those above it, each once."""
        if folder.finishes:
            return
        folder.finishes = True
        if folder.parent is None:
            self._directories += folder.entry is not None
            return
        self._make(folder.parent)
        self._directories += 1
        if not folder.exists:
            in_the_way = folder.parent.exists and self._mode_of(folder.parent, folder.name) is not None
            self._note(folder.parent, folder.name, is_replaced=in_the_way)

    def _item(self, folder: Folder, name: bytes, entry: Entry, content: FileContent | None) -> None:
        self._make(folder)
        found = self._status(folder, name) if folder.exists else None
        if entry.kind != EntryKind.FILE:
            self._others += 1
        elif found is not None and self._is_complete(found, entry):
            return
        else:
            self._files += 1
            self._bytes += entry.size
            self._fetch(entry, content)
        if found is not None and stat.S_ISDIR(found.st_mode):
            self._clear_folder(folder, name)
        self._note(folder, name, is_replaced=found is not None)

    def _is_complete(self, found: os.stat_result, entry: Entry) -> bool:
        same = (found.st_size, found.st_mtime_ns) == (entry.size, entry.mtime_ns)
        return self._resuming and same and stat.S_ISREG(found.st_mode)

    def _fetch(self, entry: Entry, content: FileContent | None) -> None:
        if content is None:
            raise CorruptDataError(f"the catalogue does not say what {printable(entry.path)} holds")
        if content.frame is not None:
            self._fetched.add(content.frame)
            return
        for extent in self._contents.extents(content):
            if extent.blob_id is not None:
                self._fetched.add(extent.blob_id)

    def _clear_folder(self, folder: Folder, name: bytes) -> None:
        """Count what goes with a folder that stands where the backup has something else."""
        path = relative_path(folder, name)
        selects = None if folder.wanted else self._options.selects
        remaining = -1  # the folder itself is replaced
        with self._folders.opened(folder) as fd:
            for _ in find_unwanted(fd, name, path, None, open_unchanged):
                remaining += 1
            if self._mode is RestoreMode.MIRROR:
                for doomed in find_unwanted(fd, name, path, selects, open_unchanged):
                    if doomed.path != path:
                        remaining -= 1
                        self._removed.add(os.path.join(self._destination, doomed.path))
        if remaining:
            raise folder_is_full(folder, name)

    def _remove(self, folder: Folder, names: list[bytes]) -> None:
        selects = None if folder.wanted else self._options.selects
        for name in names:
            if is_exempt(folder, name, self._claim.file_name):
                continue
            with self._folders.opened(folder) as fd:
                for doomed in find_unwanted(fd, name, relative_path(folder, name), selects, open_unchanged):
                    self._removed.add(os.path.join(self._destination, doomed.path))

    def _note(self, folder: Folder, name: bytes, *, is_replaced: bool) -> None:
        path = landing(self._destination, folder, name)
        (self._replaced if is_replaced else self._written).add(path)

    def _status(self, folder: Folder, name: bytes) -> os.stat_result | None:
        with self._folders.opened(folder) as fd:
            try:
                return os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def _mode_of(self, folder: Folder, name: bytes) -> int | None:
        found = self._status(folder, name)
        return None if found is None else stat.S_IFMT(found.st_mode)
