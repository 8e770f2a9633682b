"""Which backups a retention rule keeps, with a reason for each kept and each removed one.

The periods are those of the calendar in the policy's time zone: hours and days as long as the zone makes them
(a day has 23 or 25 hours when the clocks change, the repeated hour is two hours), ISO weeks, months,
years. Of each of the N most recent periods *that have one* the last backup, by start, is kept; a period
without a backup does not count. Failed runs are no backups: they fill no period and guard nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from zoneinfo import ZoneInfo

KEPT_FOR_EVER = "no retention rule"
NO_RULE_KEEPS_IT = "no rule keeps it"
HELD = "held"
NEWEST_VERIFIED = "newest verified"
ONLY_SUCCESSFUL = "only successful backup"
FAILED = "failed run"
NOT_CONFIGURED = "policy not configured"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What retention needs to know of a backup; *started_at* carries an offset."""

    id: str
    policy: str
    started_at: datetime
    succeeded: bool = True
    verified: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How many backups, and of how many periods the last one, are kept; all zero keeps everything."""

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0

    @property
    def keeps_everything(self) -> bool:
        """No count is set."""
        return not any(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A backup and why it is kept, or why it is removed; there is always a reason."""

    id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetentionDecision:
    """Every candidate once, newest first: either kept or removed."""

    kept: tuple[Verdict, ...]
    removed: tuple[Verdict, ...]


def decide_retention(
    backups: Sequence[Candidate],
    rule: RetentionRule | None,
    zone: ZoneInfo,
) -> RetentionDecision:
    """Return what *rule* keeps of the *backups* of one policy.

    Whatever the rule says, the only successful backup, the newest verified one and held ones are kept.
    The result does not depend on the order of *backups*; equal starts are told apart by id.

    Raises:
        ValueError: two candidates have the same id, or a start has no offset.
    """
    _check(backups)
    newest_first = sorted(backups, key=lambda backup: (backup.started_at, backup.id), reverse=True)
    if rule is None or rule.keeps_everything:
        return RetentionDecision(tuple(Verdict(backup.id, (KEPT_FOR_EVER,)) for backup in newest_first), ())
    reasons: dict[str, list[str]] = {backup.id: [] for backup in newest_first}
    succeeded = [backup for backup in newest_first if backup.succeeded]
    _keep_by_rule(succeeded, rule, zone, reasons)
    _keep_by_guard(newest_first, succeeded, reasons)
    kept = [Verdict(backup.id, tuple(reasons[backup.id])) for backup in newest_first if reasons[backup.id]]
    removed = [
        Verdict(backup.id, (NO_RULE_KEEPS_IT if backup.succeeded else FAILED,))
        for backup in newest_first
        if not reasons[backup.id]
    ]
    return RetentionDecision(tuple(kept), tuple(removed))


def decide_all(
    backups: Iterable[Candidate],
    rules: Mapping[str, tuple[RetentionRule | None, ZoneInfo]],
) -> RetentionDecision:
    """Return what is kept of *backups* of several policies, each by its own rule, newest first.

    Backups of a policy that *rules* does not name are all kept. Two writers that begin in the same second may
    give one id twice: these backups stay or go together, by one verdict.
    """
    by_policy: dict[str, list[Candidate]] = {}
    starts: dict[str, tuple[datetime, str]] = {}
    for backup in with_one_id_each(backups):
        by_policy.setdefault(backup.policy, []).append(backup)
        starts[backup.id] = (backup.started_at, backup.id)
    kept: list[Verdict] = []
    removed: list[Verdict] = []
    for policy, own in by_policy.items():
        if policy in rules:
            decision = decide_retention(own, *rules[policy])
            kept.extend(decision.kept)
            removed.extend(decision.removed)
        else:
            kept.extend(Verdict(backup.id, (NOT_CONFIGURED,)) for backup in own)
    order = _newest_first(starts)
    return RetentionDecision(tuple(sorted(kept, key=order)), tuple(sorted(removed, key=order)))


def with_one_id_each(backups: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return one candidate for each id, which has every reason to stay that one of that id has."""
    found: dict[str, Candidate] = {}
    for backup in backups:
        twin = found.get(backup.id, backup)
        found[backup.id] = replace(
            max(backup, twin, key=lambda each: each.started_at),
            succeeded=backup.succeeded or twin.succeeded,
            verified=backup.verified or twin.verified,
            held=backup.held or twin.held,
        )
    return tuple(found.values())


def _newest_first(starts: Mapping[str, tuple[datetime, str]]) -> Callable[[Verdict], int]:
    ranks = {backup_id: rank for rank, (_, backup_id) in enumerate(sorted(starts.values(), reverse=True))}
    return lambda verdict: ranks[verdict.id]


def _check(backups: Sequence[Candidate]) -> None:
    if len({backup.id for backup in backups}) != len(backups):
        raise ValueError("two backups have the same id")
    for backup in backups:
        if backup.started_at.utcoffset() is None:
            raise ValueError(f"the start of {backup.id} has no offset")


def _keep_by_rule(
    succeeded: Sequence[Candidate], rule: RetentionRule, zone: ZoneInfo, reasons: Mapping[str, list[str]]
) -> None:
    """Add the rule's reasons; *succeeded* is newest first."""
    for number, backup in enumerate(succeeded[: rule.keep_last], start=1):
        reasons[backup.id].append(f"last {number}")
    periods: tuple[tuple[str, int, Callable[[datetime], str]], ...] = (
        ("hourly", rule.keep_hourly, _hour),
        ("daily", rule.keep_daily, _day),
        ("weekly", rule.keep_weekly, _week),
        ("monthly", rule.keep_monthly, _month),
        ("yearly", rule.keep_yearly, _year),
    )
    for name, count, period_of in periods:
        last_of: dict[str, str] = {}
        for backup in succeeded:
            period = period_of(backup.started_at.astimezone(zone))
            if len(last_of) >= count and period not in last_of:
                break
            if last_of.setdefault(period, backup.id) == backup.id:
                reasons[backup.id].append(f"{name} {period}")


def _keep_by_guard(
    newest_first: Sequence[Candidate], succeeded: Sequence[Candidate], reasons: Mapping[str, list[str]]
) -> None:
    """Add the reasons that hold whatever the rule says; both sequences are newest first."""
    for backup in newest_first:
        if backup.held:
            reasons[backup.id].append(HELD)
    verified = next((backup for backup in succeeded if backup.verified), None)
    if verified is not None:
        reasons[verified.id].append(NEWEST_VERIFIED)
    if len(succeeded) == 1:
        reasons[succeeded[0].id].append(ONLY_SUCCESSFUL)


def _hour(local: datetime) -> str:
    # The offset tells the two occurrences of a repeated hour apart. In a zone that moves by half an hour
    # (Australia/Lord_Howe) they are two periods too, each shorter than sixty minutes.
    return local.strftime("%Y-%m-%dT%H%z")


def _day(local: datetime) -> str:
    return local.strftime("%Y-%m-%d")


def _week(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"{year:04d}-W{week:02d}"


def _month(local: datetime) -> str:
    return local.strftime("%Y-%m")


def _year(local: datetime) -> str:
    return local.strftime("%Y")
