"""A change of keys killed at any call to the store: old or new keys open, and the change can be made again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.crash_points import EVERY, STORES, Shelf, killed_everywhere, make_shelf, tell
from tests.integration.crash_stage import Stage

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.contract.requests import KeySpec
from backup_manager.engine.jobs.keys import add_slot, list_slots, remove_slot, rotate
from backup_manager.engine.storage.base import Storage

OLD, NEW = "key", "another-key"
Record = Callable[[str, object], None]


def opens(stage: Stage, storage: Storage, key: KeySpec) -> bool:
    """Whether *key* opens the repository."""
    try:
        with stage.session(storage, key):
            return True
    except KeyUnavailableError:
        return False


def add(stage: Stage, storage: Storage) -> None:
    """Let the new key open it, too, unless it does."""
    with stage.session(storage) as session:
        if len(list_slots(session)) == 1:
            add_slot(session, stage.key(NEW), "second")


def replace(stage: Stage, storage: Storage) -> None:
    """Put the new key in the place of the old one."""
    with stage.session(storage) as session:
        rotate(session, stage.key(NEW))


def remove(stage: Stage, storage: Storage) -> None:
    """Take the new key away again, unless it was."""
    with stage.session(storage) as session:
        for slot in list_slots(session):
            if not slot.is_current:
                remove_slot(session, slot.id)


CHANGES = [
    pytest.param(add, False, (True, True), id="add"),
    pytest.param(replace, False, (False, True), id="replace"),
    pytest.param(remove, True, (True, False), id="remove"),
]


def prepare(stage: Stage, shelf: Shelf, has_both: bool) -> str:
    stage.build_source(large=1, small=2)
    backup = stage.back_up(shelf.storage).id
    if has_both:
        add(stage, shelf.storage)
    return backup


@pytest.mark.parametrize(("store", "step"), STORES)
@pytest.mark.parametrize(("change", "has_both", "opening"), CHANGES)
def test_a_change_of_keys_is_made_again_wherever_it_was_killed(
    tmp_path: Path,
    store: str,
    change: Callable[[Stage, Storage], None],
    has_both: bool,
    opening: tuple[bool, bool],
    step: int,
    record_property: Record,
) -> None:
    stage, shelf = Stage(tmp_path), make_shelf(store, tmp_path)
    backup = prepare(stage, shelf, has_both)
    keys = stage.key(OLD), stage.key(NEW)
    points = 0
    step = max(EVERY, step // 3)  # there are few calls
    for storage in killed_everywhere(shelf, lambda storage: change(stage, storage), step=step):
        opened_by = [key for key in keys if opens(stage, storage, key)]
        stage.check(storage, [backup], key=opened_by[0])
        if keys[0] in opened_by:
            change(stage, storage)
        assert tuple(opens(stage, storage, key) for key in keys) == opening
        key = keys[0] if opening[0] else keys[1]
        again = stage.back_up(storage, key=key)
        assert again.added_bytes == 0
        stage.check(storage, [backup, again.id], key=key)
        points += 1
    tell(record_property, points, f"{change.__name__} a key")
