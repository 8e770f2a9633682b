"""Adding, replacing and removing keys, beside others and killed anywhere."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from pathlib import Path

import msgspec
import pytest
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
    KeyUnavailableError,
    ObjectExistsError,
    StorageUnreachableError,
    UsageError,
)
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.repository.documents import open_document
from backup_manager.engine.repository.key_slots import KeyEditor
from backup_manager.engine.repository.keyring import MAX_SLOTS
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.repository import Repository
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import CrashingStorage, Fault, FaultyStorage, SimulatedCrash
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage

Change = Callable[[KeyEditor, str], object]


def add_b(editor: KeyEditor, _: str) -> object:
    return editor.add_slot(NamedKey("b"))


def replace_a_by_b(editor: KeyEditor, slot_id: str) -> object:
    return editor.replace_slot(slot_id, NamedKey("b"))


def remove_a(editor: KeyEditor, slot_id: str) -> object:
    return editor.remove_slot(slot_id, NamedKey("c"))


CHANGES = [
    pytest.param(add_b, ["a", "c"], ["a", "b", "c"], id="add"),
    pytest.param(replace_a_by_b, ["a", "c"], ["b", "c"], id="replace"),
    pytest.param(remove_a, ["a", "c"], ["c"], id="remove"),
]


def local(path: Path) -> Storage:
    storage = LocalStorage(path, create=True)
    storage.check()
    return storage


STORES = [
    pytest.param(lambda _: MemoryStorage(), id="memory"),
    pytest.param(local, id="local"),
    pytest.param(lambda _: UnconditionalStorage(MemoryStorage()), id="unconditional"),
]


def with_a_and_c(storage: Storage) -> Repository:
    repository = create(storage, NamedKey("a"))
    editor(repository).add_slot(NamedKey("c"))
    return repository


def editor(repository: Repository) -> KeyEditor:
    return repository.edit_keys(AT_ONCE)


@pytest.mark.parametrize(("change", "before", "after"), CHANGES)
@pytest.mark.parametrize("make", STORES)
def test_each_change_opens_and_shuts_what_it_should(
    tmp_path: Path, make: Callable[[Path], Storage], change: Change, before: list[str], after: list[str]
) -> None:
    storage = make(tmp_path / "store")
    repository = with_a_and_c(storage)
    assert opens(storage, "a", "b", "c") == before

    change(editor(repository), repository.slot_id)

    assert opens(storage, "a", "b", "c") == after
    assert names(storage, "keys/") == [f"keys/{repository.config.id}-00000003"]
    assert open_it(storage, NamedKey("c")).chunker_seed == repository.chunker_seed


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


def test_each_change_leaves_a_record_of_its_generation() -> None:
    storage = MemoryStorage()
    repository = with_a_and_c(storage)
    editor(repository).add_slot(NamedKey("b"))
    found = [
        msgspec.msgpack.decode(
            open_document(
                repository.vault, None, ObjectKind.RECORD, name.rpartition("/")[2], storage.get(name)
            )
        )
        for name in names(storage, "records/")
    ]

    assert sorted(found, key=lambda record: record["generation"]) == [
        {"kind": "keys", "generation": generation, "at": "2025-06-15T15:06:40Z"} for generation in (2, 3)
    ]


@pytest.mark.parametrize("make", STORES)
def test_changes_at_once_all_count(tmp_path: Path, make: Callable[[Path], Storage]) -> None:
    storage = make(tmp_path / "store")
    if not storage.properties.conditional_put:
        pytest.skip("without conditional puts the wait decides, see the next test")
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


def test_the_last_slot_cannot_be_removed() -> None:
    repository = create(MemoryStorage(), NamedKey("a"))

    with pytest.raises(UsageError, match="is the last one"):
        editor(repository).remove_slot(repository.slot_id, NamedKey("a"), force=True)


def test_nobody_locks_itself_out_by_mistake() -> None:
    storage = MemoryStorage()
    repository = with_a_and_c(storage)

    with pytest.raises(UsageError, match="the only one that the given key opens"):
        editor(repository).remove_slot(repository.slot_id, NamedKey("a"))
    assert opens(storage, "a", "c") == ["a", "c"]

    editor(repository).remove_slot(repository.slot_id, NamedKey("a"), force=True)
    assert opens(storage, "a", "c") == ["c"]


def test_a_slot_that_only_seems_to_open_is_no_way_back() -> None:
    class Hopeful(NamedKey):
        def accepts(self, slot: object) -> bool:
            return True

    repository = with_a_and_c(MemoryStorage())

    with pytest.raises(UsageError, match="the only one"):
        editor(repository).remove_slot(repository.slot_id, Hopeful("a"))


def test_slots_are_named_by_any_unambiguous_prefix() -> None:
    repository = with_a_and_c(MemoryStorage())
    one, two = editor(repository).list_slots()

    for wrong in ("", "no such"):
        with pytest.raises(UsageError, match="names 0 key slots"):
            editor(repository).remove_slot(wrong, NamedKey("c"))
    editor(repository).remove_slot(one.id[:7], NamedKey("c"))

    assert editor(repository).list_slots() == (two,)


def test_a_replaced_slot_keeps_label_and_place_unless_told_otherwise() -> None:
    repository = create(MemoryStorage(), NamedKey("a"))
    editor(repository).add_slot(NamedKey("c"), "safe")
    first, second = editor(repository).list_slots()

    editor(repository).replace_slot(second.id, NamedKey("d"))
    ring = editor(repository).replace_slot(first.id, NamedKey("e"), "new")

    assert [(slot.parameters["name"], slot.label) for slot in ring.slots] == [("e", "new"), ("d", "safe")]


def test_encryption_can_neither_be_added_nor_taken_away() -> None:
    with pytest.raises(UsageError, match="cannot become unencrypted"):
        editor(create(MemoryStorage(), NamedKey("a"))).add_slot(NoEncryption())
    with pytest.raises(UsageError, match="is not encrypted"):
        editor(create(MemoryStorage(), NoEncryption())).add_slot(NamedKey("a"))


def test_there_is_an_end_to_the_number_of_slots() -> None:
    repository = create(MemoryStorage(), NamedKey("a"))
    for number in range(MAX_SLOTS - 1):
        editor(repository).add_slot(NamedKey(str(number)))

    with pytest.raises(UsageError, match="at most 64 keys"):
        editor(repository).add_slot(NamedKey("b"))
    assert opens(repository.storage, "a", "62", "b") == ["a", "62"]


def test_a_ring_that_was_tampered_with_is_not_built_upon() -> None:
    storage = MemoryStorage()
    repository = create(storage, NamedKey("a"))
    name = repository.ring.object_name
    storage.put(name, (storage.get(name).replace(b'"label": ""', b'"label": "x"'),))

    with pytest.raises(KeyUnavailableError, match="does not authenticate"):
        editor(repository).add_slot(NamedKey("b"))


def test_endless_changes_of_others_are_an_error() -> None:
    inner = MemoryStorage()
    repository = create(inner, NamedKey("a"))
    fault = Fault("put", last=1000, prefix="keys/", error=lambda: ObjectExistsError("another was first"))
    storage = FaultyStorage(inner, [fault])

    with pytest.raises(StorageUnreachableError, match="others changed the keys 16 times"):
        KeyEditor(storage, repository.opened, repository.vault, AT_ONCE).add_slot(NamedKey("b"))
