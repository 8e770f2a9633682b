from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_manager.common.errors import ConfigurationError
from backup_manager.reconcile.schedule import next_runs, parse_schedule, parse_zone, previous_run

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def due(text: str, start: str, count: int, zone: str = "Europe/Berlin") -> list[str]:
    schedule = parse_schedule(text, ZoneInfo(zone), seed="files")
    return [f"{moment:%dT%H:%M}" for moment in islice(schedule.after(at(start)), count)]


@pytest.mark.parametrize(
    ("text", "zone", "start", "expected"),
    [  # times are UTC; Berlin's gap is 01:00Z of 30 March, its repeated hour 00:00Z to 02:00Z of 26 October
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2025-03-29T00:00Z", ["29T01:30", "30T01:00", "31T00:30"],
            id="a skipped time runs once after the gap",
        ),
        pytest.param(
            "*/15 2 * * *", "Europe/Berlin", "2025-03-30T00:00Z", ["30T01:00", "31T00:00"],
            id="many skipped times run once",
        ),
        pytest.param(
            "0 2,3 * * *", "Europe/Berlin", "2025-03-30T00:00Z", ["30T01:00", "31T00:00"],
            id="a skipped time that meets the next one runs once",
        ),
        pytest.param(
            "0 */2 * * *", "Europe/Berlin", "2025-03-29T22:30Z", ["29T23:00", "30T01:00", "30T02:00"],
            id="every second hour loses none in the gap",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2025-10-25T12:00Z", ["26T00:30", "27T01:30"],
            id="a repeated time runs once",
        ),
        pytest.param(
            "*/30 2 * * *", "Europe/Berlin", "2025-10-26T00:30Z", ["27T01:00"],
            id="asked inside the overlap it does not run again",
        ),
        pytest.param(
            "0 * * * *", "Europe/Berlin", "2025-10-25T23:30Z", ["26T00:00", "26T01:00", "26T02:00"],
            id="every hour follows elapsed time in the overlap",
        ),
        pytest.param(
            "30 0-23 * * *", "Europe/Berlin", "2025-03-30T00:00Z", ["30T00:30", "30T01:30"],
            id="every hour loses nothing in the gap",
        ),
        pytest.param(
            "0 0 * * *", "America/Havana", "2025-03-08T12:00Z", ["09T05:00", "10T04:00"],
            id="midnight itself is skipped",
        ),
        pytest.param(
            "0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00Z", ["30T10:00", "29T22:00"],
            id="a whole day is skipped",
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2025-10-03T20:00Z", ["04T15:30", "05T15:15"],
            id="half an hour is skipped",
        ),
        pytest.param("0 6 * * mon-fri", "UTC", "2025-06-20T12:00Z", ["23T06:00", "24T06:00"], id="names"),
        pytest.param("0 0 29 feb *", "UTC", "2025-01-01T00:00Z", ["29T00:00"], id="leap days"),
        pytest.param("0 0 1 * 7", "UTC", "2025-06-02T00:00Z", ["08T00:00"], id="day of month or Sunday as 7"),
        pytest.param("0 0 L * *", "UTC", "2025-06-02T00:00Z", ["30T00:00"], id="last day of a month"),
    ],
)  # fmt: skip
def test_due_times_after_a_start(text: str, zone: str, start: str, expected: list[str]) -> None:
    assert due(text, start, len(expected), zone) == expected


def test_start_itself_is_not_due_again() -> None:
    assert due("0 2 * * *", "2025-06-24T00:00Z", 1) == ["25T00:00"]


def test_previous_counts_the_moment_itself() -> None:
    schedule = parse_schedule("0 2 * * *", BERLIN)
    assert schedule.previous(at("2025-06-24T00:00Z")) == at("2025-06-24T00:00Z")
    assert schedule.previous(at("2025-06-23T23:59Z")) == at("2025-06-23T00:00Z")


def test_previous_inside_the_overlap_is_the_first_occurrence() -> None:
    schedule = parse_schedule("50 2 * * *", BERLIN)
    assert schedule.previous(at("2025-10-26T01:20Z")) == at("2025-10-26T00:50Z")


def test_hash_is_stable_and_spreads() -> None:
    first = parse_schedule("H H(1-5) * * *", BERLIN, seed="shop/files")
    assert first.expression == "48 3 * * *"
    assert first.text == "H H(1-5) * * *"
    others = {parse_schedule("H H * * *", BERLIN, seed=f"shop/{n}").expression for n in range(200)}
    assert len(others) > 150
    for seed in range(50):
        minutes = due_minutes("H/15 * * * *", str(seed))
        assert [b - a for a, b in pairwise(minutes)] == [15] * 7


def due_minutes(text: str, seed: str) -> list[int]:
    schedule = parse_schedule(text, BERLIN, seed=seed)
    moments = islice(schedule.after(at("2025-06-24T00:00Z")), 8)
    return [int((moment - at("2025-06-24T00:00Z")).total_seconds() // 60) for moment in moments]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("61 * * * *", "minute"),
        ("*/90 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        (",1 * * * *", "minute"),
        ("\u0661 * * * *", "minute"),
        ("H(5-70) * * * *", "minute"),
        ("H/61 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 1-x * * *", "hour"),
        ("0 0 0 * *", "day of month"),
        ("0 0 L/2 * *", "day of month"),
        ("0 0 30 2 *", "day of month"),
        ("0 0 31 4,6 *", "day of month"),
        ("0 0 * foo *", "month"),
        ("0 0 * * 8", "day of week"),
        ("0 0 * * mon#6", "day of week"),
        ("* * *", "five fields"),
        ("0 0 * * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
    ],
)
def test_wrong_field_is_named(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{named} of the cron|{named}: ") as caught:
        parse_schedule(text, BERLIN)
    assert repr(text) in caught.value.facts


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("Europe/Berln", "Europe/Berlin"), ("utc", "UTC"), ("", None), ("../../etc/x", None)],
)
def test_unknown_zone_is_refused_with_the_nearest(name: str, nearest: str | None) -> None:
    with pytest.raises(ConfigurationError, match="IANA") as caught:
        parse_zone(name)
    assert nearest is None or repr(nearest) in caught.value.facts


def test_full_takes_the_place_of_an_incremental_at_the_same_time() -> None:
    full, incremental = parse_schedule("0 0 * * *", BERLIN), parse_schedule("0 */6 * * *", BERLIN)
    runs = next_runs(full, incremental, at("2025-06-23T20:00Z"), 6)
    assert [(run.type.value[0], f"{run.time:%d %H}") for run in runs] == [
        ("f", "23 22"), ("i", "24 04"), ("i", "24 10"), ("i", "24 16"), ("f", "24 22"), ("i", "25 04"),
    ]  # fmt: skip


def test_runs_without_one_or_both_schedules() -> None:
    schedule = parse_schedule("0 0 * * *", BERLIN)
    now = at("2025-06-23T20:00Z")
    assert next_runs(None, None, now, 3) == ()
    assert {run.type.value for run in next_runs(schedule, None, now, 3)} == {"full"}
    assert {run.type.value for run in next_runs(None, schedule, now, 3)} == {"incremental"}
    assert previous_run(None, None, now) is None


def test_previous_run_prefers_the_full_one() -> None:
    full, incremental = parse_schedule("0 0 * * *", BERLIN), parse_schedule("0 */6 * * *", BERLIN)
    midnight = previous_run(full, incremental, at("2025-06-23T22:00Z"))
    morning = previous_run(full, incremental, at("2025-06-24T05:00Z"))
    assert midnight is not None
    assert morning is not None
    assert (midnight.type, morning.type) == ("full", "incremental")


minutes = st.sampled_from(["0", "30", "*/20", "15,45"])
hours = st.sampled_from(["*", "2", "*/6", "1-3", "0,23"])
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "America/Sao_Paulo"]
)
changes = st.sampled_from(
    ["2025-03-30", "2025-10-26", "2025-03-09", "2025-11-02", "2018-11-04", "2018-02-18"]
)


@settings(max_examples=50, deadline=None)
@given(minutes, hours, zones, changes, st.integers(-2000, 2000))
def test_due_times_rise_and_previous_finds_each(
    minute: str, hour: str, zone: str, day: str, offset: int
) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=offset)
    schedule = parse_schedule(f"{minute} {hour} * * *", ZoneInfo(zone))
    found = list(islice(schedule.after(start), 30))
    assert found == sorted(set(found))
    assert found[0] > start
    for earlier, later in pairwise(found):
        assert schedule.previous(later) == later
        assert schedule.previous(later - timedelta(seconds=1)) == earlier
        assert next(iter(schedule.after(earlier))) == later
