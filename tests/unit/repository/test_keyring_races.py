"""Changes of keys beside others, killed anywhere, and with answers that were lost."""

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import pytest
from tests.unit.repository.key_changes import CHANGES, STORES, Change, editor, with_a_and_c
from tests.unit.repository.keyed import (
    AT_ONCE,
    NamedKey,
    UnconditionalStorage,
    create,
    names,
    open_it,
    opens,
)

from backup_manager.common.errors import (
    ObjectExistsError,
    StorageUnreachableError,
)
from backup_manager.engine.repository.key_slots import KeyEditor
from backup_manager.engine.storage.base import Buffer, Storage
from backup_manager.engine.storage.faulty import CrashingStorage, Fault, FaultyStorage, SimulatedCrash
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.wrapper import StorageWrapper


@pytest.mark.parametrize(("change", "before", "after"), CHANGES)
@pytest.mark.parametrize("make", STORES)
def test_killed_at_any_call_the_old_keys_open_or_the_new_ones(
    tmp_path: Path, make: Callable[[Path], Storage], change: Change, before: list[str], after: list[str]
) -> None:
    folders = count()

    def run(crash_at: int, is_after: bool) -> tuple[Storage, CrashingStorage, str]:
        inner = make(tmp_path / str(next(folders)))
        with_a_and_c(inner)
        repository = open_it(inner, NamedKey("a"))
        crashing = CrashingStorage(inner, crash_at, after=is_after)
        used = KeyEditor(crashing, repository.opened, repository.vault, AT_ONCE)
        with pytest.raises(SimulatedCrash) if crash_at else nullcontext():
            change(used, repository.slot_id)
        return inner, crashing, repository.slot_id

    points = run(0, False)[1].calls
    assert points >= 5
    for point in range(1, points + 1):
        for is_after in (False, True):
            inner, _, slot_id = run(point, is_after)
            assert opens(inner, "a", "b", "c") in (before, after)
            again = editor(open_it(inner, NamedKey("c")))
            if slot_id in [slot.id for slot in again.list_slots()]:
                change(again, slot_id)
            assert set(opens(inner, "a", "b", "c")) == set(after)


def test_a_free_name_is_not_enough_when_later_rings_have_come_and_gone() -> None:
    """While we were about to write generation 2, others wrote 2 and 3 and removed 2 as outdated."""

    class Overtaken(StorageWrapper):
        def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
            if name.endswith("-00000002"):
                for key in ("b", "c"):
                    editor(open_it(inner, NamedKey("a"))).add_slot(NamedKey(key))
            super().put(name, parts, if_absent=if_absent)

    inner = MemoryStorage()
    repository = create(inner, NamedKey("a"))

    ring = KeyEditor(Overtaken(inner), repository.opened, repository.vault, AT_ONCE).add_slot(NamedKey("d"))

    assert ring.generation == 4
    assert opens(inner, "a", "b", "c", "d") == ["a", "b", "c", "d"]
    assert names(inner, "keys/") == [ring.object_name]


@pytest.mark.parametrize("make", STORES[:2])
def test_changes_at_once_all_count(tmp_path: Path, make: Callable[[Path], Storage]) -> None:
    storage = make(tmp_path / "store")
    create(storage, NamedKey("a"))
    gate = threading.Barrier(4)

    def work(name: str) -> None:
        opened = editor(open_it(storage, NamedKey("a")))
        gate.wait()
        opened.add_slot(NamedKey(name))

    threads = [threading.Thread(target=work, args=(f"key {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opens(storage, *(f"key {number}" for number in range(4)))) == 4
    assert open_it(storage, NamedKey("a")).ring.generation == 5


def test_an_overwritten_ring_is_seen_after_the_wait_and_the_change_repeated() -> None:
    inner = MemoryStorage()
    storage = UnconditionalStorage(inner)
    repository = create(storage, NamedKey("a"))
    other = editor(open_it(inner, NamedKey("a")))
    ring = other.list_slots()
    waited: list[float] = []

    def overwrite(seconds: float) -> None:
        """Somebody else, who had listed when we had, writes the same generation a moment later."""
        if not waited:
            inner.delete(f"keys/{repository.config.id}-00000002")
            other.add_slot(NamedKey("other"))
        waited.append(seconds)

    surroundings = AT_ONCE.__class__(sleep=overwrite)
    repository.edit_keys(surroundings).add_slot(NamedKey("ours"))

    assert len(ring) == 1
    assert opens(storage, "a", "other", "ours") == ["a", "other", "ours"]


@pytest.mark.parametrize(("change", "before", "after"), CHANGES)
def test_a_put_whose_answer_was_lost_counts_once(change: Change, before: list[str], after: list[str]) -> None:
    inner = MemoryStorage()
    repository = with_a_and_c(inner)
    fault = Fault("put", prefix="keys/", after=True, error=lambda: ObjectExistsError("ours, in truth"))
    storage = FaultyStorage(inner, [fault])

    change(KeyEditor(storage, repository.opened, repository.vault, AT_ONCE), repository.slot_id)

    assert opens(inner, "a", "b", "c") == after
    assert open_it(inner, NamedKey("c")).ring.generation == 3
    assert before != after


@pytest.mark.parametrize(("change", "before", "after"), CHANGES)
def test_a_lost_put_that_another_change_came_after_counts_once(
    change: Change, before: list[str], after: list[str]
) -> None:
    inner = MemoryStorage()
    repository = with_a_and_c(inner)

    def another_change() -> Exception:
        editor(repository).add_slot(NamedKey("d"))
        return ObjectExistsError("ours, in truth")

    storage = FaultyStorage(inner, [Fault("put", prefix="keys/", after=True, error=another_change)])

    change(KeyEditor(storage, repository.opened, repository.vault, AT_ONCE), repository.slot_id)

    assert opens(inner, "a", "b", "c", "d") == [*after, "d"]
    assert len(editor(repository).list_slots()) == len(after) + 1
    assert before != after


def test_endless_changes_of_others_are_an_error() -> None:
    inner = MemoryStorage()
    repository = create(inner, NamedKey("a"))
    fault = Fault("put", last=1000, prefix="keys/", error=lambda: ObjectExistsError("another was first"))
    storage = FaultyStorage(inner, [fault])

    with pytest.raises(StorageUnreachableError, match="others changed the keys 16 times"):
        KeyEditor(storage, repository.opened, repository.vault, AT_ONCE).add_slot(NamedKey("b"))
