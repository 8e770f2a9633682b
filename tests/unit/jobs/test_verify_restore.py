"""The restore test into a scratch folder, which is left as it was."""

import os
import tempfile
from pathlib import Path

import pytest
from tests.support.trees import build_hostile_tree
from tests.unit.jobs.repositories import Place, changed, check_of, fill, flipped, make_place, packs_of

from backup_manager.common.errors import (
    TargetUnusableError,
)
from backup_manager.contract.backups import Check, CheckOutcome, CheckResult
from backup_manager.contract.requests import VerifyRequest

SEED = 7
FOREVER = 1_000_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return fill(make_place(tmp_path))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary ones, so that left-overs would be seen."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def restore_test(place: Place, destination: Path | None = None) -> CheckResult:
    request = VerifyRequest(
        "latest", checks=(), restore_test=True, destination=None if destination is None else str(destination)
    )
    return check_of(place, Check.RESTORE_TEST, request)


def test_a_hostile_tree_restores_equal_and_leaves_no_trace(tmp_path: Path, scratch: Path) -> None:
    place = make_place(tmp_path)
    place.source.rmdir()
    build_hostile_tree(os.fsencode(place.source), seed=SEED)
    place.back_up()
    found = restore_test(place)
    assert found.result is CheckOutcome.SUCCESS, found.error
    assert list(scratch.iterdir()) == []


def test_a_given_folder_is_emptied_and_kept_an_absent_one_is_removed(place: Place, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "lost+found").mkdir()
    assert restore_test(place, there).result is CheckOutcome.SUCCESS
    assert [path.name for path in there.iterdir()] == ["lost+found"]
    assert restore_test(place, tmp_path / "not" / "there").result is CheckOutcome.SUCCESS
    assert not (tmp_path / "not" / "there").exists()


def test_a_folder_that_holds_anything_is_refused_and_untouched(place: Place, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    with pytest.raises(TargetUnusableError, match="not empty"):
        restore_test(place, tmp_path)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_damaged_pack_fails_the_restore_test_and_leaves_no_trace(place: Place, scratch: Path) -> None:
    (pack,) = packs_of(place)
    with changed(place.storage, pack, flipped(place.storage.get(pack))):
        assert restore_test(place).result is CheckOutcome.FAILURE
    assert list(scratch.iterdir()) == []


def test_a_folder_that_cannot_be_made_leaves_it_inconclusive(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for destination in (tmp_path / "loop",):
        with pytest.raises(TargetUnusableError):
            restore_test(place, destination)
    found = restore_test(place, Path("/proc/nowhere"))
    assert found.result is CheckOutcome.INCONCLUSIVE
