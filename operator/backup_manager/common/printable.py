"""Names of files in messages: on one line, whatever bytes they are."""


def printable(path: bytes) -> str:
    r"""Return *path* on one line: what is not UTF-8 or not printable is escaped, and so is ``\`` itself.

    >>> printable(b"/a/new\nline"), printable(b"/caf\xe9"), printable("/größe".encode())
    ('/a/new\\nline', '/caf\\xe9', '/größe')
    """
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
