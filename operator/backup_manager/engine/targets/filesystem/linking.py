"""Hard links made to what was restored first, or copies of it where there can be no links."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.targets.filesystem.failures import NOT_SUPPORTED
from backup_manager.engine.targets.filesystem.files import PartedFile
from backup_manager.engine.targets.filesystem.folders import FOLDER, refusals
from backup_manager.engine.targets.filesystem.options import WarningKind
from backup_manager.engine.targets.filesystem.session import Session
from backup_manager.engine.targets.filesystem.window import Link

NO_LINKS = NOT_SUPPORTED | {errno.EPERM, errno.EMLINK, errno.EXDEV}
COPY_BYTES = 1_048_576


def make_link(session: Session, link: Link) -> None:
    """Give what was restored at ``link.first`` another name; nothing is done when it has that name
    already.
    """
    with (
        refusals("link", session.destination.path, link.folder, link.name),
        session.folders.opened(link.folder) as folder_fd,
        _opened_above(session.destination.fd, link.first) as (first_fd, first_name),
    ):
        try:
            _link(first_fd, first_name, folder_fd, link.name)
        except FileExistsError:
            if _is_same(first_fd, first_name, folder_fd, link.name):
                return
            session.clearing.make_way(folder_fd, link.folder, link.name)
            _link(first_fd, first_name, folder_fd, link.name)
        except OSError as err:
            if err.errno not in NO_LINKS:
                raise
            session.warnings.note(WarningKind.HARD_LINKS, link.entry.path)
            _copy(session, link, first_fd, first_name)


def _link(first_fd: int, first_name: bytes, folder_fd: int, name: bytes) -> None:
    os.link(first_name, name, src_dir_fd=first_fd, dst_dir_fd=folder_fd, follow_symlinks=False)


def _is_same(first_fd: int, first_name: bytes, folder_fd: int, name: bytes) -> bool:
    first = os.stat(first_name, dir_fd=first_fd, follow_symlinks=False)
    return os.path.samestat(first, os.stat(name, dir_fd=folder_fd, follow_symlinks=False))


@contextmanager
def _opened_above(root_fd: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """Give a descriptor of the folder that holds *path*, and its last component."""
    *above, name = path.split(b"/")
    fd = os.dup(root_fd)
    try:
        for component in above:
            deeper = os.open(component, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = deeper
        yield fd, name
    finally:
        os.close(fd)


def _copy(session: Session, link: Link, first_fd: int, first_name: bytes) -> None:
    """Make a file of its own with the same content; what was restored first was verified when it was
    written.
    """
    if link.entry.kind != EntryKind.FILE:
        session.nodes.make_item(link.folder, link.name, link.entry)
        return
    source = os.open(first_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=first_fd)
    try:
        file = PartedFile(link.folder, link.name, link.entry)
        session.files.make(file)
        fd = session.files.descriptor(file)
        for start, end in _data_of(source):
            position = start
            while position < end:
                data = os.pread(source, min(COPY_BYTES, end - position), position)
                position += os.pwrite(fd, data, position)
        session.files.finish(file)
    finally:
        os.close(source)


def _data_of(fd: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a file that are no holes."""
    end, size = 0, os.fstat(fd).st_size
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as err:
            if err.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end
