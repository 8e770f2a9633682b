"""Which entries of a source are left out, and which of a backup are restored, by patterns of gitignore.

A pattern without ``/`` is compared with the name at any depth, another one with the path relative to the
source; ``**`` crosses directories, ``!`` takes back in what an earlier pattern left out, a final ``/``
restricts to directories. The last pattern that matches decides, and nothing below an excluded directory
comes back.
"""

import re
from collections.abc import Callable, Sequence

from backup_manager.engine.sources.filesystem.patterns import Pattern, parse_pattern, ways_to

Test = Callable[[bytes], object]


class Excludes:
    """A compiled list of patterns; false if it has none. Safe to use from several threads.

    Raises:
        ConfigurationError: a pattern is malformed; it is named.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        found = tuple(rule for rule in map(parse_pattern, patterns) if rule is not None)
        self._patterns = found
        self._has_negative = any(rule.is_negative for rule in found)
        self._files = _Rules([rule for rule in found if not rule.directories_only])
        self._directories = _Rules(found)
        self._parent: tuple[bytes, bool] = (b"", False)  # the directory asked for last, and its answer

    def __bool__(self) -> bool:
        return bool(self._patterns)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The rules, without comments and empty lines."""
        return self._patterns

    def match(self, relative: bytes, is_directory: bool) -> bool:
        """Whether the entry at the path *relative* to the source, or a directory above it, is excluded.

        The source itself, ``b""``, never is.
        """
        parent, _, name = relative.rpartition(b"/")
        if parent:
            known, is_excluded = self._parent
            if known != parent:
                is_excluded = self.match(parent, True)
                self._parent = (parent, is_excluded)
            if is_excluded:
                return True
        return bool(name) and self.match_entry(relative, name, is_directory)

    def match_entry(self, relative: bytes, name: bytes, is_directory: bool) -> bool:
        """Like :meth:`match` if the directory is known to be included; *name* is the last part."""
        rules = self._directories if is_directory else self._files
        return rules.match(relative, name)


class Includes:
    """Which entries a restore selects; all of them if there is no glob.

    Globs have the syntax of :class:`Excludes`; paths are relative to whatever the globs are meant for.
    A selected directory brings everything below it.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        self._rules = Excludes(globs)
        positive = [rule for rule in self._rules.patterns if not rule.is_negative]
        self._is_open = not self._rules or any(rule.names_only for rule in positive)
        self._ways = re.compile(b"|".join(b"(?:%s)\\Z" % ways_to(rule.parts) for rule in positive)).match

    def __bool__(self) -> bool:
        return bool(self._rules)

    def selects(self, relative: bytes, is_directory: bool) -> bool:
        """Whether the entry, or a directory above it, matches."""
        return not self._rules or self._rules.match(relative, is_directory)

    def may_contain(self, relative: bytes) -> bool:
        """Whether something below the directory *relative* can be selected; false is certain."""
        return (
            self._is_open or not relative or bool(self._ways(relative)) or self._rules.match(relative, True)
        )


class _Rules:
    """Patterns for one kind of entry. Plain names and endings are looked up; the rest is few expressions."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        positive = [rule for rule in patterns if not rule.is_negative]
        self._names = frozenset(r.literal for r in positive if r.names_only and r.literal is not None)
        self._suffixes = tuple(rule.suffix for rule in positive if rule.suffix is not None)
        self._paths = frozenset(r.literal for r in positive if not r.names_only and r.literal is not None)
        others = [rule for rule in positive if rule.literal is None and rule.suffix is None]
        self._name_test = _any_of([rule.expression for rule in others if rule.names_only])
        self._path_test = _any_of([rule.expression for rule in others if not rule.names_only])
        is_mixed = len(positive) < len(patterns)
        self._ordered = tuple(_ranked(rule) for rule in reversed(patterns)) if is_mixed else ()

    def match(self, relative: bytes, name: bytes) -> bool:
        """Whether the last pattern that matches excludes."""
        is_hit = (
            name in self._names
            or name.endswith(self._suffixes)
            or relative in self._paths
            or (self._name_test is not None and self._name_test(name) is not None)
            or (self._path_test is not None and self._path_test(relative) is not None)
        )
        if not is_hit or not self._ordered:
            return is_hit
        for test, names_only, is_negative in self._ordered:
            if test(name if names_only else relative) is not None:
                return not is_negative
        return False


def _any_of(expressions: Sequence[bytes]) -> Test | None:
    """Return a test for a full match of any of the *expressions*, None if there are none."""
    if not expressions:
        return None
    return re.compile(b"(?:%s)\\Z" % b"|".join(b"(?:%s)" % one for one in expressions)).match


def _ranked(rule: Pattern) -> tuple[Test, bool, bool]:
    return re.compile(b"(?:%s)\\Z" % rule.expression).match, rule.names_only, rule.is_negative
