"""The stores that misbehave do so exactly as they are told."""

import pytest

from backup_manager.common.errors import AccessDeniedError, ObjectMissingError, StorageUnreachableError
from backup_manager.engine.storage.faulty import (
    CrashingStorage,
    Fault,
    FaultyStorage,
    LaggingStorage,
    LyingStorage,
    SimulatedCrash,
)
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.readonly import ReadOnlyStorage


def test_fault_strikes_the_calls_that_it_names() -> None:
    storage = FaultyStorage(MemoryStorage(), [Fault("put", first=2, last=3, prefix="a/")])
    outcomes = []
    for name in ("a/1", "b/1", "a/2", "a/3", "a/4"):
        try:
            storage.put(name, [b"x"])
            outcomes.append(name)
        except StorageUnreachableError:
            outcomes.append("fault")
    assert outcomes == ["a/1", "b/1", "fault", "fault", "a/4"]
    assert storage.calls == 5


@pytest.mark.parametrize("after", [False, True])
def test_fault_before_or_after_the_effect(after: bool) -> None:
    inner = MemoryStorage()
    storage = FaultyStorage(inner, [Fault("put", after=after, error=lambda: AccessDeniedError("no"))])
    with pytest.raises(AccessDeniedError):
        storage.put("a", [b"x"])
    assert [found.name for found in inner.list("")] == (["a"] if after else [])


@pytest.mark.parametrize(("after", "expected"), [(False, ["a"]), (True, ["a", "b"])])
def test_crash_strikes_once_and_for_all(after: bool, expected: list[str]) -> None:
    inner = MemoryStorage()
    storage = CrashingStorage(inner, 2, after=after)
    storage.put("a", [b"x"])
    with pytest.raises(SimulatedCrash):
        storage.put("b", [b"x"])
    with pytest.raises(SimulatedCrash):
        storage.put("c", [b"x"])
    with pytest.raises(SimulatedCrash):
        list(storage.list(""))
    assert [found.name for found in inner.list("")] == expected


def test_crash_is_not_caught_as_an_error() -> None:
    assert not issubclass(SimulatedCrash, Exception)


def test_calls_are_counted_without_a_crash() -> None:
    storage = CrashingStorage(MemoryStorage(), 0)
    storage.check()
    storage.put("a", [b"x"])
    list(storage.list(""))
    assert (storage.get("a"), storage.size("a"), storage.sweep(0), storage.delete("a")) == (b"x", 1, 0, None)
    assert storage.calls == 7


def test_lie_is_told_for_ranges_as_for_the_whole() -> None:
    inner = MemoryStorage()
    inner.put("packs/a", [b"0123456789"])
    inner.put("other", [b"0123456789"])
    storage = LyingStorage(inner, lambda content: content[:4] + b"X" + content[5:8], prefix="packs/")
    assert storage.get("packs/a") == b"0123X567"
    assert storage.get("packs/a", 3, 3) == b"3X5"
    assert storage.get("packs/a", -2) == b"67"
    assert storage.size("packs/a") == 8
    assert storage.get("other") == b"0123456789"


def test_listing_lags_and_reads_do_not() -> None:
    now = [0.0]
    storage = LaggingStorage(MemoryStorage(), 10, clock=lambda: now[0])
    storage.put("a", [b"x"])
    assert (list(storage.list("")), storage.get("a")) == ([], b"x")
    now[0] = 10.0
    assert [found.name for found in storage.list("")] == ["a"]
    storage.delete("a")
    assert [found.name for found in storage.list("")] == ["a"]
    with pytest.raises(ObjectMissingError):
        storage.get("a")
    now[0] = 20.0
    assert list(storage.list("")) == []


def test_replaced_object_stays_listed() -> None:
    storage = LaggingStorage(MemoryStorage(), 0)
    storage.put("a", [b"x"])
    storage.put("a", [b"y"])
    assert [found.name for found in storage.list("")] == ["a"]


@pytest.mark.parametrize(
    "call",
    [lambda s: s.put("a", [b"y"]), lambda s: s.delete("a"), lambda s: s.sweep(0)],
    ids=["put", "delete", "sweep"],
)
def test_read_only_store_refuses_changes(call) -> None:  # type: ignore[no-untyped-def]  # a row of the table
    inner = MemoryStorage()
    inner.put("a", [b"x"])
    storage = ReadOnlyStorage(inner)
    with pytest.raises(AccessDeniedError, match="opened for reading only"):
        call(storage)
    assert not storage.properties.writable
    assert inner.get("a") == b"x"
