"""Opening a store by its URL; an implementation is imported only when it is chosen.

=====================================  ====================================================
``./folder``, ``file:///folder``       a folder
``s3://bucket/prefix?region=…``        a bucket; also ``endpoint``, ``force_path_style``,
``ca_bundle``, ``storage_class``, ``sse``, …
``memory://name``                      this process's memory, for tests
``<scheme>://…``                       a plugin, see ``plugins``
=====================================  ====================================================
"""

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from backup_manager.common.errors import BackupManagerError, ConfigurationError
from backup_manager.common.log import get_log
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.readonly import ReadOnlyStorage
from backup_manager.engine.storage.retrying import RetryingStorage, Waiting

BUILT_IN = ("file", "memory", "s3")
OPENING_SECONDS = 50  # when the last try may begin; with its 10 s of connecting: 60 s
FILE_HINT = "Write file:///path, with three slashes."
TOLD_TRIES = frozenset({3, 6, 12, 24, 48})  # from about a second after the first on
NO_OPTIONS: Mapping[str, str | bool] = MappingProxyType({})
Options = Mapping[str, str | bool]

log = get_log(__name__)


def open_storage(url: str, options: Options = NO_OPTIONS, *, create: bool = False) -> Storage:
    """Return the store at *url*, not checked yet; calls over a network are retried.

    *options* go before what the URL's query says; secrets are accepted in *options* only. The option
    ``read_only`` refuses every write, and keeps ``check`` from trying one. *create* lets ``check`` make a
    missing folder; a bucket is never made.

    Raises:
        ConfigurationError: an unknown scheme or option, or a URL that holds secrets.
    """
    if "://" not in url:
        if not url:
            raise ConfigurationError("storage: the location is empty")
        return _open_local(Path(url).expanduser(), options, create)
    try:
        parts = urlsplit(url)
    except ValueError as err:
        raise ConfigurationError(f"storage: cannot read the URL: {err}") from err
    if "@" in parts.netloc and parts.scheme in BUILT_IN:
        raise ConfigurationError(
            f"storage: the {parts.scheme} URL holds credentials before '@'",
            solution="Give credentials in the environment, a profile or a file, never in the URL.",
        )
    if parts.scheme == "file":
        return _open_local(_read_file_path(parts), options, create)
    if parts.scheme == "memory":
        return _guard(_shared_memory(parts.netloc + parts.path), options)
    inner = _open_s3(parts, options) if parts.scheme == "s3" else _open_plugin(parts.scheme, url, options)
    waiting = Waiting(listener=_tell)
    return _guard(RetryingStorage(inner, opening_seconds=OPENING_SECONDS, waiting=waiting), options)


def _tell(error: BackupManagerError, tries: int, delay_seconds: float) -> None:
    """Log that a call is tried again; somebody who waits is told now and then, not each time."""
    tell = log.warning if tries in TOLD_TRIES else log.info
    tell("store is tried again", tries=tries, next_in_seconds=round(delay_seconds, 1), cause=error.cause)


def is_folder(url: str) -> bool:
    """Return whether *url* is a folder of this machine, which a first run makes, as it makes no bucket."""
    return "://" not in url or url.startswith("file:")


def _open_local(path: Path, options: Options, create: bool) -> Storage:
    unknown = sorted(set(options) - {"read_only"})
    if unknown:
        raise ConfigurationError(f"storage.{unknown[0]}: a folder has no such option")
    return _guard(LocalStorage(path, create=create), options)


def _open_s3(parts: SplitResult, options: Options) -> Storage:
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    module = importlib.import_module("backup_manager.engine.storage.s3_options")
    storage: Storage = module.open_s3(parts.netloc, unquote(parts.path), query, options)
    return storage


def _open_plugin(scheme: str, url: str, options: Options) -> Storage:
    module = importlib.import_module("backup_manager.engine.storage.plugins")
    storage: Storage = module.open_plugin(scheme, url, options, BUILT_IN)
    return storage


def _guard(inner: Storage, options: Options) -> Storage:
    return ReadOnlyStorage(inner) if options.get("read_only") in (True, "true") else inner


def _read_file_path(parts: SplitResult) -> Path:
    if parts.netloc not in ("", "localhost"):
        raise ConfigurationError(
            f"storage: {parts.netloc!r} in a file URL would be another host", solution=FILE_HINT
        )
    if parts.query or parts.fragment or not parts.path:
        raise ConfigurationError("storage: a file URL is a path and nothing else", solution=FILE_HINT)
    return Path(unquote(parts.path))


@cache
def _shared_memory(name: str) -> Storage:
    """Return the one memory store of that name in this process."""
    return MemoryStorage(location=f"memory://{name}")
