"""Reading S3 settings from a URL's query and from options, every value checked before anything is asked."""

from collections.abc import Mapping
from urllib.parse import unquote

from backup_manager.common.errors import ConfigurationError
from backup_manager.common.suggest import nearest_name
from backup_manager.engine.storage.s3 import S3Storage
from backup_manager.engine.storage.s3_settings import CONNECTIONS, S3Settings

PLAIN = ("region", "endpoint", "ca_bundle", "storage_class", "sse", "sse_kms_key_id")
SECRET = ("access_key_id", "secret_access_key", "session_token")
OTHER = ("force_path_style", "connections", "read_only")
ACCEPTED = (*PLAIN, *OTHER, *SECRET)
BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def open_s3(bucket: str, path: str, query: Mapping[str, str], options: Mapping[str, str | bool]) -> S3Storage:
    """Return the store; *options* win over *query*, and empty values count as not given."""
    for name in query:
        if name in SECRET:
            raise ConfigurationError(
                f"storage.{name}: must not stand in the URL",
                solution="Give credentials in the environment, a profile or a file.",
            )
    given = {name: value for name, value in {**query, **options}.items() if value != ""}
    _refuse_unknown(given)
    texts = {name: _read_text(name, given[name]) for name in (*PLAIN, *SECRET) if name in given}
    settings = S3Settings(
        bucket=unquote(bucket),
        prefix=path,
        force_path_style=_read_boolean(given, "force_path_style"),
        connections=_read_count(given, "connections", CONNECTIONS),
        **texts,
    )
    return S3Storage(settings, read_only=bool(_read_boolean(given, "read_only")))


def _refuse_unknown(given: Mapping[str, str | bool]) -> None:
    for name in given:
        if name not in ACCEPTED:
            near = nearest_name(name, ACCEPTED)
            hint = f", did you mean {near!r}" if near else ""
            raise ConfigurationError(f"storage.{name}: S3 has no such option{hint}")


def _read_text(name: str, value: str | bool) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"storage.{name}: {value!r} is not text")
    return value


def _read_boolean(given: Mapping[str, str | bool], name: str) -> bool | None:
    value = given.get(name)
    if value is None or isinstance(value, bool):
        return value
    if value.lower() not in BOOLEANS:
        raise ConfigurationError(f"storage.{name}: {value!r} is neither true nor false")
    return BOOLEANS[value.lower()]


def _read_count(given: Mapping[str, str | bool], name: str, default: int) -> int:
    value = given.get(name, str(default))
    if not isinstance(value, str) or not value.isascii() or not value.isdigit():
        raise ConfigurationError(f"storage.{name}: {value!r} is not a number")
    return int(value)
