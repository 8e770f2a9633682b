"""More than two hundred files that must be refused: exit code 2, the field named, no secret shown."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.manager.malformed_texts import RAW, SECRET

from backup_manager.common.errors import ConfigurationError
from backup_manager.manager.config import decode_configuration

ENVIRONMENT = {"SECRET": SECRET, "EMPTY": ""}
COMPLETE: dict[str, Any] = {
    "backup_manager": {
        "storage": {"type": "s3", "bucket": "backups", "prefix": "prod/", "region": "us-west-2"},
        "compression": {"algorithm": "zstd", "level": 3},
        "encryption": {"enabled": True, "provider": "local", "key_file": "./backup.key"},
        "scheduling": {"timezone": "UTC", "full_backup": "0 0 * * *", "incremental_backup": "0 */6 * * *"},
        "retention": {"keep_daily": 7},
        "verification": {"enabled": True, "schedule": "0 12 * * *", "restore_test": True},
        "notifications": {"email": ["admin@example.com"], "slack_webhook": "https://hooks.example.com/x"},
        "maintenance": {"grace": "24h", "max_rewrite": "10GiB"},
    },
    "policies": {
        "database": {"sources": [{"type": "postgresql", "connection": "postgresql://db/shop"}]},
        "files": {
            "description": "Files",
            "sources": [{"type": "filesystem", "paths": ["/data"], "exclude": ["*.tmp"]}],
            "schedule": {"full": "0 0 * * *"},
            "retention": {"keep_daily": 30},
            "verification": {"checks": ["integrity"]},
        },
    },
}
ABSENT = object()
M, F = "backup_manager", "policies.files"

NOT_MAPPINGS = ["text", 3, [], None, True]
NOT_TEXTS = [3, 1.5, True, None, [], {}, "", " "]
NOT_BOOLEANS = ["yes", "on", "maybe", 1, None, []]
NOT_COUNTS = [-1, 1.5, "7", True, None, 10**9, []]
NOT_CRON = [
    "daily",
    "60 * * * *",
    "0 24 * * *",
    "0 0 32 * *",
    "0 0 * 13 *",
    "0 0 * * 9",
    "0 0 30 2 *",
    "* * * *",
]
NOT_PATH_LISTS = ["/data", {}, [], [3], [""], [None], ["/a", "/a"], ["a\0b"]]

# The path of a field, and values that it must refuse. The path must stand in the message.
WRONG_VALUES: list[tuple[str, list[Any]]] = [
    (M, NOT_MAPPINGS),
    (f"{M}.storage", NOT_MAPPINGS),
    (f"{M}.storage.type", ["s4", "local ", "S3", 3, None, ""]),
    (f"{M}.storage.bucket", [*NOT_TEXTS, "a", "with space", "a/b", "-a-"]),
    (f"{M}.storage.prefix", ["a//b", "../a", "./a", "x" * 900, 3]),
    (f"{M}.storage.region", ["us west", "us_west", 3]),
    (
        f"{M}.storage.endpoint",
        ["s3.example.com", "ftp://host", "http://", "http://h/path", "http://h:99999", 3],
    ),
    (f"{M}.storage.force_path_style", NOT_BOOLEANS),
    (f"{M}.storage.ca_bundle", [3, ""]),
    (f"{M}.storage.storage_class", ["standard", "STANDARD IA", 3]),
    (f"{M}.storage.sse", ["aes", "AES-256", True]),
    (f"{M}.compression", NOT_MAPPINGS),
    (f"{M}.compression.algorithm", ["gzip", "Zstd", 3, None]),
    (f"{M}.compression.level", [0, 23, "3", True, 3.5]),
    (f"{M}.encryption", NOT_MAPPINGS),
    (f"{M}.encryption.enabled", NOT_BOOLEANS),
    (f"{M}.encryption.provider", ["aws", "kms", 3, None]),
    (f"{M}.encryption.key_file", NOT_TEXTS),
    (f"{M}.scheduling", NOT_MAPPINGS),
    (f"{M}.scheduling.timezone", ["Europe/Berln", "CEST+2", "", 1]),
    (f"{M}.scheduling.full_backup", [*NOT_CRON, 3]),
    (f"{M}.scheduling.incremental_backup", NOT_CRON[:3]),
    (f"{M}.retention", NOT_MAPPINGS),
    (f"{M}.retention.keep_daily", NOT_COUNTS),
    (f"{M}.retention.keep_last", [-1, "all"]),
    (f"{M}.verification", NOT_MAPPINGS),
    (f"{M}.verification.enabled", ["yes", 1]),
    (f"{M}.verification.schedule", NOT_CRON[:2]),
    (f"{M}.verification.restore_test", ["yes", {}]),
    (f"{M}.verification.checks", ["integrity", [], {}]),
    (f"{M}.verification.checks[0]", ["checksum", "", 3, {}, {"integrity": {}, "size": {}}]),
    (f"{M}.verification.checks[1]", ["integrity"]),
    (f"{M}.verification.min_bytes", [-1, "1 elephant", True]),
    (f"{M}.verification.sample_percent", [0, 101, "10%"]),
    (f"{M}.notifications", NOT_MAPPINGS),
    (f"{M}.notifications.email", ["admin@example.com", {}]),
    (f"{M}.notifications.email[0]", ["admin", "admin@", "@example.com", "a b@example.com", 3]),
    (f"{M}.notifications.slack_webhook", ["hooks.example.com", 3]),
    (f"{M}.maintenance", NOT_MAPPINGS),
    (f"{M}.maintenance.grace", ["24", "1 day", "-1h", "9000d", 24, "h"]),
    (f"{M}.maintenance.max_rewrite", ["10 elephants", -1, 1.5, True]),
    ("policies", [*NOT_MAPPINGS, {}]),
    (F, NOT_MAPPINGS),
    (f"{F}.description", [3, []]),
    (f"{F}.sources", ["files", {}, [], None, [{"type": "filesystem", "paths": ["/a"]}] * 17]),
    (f"{F}.sources[0]", ["files", [], None, 3]),
    (f"{F}.sources[0].type", ["files", "mysql", 3, None]),
    (f"{F}.sources[0].name", ["Files", "-a", "a_b", "a" * 64, 3]),
    (f"{F}.sources[0].paths", NOT_PATH_LISTS),
    (f"{F}.sources[0].exclude", ["*.tmp", [3], [""], ["a", "a"]]),
    (f"{F}.sources[0].volume", ["My Claim", 3]),
    (f"{F}.sources[0].allow_empty", NOT_BOOLEANS),
    (f"{F}.sources[0].allow_unreadable", ["yes", 1]),
    (f"{F}.schedule", NOT_MAPPINGS),
    (f"{F}.schedule.full", NOT_CRON),
    (f"{F}.schedule.incremental", NOT_CRON[:2]),
    (f"{F}.schedule.timezone", ["Mars/Olympus"]),
    (f"{F}.retention", NOT_MAPPINGS),
    (f"{F}.retention.keep_hourly", [-1, "7"]),
    (f"{F}.verification", NOT_MAPPINGS),
    (f"{F}.verification.checks[0].size.min_bytes", [-5, "many"]),
    ("policies.database.sources[0].connection", ["mysql://db", "db", 3, "", "postgresql://"]),
    ("policies.database.sources[0].schemas", ["public", [3]]),
]

UNKNOWN_KEYS: list[tuple[str, str, str]] = [  # where, the key, the nearest known one
    ("", "policy", "policies"),
    ("", "backup-manager", "backup_manager"),
    (M, "storages", "storage"),
    (M, "encrytion", "encryption"),
    (M, "schedule", "scheduling"),
    (f"{M}.storage", "buket", "bucket"),
    (f"{M}.storage", "forcePathStyle", "force_path_style"),
    (f"{M}.compression", "levels", "level"),
    (f"{M}.encryption", "keyfile", "key_file"),
    (f"{M}.scheduling", "full", "full_backup"),
    (f"{M}.scheduling", "time_zone", "timezone"),
    (f"{M}.retention", "keep_dayly", "keep_daily"),
    (f"{M}.retention", "daily", "keep_daily"),
    (f"{M}.verification", "restoreTest", "restore_test"),
    (f"{M}.notifications", "emails", "email"),
    (f"{M}.maintenance", "gracePeriod", "grace"),
    (F, "source", "sources"),
    (f"{F}.sources[0]", "path", "paths"),
    (f"{F}.sources[0]", "excludes", "exclude"),
    (f"{F}.sources[0]", "allowEmpty", "allow_empty"),
    (f"{F}.schedule", "full_backup", "full"),
    ("policies.database.sources[0]", "schema", "schemas"),
]

MISSING: list[str] = [
    M,
    "policies",
    f"{M}.storage",
    f"{M}.storage.type",
    f"{M}.storage.bucket",
    f"{M}.encryption",
    f"{M}.encryption.provider",
    f"{M}.encryption.key_file",
    f"{F}.sources",
    f"{F}.sources[0].type",
    f"{F}.sources[0].paths",
    "policies.database.sources[0].connection",
]


def place(document: dict[str, Any], path: str, value: Any) -> None:
    """Put *value* at *path*, making what is absent on the way."""
    at: Any = document
    parts = path.replace("[", ".[").split(".")
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        key: Any = int(part[1:-1]) if part.startswith("[") else part
        while isinstance(at, list) and len(at) <= key:
            at.append("integrity")
        if following is None and value is ABSENT:
            del at[key]
        elif following is None:
            at[key] = value
        else:
            inner = at.get(key) if isinstance(at, dict) else at[key]
            if not isinstance(inner, dict | list):
                at[key] = [] if following.startswith("[") else {}
            at = at[key]


def changed(path: str, value: Any) -> str:
    document = copy.deepcopy(COMPLETE)
    place(document, path, value)
    return str(yaml.dump(document, allow_unicode=True, Dumper=NoAliases))


class NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def cases() -> Iterator[Any]:
    for path, values in WRONG_VALUES:
        for value in values:
            yield pytest.param(
                changed(path, value), path, id=f"{path}={str(value)[:30]!r}:{type(value).__name__}"
            )
    for path, key, nearest in UNKNOWN_KEYS:
        full = f"{path}.{key}" if path else key
        yield pytest.param(changed(full, "x"), f"{full} (line", id=f"unknown {full}")
        yield pytest.param(changed(full, "x"), f"nearest known key is {nearest!r}", id=f"nearest of {full}")
    for path in MISSING:
        yield pytest.param(changed(path, ABSENT), f"{path}: is required", id=f"missing {path}")
    for name, text, expected in RAW:
        yield pytest.param(text, expected, id=name)


CASES = list(cases())


def test_the_table_is_long_enough_and_without_repeats() -> None:
    assert len({case.values[0] for case in CASES}) >= 200


def test_the_file_that_is_changed_is_accepted() -> None:
    text = yaml.safe_dump(COMPLETE)
    assert len(decode_configuration(text, Path("/base"), ENVIRONMENT).policies) == 2


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_malformed_file_is_refused_by_the_name_of_its_field(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        decode_configuration(text, Path("/base"), ENVIRONMENT)
    message = "\n".join(caught.value.lines())
    assert caught.value.exit_code == 2
    assert expected in message
    assert SECRET not in message
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__)
