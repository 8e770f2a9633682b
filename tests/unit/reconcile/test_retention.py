from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.reconcile.retention_oracle import kept_ids

from backup_manager.reconcile.retention import (
    Candidate,
    RetentionDecision,
    RetentionRule,
    decide_all,
    decide_retention,
)

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]


def backup(when: str, name: str = "", **facts: bool) -> Candidate:
    return Candidate(name or when, "files", datetime.fromisoformat(when), **facts)


def kept(decision: RetentionDecision) -> dict[str, tuple[str, ...]]:
    return {verdict.id: verdict.reasons for verdict in decision.kept}


def removed(decision: RetentionDecision) -> dict[str, tuple[str, ...]]:
    return {verdict.id: verdict.reasons for verdict in decision.removed}


def days(count: int) -> list[Candidate]:
    start = datetime(2025, 6, 1, 3, tzinfo=UTC)
    return [Candidate(f"d{n:02d}", "files", start + timedelta(days=n)) for n in range(count)]


def test_no_rule_keeps_everything_with_a_reason() -> None:
    for rule in (None, RetentionRule()):
        decision = decide_retention(days(3), rule, UTC_ZONE)
        assert kept(decision) == dict.fromkeys(["d02", "d01", "d00"], ("no retention rule",))
        assert decision.removed == ()


def test_daily_keeps_the_last_of_each_of_the_days_that_have_one() -> None:
    backups = [
        backup("2025-06-20T01:00Z"),
        backup("2025-06-20T23:00Z"),
        backup("2025-06-24T01:00Z"),  # three days without any lie between
        backup("2025-06-24T02:00Z"),
        backup("2025-06-19T02:00Z"),
    ]
    decision = decide_retention(backups, RetentionRule(keep_daily=2), UTC_ZONE)
    assert kept(decision) == {
        "2025-06-24T02:00Z": ("daily 2025-06-24",),
        "2025-06-20T23:00Z": ("daily 2025-06-20",),
    }
    assert removed(decision)["2025-06-19T02:00Z"] == ("no rule keeps it",)


def test_day_is_that_of_the_zone() -> None:
    backups = [backup("2025-06-23T21:59Z"), backup("2025-06-23T22:01Z")]  # 23:59 and 00:01 in Berlin
    assert len(decide_retention(backups, RetentionRule(keep_daily=2), BERLIN).kept) == 2
    assert len(decide_retention(backups, RetentionRule(keep_daily=2), UTC_ZONE).kept) == 1


def test_repeated_hour_counts_as_two_and_the_skipped_one_as_none() -> None:
    autumn = [backup(f"2025-10-{when}Z") for when in ("25T23:30", "26T00:30", "26T01:30", "26T02:30")]
    spring = [backup(f"2025-03-30T{hour:02d}:30Z") for hour in range(4)]
    for backups in (autumn, spring):
        decision = decide_retention(backups, RetentionRule(keep_hourly=4), BERLIN)
        assert len(decision.kept) == 4
    reasons = kept(decide_retention(autumn, RetentionRule(keep_hourly=4), BERLIN))
    assert reasons["2025-10-26T00:30Z"] == ("hourly 2025-10-26T02+0200",)
    assert reasons["2025-10-26T01:30Z"] == ("hourly 2025-10-26T02+0100",)


def test_day_of_twenty_five_hours_is_one_day() -> None:
    backups = [backup("2025-10-25T22:00Z"), backup("2025-10-26T22:59Z")]  # 00:00 and 23:59 in Berlin
    assert len(decide_retention(backups, RetentionRule(keep_daily=2), BERLIN).kept) == 1


def test_weeks_are_iso_weeks_across_the_year() -> None:
    backups = [backup("2024-12-29T12:00Z"), backup("2024-12-30T12:00Z"), backup("2025-01-05T12:00Z")]
    reasons = kept(decide_retention(backups, RetentionRule(keep_weekly=2), UTC_ZONE))
    assert reasons == {
        "2025-01-05T12:00Z": ("weekly 2025-W01",),
        "2024-12-29T12:00Z": ("weekly 2024-W52",),
    }


def test_one_backup_has_every_reason_that_keeps_it() -> None:
    rule = RetentionRule(1, 1, 1, 1, 1, 1)
    decision = decide_retention([backup("2025-06-24T00:00Z", held=True, verified=True)], rule, UTC_ZONE)
    assert decision.kept[0].reasons == (
        "last 1",
        "hourly 2025-06-24T00+0000",
        "daily 2025-06-24",
        "weekly 2025-W26",
        "monthly 2025-06",
        "yearly 2025",
        "held",
        "newest verified",
        "only successful backup",
    )


def test_guards_hold_whatever_the_rule_says() -> None:
    backups = [
        backup("2025-06-01T00:00Z", "verified", verified=True),
        backup("2025-05-31T00:00Z", "verified before", verified=True),
        backup("2025-05-01T00:00Z", "held", held=True),
        backup("2025-06-02T00:00Z", "newest"),
    ]
    decision = decide_retention(backups, RetentionRule(keep_last=1), UTC_ZONE)
    assert kept(decision) == {
        "newest": ("last 1",),
        "verified": ("newest verified",),
        "held": ("held",),
    }
    assert removed(decision) == {"verified before": ("no rule keeps it",)}


def test_failed_runs_fill_no_period_and_the_only_success_stays() -> None:
    backups = [
        backup("2025-06-01T00:00Z", "good"),
        backup("2025-06-01T09:00Z", "later failure", succeeded=False),
        backup("2025-06-02T00:00Z", "failure", succeeded=False, verified=True),
    ]
    decision = decide_retention(backups, RetentionRule(keep_daily=1), UTC_ZONE)
    assert kept(decision) == {"good": ("daily 2025-06-01", "only successful backup")}
    assert removed(decision) == {"failure": ("failed run",), "later failure": ("failed run",)}


@pytest.mark.parametrize(
    "backups",
    [
        pytest.param([backup("2025-06-01T00:00Z"), backup("2025-06-01T00:00Z")], id="same id twice"),
        pytest.param([Candidate("a", "files", datetime(2025, 6, 1))], id="start without offset"),
    ],
)
def test_unclear_candidates_are_refused(backups: list[Candidate]) -> None:
    with pytest.raises(ValueError, match=r"same id|no offset"):
        decide_retention(backups, RetentionRule(keep_last=1), UTC_ZONE)


def test_each_policy_has_its_rule_and_unknown_ones_keep_all() -> None:
    old = days(3)
    others = [Candidate(f"o{n}", "gone", item.started_at) for n, item in enumerate(old)]
    decision = decide_all([*old, *others], {"files": (RetentionRule(keep_last=1), UTC_ZONE)})
    assert list(kept(decision)) == ["o2", "d02", "o1", "o0"]
    assert kept(decision)["o1"] == ("policy not configured",)
    assert list(removed(decision)) == ["d01", "d00"]


counts = st.integers(0, 5)
rules = st.builds(RetentionRule, counts, counts, counts, counts, counts, counts)
# Starts around both changes of clocks and the turn of a year, minutes apart, so that periods collide.
anchors = st.sampled_from(
    [
        datetime(2025, 3, 30, tzinfo=UTC),
        datetime(2025, 10, 26, tzinfo=UTC),
        datetime(2024, 12, 30, tzinfo=UTC),
    ]
)
offsets = st.one_of(
    st.integers(-3 * 60, 3 * 60), st.integers(-5 * 1440, 5 * 1440), st.integers(-500 * 1440, 500 * 1440)
)
starts = st.builds(lambda anchor, minutes: anchor + timedelta(minutes=minutes), anchors, offsets)
facts = st.tuples(starts, st.sampled_from([True, True, True, False]), st.booleans(), st.integers(0, 9))


@settings(max_examples=300, deadline=None)
@given(st.lists(facts, max_size=25), rules, st.sampled_from(ZONES), st.randoms(use_true_random=False))
def test_decision_equals_the_oracle(
    drawn: list[tuple[datetime, bool, bool, int]], rule: RetentionRule, zone_name: str, shuffler: Random
) -> None:
    zone = ZoneInfo(zone_name)
    backups = [
        Candidate(f"b{n}", "files", start, succeeded, verified, held == 0)
        for n, (start, succeeded, verified, held) in enumerate(drawn)
    ]
    decision = decide_retention(backups, rule, zone)
    assert set(kept(decision)) == kept_ids(backups, rule, zone)
    assert {*kept(decision), *removed(decision)} == {item.id for item in backups}
    assert len(decision.kept) + len(decision.removed) == len(backups)
    assert all(verdict.reasons for verdict in decision.kept + decision.removed)
    shuffler.shuffle(backups)
    assert decide_retention(backups, rule, zone) == decision
    survivors = [item for item in backups if item.id in kept(decision)]
    assert decide_retention(survivors, rule, zone).removed == ()
