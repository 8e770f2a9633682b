"""Times, durations and sizes: read from text, and written for people and for JSON.

A duration is a sum of numbers with units, the largest first, in the form of Go: ``90s``, ``6h``,
``1h30m``, ``500ms``; days and weeks are added (``7d``, ``2w``). A time is RFC 3339 with an offset.
A size is a whole number of bytes with an optional unit: ``kB MB GB TB PB`` count in thousands,
``KiB MiB GiB TiB PiB`` (or ``Ki Mi Gi Ti Pi``, as Kubernetes writes them) in steps of 1,024.
"""

import re
from datetime import UTC, datetime, timedelta

from backup_manager.common.errors import UsageError

DURATION_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION_ACCEPTED = "a duration such as 90s, 6h or 1h30m"
MAX_DURATION_SECONDS = 100 * 366 * 86_400.0  # a century: more is a typing error, and timedelta has an end
DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[wdhms])")

TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
TIME_ACCEPTED = (
    "a time of RFC 3339 with an offset, such as 2025-06-24T14:05:00+02:00, or relative, such as 12h ago"
)

SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s?([A-Za-z]*)")
SIZE_ACCEPTED = "a size such as 1024, 500MB or 10GiB"
MAX_SIZE_BYTES = 2**63 - 1
SIZE_PREFIXES = "KMGTPE"


def parse_duration(text: str) -> float:
    """Return the seconds that *text* says; ``0`` needs no unit.

    Raises:
        UsageError: not a duration, negative, or longer than a century.
    """
    stripped = text.strip()
    if stripped == "0":
        return 0.0
    position, seconds, last = 0, 0.0, float("inf")
    for match in DURATION_PART.finditer(stripped):
        unit = DURATION_UNITS[match[2]]
        if match.start() != position or unit >= last:
            break
        seconds, last, position = seconds + float(match[1]) * unit, unit, match.end()
    if not stripped or position != len(stripped) or seconds > MAX_DURATION_SECONDS:
        raise UsageError(f"{text!r} is not {DURATION_ACCEPTED}")
    return seconds


def parse_time(text: str, now: datetime) -> datetime:
    """Return the time in UTC that *text* says; ``12h ago`` counts back from *now*.

    Raises:
        UsageError: neither RFC 3339 with an offset nor ``DURATION ago``.
    """
    stripped = text.strip()
    if stripped.lower() == "now":
        return now.astimezone(UTC)
    if stripped.endswith(" ago"):
        return _count_back(stripped, now)
    match = TIME.fullmatch(stripped)
    if match is None:
        raise UsageError(f"{text!r} is not {TIME_ACCEPTED}")
    day, clock, fraction, offset = match.groups()
    canonical = f"{day}T{clock}{(fraction or '')[:7]}{offset.upper()}"
    try:
        return datetime.fromisoformat(canonical).astimezone(UTC)
    except (ValueError, OverflowError) as err:
        raise UsageError(f"{text!r} is not {TIME_ACCEPTED}: {err}") from err


def _count_back(text: str, now: datetime) -> datetime:
    try:
        return now.astimezone(UTC) - timedelta(seconds=parse_duration(text.removesuffix(" ago")))
    except (UsageError, OverflowError) as err:
        raise UsageError(f"{text!r} is not {TIME_ACCEPTED}") from err


def parse_size(text: str) -> int:
    """Return the bytes that *text* says; a fraction is rounded down to whole bytes.

    Raises:
        UsageError: not a size, or beyond 2^63 - 1.
    """
    match = SIZE.fullmatch(text.strip())
    factor = _size_factor(match[2]) if match else None
    if match is None or factor is None or float(match[1]) * factor > MAX_SIZE_BYTES:
        raise UsageError(f"{text!r} is not {SIZE_ACCEPTED}")
    whole, _, fraction = match[1].partition(".")
    return int(whole + fraction) * factor // int("1" + "0" * len(fraction))


def _size_factor(unit: str) -> int | None:
    if unit in ("", "B"):
        return 1
    power = SIZE_PREFIXES.find(unit[0].upper()) + 1
    rest = unit[1:]
    if power == 0 or rest not in ("", "B", "i", "iB"):
        return None
    base = 1024 if rest.startswith("i") else 1000
    factor = 1
    for _ in range(power):
        factor *= base
    return factor


def format_time(time: datetime) -> str:
    """Return *time* in RFC 3339, UTC, whole seconds, with ``Z``; a naive time is refused.

    Raises:
        ValueError: *time* has no offset.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no offset")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def format_duration(seconds: float) -> str:
    """Return *seconds* for a person: two units at most, such as ``0.4s``, ``12s``, ``1m30s``, ``3d4h``."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 10:
        return f"{seconds:.1f}s".replace(".0s", "s")
    left = round(seconds)
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(DURATION_UNITS[unit]))
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts[:2])


def duration_text(seconds: float) -> str:
    """Return *seconds* exactly, in the form that :func:`parse_duration` and Go read, such as ``24h``."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    hours, left = divmod(whole, 3600)
    minutes, left = divmod(left, 60)
    parts = ((hours, "h"), (minutes, "m"), (left, "s"), (milliseconds, "ms"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def format_size(count: int) -> str:
    """Return *count* bytes for a person, in steps of 1,024: ``512 B``, ``1.5 GiB``."""
    if abs(count) < 1024:
        return f"{count} B"
    value = float(count)
    for prefix in SIZE_PREFIXES:
        value /= 1024
        if abs(value) < 1023.95 or prefix == SIZE_PREFIXES[-1]:
            break
    return f"{value:.1f} {prefix}iB"
