r"""One gitignore pattern, translated into a regular expression over bytes.

The translation follows git's own matcher (``wildmatch.c`` of git 2.39), which knows bytes, not characters:
``?`` is one byte, and classes are those of ASCII. Differential tests hold it to that.
"""

import re
import string
from dataclasses import dataclass

from backup_manager.common.errors import ConfigurationError

SPECIAL = b"*?[\\"
PLAIN = re.compile(rb"[^*?\[\\]*")
SLASH = re.compile(rb"\\?/")
STARS = re.compile(rb"\*+")
ANYTHING = b"(?s:.*)"
CROSSING = b"(?s:.*?)"  # "**" before an escaped slash, which is not left out together with it
NO_SLASH = b"[^/]*"
ONE = b"[^/]"
NOTHING = b"(?!)"
PRINTED = range(0x20, 0x7F)
# As git's ctype has them: white space is without vertical tab and form feed.
CLASSES = {
    b"alnum": (string.ascii_letters + string.digits).encode(),
    b"alpha": string.ascii_letters.encode(),
    b"blank": b" \t",
    b"cntrl": bytes((*range(0x20), 0x7F)),
    b"digit": string.digits.encode(),
    b"graph": bytes(PRINTED[1:]),
    b"lower": string.ascii_lowercase.encode(),
    b"print": bytes(PRINTED),
    b"punct": string.punctuation.encode(),
    b"space": b" \t\n\r",
    b"upper": string.ascii_uppercase.encode(),
    b"xdigit": string.hexdigits.encode(),
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """One rule. *glob* is free of the leading ``!`` and ``/`` and of the trailing ``/``.

    *names_only*: it has no slash and is compared with the last component alone.
    """

    glob: bytes
    is_negative: bool
    directories_only: bool
    names_only: bool
    parts: tuple[bytes, ...]  # regular expressions of its components; ANYTHING stands for ``**``

    @property
    def literal(self) -> bytes | None:
        """The one text that this pattern matches, if it has no wildcard."""
        return None if any(c in SPECIAL for c in self.glob) else self.glob

    @property
    def suffix(self) -> bytes | None:
        """What every match ends with, if the pattern is ``*`` followed by plain text."""
        rest = self.glob[1:]
        is_suffix = self.names_only and self.glob[:1] == b"*" and not any(c in SPECIAL for c in rest)
        return rest if is_suffix else None

    @property
    def expression(self) -> bytes:
        """The regular expression that a matching name (or relative path) matches in full."""
        return joined(self.parts)


def parse_pattern(text: str) -> Pattern | None:
    """Return the rule that a line of an exclude list gives, None for a comment or an empty line.

    Raises:
        ConfigurationError: it can never match: an open bracket, an unknown class, a trailing backslash.
    """
    line = text.encode("utf-8", "surrogateescape")
    if b"\n" in line or b"\0" in line:
        raise _malformed(text, "it holds a line break or a zero byte")
    if line.startswith(b"#"):
        return None
    line = _without_trailing_spaces(line)
    is_negative = line.startswith(b"!")
    glob = line[1:] if is_negative else line
    directories_only = glob.endswith(b"/")
    glob = glob[:-1] if directories_only else glob
    names_only = b"/" not in glob
    anchored = glob.removeprefix(b"/")
    if not glob:
        return None
    try:
        parts = _translate(anchored, names_only)
    except ValueError as err:
        raise _malformed(text, str(err)) from err
    return Pattern(anchored, is_negative, directories_only, names_only, parts)


def joined(parts: tuple[bytes, ...]) -> bytes:
    """Return the expression of whole paths: ``**/`` also stands for no directory at all."""
    pieces = []
    for number, part in enumerate(parts[:-1]):
        if part == ANYTHING and number and parts[number - 1] == ANYTHING:
            continue  # it adds nothing but ways to backtrack
        if part.endswith(ANYTHING):
            pieces.append(part.removesuffix(ANYTHING) + b"(?s:.*/)?")
        else:
            pieces.append(part + b"/")
    return b"".join(pieces) + parts[-1]


def ways_to(parts: tuple[bytes, ...]) -> bytes:
    """Return the expression of the directories above a match; those below a ``**`` are among them."""
    expression = parts[-1] if parts[-1].endswith((ANYTHING, CROSSING)) else b""
    for part in reversed(parts[:-1]):
        if part.endswith((ANYTHING, CROSSING)):
            expression = part
        else:
            expression = part + (b"(?:/%s)?" % expression if expression else b"")
    return expression or NOTHING


def _translate(glob: bytes, names_only: bool) -> tuple[bytes, ...]:
    """Return the regular expressions of the components of *glob*.

    Raises:
        ValueError: the glob is malformed; the message is one clause.
    """
    parts: list[bytes] = []
    current: list[bytes] = []
    plain = PLAIN.match(glob)
    crossing = plain.end() if plain and not names_only else -1
    at = 0
    while at < len(glob):
        if slash := SLASH.match(glob, at):
            parts.append(b"".join(current))
            current = []
            at = slash.end()
        elif stars := STARS.match(glob, at):
            at = stars.end()
            # Git cuts the plain beginning off before it looks at stars: "a**/b" crosses directories too.
            may_cross = not names_only and (not current or stars.start() == crossing)
            current.append(_stars(stars[0], glob[at : at + 2]) if may_cross else NO_SLASH)
        else:
            piece, at = _single(glob, at)
            current.append(piece)
    return (*parts, b"".join(current))


def _stars(stars: bytes, following: bytes) -> bytes:
    """Return the expression of *stars* that stand where ``**`` may cross directories."""
    if len(stars) >= 2 and (not following or following.startswith(b"/")):
        return ANYTHING
    return CROSSING if len(stars) >= 2 and following == b"\\/" else NO_SLASH


def _single(glob: bytes, at: int) -> tuple[bytes, int]:
    """Return the expression of the one byte that is described at *at*, and where the description ends."""
    char = glob[at : at + 1]
    if char == b"?":
        return ONE, at + 1
    if char == b"[":
        return _bracket(glob, at + 1)
    if char == b"\\":
        if at + 1 == len(glob):
            raise ValueError("it ends in a single backslash")
        return re.escape(glob[at + 1 : at + 2]), at + 2
    return re.escape(char), at + 1


def _bracket(glob: bytes, at: int) -> tuple[bytes, int]:
    """Return the expression of the bracket whose content begins at *at*, and where it ends."""
    is_negative = glob[at : at + 1] in (b"!", b"^")
    at += is_negative
    members: set[int] = set()
    before: int | None = None  # a byte that a range may begin with
    first = at
    while glob[at : at + 1] != b"]" or at == first:
        if glob[at : at + 2] == b"[:" and b"]" in glob[at + 2 :]:
            end = glob.index(b"]", at + 2)
            if end > at + 2 and glob[end - 1 : end] == b":":
                members.update(_class(glob[at + 2 : end - 1]))
                before, at = None, end + 1
                continue
        is_range = glob[at : at + 1] == b"-" and before and glob[at + 1 : at + 2] not in (b"", b"]")
        byte, at = _member(glob, at + bool(is_range))
        if is_range and before is not None:
            members.update(range(before, byte + 1))
            before = None
        else:
            members.add(byte)
            before = byte
    if is_negative:
        members = set(range(256)) - members
    members.discard(0x2F)  # no bracket matches a slash
    if not members:
        return NOTHING, at + 1
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]", at + 1


def _member(glob: bytes, at: int) -> tuple[int, int]:
    """Return the byte that a bracket names at *at*, its escape resolved, and where it ends."""
    at += glob[at : at + 1] == b"\\"
    if at >= len(glob):
        raise ValueError("a bracket is not closed")
    return glob[at], at + 1


def _class(name: bytes) -> bytes:
    """Return the bytes of a class such as ``alpha``."""
    if name not in CLASSES:
        raise ValueError(f"[:{name.decode(errors='backslashreplace')}:] is no class of characters")
    return CLASSES[name]


def _without_trailing_spaces(line: bytes) -> bytes:
    r"""Return *line* without the spaces at its end, but for one that is escaped by ``\``."""
    bare = line.rstrip(b" ")
    escapes = len(bare) - len(bare.rstrip(b"\\"))
    return bare + b" " if escapes % 2 and len(bare) < len(line) else bare


def _malformed(text: str, cause: str) -> ConfigurationError:
    return ConfigurationError(
        f"exclude: pattern {text!r} can never match: {cause}",
        solution="Correct the pattern; the syntax is that of gitignore.",
    )
