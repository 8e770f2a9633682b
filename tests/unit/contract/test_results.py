import json
from datetime import UTC, datetime

import pytest

from backup_manager.common import errors
from backup_manager.contract.exit_codes import MEANINGS, ExitCode
from backup_manager.contract.results import (
    BackupDetails,
    BackupResult,
    BackupType,
    Check,
    CheckOutcome,
    CheckResult,
    ErrorReport,
    PathSample,
    PruneResult,
    RestorePlanResult,
    RestoreRecord,
    RestoreResult,
    RetentionVerdict,
    RunStatus,
    SourceDetails,
    VerificationOutcome,
    VerificationResult,
    Verified,
    VerifyAllResult,
)

START, END = datetime(2025, 6, 24, tzinfo=UTC), datetime(2025, 6, 24, 0, 0, 4, tzinfo=UTC)
ID = "files-2025-06-24-000000"
BACKUP = BackupResult(
    id=ID, policy="files", type=BackupType.FULL, status=RunStatus.SUCCEEDED, started_at=START,
    completed_at=END, duration_seconds=4.2, sources=("files",), files=1234, directories=56,
    source_bytes=1610612736,
    read_bytes=1610612736, added_bytes=1505600123, stored_bytes=921000456,
    verified=Verified(VerificationOutcome.PASSED, END), snapshot_id="7f3c",
)  # fmt: skip
PROMISED = """{"id": "files-2025-06-24-000000", "policy": "files", "type": "full", "status": "Succeeded",
 "startedAt": "2025-06-24T00:00:00Z", "completedAt": "2025-06-24T00:00:04Z", "durationSeconds": 4.2,
 "sources": ["files"], "files": 1234, "directories": 56, "sourceBytes": 1610612736, "readBytes": 1610612736,
 "addedBytes": 1505600123, "storedBytes": 921000456, "warnings": [],
 "verified": {"result": "Passed", "time": "2025-06-24T00:00:04Z"}, "snapshotId": "7f3c"}"""


def checks(*outcomes: CheckOutcome) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(Check.INTEGRITY, outcome, "12 objects") for outcome in outcomes)


def test_backup_is_the_promised_json_in_the_promised_order() -> None:
    assert json.dumps(BACKUP.document()) == json.dumps(json.loads(PROMISED))


def test_failed_backup_carries_its_error() -> None:
    err = errors.SourceEmptyError("'/data' holds nothing", operation="Failed to create backup")
    failed = BackupResult(
        ID, "files", BackupType.FULL, RunStatus.FAILED, START, None, 1, (), error=ErrorReport.of(err)
    )
    document = failed.document()
    assert document["status"] == "Failed"
    assert document["completedAt"] is None
    assert document["verified"] is None
    assert document["error"] == err.document()
    assert ErrorReport.of(err).exit_code == 10


def test_error_report_of_an_unnamed_operation_equals_the_errors_document() -> None:
    err = errors.BackupManagerError("odd")
    assert ErrorReport.of(err).document() == err.document()


def test_info_has_the_backups_keys_first() -> None:
    details = BackupDetails(
        BACKUP, "", (SourceDetails("files", "filesystem", ("/data",)),), "/r", "ab", True, "cd", "0.1.0"
    )
    document = details.document()
    assert list(document)[: len(BACKUP.document())] == list(BACKUP.document())
    assert document["encrypted"] is True


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        ([], "Inconclusive"),
        (["Success"], "Passed"),
        (["Success", "Inconclusive"], "Inconclusive"),
        (["Inconclusive", "Failure", "Success"], "Failed"),
    ],
)
def test_verification_is_its_worst_check(outcomes: list[str], result: str) -> None:
    verification = VerificationResult(ID, checks(*(CheckOutcome(outcome) for outcome in outcomes)))
    assert verification.result == result
    assert list(verification.document()) == ["backup", "result", "checks"]


def test_check_has_all_its_keys() -> None:
    (check,) = checks(CheckOutcome.SUCCESS)
    expected = {"check": "integrity", "result": "Success", "details": "12 objects", "error": None}
    assert check.document() == expected


@pytest.mark.parametrize(
    ("damaged", "inconclusive", "outcome", "result"),
    [
        ((), (), CheckOutcome.SUCCESS, "Passed"),
        ((), (), CheckOutcome.FAILURE, "Failed"),
        ((), (), CheckOutcome.INCONCLUSIVE, "Inconclusive"),
        ((), ("packs/d/1",), CheckOutcome.SUCCESS, "Inconclusive"),
        (("packs/d/1",), (), CheckOutcome.SUCCESS, "Failed"),
    ],
)
def test_all_backups_together_are_as_good_as_the_worst(
    damaged: tuple[str, ...], inconclusive: tuple[str, ...], outcome: CheckOutcome, result: str
) -> None:
    everything = VerifyAllResult((VerificationResult(ID, checks(outcome)),), damaged, (), inconclusive)
    assert everything.document()["result"] == result


def test_restore_has_the_promised_keys() -> None:
    restore = RestoreResult(ID, RunStatus.SUCCEEDED, 1234, 1610612736, 3.1, True)
    keys = ["backup", "status", "files", "bytes", "durationSeconds", "verified", "warnings"]
    assert list(restore.document()) == keys
    record = RestoreRecord(restore, START, ("/restored",)).document()
    assert (record["startedAt"], record["destinations"]) == ("2025-06-24T00:00:00Z", ["/restored"])
    failed = RestoreResult(
        ID, RunStatus.FAILED, 0, 0, 0, False, error=ErrorReport("a", "b", "c", "d", False, 50)
    )
    assert "error" in failed.document()


def test_plan_counts_more_than_it_lists() -> None:
    some = PathSample(3, ("a", "b"))
    plan = RestorePlanResult(ID, 3, 10, 5, some, PathSample(0), PathSample(0)).document()
    assert plan["written"] == {"count": 3, "paths": ["a", "b"]}
    assert plan["status"] == "Planned"


def test_prune_has_the_promised_keys() -> None:
    verdict = RetentionVerdict(ID, ("daily 2025-06-24",))
    assert PruneResult((verdict,), (), 1, 2).document() == {
        "kept": [{"id": ID, "reasons": ["daily 2025-06-24"]}],
        "removed": [],
        "freedBytes": 1,
        "pendingBytes": 2,
    }


def test_every_error_ends_with_a_code_of_the_table() -> None:
    waiting = [errors.BackupManagerError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        assert ExitCode(kind.exit_code) in MEANINGS
    assert set(MEANINGS) == set(ExitCode)
