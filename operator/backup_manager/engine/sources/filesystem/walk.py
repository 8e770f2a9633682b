"""A walk over the trees of a source in the order of the catalogue, with ``lstat`` of every entry.

The walk asks for the names of a directory and looks at each by its full path. Measured over 100,000 files
(Linux 6.18, ext4, warm): 1.9 us an entry, and no other way was faster: ``scandir`` with ``DirEntry.stat``
2.0 us, ``stat`` relative to an open directory 2.0 us, since its names have to be turned into bytes.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence

from backup_manager.engine.sources.filesystem.excludes import Excludes
from backup_manager.engine.sources.filesystem.file_types import DIRECTORY, TYPE_BITS
from backup_manager.engine.sources.filesystem.long_paths import call_near
from backup_manager.engine.sources.filesystem.problems import Problem, ProblemKind, problem_from
from backup_manager.engine.sources.filesystem.roots import Root, check_root_remains, outermost, read_roots

Found = tuple[bytes, os.stat_result]
Inode = tuple[int, int]


def walk(
    paths: Sequence[bytes],
    excludes: Excludes | None,
    problems: Callable[[Problem], None],
    *,
    one_file_system: bool = False,
    left_out: bytes = b"",
) -> Iterator[Found]:
    """Yield path and ``lstat`` of everything at and below *paths*, depth first, in catalogue order.

    Paths come out absolute and once each: what is named twice, or beneath another path, belongs to the
    outer one, whose excludes apply. A path that the outer walk would not reach (excluded, or on another
    file system) is walked at its place all the same, as it was asked for. Symbolic links are not followed
    but for the *paths* themselves. With *one_file_system* a mount point appears and its content does not, and
    so does the folder *left_out*, by whatever path it is met: a repository that backs itself up doubles.

    What vanishes or cannot be read is told to *problems* and left out. The names of the directories on
    the way to the current entry are held in memory, nothing else.

    Raises:
        SourceUnreadableError: one of *paths* does not exist, or went away during the walk.
        ConfigurationError: one of *paths* leads through a symbolic link inside another.
    """
    rules = excludes or None  # an empty set of patterns costs nothing
    inode = _inode_of(left_out) if left_out else None
    for root in read_roots(paths):
        yield from _Walk(root, rules, problems, one_file_system, inode).entries()
        check_root_remains(root)


class _Walk:
    """The walk below one root."""

    def __init__(
        self,
        root: Root,
        excludes: Excludes | None,
        problems: Callable[[Problem], None],
        one_file_system: bool,
        left_out: Inode | None,
    ) -> None:
        self._root = root
        self._cut = len(root.prefix)
        self._excludes = excludes
        self._problems = problems
        self._one_file_system = one_file_system
        self._left_out = left_out

    def entries(self) -> Iterator[Found]:
        """Yield the root and what is below it."""
        root = self._root
        yield root.path, root.stat
        if root.stat.st_mode & TYPE_BITS == DIRECTORY:
            yield from self._below(root.path)

    def _below(self, path: bytes) -> Iterator[Found]:
        """Yield everything below the directory *path*. The loop is one piece because calls cost time here."""
        excludes, inner, cut, lstat = self._excludes, self._root.inner, self._cut, os.lstat
        device = self._root.stat.st_dev if self._one_file_system else None
        prefix = self._root.prefix
        names = iter(self._names(path))
        parents: list[tuple[bytes, Iterator[bytes]]] = []
        while True:
            for name in names:
                path = prefix + name
                try:
                    stat = lstat(path)
                except OSError as err:
                    retried = self._stat_again(path, err)
                    if retried is None:
                        continue
                    stat = retried
                is_directory = stat.st_mode & TYPE_BITS == DIRECTORY
                if excludes is not None and excludes.match_entry(path[cut:], name, is_directory):
                    if inner:
                        yield from self._named(path)
                    continue
                if inner and self._is_apart(path, stat):
                    yield from self._named(path, (path, stat))
                    continue
                yield path, stat
                if is_directory and (device is None or stat.st_dev == device):
                    parents.append((prefix, names))
                    prefix, names = path + b"/", iter(self._names(path))
                    break
            else:
                if not parents:
                    return
                prefix, names = parents.pop()

    def _names(self, path: bytes) -> list[bytes]:
        """Return the sorted names in the directory *path*, and those that lead to an inner root."""
        names = self._listed(path)
        if self._root.inner:
            prefix = path if path == b"/" else path + b"/"
            ways = {root.path[len(prefix) :].partition(b"/")[0] for root in self._inner_below(prefix)}
            names += ways.difference(names)
        names.sort()
        return names

    def _listed(self, path: bytes) -> list[bytes]:
        if self._left_out is not None and _inode_of(path) == self._left_out:
            self._problems(Problem(ProblemKind.SKIPPED, path, "it is the repository of this very backup"))
            return []
        try:
            return call_near(os.listdir, path)
        except OSError as err:
            self._problems(self._listing_problem(path, err))
            return []

    def _listing_problem(self, path: bytes, err: OSError) -> Problem:
        is_lost_and_found = path == self._root.prefix + b"lost+found"
        if is_lost_and_found and err.errno in (errno.EACCES, errno.EPERM):
            return Problem(ProblemKind.SKIPPED, path, "only root may list what a file system check has saved")
        return problem_from(path, err, "listing the directory")

    def _stat_again(self, path: bytes, err: OSError) -> os.stat_result | None:
        """Return the stat of a path that is too long for one call, or tell the problem and return None."""
        if err.errno == errno.ENAMETOOLONG:
            try:
                return call_near(os.lstat, path)
            except OSError as second:
                err = second
        relative = path[self._cut :]
        if self._excludes is None or not self._excludes.match_entry(relative, os.path.basename(path), False):
            self._problems(problem_from(path, err, "looking at it"))
        return None

    def _is_apart(self, path: bytes, stat: os.stat_result) -> bool:
        """Whether *path* is, or holds, an inner root that this walk does not reach by itself."""
        if stat.st_mode & TYPE_BITS == DIRECTORY:
            return self._one_file_system and stat.st_dev != self._root.stat.st_dev
        return any(root.path == path for root in self._root.inner)

    def _named(self, path: bytes, found: Found | None = None) -> Iterator[Found]:
        """Yield what the inner roots at and below *path* say, after *found* if *path* is none of them."""
        roots = [root for root in self._root.inner if root.path == path or root.path.startswith(path + b"/")]
        if found is not None and all(root.path != path for root in roots):
            yield found
        for root in outermost(roots):
            yield from _Walk(
                root, self._excludes, self._problems, self._one_file_system, self._left_out
            ).entries()

    def _inner_below(self, prefix: bytes) -> Iterator[Root]:
        return (root for root in self._root.inner if root.path.startswith(prefix))


def _inode_of(path: bytes) -> Inode | None:
    """Return what tells a folder from all others, or None if there is none."""
    try:
        stat = call_near(os.stat, path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
