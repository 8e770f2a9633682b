"""The paths a source names, made absolute, looked at, and put into the catalogue's order."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from backup_manager.common.errors import ConfigurationError, SourceUnreadableError
from backup_manager.common.printable import printable
from backup_manager.engine.sources.filesystem.long_paths import reachable


@dataclass(frozen=True, slots=True)
class Root:
    """A path to walk, what stands there, and the roots named beneath it, in order."""

    path: bytes
    stat: os.stat_result
    inner: tuple["Root", ...] = ()

    @property
    def prefix(self) -> bytes:
        """What the path of everything beneath this root begins with."""
        return self.path if self.path == b"/" else self.path + b"/"


def catalogue_key(path: bytes) -> bytes:
    """Return what to sort paths by: ``/`` ranks below every other byte, as in a walk over sorted names."""
    return path.replace(b"/", b"\0")


def read_roots(paths: Sequence[bytes]) -> tuple[Root, ...]:
    """Return the outermost of *paths*, each once, in catalogue order; those beneath are in ``inner``.

    A path that is a symbolic link stands for what it points to, under its own name; a link met further
    below is never followed.

    Raises:
        SourceUnreadableError: a path does not exist, points nowhere, or cannot be looked at.
        ConfigurationError: a path leads through a symbolic link that is itself inside another path.
    """
    unique = {normalized(path) for path in paths}
    return outermost(tuple(Root(path, stat_of_root(path)) for path in unique))


def outermost(roots: Sequence[Root]) -> tuple[Root, ...]:
    """Return *roots* in catalogue order, those beneath another one moved into its ``inner``."""
    found: list[Root] = []
    inner: list[Root] = []
    for root in sorted(roots, key=lambda root: catalogue_key(root.path)):
        if found and root.path.startswith(found[-1].prefix):
            _refuse_link_between(found[-1], root)
            inner.append(root)
            continue
        _close(found, inner)
        found.append(root)
    _close(found, inner)
    return tuple(found)


def normalized(path: bytes) -> bytes:
    """Return *path* absolute, without ``.``, ``..``, doubled or trailing slashes."""
    if not path or b"\0" in path:
        raise ConfigurationError(
            f"paths: {printable(path)!r} cannot be a path",
            solution="Name an existing file or directory by its path.",
        )
    return b"/" + os.path.abspath(path).lstrip(b"/")


def stat_of_root(path: bytes) -> os.stat_result:
    """Return the stat of what *path* stands for, links followed.

    Raises:
        SourceUnreadableError: there is nothing, or it cannot be looked at.
    """
    try:
        with reachable(path) as near:
            found = os.stat(near)
        if not stat.S_ISDIR(found.st_mode):
            return found
        # The final dot mounts what an automounter keeps ready; a bare stat shows the empty mount point.
        with reachable(path + b"/.") as near:
            return os.stat(near)
    except OSError as err:
        raise SourceUnreadableError(
            f"source path {printable(path)} cannot be opened: {err.strerror}",
            solution="Check that the path exists, is mounted and may be entered, or remove it.",
        ) from err


def check_root_remains(root: Root) -> None:
    """Make sure that a walked directory is still there and on the same file system.

    Without this, a volume that is unmounted in the middle of a run looks like one that was emptied.

    Raises:
        SourceUnreadableError: it is gone, or another file system stands there now.
    """
    if not stat.S_ISDIR(root.stat.st_mode):
        return
    if stat_of_root(root.path).st_dev != root.stat.st_dev:
        raise SourceUnreadableError(
            f"source path {printable(root.path)} was mounted or unmounted while it was read",
            solution="Check the mount and run the backup again; nothing was committed.",
        )


def _close(found: list[Root], inner: list[Root]) -> None:
    """Hand the collected *inner* roots to the last one *found*."""
    if inner:
        found[-1] = Root(found[-1].path, found[-1].stat, tuple(inner))
        inner.clear()


def _refuse_link_between(outer: Root, root: Root) -> None:
    """Refuse a root behind a link of the outer one: the catalogue would hold entries beneath a link."""
    between = outer.path
    for part in root.path[len(outer.prefix) :].split(b"/")[:-1]:
        between = os.path.join(between, part)
        if os.path.islink(between):
            raise ConfigurationError(
                f"paths: {printable(root.path)} leads through the symbolic link {printable(between)},"
                f" which is inside {printable(outer.path)}",
                solution=f"Name {printable(os.path.realpath(root.path))} instead.",
            )
