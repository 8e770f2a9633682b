"""Paths in messages."""

import os


def printable(path: bytes) -> str:
    r"""Return *path* on one line: what is not UTF-8 or not printable is escaped, and so is ``\`` itself.

    >>> printable(b"/a/new\nline"), printable(b"/caf\xe9")
    ('/a/new\\nline', '/caf\\xe9')
    """
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def joined(folder: bytes, name: bytes) -> str:
    """Return the printable path of *name* in *folder*."""
    return printable(os.path.join(folder, name)) if name else printable(folder)
