"""Names of a destination that the backup has not, found in step with the walk."""

import os

from backup_manager.engine.targets.filesystem.tree import Folder


def list_others(folder: Folder, fd: int) -> None:
    """Note all names that an existing folder holds, as what the backup may not have."""
    folder.others = sorted((os.fsencode(name) for name in os.listdir(fd)), reverse=True)


def pass_name(folder: Folder, name: bytes) -> list[bytes]:
    """Return the names before *name* that the backup has not; the walk comes to names in order."""
    others = folder.others
    skipped = []
    while others and others[-1] < name:
        skipped.append(others.pop())
    if others and others[-1] == name:
        others.pop()
    return skipped


def rest_of(folder: Folder) -> list[bytes]:
    """Return the names behind the last one that the walk came to."""
    rest, folder.others = folder.others[::-1], []
    return rest
