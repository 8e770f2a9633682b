"""Structured log lines: a constant event and named values, over the standard library's ``logging``.

A library must not configure logging; a program calls :func:`configure_logging` once at its start.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

ROOT = "backup_manager"
FIELDS = "backup_manager_fields"  # the attribute of a record that carries the values
RESERVED = frozenset({"time", "level", "event", "logger"})
Value = str | int | float | bool | None


class Log:
    """A logger with values bound to it; may be used from any thread.

    >>> Log("example").bind(policy="files").info("backup stored", new_bytes=12)
    """

    __slots__ = ("_bound", "_logger")

    def __init__(self, name: str, bound: Mapping[str, Value] | None = None) -> None:
        self._logger = logging.getLogger(name)
        self._bound = dict(bound or {})

    def bind(self, **values: Value) -> "Log":
        """Return a logger that adds *values* to each of its lines."""
        return Log(self._logger.name, {**self._bound, **values})

    def debug(self, event: str, **values: Value) -> None:
        """Log for us."""
        self._write(logging.DEBUG, event, values)

    def info(self, event: str, **values: Value) -> None:
        """Log that something changed."""
        self._write(logging.INFO, event, values)

    def warning(self, event: str, **values: Value) -> None:
        """Log that it went on, but someone should look."""
        self._write(logging.WARNING, event, values)

    def error(self, event: str, **values: Value) -> None:
        """Log that the work failed, where the failure is handled."""
        self._write(logging.ERROR, event, values)

    def _write(self, level: int, event: str, values: Mapping[str, Value]) -> None:
        if self._logger.isEnabledFor(level):
            # The event is never a format string: a name in it may hold a percent sign.
            self._logger.log(level, "%s", event, extra={FIELDS: {**self._bound, **values}}, stacklevel=3)


def get_log(name: str) -> Log:
    """Return the logger of a module; pass ``__name__``."""
    return Log(name)


class PlainFormatter(logging.Formatter):
    """``2025-06-24T00:00:00Z INFO backup stored new_bytes=12``, on one line whatever the values hold."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*, with a traceback below it if it carries one."""
        fields = getattr(record, FIELDS, {})
        values = "".join(f" {key}={_plain(value)}" for key, value in fields.items())
        line = f"{_time(record)} {record.levelname} {record.getMessage()}{values}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event, logger, then the values."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON line of *record*."""
        document: dict[str, Value] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        for key, value in getattr(record, FIELDS, {}).items():
            document[f"{key}_" if key in RESERVED else key] = value
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


class LineStream(Protocol):
    """Where lines go."""

    def write(self, line: str, /) -> object:
        """Take one line, with its end."""
        ...


def configure_logging(level: str, *, as_json: bool = False, stream: LineStream | None = None) -> None:
    """Send our lines of *level* and above to *stream* (standard error), once, replacing an earlier call's."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: Value) -> str:
    if isinstance(value, str) and value.isprintable() and value and not set(value) & set(' "='):
        return value
    return json.dumps(value, default=str)
