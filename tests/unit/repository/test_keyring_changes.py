"""What adding, replacing and removing keys does, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.unit.repository.key_changes import CHANGES, STORES, Change, editor, with_a_and_c
from tests.unit.repository.keyed import (
    NamedKey,
    create,
    names,
    open_it,
    opens,
)

from backup_manager.common.errors import (
    KeyUnavailableError,
    UsageError,
)
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.repository.documents import open_document
from backup_manager.engine.repository.keyring import MAX_SLOTS
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.memory import MemoryStorage


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


def test_each_change_leaves_a_record_of_its_generation() -> None:
    storage = MemoryStorage()
    repository = with_a_and_c(storage)
    editor(repository).add_slot(NamedKey("b"))

    def read(name: str) -> dict[str, object]:
        stored, random_part = storage.get(name), name.rpartition("/")[2]
        plain = open_document(repository.vault, None, ObjectKind.RECORD, random_part, stored)
        return msgspec.msgpack.decode(plain)

    found = [read(name) for name in names(storage, "records/")]

    assert {record["kind"] for record in found} == {"keys"}
    assert sorted(record["payload"]["generation"] for record in found) == [2, 3]


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
        with pytest.raises(UsageError, match="is the id of none"):
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
