"""Configuration text as a tree of nodes, each with its path and line, with the environment filled in.

Of YAML this takes mappings, lists and scalars, anchors, aliases and ``<<``; it refuses tags, keys given
twice and whatever grows beyond all reason. Numbers are decimal and booleans ``true`` and ``false``:
``010``, ``1:30``, ``yes`` and dates stay text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import yaml

from backup_manager.common.errors import ConfigurationError, NotAvailableError

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 50_000  # aliases counted each time they are used
ROOT = "the file"

INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
WORDS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
VARIABLE = re.compile(r"\$\$\{|\$\{([^{}$]*)\}|\$\{")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file: *value* is a scalar, a tuple of nodes, or nodes by key.

    *variables* are those that a text was filled in from; its value must then never be shown.
    """

    path: str
    line: int
    value: "Scalar | tuple[Node, ...] | dict[str, Node]" = field(repr=False)
    variables: tuple[str, ...] = ()


def parse_text(text: str, environment: Mapping[str, str]) -> Node:
    """Return the tree of *text*, a mapping at its root.

    Raises:
        ConfigurationError: not YAML, more than one document, or a limit is passed; the line is named.
            Also: a variable that *environment* has not; it is named with its field.
        NotAvailableError: the text is a Kubernetes manifest.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigurationError(f"{ROOT} has {len(text)} characters; accepted are {MAX_CHARACTERS}")
    try:
        _check_depth(text)
        roots = list(yaml.compose_all(text, Loader=yaml.BaseLoader))
    except yaml.YAMLError as err:
        raise _syntax_error(err) from None  # the original carries an excerpt of the file
    roots = [root for root in roots if not _is_empty(root)]
    if any(_is_manifest(root) for root in roots):
        raise NotAvailableError(
            f"{ROOT} holds Kubernetes manifests",
            solution="Use a configuration file; this version does not read manifests.",
        )
    if len(roots) > 1:
        raise ConfigurationError(f"{ROOT} has {len(roots)} documents (---); accepted is one")
    if not roots or not isinstance(roots[0], yaml.MappingNode):
        raise ConfigurationError(
            f"{ROOT} is not a mapping; accepted are the keys 'backup_manager' and 'policies'"
        )
    return _Builder(environment).build(roots[0], "", 0)


def join_path(path: str, key: str) -> str:
    """Return the path of *key* below *path*."""
    shown = key if re.fullmatch(r"[\w.-]{1,80}", key) else repr(key[:80])
    return f"{path}.{shown}" if path else shown


def _is_empty(root: yaml.Node | None) -> bool:
    return root is None or (isinstance(root, yaml.ScalarNode) and root.value == "" and root.style is None)


def _is_manifest(root: yaml.Node | None) -> bool:
    if not isinstance(root, yaml.MappingNode):
        return False
    keys = {key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)}
    return {"apiVersion", "kind"} <= keys


def _check_depth(text: str) -> None:
    """Refuse deep nesting before anything recurses into it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise ConfigurationError(f"{ROOT}, line {line}: more than {MAX_DEPTH} levels of nesting")


def _syntax_error(err: yaml.YAMLError) -> ConfigurationError:
    mark = getattr(err, "problem_mark", None) or getattr(err, "context_mark", None)
    problem = getattr(err, "problem", None) or getattr(err, "reason", None) or "cannot be read"
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    hint = ""
    if "\\t" in problem:
        hint = "; indent with spaces, not tabs"
    elif "alias" in problem:
        hint = "; quote a text that begins with '*' or '&'"
    return ConfigurationError(f"{ROOT} is not YAML{place}: {problem}{hint}")


class _Builder:
    """Turns the nodes of the YAML library into ours, and counts them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._count = 0

    def build(self, node: yaml.Node, path: str, depth: int) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        where = path or ROOT
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigurationError(
                f"{where} (line {line}): more than {MAX_NODES} values or {MAX_DEPTH} levels, aliases counted"
            )
        if node.tag not in PLAIN_TAGS:
            raise ConfigurationError(f"{where} (line {line}): tags such as {node.tag!r} are not accepted")
        if isinstance(node, yaml.MappingNode):
            return Node(path, line, self._mapping(node, path, depth))
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return Node(path, line, tuple(self.build(item, f"{path}[{n}]", depth + 1) for n, item in items))
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return self._scalar(node.value, is_plain, path, line)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or (key.style is None and key.value in WORDS):
                raise ConfigurationError(f"{path or ROOT} (line {line}): a key must be text; quote it")
            if key.value == "<<" and key.style is None:
                merged = self._merged(value, path, depth) | merged
                continue
            place = join_path(path, key.value)
            if key.value in own:
                first = own[key.value].line
                raise ConfigurationError(f"{place}: given twice, in line {first} and again in line {line}")
            own[key.value] = replace(self.build(value, place, depth + 1), line=line)
        return merged | own

    def _merged(self, value: yaml.Node, path: str, depth: int) -> dict[str, Node]:
        """Return what ``<<`` brings; of several mappings the earlier rules."""
        parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
        found: dict[str, Node] = {}
        for part in parts:
            built = self.build(part, path, depth + 1).value
            if not isinstance(built, dict):
                line = value.start_mark.line + 1
                raise ConfigurationError(f"{join_path(path, '<<')} (line {line}): not a mapping")
            found = built | found
        return found

    def _scalar(self, text: str, is_plain: bool, path: str, line: int) -> Node:
        if is_plain:
            if text in WORDS:
                return Node(path, line, WORDS[text])
            if INTEGER.fullmatch(text):
                return Node(path, line, int(text))
            if FLOAT.fullmatch(text):
                return Node(path, line, float(text))
        names: list[str] = []
        filled = VARIABLE.sub(lambda match: self._fill(match, path, line, names), text)
        return Node(path, line, filled, tuple(names))

    def _fill(self, match: re.Match[str], path: str, line: int, names: list[str]) -> str:
        if match[0] == "$${":
            return "${"
        where, name = f"{path or ROOT} (line {line})", match[1]
        if name is None or not VARIABLE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{where}: '${{' is not followed by the name of a variable and '}}'; accepted is ${{NAME}}, "
                "and $${ for the two characters themselves"
            )
        if name not in self._environment:
            raise ConfigurationError(
                f"{where}: the environment variable {name} is not set",
                solution=f"Set {name} and run the command again; nothing was written.",
            )
        names.append(name)
        return self._environment[name]
