"""Regular files: small ones written in one go, large ones piece by piece and out of order."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backup_manager.common.errors import CorruptDataError
from backup_manager.common.printable import printable
from backup_manager.engine.repository.catalogue.entries import Entry
from backup_manager.engine.targets.filesystem.clearing import Clearing
from backup_manager.engine.targets.filesystem.destination import Destination
from backup_manager.engine.targets.filesystem.failures import target_error
from backup_manager.engine.targets.filesystem.folders import FolderCache, landing, refusals
from backup_manager.engine.targets.filesystem.metadata import MetadataWriter
from backup_manager.engine.targets.filesystem.tree import Folder

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CHANGE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class WholeFile(NamedTuple):
    """A file all of whose bytes lie in one blob, from *start*."""

    folder: Folder
    name: bytes
    entry: Entry
    start: int


@dataclass(slots=True, eq=False)
class PartedFile:
    """A file that is written piece by piece; *fd* is open from the first piece until it is finished."""

    folder: Folder
    name: bytes
    entry: Entry
    fd: int = -1


class Part(NamedTuple):
    """A whole blob that belongs at *position* of a file."""

    file: PartedFile
    position: int
    length: int


class FileWriter:
    """Makes regular files; any number of threads may use it."""

    def __init__(
        self, destination: Destination, folders: FolderCache, metadata: MetadataWriter, clearing: Clearing
    ) -> None:
        self._destination = destination
        self._folders = folders
        self._metadata = metadata
        self._clearing = clearing
        self._lock = threading.Lock()
        self._open: set[PartedFile] = set()

    def close(self) -> None:
        """Close what was never finished; it keeps a wrong time, so that it is seen to be incomplete."""
        for file in self._open:
            os.close(file.fd)
        self._open.clear()

    def write_whole(self, files: Sequence[WholeFile], plain: bytes) -> int:
        """Make each of *files* from the blob *plain*, complete with metadata; return the bytes written.

        Measured at 100,000 files of 0.5 to 16 KB on ext4: four calls into the system take 13 µs, the rest 4
        µs.

        Raises:
            CorruptDataError: a file reaches beyond the blob.
        """
        written = 0
        view = memoryview(plain)
        folders, position = self._folders, 0
        while position < len(files):
            folder = files[position].folder
            end = position + 1
            while end < len(files) and files[end].folder is folder:
                end += 1
            try:
                folder_fd = folders.acquire(folder)
            except OSError as err:
                where = landing(self._destination.path, folder, b"")
                raise target_error(err, "open the folder", where) from err
            try:
                written += self._write_in_folder(files[position:end], folder_fd, view)
            finally:
                folders.release(folder)
            position = end
        return written

    def _write_in_folder(self, files: Sequence[WholeFile], folder_fd: int, view: memoryview) -> int:
        uid, masked, available = self._metadata.uid, self._metadata.masked, len(view)
        written = 0
        for folder, name, entry, start in files:
            size = entry.size
            if start + size > available:
                raise CorruptDataError(f"{printable(entry.path)} reaches beyond the blob that should hold it")
            try:
                fd = self._create(folder_fd, folder, name, entry.mode & 0o777)
                try:
                    if size:
                        write_all(fd, view[start : start + size])
                    if (
                        entry.uid != uid
                        or entry.gid != folder.newcomer_gid
                        or entry.mode & masked
                        or entry.xattrs
                        or folder.inherits_acl
                    ):
                        self._metadata.put_on_file(fd, entry, folder)
                    mtime_ns = entry.mtime_ns
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
                finally:
                    os.close(fd)
            except OSError as err:
                raise target_error(err, "write", landing(self._destination.path, folder, name)) from err
            written += size
        return written

    def make(self, file: PartedFile) -> None:
        """Make an empty file for :meth:`write_part` to fill; its owner alone may read it until it is
        complete.
        """
        with (
            refusals("make", self._destination.path, file.folder, file.name),
            self._folders.opened(file.folder) as folder_fd,
        ):
            os.close(self._create(folder_fd, file.folder, file.name, 0o600))

    def descriptor(self, file: PartedFile) -> int:
        """Return a descriptor for writing to the file, which :meth:`finish` closes.

        It is opened as late as that because the files of many windows may be made and waiting.
        """
        with self._lock:
            if file.fd < 0:
                with self._folders.opened(file.folder) as folder_fd:
                    file.fd = os.open(file.name, CHANGE, dir_fd=folder_fd)
                self._open.add(file)
            return file.fd

    def write_part(self, part: Part, plain: bytes) -> int:
        """Write the blob at its place; return the bytes written.

        Raises:
            CorruptDataError: the blob is not as long as the catalogue says.
        """
        file = part.file
        if len(plain) != part.length:
            where = printable(file.entry.path)
            raise CorruptDataError(f"a chunk of {where} has {len(plain)} bytes, not {part.length}")
        try:
            fd = self.descriptor(file)
            view, position = memoryview(plain), part.position
            while view:
                done = os.pwrite(fd, view, position)
                view, position = view[done:], position + done
        except OSError as err:
            raise target_error(err, "write", landing(self._destination.path, file.folder, file.name)) from err
        return part.length

    def finish(self, file: PartedFile) -> None:
        """Give a file its length, holes at its end included, its metadata and last its time; close it."""
        with refusals("finish", self._destination.path, file.folder, file.name):
            fd = self.descriptor(file)
            os.ftruncate(fd, file.entry.size)
            self._metadata.put_on_file(fd, file.entry, file.folder)
            os.utime(fd, ns=(file.entry.mtime_ns, file.entry.mtime_ns))
        self._open.discard(file)
        os.close(fd)
        file.fd = -1

    def _create(self, folder_fd: int, folder: Folder, name: bytes, mode: int) -> int:
        try:
            return os.open(name, CREATE, mode, dir_fd=folder_fd)
        except FileExistsError:
            self._clearing.make_way(folder_fd, folder, name)
            return os.open(name, CREATE, mode, dir_fd=folder_fd)


def write_all(fd: int, data: memoryview) -> None:
    """Write all of *data* at the descriptor's position."""
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, data[done:])
