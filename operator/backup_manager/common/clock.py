"""Where the time comes from: read at the edges, passed down as a value or a call."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]  # seconds since 1970


def utc_now(clock: Clock = time.time) -> datetime:
    """Return the time of *clock* as a datetime in UTC."""
    return datetime.fromtimestamp(clock(), UTC)


def from_seconds(seconds: float) -> datetime:
    """Return the UTC datetime that lies *seconds* after 1970; negative ones lie before."""
    return datetime.fromtimestamp(seconds, UTC)
