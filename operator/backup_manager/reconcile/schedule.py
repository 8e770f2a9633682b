"""When a cron expression is due: five fields, names, ``H``, an IANA time zone, and the change of clocks.

A run whose time the clocks skip happens once, when the gap ends, however many of its times fall into the gap;
a time that comes twice counts once, the first time. Only an expression whose hour field is every hour
follows elapsed time instead: it runs in both of a repeated hour and loses nothing in a gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from backup_manager.common.errors import ConfigurationError
from backup_manager.common.suggest import nearest_name
from backup_manager.reconcile.cron import check_fields, resolve_hash

# Clocks were never moved by more than 24 h (Samoa, 2011): due times this near a start are looked at twice.
MARGIN = timedelta(hours=26)
ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A checked expression with its ``H`` resolved, in a time zone; *text* is what was written."""

    text: str
    expression: str
    zone: ZoneInfo

    def after(self, start: datetime) -> Iterator[datetime]:
        """Yield the due times in UTC strictly after *start*, in order, without end."""
        last = start.astimezone(UTC)
        for due in self._candidates(last, reverse=False):
            if due > last:
                yield due
                last = due

    def previous(self, at: datetime) -> datetime | None:
        """Return the newest due time in UTC at or before *at*, or None if there was none in 50 years."""
        limit = at.astimezone(UTC)
        return next((due for due in self._candidates(limit, reverse=True) if due <= limit), None)

    def _candidates(self, start: datetime, *, reverse: bool) -> Iterator[datetime]:
        """Yield due times in UTC, some of them repeated, from a little before *start* in the direction."""
        every_hour = self.expression.split()[1] == "*"
        margin = timedelta(minutes=1) if every_hour else MARGIN
        local = (start + margin if reverse else start - margin).astimezone(self.zone)
        if every_hour:
            for due in CronSim(self.expression, local, reverse=reverse):
                yield due.astimezone(UTC)
            return
        for wall in CronSim(self.expression, local.replace(tzinfo=None, fold=0), reverse=reverse):
            yield _instant(wall, self.zone)


class RunType(StrEnum):
    """What is due."""

    FULL = "full"
    INCREMENTAL = "incremental"


@dataclass(frozen=True, slots=True)
class DueRun:
    """One run of a policy: its type and its time in UTC."""

    type: RunType
    time: datetime


def parse_schedule(text: str, zone: ZoneInfo, *, seed: str = "") -> CronSchedule:
    """Return the schedule that *text* says; equal *seed* gives equal values for ``H`` on every machine.

    Raises:
        ConfigurationError: not five fields, or a field is wrong (it is named), or no day ever matches.
    """
    expression = resolve_hash(text, seed)
    check_fields(expression, text)
    if not _matches_ever(expression):
        raise ConfigurationError(
            f"day of month of the cron expression {text!r}: no such day exists in its months"
        )
    return CronSchedule(text, expression, zone)


def parse_zone(name: str) -> ZoneInfo:
    """Return the IANA time zone of this name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        near = nearest_name(name, available_timezones())
        hint = f"; the nearest is {near!r}" if near else ""
        raise ConfigurationError(
            f"{name!r} is not an IANA time zone such as Europe/Berlin or UTC{hint}"
        ) from err


def next_runs(
    full: CronSchedule | None, incremental: CronSchedule | None, start: datetime, count: int
) -> tuple[DueRun, ...]:
    """Return the next *count* runs strictly after *start*, in order.

    When full and incremental are due at the same time, only the full one is there.
    """
    return tuple(islice(iterate_runs(full, incremental, start), count))


def iterate_runs(
    full: CronSchedule | None, incremental: CronSchedule | None, start: datetime
) -> Iterator[DueRun]:
    """Yield the runs strictly after *start*, in order; without end unless both schedules are None."""
    fulls = full.after(start) if full else iter(())
    incrementals = incremental.after(start) if incremental else iter(())
    next_full, next_incremental = next(fulls, None), next(incrementals, None)
    while next_full is not None or next_incremental is not None:
        if next_incremental is None or (next_full is not None and next_full <= next_incremental):
            assert next_full is not None
            yield DueRun(RunType.FULL, next_full)
            if next_full == next_incremental:
                next_incremental = next(incrementals, None)
            next_full = next(fulls, None)
        else:
            yield DueRun(RunType.INCREMENTAL, next_incremental)
            next_incremental = next(incrementals, None)


def previous_run(full: CronSchedule | None, incremental: CronSchedule | None, at: datetime) -> DueRun | None:
    """Return the newest run that was due at or before *at*; of two at the same time, the full one."""
    last_full = full.previous(at) if full else None
    last_incremental = incremental.previous(at) if incremental else None
    if last_full is not None and (last_incremental is None or last_full >= last_incremental):
        return DueRun(RunType.FULL, last_full)
    return DueRun(RunType.INCREMENTAL, last_incremental) if last_incremental is not None else None


def _matches_ever(expression: str) -> bool:
    try:
        return next(CronSim(expression, ANY_DAY), None) is not None
    except CronSimError:  # it finds by itself that the 30th of February does not exist
        return False


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment in UTC when the zone's clocks show *wall* for the first time, or have skipped it."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment in UTC of the change of clocks that skipped *wall*."""
    # fold=0 takes the offset before the gap and gives a moment after the change; fold=1 gives one before it.
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
