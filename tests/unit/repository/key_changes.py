"""The three changes of keys, and the stores they are tried on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.repository.keyed import AT_ONCE, NamedKey, UnconditionalStorage, create

from backup_manager.engine.repository.key_slots import KeyEditor
from backup_manager.engine.repository.repository import Repository
from backup_manager.engine.storage.base import Storage
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
