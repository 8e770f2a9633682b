"""Text that is safe at a terminal and in a log, whatever names it holds."""

import re

SURROGATE_ESCAPES = range(0xDC80, 0xDD00)  # bytes 0x80 to 0xff that were not UTF-8
NOT_LINE = re.compile(r"[^\x20-\x7e]")


def printable(text: str) -> str:
    r"""Return *text* on one line, with whatever is not printable escaped.

    Bytes that are not UTF-8, control characters, terminal escapes and marks that turn the direction of
    writing are shown by their number. JSON output is exact; this form is for people.

    >>> printable("a\x1b[31m\n") + printable("caf\udce9") + printable("na\u00efve")
    'a\\x1b[31m\\ncaf\\xe9naïve'
    """
    if text.isprintable():
        return text
    return NOT_LINE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    code = ord(character)
    if code in SURROGATE_ESCAPES:
        return f"\\x{code - 0xDC00:02x}"
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
