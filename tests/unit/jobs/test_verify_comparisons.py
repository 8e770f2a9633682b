"""Completeness against the live source and the backup before."""

import os
from pathlib import Path

import pytest
from tests.unit.jobs.repositories import (
    Place,
    check_of,
    fill,
    make_place,
)

from backup_manager.contract.backups import Check, CheckOutcome, CheckResult
from backup_manager.contract.requests import FilesRequest, VerifyRequest

SEED = 7
FOREVER = 1_000_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return fill(make_place(tmp_path))


def completeness(place: Place, **options) -> CheckResult:
    return check_of(place, Check.COMPLETENESS, VerifyRequest("latest", **options))


def sources_of(place: Place, *exclude: str) -> tuple[FilesRequest, ...]:
    return (FilesRequest("files", (str(place.source),), exclude=exclude),)


def test_a_live_source_that_went_on_is_told_and_no_failure(place: Place) -> None:
    (place.source / "new").write_text("new")
    (place.source / "small").unlink()
    os.truncate(place.source / "large", 5)
    found = completeness(place, compare_source=True, sources=sources_of(place))
    assert found.result is CheckOutcome.SUCCESS
    assert "1 entries that the backup has not, lacks 1, and differs in 1 of 2" in found.details


def overlooking(tmp_path: Path) -> Place:
    """Return a backup that left out a file which had been there before, by an exclude."""
    place = make_place(tmp_path)
    (place.source / "kept").write_text("kept")
    (place.source / "skipped").write_text("skipped")
    place.clock.now = os.stat(place.source / "skipped").st_ctime + 60
    request = FilesRequest("files", (str(place.source),), exclude=("skipped",))
    place.back_up(sources=(request,))
    return place


def test_a_file_that_was_there_before_and_is_not_in_the_backup_is_a_failure(tmp_path: Path) -> None:
    place = overlooking(tmp_path)
    found = completeness(place, compare_source=True, sources=sources_of(place))
    assert found.result is CheckOutcome.FAILURE
    assert "skipped was there before the backup started" in (found.error or "")


def test_what_excludes_explain_is_no_failure(tmp_path: Path) -> None:
    place = overlooking(tmp_path)
    found = completeness(place, compare_source=True, sources=sources_of(place, "skipped"))
    assert found.result is CheckOutcome.SUCCESS
    unknown = completeness(place, compare_source=True)
    assert unknown.result is CheckOutcome.SUCCESS
    assert "1 entries that the backup has not" in unknown.details


def test_a_source_that_is_gone_leaves_it_inconclusive(place: Place) -> None:
    place.source.rename(place.source.with_name("elsewhere"))
    assert completeness(place, compare_source=True).result is CheckOutcome.INCONCLUSIVE


def test_a_backup_that_shrank_by_more_than_half_is_a_failure(place: Place) -> None:
    assert "no backup before it" in completeness(place, compare_previous=True).details
    os.truncate(place.source / "large", 300_000)
    place.back_up()
    assert completeness(place, compare_previous=True).result is CheckOutcome.SUCCESS
    os.truncate(place.source / "large", 100_000)
    place.back_up()
    found = completeness(place, compare_previous=True)
    assert found.result is CheckOutcome.FAILURE
    assert "100005 bytes" in (found.error or "")
