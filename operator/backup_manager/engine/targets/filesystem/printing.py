"""Paths in messages."""

import os

from backup_manager.common.printable import printable


def joined(folder: bytes, name: bytes) -> str:
    """Return the printable path of *name* in *folder*."""
    return printable(os.path.join(folder, name)) if name else printable(folder)
