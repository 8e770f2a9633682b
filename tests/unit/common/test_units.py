from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_manager.common.errors import UsageError
from backup_manager.common.units import (
    duration_text,
    format_duration,
    format_size,
    format_time,
    parse_duration,
    parse_size,
    parse_time,
)

NOW = datetime(2025, 6, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("6h", 21600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("7d", 604800),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "s", "-1h", "1h1h", "1m1h", "1 h", "1x", "h1", "1e3s", "99999d", "1h "[:2] + "?"]
)
def test_no_duration_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration such as 90s"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_duration_text_reads_back(milliseconds: int) -> None:
    assert parse_duration(duration_text(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-06-24T14:05:00+02:00", "2025-06-24T12:05:00Z"),
        ("2025-06-24t12:05:00z", "2025-06-24T12:05:00Z"),
        ("2025-06-24 12:05:00.123456789Z", "2025-06-24T12:05:00Z"),
        ("12h ago", "2025-06-24T00:00:00Z"),
        ("1d12h ago", "2025-06-23T00:00:00Z"),
        ("now", "2025-06-24T12:00:00Z"),
    ],
)
def test_time_is_read(text: str, time: str) -> None:
    assert format_time(parse_time(text, NOW)) == time


@pytest.mark.parametrize(
    "text",
    [
        "2025-06-24T14:05:00", "2025-06-24", "yesterday", "ago", "h ago", "2025-02-30T00:00:00Z",
        "2025-06-24T25:00:00Z", "2025-06-24T14:05:00+25:00", "0001-01-01T00:00:00+10:00", "",
    ],
)  # fmt: skip
def test_no_time_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(UsageError, match="RFC 3339 with an offset"):
        parse_time(text, NOW)


def test_time_is_written_in_utc_and_needs_an_offset() -> None:
    assert format_time(datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2024-12-31T22:00:00Z"
    with pytest.raises(ValueError, match="offset"):
        format_time(datetime(2025, 1, 1))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("1024", 1024), ("12B", 12), ("1kB", 1000), ("500MB", 500_000_000), ("10GiB", 10 * 2**30),
        ("10Gi", 10 * 2**30), ("1.5KiB", 1536), ("0.1k", 100), ("1 MiB", 2**20), ("7EiB", 7 * 2**60),
    ],
)  # fmt: skip
def test_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1", "1 elephant", "1Xi", "8EiB", "1,5G", "1Bi", "٣"])
def test_no_size_is_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size such as"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (2**30, "1.0 GiB"),
        (2**20 - 1, "1.0 MiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_size_is_written(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.44, "0.4s"),
        (4, "4s"),
        (9.97, "10s"),
        (59.6, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (97_200, "1d3h"),
        (-5, "-5s"),
    ],
)
def test_duration_is_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
