"""A folder as a store: every object a file, whole and durable before its name appears.

An object is written under a temporary name that begins with a dot, in the folder of its final name; then
the file is flushed, linked or renamed to its name, and the folder flushed. A crash at any moment leaves
the old object, the new one, or none, and at most a temporary file that :meth:`LocalStorage.sweep` removes.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from backup_manager.common.errors import (
    BackupManagerError,
    BucketMissingError,
    ObjectExistsError,
    ObjectMissingError,
    UsageError,
)
from backup_manager.engine.storage.base import (
    NAME,
    Buffer,
    ObjectInfo,
    StorageProperties,
    byte_views,
    check_name,
)
from backup_manager.engine.storage.local_errors import REFUSED, build_local_error, translate_os_error
from backup_manager.engine.storage.local_files import (
    make_folders,
    read_range,
    sync_folder,
    walk_files,
    write_file,
)

TEMPORARY = ".tmp-"
CONNECTIONS = 4
NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
NOT_AN_OBJECT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})


class LocalStorage:
    """Objects as files below *path*; safe for several threads and several processes.

    The folder itself is only made by :meth:`check`, and only if *create*: a disk that is not mounted must
    be an error, not a new and empty repository. A name must not also be the folder of another one.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._root = os.path.abspath(path)  # the working directory may change later
        self._create = create
        self._folders: set[str] = set()
        self._properties = StorageProperties(location=self._root, connections=CONNECTIONS, local=True)

    @property
    def properties(self) -> StorageProperties:
        """What this folder can do; whether it takes hard links and writes is found by :meth:`check`."""
        return self._properties

    def check(self) -> None:
        """Make the folder if that was asked for, and find out what its file system can do."""
        if self._create and not os.path.isdir(self._root):
            with translate_os_error("create folder", self._root):
                make_folders(self._root)
        self._require_root()
        with translate_os_error("read folder", self._root):
            os.scandir(self._root).close()
        writable, links = self._probe()
        self._properties = StorageProperties(
            location=self._root, conditional_put=links, connections=CONNECTIONS, local=True, writable=writable
        )

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Write, flush, then link (*if_absent*) or rename, and flush the folder."""
        check_name(name)
        if if_absent and not self._properties.conditional_put:
            raise UsageError(f"the file system of {self._root} has no hard links, so no conditional put")
        path = f"{self._root}/{name}"
        folder = os.path.dirname(path)
        with translate_os_error(f"store {name!r} in", self._root):
            try:
                self._store(path, parts, name, if_absent)
            except FileNotFoundError:  # folder or file were removed since we made them: we may have slept
                self._folders.discard(folder)
                self._store(path, parts, name, if_absent)
            sync_folder(folder)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Read the range with one open and, for a known length, one ``pread``."""
        check_name(name)
        try:
            return read_range(f"{self._root}/{name}", start, length)
        except OSError as err:
            raise self._build_read_error(name, err) from err

    def size(self, name: str) -> int:
        """Return the file's size."""
        check_name(name)
        try:
            found = os.stat(f"{self._root}/{name}")
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, "is a folder")
        except OSError as err:
            raise self._build_read_error(name, err) from err
        return found.st_size

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the files whose names are object names; a file that vanishes meanwhile is left out."""
        self._require_root()
        folder = prefix.rpartition("/")[0]
        if folder:
            check_name(folder)
        with translate_os_error("list", self._root):
            for relative, found in walk_files(self._root, folder):
                if relative.startswith(prefix) and NAME.fullmatch(relative):
                    yield ObjectInfo(relative, found.st_size, found.st_mtime)

    def delete(self, name: str) -> None:
        """Unlink the file and flush its folder."""
        check_name(name)
        path = f"{self._root}/{name}"
        with translate_os_error(f"delete {name!r} in", self._root):
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._require_root()
            else:
                sync_folder(os.path.dirname(path))

    def sweep(self, older_than_seconds: float) -> int:
        """Remove temporary files that are older than that by the file system's own clock."""
        self._require_root()
        removed = 0
        with translate_os_error("clean", self._root):
            now = self._file_system_time()
            for relative, found in walk_files(self._root, ""):
                is_temporary = relative.rpartition("/")[2].startswith(TEMPORARY)
                if is_temporary and now - found.st_mtime >= older_than_seconds:
                    with suppress(FileNotFoundError):
                        os.unlink(f"{self._root}/{relative}")
                        removed += 1
        return removed

    def _store(self, path: str, parts: Sequence[Buffer], name: str, if_absent: bool) -> None:
        folder = os.path.dirname(path)
        self._make_folder(folder)
        self._publish(self._write_temporary(folder, parts), path, name, if_absent)

    def _write_temporary(self, folder: str, parts: Sequence[Buffer]) -> str:
        temporary = f"{folder}/{TEMPORARY}{os.urandom(8).hex()}"
        try:
            write_file(temporary, byte_views(parts))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return temporary

    def _publish(self, temporary: str, path: str, name: str, if_absent: bool) -> None:
        try:
            if not if_absent:
                return os.rename(temporary, path)
            os.link(temporary, path)
        except FileExistsError as err:
            if if_absent and os.stat(temporary).st_nlink > 1:
                return None  # linked, but the answer was lost on its way from an NFS server
            raise ObjectExistsError(f"{name!r} exists in {self._root}") from err
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def _make_folder(self, folder: str) -> None:
        if folder in self._folders:
            return
        self._require_root()
        make_folders(folder)
        self._folders.add(folder)

    def _probe(self) -> tuple[bool, bool]:
        """Return whether files can be made here, and whether they can be linked."""
        first = f"{self._root}/{TEMPORARY}{os.urandom(8).hex()}"
        second = f"{first}-link"
        with translate_os_error("use folder", self._root):
            try:
                os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                os.link(first, second)
            except OSError as err:
                if not os.path.lexists(first) and err.errno in REFUSED:
                    return False, True
                if err.errno in NO_HARD_LINKS:
                    return True, False
                raise
            finally:
                for path in (first, second):
                    with suppress(FileNotFoundError):
                        os.unlink(path)
        return True, True

    def _file_system_time(self) -> float:
        """Return the time that the file system gives a file written now: a server's clock on NFS."""
        path = f"{self._root}/{TEMPORARY}{os.urandom(8).hex()}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(file).st_mtime
        finally:
            os.close(file)
            os.unlink(path)

    def _require_root(self) -> None:
        with translate_os_error("use folder", self._root):
            try:
                found = os.stat(self._root)
            except (FileNotFoundError, NotADirectoryError) as err:
                raise self._root_missing("does not exist") from err
            if not stat.S_ISDIR(found.st_mode):
                raise self._root_missing("is not a folder")

    def _root_missing(self, what: str) -> BucketMissingError:
        return BucketMissingError(
            f"folder {self._root} {what}", solution="Create the folder, mount its disk, or correct the path."
        )

    def _build_read_error(self, name: str, err: OSError) -> BackupManagerError:
        """Return "no such object" only if the folder itself is there: a disk can go away meanwhile."""
        if err.errno not in NOT_AN_OBJECT:
            return build_local_error(f"read {name!r} in", self._root, err)
        self._require_root()
        return ObjectMissingError(f"{name!r} is not in {self._root}")
