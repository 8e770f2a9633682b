"""What is in the way, and what the backup has not: removed where the mode allows it, never followed."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from backup_manager.common.errors import TargetUnusableError
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.targets.filesystem.destination import LOST_AND_FOUND, Destination
from backup_manager.engine.targets.filesystem.folders import FOLDER, open_folder, refusals
from backup_manager.engine.targets.filesystem.ports import Selector
from backup_manager.engine.targets.filesystem.printing import joined
from backup_manager.engine.targets.filesystem.tree import Folder, relative_path

NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})


class Unwanted(NamedTuple):
    """Something to remove: *name* in the folder open as *above_fd*, at *path* relative to the source."""

    above_fd: int
    name: bytes
    path: bytes
    is_folder: bool


class Clearing:
    """Removes things from one destination, by the rules of its mode."""

    def __init__(self, destination: Destination, selects: Selector | None) -> None:
        self._destination = destination
        self._selects = selects

    def make_way(self, folder_fd: int, folder: Folder, name: bytes) -> None:
        """Remove what stands where an entry of the backup is to be made.

        A folder goes only when it is empty, or in mirror mode with all that the selector wants below it.

        Raises:
            TargetUnusableError: the mode does not allow it.
        """
        if self._destination.is_fresh:
            raise TargetUnusableError(
                f"{joined(folder.path, name)} appeared in the destination while it was being restored",
                solution="Let nothing else write there; one that folds case cannot hold every tree.",
            )
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=folder_fd)
            return
        if self._destination.mode is RestoreMode.MIRROR:
            self._remove(folder_fd, folder, name)
        try:
            os.rmdir(name, dir_fd=folder_fd)
        except FileNotFoundError:
            return
        except OSError as err:
            if err.errno not in NOT_EMPTY:
                raise
            raise folder_is_full(folder, name) from err

    def remove_other(self, folder_fd: int, folder: Folder, name: bytes) -> int:
        """Remove *name*, which the backup has not, as far as it is wanted; return how many things went."""
        if is_exempt(folder, name, self._destination.claim.file_name):
            return 0
        with refusals("remove", self._destination.path, folder, name):
            return self._remove(folder_fd, folder, name)

    def _remove(self, folder_fd: int, folder: Folder, name: bytes) -> int:
        selects = None if folder.wanted else self._selects
        removed = 0
        for doomed in find_unwanted(folder_fd, name, relative_path(folder, name), selects, open_folder):
            if doomed.is_folder:
                os.rmdir(doomed.name, dir_fd=doomed.above_fd)
            else:
                os.unlink(doomed.name, dir_fd=doomed.above_fd)
            removed += 1
        return removed


def folder_is_full(folder: Folder, name: bytes) -> TargetUnusableError:
    """Return the error for a folder that cannot make way because something in it stays."""
    return TargetUnusableError(
        f"the destination has a folder with content where the backup has none: {joined(folder.path, name)}",
        solution="Move that folder away; --mode mirror without --include removes it.",
    )


def is_exempt(folder: Folder, name: bytes, state_name: bytes) -> bool:
    """Return whether mirroring leaves *name* alone though the backup has no such entry."""
    return folder.parent is None and name in (LOST_AND_FOUND, state_name)


def open_unchanged(name: bytes, above_fd: int) -> int:
    """Return a descriptor of the folder *name*, taking its rights as they are."""
    return os.open(name, FOLDER, dir_fd=above_fd)


def find_unwanted(
    above_fd: int,
    name: bytes,
    path: bytes,
    selects: Selector | None,
    opener: Callable[[bytes, int], int],
) -> Iterator[Unwanted]:
    """Yield *name* and what lies below it, the deepest first, as far as *selects* wants it (``None``: all).

    Each may be removed when it is yielded. Links are not followed.
    """
    stack: list[_Level] = [_Level(above_fd, [name], path.rpartition(b"/")[0], selects, None)]
    try:
        while stack:
            level = stack[-1]
            if not level.names:
                if len(stack) > 1:
                    os.close(level.fd)
                stack.pop()
                if level.leaving is not None:
                    yield level.leaving
                continue
            inner = level.names.pop()
            inner_path = level.path + b"/" + inner if level.path else inner
            is_folder = stat.S_ISDIR(os.stat(inner, dir_fd=level.fd, follow_symlinks=False).st_mode)
            wants = None if level.selects is None or level.selects(inner_path, is_folder) else level.selects
            itself = Unwanted(level.fd, inner, inner_path, is_folder) if wants is None else None
            if is_folder:
                fd = opener(inner, level.fd)
                names = sorted((os.fsencode(found) for found in os.listdir(fd)), reverse=True)
                stack.append(_Level(fd, names, inner_path, wants, itself))
            elif itself is not None:
                yield itself
    finally:
        for level in stack[1:]:
            os.close(level.fd)


class _Level(NamedTuple):
    """A folder whose *names* are still to be looked at; *leaving* is itself, if it goes too."""

    fd: int
    names: list[bytes]
    path: bytes
    selects: Selector | None
    leaving: Unwanted | None
