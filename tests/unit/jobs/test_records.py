"""What is put on record reads back; what a later version records otherwise is left out."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.jobs.repositories import START, make_place

from backup_manager.common.clock import from_seconds
from backup_manager.common.errors import (
    BackupManagerError,
    InsufficientStorageError,
    InterruptedRunError,
    SourceEmptyError,
    StorageUnreachableError,
)
from backup_manager.contract.backups import (
    BackupResult,
    BackupType,
    Check,
    CheckOutcome,
    CheckResult,
    ErrorReport,
    RunStatus,
    VerificationResult,
)
from backup_manager.engine.jobs.catalogue import list_backups
from backup_manager.engine.jobs.failures import MOST_KEPT, record_failure
from backup_manager.engine.jobs.records import (
    failed_run,
    failure_record,
    verification_of,
    verification_record,
)
from backup_manager.engine.repository.records import Record, RecordKind, write_record

VERIFICATION = VerificationResult(
    "files-2025",
    (
        CheckResult(Check.INTEGRITY, CheckOutcome.SUCCESS, "3 packs"),
        CheckResult(Check.RESTORE_TEST, CheckOutcome.INCONCLUSIVE, "not done", "no space"),
    ),
    from_seconds(START),
)
FAILED = BackupResult(
    id="files-2025",
    policy="files",
    type=BackupType.FULL,
    status=RunStatus.FAILED,
    started_at=from_seconds(START),
    completed_at=from_seconds(START + 2),
    duration_seconds=2.0,
    sources=("files",),
    error=ErrorReport.of(SourceEmptyError("nothing there")),
)


def test_a_verification_reads_back() -> None:
    assert verification_of(verification_record(VERIFICATION, "name", START)) == VERIFICATION


def test_a_failed_run_reads_back() -> None:
    assert failed_run(failure_record(FAILED, START + 2)) == FAILED


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"checks": 1},
        {"checks": [1]},
        {"checks": [{"check": "smell", "result": "Success", "details": ""}]},
        {"error": {}, "sources": ["files"]},
        {"error": "text", "sources": ["files"]},
    ],
    ids=str,
)
def test_what_is_told_otherwise_is_left_out(payload: dict[str, object]) -> None:
    record = Record(kind=RecordKind.VERIFICATION, at=START, payload=payload)
    assert verification_of(record) is None
    assert failed_run(record) is None


def test_a_failed_run_is_listed(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    session = place.session()
    record = failure_record(FAILED, START + 2)
    assert write_record(session.storage, session.repository.vault, session.repository.compressor, record)
    (place.source / "file").write_bytes(b"content")
    later = place.back_up()
    assert list_backups(place.session()) == (later, FAILED)


def test_only_the_newest_failures_of_a_policy_are_kept(tmp_path: Path) -> None:
    session = make_place(tmp_path).session()
    others = replace(FAILED, policy="other", completed_at=from_seconds(START - 1))
    record_failure(session, others)
    for number in range(MOST_KEPT + 3):
        ended = from_seconds(START + number)
        record_failure(session, replace(FAILED, started_at=ended, completed_at=ended))

    kept = list_backups(session)

    newest_first = [from_seconds(START + number) for number in range(MOST_KEPT + 2, 2, -1)]
    assert [run.started_at for run in kept if run.policy == "files"] == newest_first
    assert [run.policy for run in kept].count("other") == 1


def test_a_failed_run_never_has_the_id_of_a_backup(tmp_path: Path) -> None:
    place = make_place(tmp_path)
    session = place.session()
    (place.source / "file").write_bytes(b"content")
    backup = place.back_up()
    failed = replace(FAILED, id=backup.id, policy=backup.policy, started_at=backup.started_at)

    recorded = record_failure(session, failed)

    assert recorded.id == f"{backup.id}-2"
    assert {run.id for run in list_backups(session)} == {backup.id, recorded.id}


@pytest.mark.parametrize(
    "err", [StorageUnreachableError("x"), InsufficientStorageError("x"), InterruptedRunError("x")]
)
def test_what_the_store_could_not_take_or_a_person_stopped_is_not_recorded(
    err: BackupManagerError, tmp_path: Path
) -> None:
    session = make_place(tmp_path).session()

    record_failure(session, replace(FAILED, error=ErrorReport.of(err)))

    assert list_backups(session) == ()
