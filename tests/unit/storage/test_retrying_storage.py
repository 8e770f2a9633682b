"""When a call is repeated, for how long, and what a repeated put means."""

import pytest

from backup_manager.common.errors import (
    AccessDeniedError,
    BackupManagerError,
    BucketMissingError,
    InsufficientStorageError,
    ObjectExistsError,
    ObjectMissingError,
    StorageUnreachableError,
)
from backup_manager.engine.storage.base import Storage, StorageBusyError
from backup_manager.engine.storage.faulty import Fault, FaultyStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.retrying import RetryingStorage, Waiting

FOREVER = 10**9


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.delays: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.now += seconds


def retrying(inner: Storage, time: Time, fraction: float = 1.0, **limits: float) -> RetryingStorage:
    waiting = Waiting(clock=lambda: time.now, sleep=time.sleep, fraction=lambda: fraction)
    return RetryingStorage(inner, waiting=waiting, **limits)


def outage(
    method: str = "", error: BackupManagerError | None = None, last: int = FOREVER, **more: bool
) -> Fault:
    return Fault(method, last=last, error=lambda: error or StorageUnreachableError("no answer"), **more)


def test_call_is_repeated_until_it_succeeds() -> None:
    time, inner = Time(), MemoryStorage()
    inner.put("a", [b"x"])
    storage = retrying(FaultyStorage(inner, [outage("get", last=4)]), time)
    assert storage.get("a") == b"x"
    assert time.delays == [0.25, 0.5, 1.0, 2.0]


def test_jitter_spreads_the_whole_delay() -> None:
    time = Time()
    storage = retrying(FaultyStorage(MemoryStorage(), [outage("size", last=3)]), time, fraction=0.1)
    with pytest.raises(ObjectMissingError):
        storage.size("a")
    assert time.delays == pytest.approx([0.025, 0.05, 0.1])


def test_delay_has_a_longest() -> None:
    time, faulty = Time(), FaultyStorage(MemoryStorage(), [outage("size")])
    storage = retrying(faulty, time)
    storage.check()
    with pytest.raises(StorageUnreachableError):
        storage.size("a")
    assert max(time.delays) == 30.0


@pytest.mark.parametrize(
    ("opened", "error", "seconds"),
    [
        (False, StorageUnreachableError("no answer"), 60),
        (True, StorageUnreachableError("no answer"), 900),
        (True, InsufficientStorageError("full"), 60),
        (True, StorageBusyError("busy", retry_after_seconds=20), 900),
    ],
    ids=["opening", "open", "full", "busy"],
)
def test_time_is_bounded(opened: bool, error: BackupManagerError, seconds: float) -> None:
    time, faulty = Time(), FaultyStorage(MemoryStorage(), [outage("put", error)])
    storage = retrying(faulty, time)
    if opened:
        storage.check()
    with pytest.raises(type(error), match=r"\(\d+ tries in \d+ s\)"):
        storage.put("a", [b"x"])
    assert seconds - 50 < sum(time.delays) <= seconds


def test_opening_counts_from_the_call() -> None:
    """A first try that hangs for a minute leaves no time for a second one."""
    time = Time()

    class Hanging(MemoryStorage):
        def check(self) -> None:
            time.now += 60
            raise StorageUnreachableError("timed out")

    with pytest.raises(StorageUnreachableError, match="1 tries in 60 s"):
        retrying(Hanging(), time).check()
    assert time.delays == []


def test_long_upload_that_fails_at_its_end_is_repeated() -> None:
    time = Time()

    class Slow(MemoryStorage):
        tries = 0

        def put(self, *_arguments: object, **_options: object) -> None:
            self.tries += 1
            time.now += 1200
            if self.tries == 1:
                raise StorageUnreachableError("connection lost")

    slow = Slow()
    storage = retrying(slow, time)
    storage.check()
    storage.put("a", [b"x"])
    assert slow.tries == 2


def test_store_is_left_alone_as_long_as_it_asks() -> None:
    time, busy = Time(), StorageBusyError("busy", retry_after_seconds=17)
    storage = retrying(FaultyStorage(MemoryStorage(), [outage("put", busy, last=1)]), time, fraction=0)
    storage.put("a", [b"x"])
    assert time.delays == [17.0]


def test_store_that_asks_for_longer_than_the_limit_ends_the_call_at_once() -> None:
    time, busy = Time(), StorageBusyError("busy", retry_after_seconds=3600)
    with pytest.raises(StorageBusyError):
        retrying(FaultyStorage(MemoryStorage(), [outage("check", busy)]), time).check()
    assert time.delays == []


@pytest.mark.parametrize(
    "error",
    [AccessDeniedError("no"), BucketMissingError("no"), ObjectMissingError("no")],
    ids=lambda e: e.reason,
)
def test_hopeless_call_is_not_repeated(error: BackupManagerError) -> None:
    time, faulty = Time(), FaultyStorage(MemoryStorage(), [outage("check", error)])
    with pytest.raises(type(error)):
        retrying(faulty, time).check()
    assert (faulty.calls, time.delays) == (1, [])


def test_refused_conditional_put_is_not_repeated() -> None:
    time, faulty = Time(), FaultyStorage(MemoryStorage())
    storage = retrying(faulty, time)
    storage.put("a", [b"x"], if_absent=True)
    with pytest.raises(ObjectExistsError):
        storage.put("a", [b"x"], if_absent=True)
    assert (faulty.calls, time.delays) == (2, [])


def test_conditional_put_whose_answer_was_lost_is_our_own() -> None:
    storage = retrying(FaultyStorage(MemoryStorage(), [outage("put", last=1, after=True)]), Time())
    storage.put("a", [b"ours ", bytearray(b"and ours")], if_absent=True)
    assert storage.get("a") == b"ours and ours"


@pytest.mark.parametrize("other", [b"xx", b"", b"ours and more", b"our"])
def test_conditional_put_after_a_lost_answer_does_not_take_anothers(other: bytes) -> None:
    inner = MemoryStorage()
    inner.put("a", [other])
    storage = retrying(FaultyStorage(inner, [outage("put", last=1)]), Time())
    with pytest.raises(ObjectExistsError):
        storage.put("a", [b"ours"], if_absent=True)
    assert inner.get("a") == other


def test_reading_back_is_repeated_too() -> None:
    faults = [outage("put", last=1, after=True), outage("get", last=2)]
    storage = retrying(FaultyStorage(MemoryStorage(), faults), Time())
    storage.put("a", [b"ours"], if_absent=True)


def test_broken_listing_goes_on_without_repeating_objects() -> None:
    inner = MemoryStorage()
    for number in range(10):
        inner.put(f"a/{number}", [b"x"])

    class Breaking(MemoryStorage):
        listings = 0

        def list(self, prefix: str):  # type: ignore[no-untyped-def]  # a generator of the inner one's
            self.listings += 1
            for number, found in enumerate(inner.list(prefix)):
                if number == self.listings * 3:
                    raise StorageUnreachableError("the connection was lost")
                yield found

    breaking = Breaking()
    names = [found.name for found in retrying(breaking, Time()).list("a/")]
    assert names == [f"a/{number}" for number in range(10)]
    assert breaking.listings == 4


def test_listener_hears_of_each_retry() -> None:
    heard: list[tuple[str, int, float]] = []
    waiting = Waiting(
        sleep=lambda _seconds: None,
        fraction=lambda: 1.0,
        listener=lambda error, tries, delay_seconds: heard.append((error.reason, tries, delay_seconds)),
    )
    storage = RetryingStorage(FaultyStorage(MemoryStorage(), [outage("put", last=2)]), waiting=waiting)
    storage.put("a", [b"x"])
    assert heard == [("StorageUnreachable", 1, 0.25), ("StorageUnreachable", 2, 0.5)]
