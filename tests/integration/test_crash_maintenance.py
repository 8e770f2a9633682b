"""Maintenance killed at any call to the store: no backup that stays is hurt, and later runs free what must go."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.crash_points import (
    EVERY,
    STORES,
    Shelf,
    StorageOfTheDead,
    killed_everywhere,
    make_shelf,
    tell,
)
from tests.integration.crash_stage import Stage

from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import SimulatedCrash

DAY = 24 * 3600.0
Record = Callable[[str, object], None]
Backups = set[str]
SELDOM = 4  # there are hundreds of calls
LARGEST_OF_A_RUN = 2**21  # a data pack; what maintenance joins is larger


def write_history(stage: Stage, shelf: Shelf) -> tuple[Backups, Backups]:
    """Make seven backups and what a killed run left, a day and a half old; return which stay and which go."""
    stage.build_source(large=3, small=8)
    backups = [stage.back_up(shelf.storage).id]
    for number in range(6):
        stage.change_source(number)
        backups.append(stage.back_up(shelf.storage).id)
    stage.change_source(99)
    with pytest.raises(SimulatedCrash):
        stage.back_up(StorageOfTheDead(shelf.storage, "put", "snapshots/"))
    shelf.age(shelf.storage, 1.5 * DAY)
    stage.clock.ahead += DAY
    kept = {backups[0], backups[6]}
    return kept, {*backups} - kept


def unneeded(stage: Stage, storage: Storage, kept: Backups) -> list[str]:
    """Check everything, and return what no backup needs."""
    return list(stage.check(storage, kept).unneeded)


def names(storage: Storage, *prefixes: str) -> list[str]:
    return sorted(info.name for prefix in prefixes for info in storage.list(prefix))


def end_prune(stage: Stage, shelf: Shelf, storage: Storage, kept: Backups, gone: Backups) -> None:
    """After a prune without grace was killed: another one frees all, and a backup succeeds."""
    stage.check(storage, kept)
    stage.maintain(storage, 0, gone)
    shelf.age(storage, 1)
    kept = {*kept, stage.back_up(storage).id}
    assert unneeded(stage, storage, kept) == []


@pytest.mark.parametrize(("store", "step"), STORES)
def test_a_prune_without_grace_is_ended_by_the_next_wherever_it_was_killed(
    tmp_path: Path, store: str, step: int, record_property: Record
) -> None:
    stage, shelf = Stage(tmp_path), make_shelf(store, tmp_path)
    kept, gone = write_history(stage, shelf)
    points = 0
    step = step if step == EVERY else step * SELDOM
    for storage in killed_everywhere(shelf, lambda storage: stage.maintain(storage, 0, gone), step=step):
        end_prune(stage, shelf, storage, kept, gone)
        points += 1
    tell(record_property, points, "prune without grace")


def test_copies_that_a_killed_run_has_made_are_kept_and_not_made_again(tmp_path: Path) -> None:
    stage, shelf = Stage(tmp_path), make_shelf("memory", tmp_path)
    _, gone = write_history(stage, shelf)
    with pytest.raises(SimulatedCrash):
        stage.maintain(StorageOfTheDead(shelf.storage, "put", "index/"), 0, gone)
    copies = [info.name for info in shelf.storage.list("packs/d/") if info.size > LARGEST_OF_A_RUN]
    stage.maintain(shelf.storage, 0)
    assert [info.name for info in shelf.storage.list("packs/d/")] == copies
    assert stage.maintain(shelf.storage, 0).freed_bytes == 0


def settle(stage: Stage, shelf: Shelf, storage: Storage, kept: Backups, gone: Backups) -> None:
    """After a maintenance run was killed: a backup succeeds beside it, and in a few days all is clean."""
    stage.check(storage, kept)
    kept = {*kept, stage.back_up(storage).id}
    for _ in range(6):
        stage.maintain(storage, DAY, gone)
        shelf.age(storage, DAY + 1)
    assert unneeded(stage, storage, kept) == []
    assert names(storage, "maintenance/", "intents/") == []


def nothing(stage: Stage, shelf: Shelf, gone: Backups) -> None:
    """The first run of all."""


def planned(stage: Stage, shelf: Shelf, gone: Backups) -> None:
    """A plan is ripe."""
    stage.maintain(shelf.storage, DAY, gone)
    shelf.age(shelf.storage, DAY + 1)


def carried_out(stage: Stage, shelf: Shelf, gone: Backups) -> None:
    """A plan was carried out, and so long ago that it is removed."""
    planned(stage, shelf, gone)
    planned(stage, shelf, gone)


@pytest.mark.parametrize(("store", "step"), [STORES[0], *STORES[2:]])
@pytest.mark.parametrize("history", [nothing, planned, carried_out])
def test_maintenance_in_two_phases_goes_on_wherever_it_was_killed(
    tmp_path: Path,
    store: str,
    history: Callable[[Stage, Shelf, Backups], None],
    step: int,
    record_property: Record,
) -> None:
    stage, shelf = Stage(tmp_path), make_shelf(store, tmp_path)
    kept, gone = write_history(stage, shelf)
    history(stage, shelf, gone)
    points = 0
    step = step if step == EVERY else step * SELDOM
    for storage in killed_everywhere(shelf, lambda storage: stage.maintain(storage, DAY, gone), step=step):
        settle(stage, shelf, storage, kept, gone)
        points += 1
    tell(record_property, points, f"maintenance, {history.__name__} before")
