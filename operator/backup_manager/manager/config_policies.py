"""The policies' part of a configuration: sources, schedules, retention, verification, inheritance."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from zoneinfo import ZoneInfo

from backup_manager.common.errors import ConfigurationError, UsageError
from backup_manager.common.units import SIZE_ACCEPTED, parse_size
from backup_manager.contract.results import Check
from backup_manager.manager.config_fields import Block, read_list, read_parsed, read_text, refuse
from backup_manager.manager.config_model import (
    DatabaseSource,
    FilesSource,
    PolicyConfig,
    ScheduleConfig,
    Source,
    VerificationConfig,
)
from backup_manager.manager.config_repository import absolute_path
from backup_manager.manager.config_yaml import Node
from backup_manager.reconcile.retention import RetentionRule
from backup_manager.reconcile.schedule import CronSchedule, parse_schedule, parse_zone

POLICY_KEYS = ("description", "sources", "schedule", "retention", "verification", "notifications")
RETENTION_KEYS = tuple(item.name for item in fields(RetentionRule))
VERIFICATION_KEYS = ("enabled", "schedule", "checks", "min_bytes", "restore_test", "sample_percent")
FILES_KEYS = ("type", "name", "paths", "exclude", "volume", "allow_empty", "allow_unreadable")
DATABASE_KEYS = ("type", "name", "connection", "schemas", "volume")
SOURCE_TYPES = ("filesystem", "postgresql")
MAX_SOURCES = 16
MAX_COUNT = 100_000  # of backups or periods that a rule may name
KUBERNETES_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
# A backup's id, `<policy>-YYYY-MM-DD-HHMMSS` and perhaps `-2`, must fit a label's value: 63 characters.
MAX_POLICY_CHARACTERS = 63 - len("-2025-06-24-000000") - len("-99")
NAME_ACCEPTED = "a Kubernetes name: lower-case letters, digits, '-' and '.', a letter or digit at both ends"


@dataclass(frozen=True, slots=True)
class Defaults:
    """The blocks of ``backup_manager`` that policies inherit, not decoded yet."""

    scheduling: Node | None = None
    retention: Node | None = None
    verification: Node | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


def decode_defaults(block: Block) -> Defaults:
    """Return what policies inherit; each block is checked even if no policy uses it."""
    scheduling = block.get("scheduling")
    zone = ZoneInfo("UTC")
    if scheduling is not None:
        inner = Block.open(scheduling, ("timezone", "full_backup", "incremental_backup"))
        zone = _zone(inner, zone)
    defaults = Defaults(scheduling, block.get("retention"), block.get("verification"), zone)
    _inherited_schedule(defaults, zone, "")
    decode_retention(defaults.retention)
    decode_verification(defaults.verification, zone, "")
    return defaults


def decode_policy(name: str, node: Node, defaults: Defaults, base: Path) -> PolicyConfig:
    """Return the policy *name*; a block that it gives replaces the inherited one as a whole."""
    _check_policy_name(name, node)
    block = Block.open(node, POLICY_KEYS)
    own_schedule = block.get("schedule")
    zone = defaults.zone
    if own_schedule is None:
        schedule = _inherited_schedule(defaults, zone, name)
    else:
        inner = Block.open(own_schedule, ("full", "incremental", "timezone"))
        zone = _zone(inner, zone)
        schedule = ScheduleConfig(_cron(inner, "full", zone, name), _cron(inner, "incremental", zone, name))
    return PolicyConfig(
        name=name,
        sources=_decode_sources(block.need("sources", "a list of sources, at least 1"), name, base),
        schedule=schedule,
        retention=decode_retention(block.get("retention") or defaults.retention),
        verification=decode_verification(block.get("verification") or defaults.verification, zone, name),
        timezone=zone,
        description=block.text("description") or "",
    )


def is_policy_name(name: str) -> bool:
    """Whether ids of backups that begin with *name* are valid Kubernetes names."""
    return KUBERNETES_NAME.fullmatch(name) is not None and len(name) <= MAX_POLICY_CHARACTERS


def _check_policy_name(name: str, node: Node) -> None:
    if not is_policy_name(name):
        raise ConfigurationError(
            f"{node.path} (line {node.line}): {name[:80]!r} cannot be the name of a policy; accepted: "
            f"{NAME_ACCEPTED}, at most {MAX_POLICY_CHARACTERS} characters"
        )


def _inherited_schedule(defaults: Defaults, zone: ZoneInfo, seed: str) -> ScheduleConfig:
    if defaults.scheduling is None:
        return ScheduleConfig()
    block = Block.open(defaults.scheduling, ("timezone", "full_backup", "incremental_backup"))
    return ScheduleConfig(
        _cron(block, "full_backup", zone, seed), _cron(block, "incremental_backup", zone, seed)
    )


def _zone(block: Block, default: ZoneInfo) -> ZoneInfo:
    return block.parsed("timezone", parse_zone, "an IANA time zone such as Europe/Berlin") or default


def _cron(block: Block, key: str, zone: ZoneInfo, seed: str) -> CronSchedule | None:
    accepted = "a cron expression of five fields such as '0 2 * * *'"
    return block.parsed(key, lambda text: parse_schedule(text, zone, seed=seed), accepted)


def decode_retention(node: Node | None) -> RetentionRule:
    """Return the rule; counts that are not given are 0."""
    if node is None:
        return RetentionRule()
    block = Block.open(node, RETENTION_KEYS)
    return RetentionRule(**{key: block.integer(key, 0, 0, MAX_COUNT) for key in RETENTION_KEYS})


def decode_verification(node: Node | None, zone: ZoneInfo, seed: str) -> VerificationConfig:
    """Return how backups are verified; without a block they are not, unless asked to."""
    default = VerificationConfig()
    if node is None:
        return default
    block = Block.open(node, VERIFICATION_KEYS)
    checks, min_bytes, percent = default.checks, default.min_bytes, default.sample_percent
    listed = block.get("checks")
    if listed is not None:
        checks, min_bytes, percent = _decode_checks(listed)
    own_size = block.get("min_bytes")
    return VerificationConfig(
        enabled=block.boolean("enabled", True),
        schedule=_cron(block, "schedule", zone, seed),
        checks=checks,
        min_bytes=min_bytes if own_size is None else _size(own_size),
        restore_test=block.boolean("restore_test", False),
        sample_percent=block.integer("sample_percent", percent, 1, 100),
    )


def _decode_checks(node: Node) -> tuple[tuple[Check, ...], int, int]:
    """Return the checks, the size check's bytes and the integrity check's percentage."""
    accepted = "integrity, completeness or size, such as size: {min_bytes: 1024}"
    found: list[Check] = []
    min_bytes, percent = VerificationConfig().min_bytes, VerificationConfig().sample_percent
    for item in read_list(node, accepted, at_least=1):
        if isinstance(item.value, dict):
            block = Block.open(item, ("integrity", "completeness", "size"))
            if len(block.entries) != 1:
                refuse(item, f"one check: {accepted}")
            ((name, options),) = block.entries.items()
        else:
            name, options = read_text(item, accepted), None
        if name not in ("integrity", "completeness", "size") or Check(name) in found:
            refuse(item, f"{accepted}, each once")
        found.append(Check(name))
        if options is None or (options.value is None and isinstance(item.value, dict)):
            continue
        if name == "size":
            min_bytes = _size(Block.open(options, ("min_bytes",)).need("min_bytes", SIZE_ACCEPTED))
        elif name == "integrity":
            percent = Block.open(options, ("sample_percent",)).integer("sample_percent", percent, 1, 100)
        else:
            Block.open(options, ())
    return tuple(found), min_bytes, percent


def _size(node: Node) -> int:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        if not 0 <= node.value < 2**63:
            refuse(node, SIZE_ACCEPTED)
        return node.value
    return read_parsed(node, parse_size, SIZE_ACCEPTED)


def _decode_sources(node: Node, policy: str, base: Path) -> tuple[Source, ...]:
    items = read_list(node, "sources", at_least=1)
    if len(items) > MAX_SOURCES:
        refuse(node, f"a list of at most {MAX_SOURCES} sources")
    sources: list[Source] = []
    for number, item in enumerate(items, start=1):
        default_name = policy if number == 1 else f"{policy}-{number}"
        source = _decode_source(item, default_name, base)
        if source.name in [other.name for other in sources]:
            raise ConfigurationError(
                f"{item.path}.name (line {item.line}): {source.name!r} is the name of another source of this "
                "policy; accepted: a name of its own"
            )
        sources.append(source)
    return tuple(sources)


def _decode_source(node: Node, default_name: str, base: Path) -> Source:
    if not isinstance(node.value, dict):
        refuse(node, "a mapping with type and its keys")
    outer = Block(node, node.value)
    outer.need("type", " or ".join(SOURCE_TYPES))
    if outer.choice("type", SOURCE_TYPES, "") == "postgresql":
        return _decode_database(Block.open(node, DATABASE_KEYS, what=" of a postgresql source"), default_name)
    block = Block.open(node, FILES_KEYS, what=" of a filesystem source")
    return FilesSource(
        name=block.parsed("name", _name, NAME_ACCEPTED) or default_name,
        paths=_decode_paths(block.need("paths", "a list of paths, at least 1"), base),
        exclude=block.texts("exclude", "patterns"),
        volume=block.parsed("volume", _name, f"the name of a volume claim, {NAME_ACCEPTED}"),
        allow_empty=block.boolean("allow_empty", False),
        allow_unreadable=block.boolean("allow_unreadable", False),
    )


def _decode_paths(node: Node, base: Path) -> tuple[str, ...]:
    found: list[str] = []
    for item in read_list(node, "paths", at_least=1):
        path = str(absolute_path(read_text(item, "a path"), base))
        if path in found:
            refuse(item, "paths, each once")
        found.append(path)
    return tuple(found)


def _decode_database(block: Block, default_name: str) -> DatabaseSource:
    accepted = "a URL such as postgresql://user@host:5432/database"
    connection = block.need("connection", accepted)
    block.parsed("volume", _name, NAME_ACCEPTED)
    return DatabaseSource(
        name=block.parsed("name", _name, NAME_ACCEPTED) or default_name,
        connection=read_parsed(connection, _connection, accepted, secret=True),
        schemas=block.texts("schemas", "names of schemas"),
    )


def _connection(text: str) -> str:
    if not re.fullmatch(r"postgres(?:ql)?://\S+", text):
        raise UsageError("not a URL of PostgreSQL")
    return text


def _name(text: str) -> str:
    if not KUBERNETES_NAME.fullmatch(text) or len(text) > 63:
        raise UsageError(f"found the text {text!r}; accepted: {NAME_ACCEPTED}, at most 63 characters")
    return text
