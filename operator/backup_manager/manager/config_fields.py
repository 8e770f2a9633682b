"""Typed access to the nodes of a configuration; whatever does not fit is refused by its path."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from backup_manager.common.errors import ConfigurationError, UsageError
from backup_manager.common.suggest import nearest_name
from backup_manager.manager.config_yaml import Node, join_path

MAX_TEXT_CHARACTERS = 8_192
MAX_ITEMS = 1_000
SHOWN_CHARACTERS = 80
Parsed = TypeVar("Parsed")


def refuse(node: Node, accepted: str, *, secret: bool = False) -> NoReturn:
    """Raise the error that says where, what was found, and what is *accepted*.

    A value that came from the environment, or is *secret*, is not shown.
    """
    raise ConfigurationError(
        f"{node.path} (line {node.line}): found {_shown(node, secret=secret)}; accepted: {accepted}"
    ) from None


def _shown(node: Node, *, secret: bool) -> str:
    if node.variables:
        return "the value of " + " and ".join(f"${{{name}}}" for name in node.variables)
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    if node.value is None:
        return "nothing"
    if secret:
        return "another value, not shown because it may be secret"
    if isinstance(node.value, bool):
        return str(node.value).lower()
    kind = "the text" if isinstance(node.value, str) else "the number"
    shown = repr(node.value)
    return f"{kind} {shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + '…'}"


def read_text(node: Node, accepted: str = "a text", *, secret: bool = False) -> str:
    """Return a text that is not empty and holds no NUL."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        refuse(node, f"{accepted}; put a number in quotes", secret=secret)
    if not isinstance(node.value, str) or not node.value.strip() or "\0" in node.value:
        refuse(node, f"{accepted}, not empty", secret=secret)
    if len(node.value) > MAX_TEXT_CHARACTERS:
        refuse(node, f"{accepted} of at most {MAX_TEXT_CHARACTERS} characters", secret=secret)
    return node.value


def read_parsed(node: Node, parse: Callable[[str], Parsed], accepted: str, *, secret: bool = False) -> Parsed:
    """Return what *parse* makes of a text; its ``UsageError`` becomes one that names the field."""
    text = read_text(node, accepted, secret=secret)
    try:
        return parse(text)
    except UsageError as err:
        if node.variables or secret:
            refuse(node, accepted, secret=secret)
        raise ConfigurationError(f"{node.path} (line {node.line}): {err.facts}") from None


def read_list(node: Node, accepted: str, *, at_least: int = 0) -> tuple[Node, ...]:
    """Return the nodes of a list."""
    if not isinstance(node.value, tuple) or not at_least <= len(node.value) <= MAX_ITEMS:
        refuse(node, f"a list of {accepted}" + (f", at least {at_least}" if at_least else ""))
    return node.value


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping of which every key is known."""

    node: Node
    entries: dict[str, Node]

    @classmethod
    def open(cls, node: Node, known: Sequence[str], *, what: str = "") -> "Block":
        """Return the block of *node*; a key that is not *known* is refused, with the nearest that is."""
        if not isinstance(node.value, dict):
            refuse(node, f"a mapping with the keys {', '.join(known)}")
        for key, value in node.value.items():
            if key in known:
                continue
            near = nearest_name(key, known)
            hint = f"the nearest known key is {near!r}" if near else "no known key is near"
            raise ConfigurationError(
                f"{value.path} (line {value.line}): unknown key{what}; {hint}; accepted: {', '.join(known)}"
            )
        return cls(node, node.value)

    def get(self, key: str) -> Node | None:
        """Return the node of *key*, or None if it is not given."""
        return self.entries.get(key)

    def need(self, key: str, accepted: str) -> Node:
        """Return the node of *key*, which must be given."""
        found = self.entries.get(key)
        if found is None:
            path = join_path(self.node.path, key)
            raise ConfigurationError(f"{path}: is required and not given; accepted: {accepted}")
        return found

    def text(self, key: str, accepted: str = "a text") -> str | None:
        """Return the text of *key*, or None."""
        node = self.get(key)
        return None if node is None else read_text(node, accepted)

    def needed_text(self, key: str, accepted: str = "a text", *, secret: bool = False) -> str:
        """Return the text of *key*, which must be given."""
        return read_text(self.need(key, accepted), accepted, secret=secret)

    def parsed(self, key: str, parse: Callable[[str], Parsed], accepted: str) -> Parsed | None:
        """Return what *parse* makes of the text of *key*, or None."""
        node = self.get(key)
        return None if node is None else read_parsed(node, parse, accepted)

    def boolean(self, key: str, default: bool) -> bool:
        """Return true or false; a variable may bring the words."""
        node = self.get(key)
        if node is None:
            return default
        if node.variables and node.value in ("true", "false"):
            return node.value == "true"
        if not isinstance(node.value, bool):
            refuse(node, "true or false")
        return node.value

    def integer(self, key: str, default: int, lowest: int, highest: int) -> int:
        """Return a whole number of the range; a variable may bring its digits."""
        node = self.get(key)
        if node is None:
            return default
        value = node.value
        if node.variables and isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value[:20])
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            refuse(node, f"a whole number from {lowest} to {highest}")
        return value

    def choice(self, key: str, values: Sequence[str], default: str) -> str:
        """Return one of *values*."""
        node = self.get(key)
        if node is None:
            return default
        if node.value not in values:
            refuse(node, " or ".join(values))
        return str(node.value)

    def texts(self, key: str, accepted: str) -> tuple[str, ...]:
        """Return a list of texts, none of them twice; an absent key gives none."""
        node = self.get(key)
        if node is None:
            return ()
        found: list[str] = []
        for item in read_list(node, accepted):
            text = read_text(item, accepted)
            if text in found:
                refuse(item, f"{accepted}, each once")
            found.append(text)
        return tuple(found)
