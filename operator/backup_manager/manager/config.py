"""The configuration file: read, decoded strictly, never half understood.

Every refusal names the field by its path, what was found and what is accepted; values that came from the
environment are never shown.
"""

import importlib
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from backup_manager.common.errors import ConfigurationError
from backup_manager.manager.config_fields import Block, refuse
from backup_manager.manager.config_model import (
    CompressionConfig,
    Configuration,
    DatabaseSource,
    MaintenanceConfig,
    PolicyConfig,
)
from backup_manager.manager.config_policies import Defaults, decode_defaults, decode_policy
from backup_manager.manager.config_repository import (
    decode_compression,
    decode_encryption,
    decode_maintenance,
    decode_notifications,
    decode_storage,
)
from backup_manager.manager.config_yaml import MAX_CHARACTERS, Node, parse_text

ROOT_KEYS = ("backup_manager", "policies")
MANAGER_KEYS = (
    "storage", "compression", "encryption", "scheduling",
    "retention", "verification", "notifications", "maintenance",
)  # fmt: skip
PLUGIN_GROUP = "backup_manager.storage"
BUILT_IN_STORES = frozenset({"local", "s3"})
MAX_POLICIES = 1_000


class InstalledPlugins(Collection[str]):
    """The types of storage that other packages bring, looked up when first asked for: it takes 30 ms."""

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _names(self) -> frozenset[str]:
        points = importlib.import_module("importlib.metadata").entry_points(group=PLUGIN_GROUP)
        return frozenset(point.name for point in points) - BUILT_IN_STORES


def read_configuration(file: Path, environment: Mapping[str, str]) -> Configuration:
    """Return what *file* says, with ``${NAME}`` taken from *environment*.

    Raises:
        ConfigurationError: the file cannot be read or is refused.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(4 * MAX_CHARACTERS + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError as err:
        raise ConfigurationError(
            f"the file {str(file)!r} does not exist",
            solution="Name a configuration file with -f, or start with `sirsinexus backup quickstart`.",
        ) from err
    except OSError as err:
        raise ConfigurationError(f"the file {str(file)!r} cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise ConfigurationError(f"the file {str(file)!r} is not UTF-8 at byte {err.start}") from None
    try:
        return decode_configuration(text, file.absolute().parent, environment, plugins=InstalledPlugins())
    except ConfigurationError as err:
        err.facts = f"{_shown(file)}: {err.facts}"
        raise


def _shown(file: Path) -> str:
    """Return the path of *file*, the name alone if it is in the working directory."""
    return file.name if file.absolute().parent == Path.cwd() else str(file)


def decode_configuration(
    text: str, base: Path, environment: Mapping[str, str], *, plugins: Collection[str] = ()
) -> Configuration:
    """Return what *text* says; paths in it are relative to *base*, *plugins* are types of storage.

    Raises:
        ConfigurationError: the text is refused; the field is named by its path.
    """
    root = Block.open(parse_text(text, environment), ROOT_KEYS)
    manager = Block.open(root.need("backup_manager", "a mapping with storage and encryption"), MANAGER_KEYS)
    compression, maintenance = manager.get("compression"), manager.get("maintenance")
    notifications = manager.get("notifications")
    storage = decode_storage(manager.need("storage", "a mapping with type and its keys"), base, plugins)
    encryption = decode_encryption(
        manager.need("encryption", "a mapping with provider and its keys, or {enabled: false}"), base
    )
    policies = _decode_policies(
        root.need("policies", "at least one policy by name"), decode_defaults(manager), base
    )
    return Configuration(
        storage=storage,
        encryption=encryption,
        policies=policies,
        base=base,
        compression=CompressionConfig() if compression is None else decode_compression(compression),
        maintenance=MaintenanceConfig() if maintenance is None else decode_maintenance(maintenance),
        notifications=None if notifications is None else decode_notifications(notifications),
        warnings=_find_warnings(root, manager, policies),
    )


def _decode_policies(node: Node, defaults: Defaults, base: Path) -> tuple[PolicyConfig, ...]:
    if not isinstance(node.value, dict) or not 1 <= len(node.value) <= MAX_POLICIES:
        refuse(node, f"policies by name, at least 1 and at most {MAX_POLICIES}")
    return tuple(decode_policy(name, inner, defaults, base) for name, inner in node.value.items())


def _find_warnings(root: Block, manager: Block, policies: tuple[PolicyConfig, ...]) -> tuple[str, ...]:
    """Return a line for each key whose feature this version does not have."""
    blocks = [manager, *(Block.open(node, tuple(_keys(node))) for node in _policy_nodes(root))]
    found: list[str] = []
    for block in blocks:
        node = block.get("notifications")
        if node is not None:
            decode_notifications(node)
            found.append(f"{node.path}: nobody is notified: this version does not send notifications")
    scheduled = [block.get(key) for block in blocks for key in ("scheduling", "schedule")]
    paths = [node.path for node in scheduled if node is not None]
    if paths:
        found.append(
            f"{', '.join(paths)}: this version does not start scheduled runs by itself; "
            "start `sirsinexus backup run` at these times"
        )
    if any(policy.verification.enabled for policy in policies):
        paths = [node.path for block in blocks if (node := block.get("verification")) is not None]
        found.append(
            f"{', '.join(paths)}: this version does not verify by itself; "
            "start `sirsinexus backup verify` at these times"
        )
    for policy in policies:
        for number, source in enumerate(policy.sources):
            if isinstance(source, DatabaseSource):
                path = f"policies.{policy.name}.sources[{number}].type"
                found.append(f"{path}: this version does not back up postgresql; the policy cannot run")
    return tuple(found)


def _policy_nodes(root: Block) -> list[Node]:
    node = root.get("policies")
    return list(node.value.values()) if node is not None and isinstance(node.value, dict) else []


def _keys(node: Node) -> list[str]:
    return list(node.value) if isinstance(node.value, dict) else []
