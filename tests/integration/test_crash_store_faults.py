"""Stores that lose answers, are busy, full, late or wrong: the backup is right, or the error says what is wrong."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from tests.integration.crash_stage import Stage

from backup_manager.common.errors import (
    BackupManagerError,
    CorruptDataError,
    InsufficientStorageError,
    KeyUnavailableError,
    StorageUnreachableError,
)
from backup_manager.contract.backups import VerificationOutcome
from backup_manager.contract.requests import RestoreRequest, RestoreTarget
from backup_manager.engine.jobs.restore import run_restore
from backup_manager.engine.jobs.verify import verify_all
from backup_manager.engine.storage.base import Storage, StorageBusyError
from backup_manager.engine.storage.faulty import Fault, FaultyStorage, LaggingStorage, LyingStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.retrying import RetryingStorage, Waiting

OPEN_SECONDS = 900


class Patience:
    """Time that passes only while somebody waits between two tries."""

    def __init__(self) -> None:
        self.now = 0.0

    def retrying(self, inner: Storage) -> RetryingStorage:
        waiting = Waiting(clock=lambda: self.now, sleep=self.sleep, fraction=lambda: 1.0)
        return RetryingStorage(inner, open_seconds=OPEN_SECONDS, waiting=waiting)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.build_source(large=2, small=4)
    return made


def busy() -> Exception:
    return StorageBusyError("503 SlowDown", retry_after_seconds=2.0)


def full() -> Exception:
    return InsufficientStorageError("507")


def calls_of(act: Callable[[Storage], object]) -> int:
    """Return how many calls *act* makes to an empty store."""
    counting = FaultyStorage(MemoryStorage())
    act(counting)
    return counting.calls


def test_a_lost_answer_of_any_call_does_no_harm(stage: Stage) -> None:
    for number in range(1, calls_of(stage.back_up) + 1):
        storage = MemoryStorage()
        losing = FaultyStorage(storage, [Fault(first=number, last=number, after=True)])
        result = stage.back_up(Patience().retrying(losing))
        verified = stage.check(storage, [result.id])
        assert (len(verified.verifications), verified.unneeded) == (1, ())


def test_a_storm_of_refusals_within_the_bound_is_outlived(stage: Stage) -> None:
    for number in range(2, calls_of(stage.back_up) + 1, 3):
        storage, patience = MemoryStorage(), Patience()
        storm = FaultyStorage(storage, [Fault(first=number, last=number + 20, error=busy)])
        result = stage.back_up(patience.retrying(storm))
        assert 20 * 2 <= patience.now < OPEN_SECONDS
        stage.check(storage, [result.id])


@pytest.mark.parametrize("prefix", ["packs/d/", "packs/m/", "index/", "intents/", "snapshots/"])
@pytest.mark.parametrize(("error", "code"), [(busy, 20), (full, 21)])
def test_a_store_that_refuses_for_too_long_ends_the_run_and_the_next_goes_on(
    stage: Stage, prefix: str, error: Callable[[], Exception], code: int
) -> None:
    storage = MemoryStorage()
    older = stage.back_up(storage).id
    stage.change_source(1)
    refusing = FaultyStorage(storage, [Fault("put", prefix=prefix, last=10**9, error=error)])
    with pytest.raises(StorageUnreachableError if code == 20 else InsufficientStorageError) as caught:
        stage.back_up(Patience().retrying(refusing))
    assert (caught.value.exit_code, caught.value.operation) == (code, "Failed to create backup")
    assert "tries in" in caught.value.cause
    stage.go_on(storage, [older])


@pytest.mark.parametrize("lag", [3, 30, 300])
def test_a_listing_that_lags_hurts_no_backup(stage: Stage, lag: int) -> None:
    """The lag is in calls, of which a run makes about thirty."""
    storage, now = MemoryStorage(), count()
    lagging = LaggingStorage(storage, lag, clock=lambda: float(next(now)))
    made = []
    for number in range(6):
        stage.change_source(number)
        stage.clock.ahead += 60
        made.append(stage.back_up(lagging).id)
        if number > 2:
            stage.maintain(lagging, 24 * 3600, made[:1])
            stage.check(storage, made[1:])
    assert len(stage.check(storage, made[1:]).verifications) >= 5


def flip(content: bytes) -> bytes:
    """Change a bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    """Lose the second half."""
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize(
    ("prefix", "expected", "code"),
    [
        ("config", KeyUnavailableError, 30),
        ("keys/", KeyUnavailableError, 30),
        ("snapshots/", CorruptDataError, 40),
        ("packs/d/", CorruptDataError, 40),
        ("packs/m/", CorruptDataError, 40),
    ],
)
def test_damaged_bytes_never_restore(
    stage: Stage,
    prefix: str,
    expected: type[BackupManagerError],
    code: int,
    damage: Callable[[bytes], bytes],
) -> None:
    storage = MemoryStorage()
    backup = stage.back_up(storage).id
    lying = LyingStorage(storage, damage, prefix=prefix)
    with pytest.raises(expected) as caught:
        stage.bring_back(lying, backup)
    assert caught.value.exit_code == code
    stage.check(storage, [backup])


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("prefix", ["index/", "intents/", "records/"])
def test_damage_to_what_no_restore_needs_does_not_stop_one(
    stage: Stage, prefix: str, damage: Callable[[bytes], bytes]
) -> None:
    storage = MemoryStorage()
    backup = stage.back_up(storage).id
    assert stage.bring_back(LyingStorage(storage, damage, prefix=prefix), backup) == stage.trees[backup]


def test_an_older_backup_never_stands_in_for_a_newer_one_that_is_damaged(stage: Stage) -> None:
    storage = MemoryStorage()
    older = stage.back_up(storage).id
    stage.clock.ahead += 60
    between = datetime.fromtimestamp(stage.clock(), UTC)
    newest = stage.back_up(storage).snapshot_id
    lying = LyingStorage(storage, flip, prefix=f"snapshots/{newest}")
    target = RestoreTarget("files", str(stage.folder / "restored"))
    with stage.session(lying) as session:
        for time in (None, between):
            request = RestoreRequest("latest", targets=(target,), policy=stage.policy, point_in_time=time)
            with pytest.raises(CorruptDataError, match="may be the latest"):
                run_restore(session, request)
    assert stage.bring_back(lying, older) == stage.trees[older]


def test_a_store_that_damages_now_and_then_is_never_believed(stage: Stage) -> None:
    storage, calls = MemoryStorage(), count()
    backup = stage.back_up(storage).id

    def sometimes(content: bytes) -> bytes:
        return flip(content) if next(calls) % 5 == 0 else content

    with stage.session(LyingStorage(storage, sometimes, prefix="packs/")) as session:
        assert verify_all(session).result is VerificationOutcome.FAILED
    stage.check(storage, [backup])
