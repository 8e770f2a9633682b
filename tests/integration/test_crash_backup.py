"""A backup killed at any call to the store: older ones restore, the next run succeeds and re-uses what is there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.crash_points import EVERY, STORES, killed_everywhere, make_shelf, tell
from tests.integration.crash_stage import Stage

from backup_manager.contract.backups import BackupType

Record = Callable[[str, object], None]


@pytest.mark.parametrize(("store", "step"), STORES)
def test_a_first_backup_goes_on_wherever_it_was_killed(
    tmp_path: Path, store: str, step: int, record_property: Record
) -> None:
    stage = Stage(tmp_path)
    stage.build_source()
    points = killed_everywhere(make_shelf(store, tmp_path), stage.back_up, step=step)
    reused = [stage.go_on(storage, set()) for storage in points]
    assert reused[0] == 0
    assert len(set(reused)) >= (8 if step == EVERY else 2)
    tell(record_property, len(reused), f"first backup, {len(set(reused))} amounts of data were durable")


@pytest.mark.parametrize(("store", "step"), STORES)
@pytest.mark.parametrize("kind", [None, BackupType.FULL], ids=["incremental", "full"])
def test_a_later_backup_goes_on_wherever_it_was_killed(
    tmp_path: Path, store: str, kind: BackupType | None, step: int, record_property: Record
) -> None:
    stage, shelf = Stage(tmp_path), make_shelf(store, tmp_path)
    stage.build_source()
    older = {stage.back_up(shelf.storage).id}
    stage.change_source(1)
    older.add(stage.back_up(shelf.storage).id)
    stage.change_source(2)
    points = killed_everywhere(shelf, lambda storage: stage.back_up(storage, kind), step=step)
    reused = [stage.go_on(storage, older, kind) for storage in points]
    assert len(set(reused)) >= (4 if step == EVERY else 2)
    tell(
        record_property,
        len(reused),
        f"{kind or 'incremental'}, {len(set(reused))} amounts of data were durable",
    )
