from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backup_manager.manager.config_model import (
    FilesSource,
    PolicyConfig,
    ScheduleConfig,
    VerificationConfig,
)
from backup_manager.manager.explain import explain
from backup_manager.reconcile.retention import Candidate, RetentionRule
from backup_manager.reconcile.schedule import parse_schedule

UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2025, 6, 24, 10, tzinfo=UTC)
POLICY = PolicyConfig(
    name="files",
    sources=(FilesSource("files", ("/data",)),),
    schedule=ScheduleConfig(parse_schedule("0 0 * * *", UTC_ZONE), parse_schedule("0 */12 * * *", UTC_ZONE)),
    retention=RetentionRule(keep_daily=2),
    verification=VerificationConfig(enabled=True, schedule=parse_schedule("0 6 * * *", UTC_ZONE)),
)


def nightly(count: int, **facts: bool) -> list[Candidate]:
    midnight = NOW.replace(hour=0)
    return [Candidate(f"b{n}", "files", midnight - timedelta(days=n), **facts) for n in range(count)]


def removals(policy: PolicyConfig, backups: list[Candidate]) -> dict[str, str | None]:
    listed = explain(policy, backups, NOW)["backups"]
    return {item["id"]: item["expectedRemoval"] for item in listed}


def test_next_runs_are_told_apart() -> None:
    document = explain(POLICY, [], NOW)
    assert document["nextFull"] == "2025-06-25T00:00:00Z"
    assert document["nextIncremental"] == "2025-06-24T12:00:00Z"
    assert document["nextVerification"] == "2025-06-25T06:00:00Z"
    assert document["nextRuns"][:2] == [
        {"type": "incremental", "time": "2025-06-24T12:00:00Z"},
        {"type": "full", "time": "2025-06-25T00:00:00Z"},
    ]
    assert document["unknown"] == []


def test_incremental_that_a_full_always_replaces_has_no_next_time() -> None:
    same = parse_schedule("0 0 * * *", UTC_ZONE)
    assert explain(replace(POLICY, schedule=ScheduleConfig(same, same)), [], NOW)["nextIncremental"] is None


def test_each_backup_goes_after_the_run_that_pushes_it_out() -> None:
    assert removals(POLICY, nightly(4)) == {
        "b0": "2025-06-24T12:00:00Z",  # today's incremental becomes the last of the day
        "b1": "2025-06-25T00:00:00Z",
        "b2": "2025-06-24T10:00:00Z",  # already not kept
        "b3": "2025-06-24T10:00:00Z",
    }


def test_held_backup_is_not_expected_to_go() -> None:
    assert removals(POLICY, nightly(1, held=True)) == {"b0": None}


def test_without_rule_nothing_goes() -> None:
    policy = replace(POLICY, retention=RetentionRule())
    assert set(removals(policy, nightly(3)).values()) == {None}
    assert explain(policy, [], NOW)["retention"] == {"keepsEverything": True}


def test_without_schedule_only_todays_removals_are_known() -> None:
    policy = replace(POLICY, schedule=ScheduleConfig())
    document = explain(policy, nightly(3), NOW)
    assert removals(policy, nightly(3)) == {"b0": None, "b1": None, "b2": "2025-06-24T10:00:00Z"}
    assert document["nextRuns"] == []
    assert "no schedule" in str(document["unknown"])


def test_without_store_it_says_what_it_could_not_look_up() -> None:
    document = explain(POLICY, None, NOW, unavailable="the key file does not exist")
    assert document["backups"] is None
    assert document["nextFull"] == "2025-06-25T00:00:00Z"
    assert "the key file does not exist" in str(document["unknown"])


def test_rule_is_shown_in_the_keys_of_json() -> None:
    assert explain(POLICY, [], NOW)["retention"] == {"keepsEverything": False, "keepDaily": 2}


def test_newest_verified_goes_only_after_a_later_one_is_expected() -> None:
    verified = [replace(item, verified=item.id == "b2") for item in nightly(3)]
    assert removals(POLICY, verified)["b2"] == "2025-06-24T12:00:00Z"
    unscheduled = replace(POLICY, verification=VerificationConfig())
    assert removals(unscheduled, verified)["b2"] is None


def test_two_backups_with_one_id_are_told_once() -> None:
    """Two writers that begin in the same second may give one id twice."""
    twins = nightly(3) + nightly(1)
    assert removals(POLICY, twins) == removals(POLICY, nightly(3))
