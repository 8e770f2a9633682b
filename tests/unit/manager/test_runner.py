"""Policies that run beside each other, planned and pruned."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup_manager.common.errors import BucketMissingError, ConfigurationError
from backup_manager.contract.requests import Hooks, KeyProviderName, KeySpec, Progress, RepositoryAddress
from backup_manager.contract.results import BackupResult, BackupType, RunStatus
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.manager.access import StoredRepository, opened
from backup_manager.manager.config_model import DatabaseSource, FilesSource, PolicyConfig
from backup_manager.manager.prune import PruneOptions, prune
from backup_manager.manager.prune_decision import candidates
from backup_manager.manager.runner import RunListener, build_request, first_failure, run_policies
from backup_manager.manager.runner_plan import plan_policies
from backup_manager.reconcile.retention import RetentionRule

UNENCRYPTED = KeySpec(KeyProviderName.NONE)


def policy(name: str, *paths: Path, rule: RetentionRule | None = None) -> PolicyConfig:
    source = FilesSource(name, tuple(str(path) for path in paths))
    return PolicyConfig(name, (source,), retention=rule or RetentionRule())


DATABASE = PolicyConfig("database", (DatabaseSource("database", "postgresql://h/db"),))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("a")
    return tmp_path / "data"


@pytest.fixture
def stored() -> StoredRepository:
    return StoredRepository(MemoryStorage(), UNENCRYPTED)


def test_a_failed_policy_does_not_stop_the_next(stored: StoredRepository, data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    listener = RunListener(started=told.append, ended=lambda result: told.append(result.status.value))

    results = run_policies(
        stored, [policy("absent", tmp_path / "absent"), DATABASE, policy("files", data)], None, listener
    )

    assert [result.status for result in results] == [RunStatus.FAILED, RunStatus.FAILED, RunStatus.SUCCEEDED]
    assert told == ["absent", "Failed", "Failed", "files", "Succeeded"]
    failure = first_failure(results)
    assert failure is not None
    assert (failure.exit_code, failure.error) == (10, "Failed to create backup")


def test_a_failed_run_has_the_id_that_it_would_have_had(stored: StoredRepository, tmp_path: Path) -> None:
    moment = datetime(2025, 6, 24, 1, 2, 3, tzinfo=UTC)

    (result,) = run_policies(stored, [policy("files", tmp_path / "absent")], clock=lambda: moment.timestamp())

    assert (result.id, result.started_at, result.snapshot_id) == ("files-2025-06-24-010203", moment, None)
    assert result.document()["error"]["reason"] == "SourceUnreadable"  # type: ignore[index,call-overload]


def test_policies_that_cannot_run_open_no_repository(stored: StoredRepository) -> None:
    (result,) = run_policies(stored, [DATABASE])

    assert result.error is not None
    assert result.error.reason == "NotAvailable"
    assert list(stored.storage.list("")) == []


def test_a_key_that_is_missing_fails_every_policy(data: Path, tmp_path: Path) -> None:
    address = RepositoryAddress(
        str(tmp_path / "repository"), KeySpec(KeyProviderName.LOCAL, str(tmp_path / "no.key"))
    )

    results = run_policies(address, [policy("one", data), policy("two", data)])

    assert [result.error.exit_code for result in results if result.error] == [30, 30]
    assert not (tmp_path / "repository").exists()


def test_an_address_that_cannot_be_understood_is_raised(data: Path) -> None:
    with pytest.raises(ConfigurationError):
        run_policies(RepositoryAddress("gopher://x", UNENCRYPTED), [policy("files", data)])


def test_after_an_interruption_the_rest_is_left_out(stored: StoredRepository, data: Path) -> None:
    listener = RunListener(hooks=Hooks(cancelled=lambda: True))

    results = run_policies(stored, [policy("one", data), policy("two", data)], None, listener)

    assert [(result.policy, result.error and result.error.exit_code) for result in results] == [("one", 60)]


def test_types_are_those_that_were_asked_for(stored: StoredRepository, data: Path) -> None:
    files = [policy("files", data)]

    types = [
        run_policies(stored, files, kind)[0].type
        for kind in (None, None, BackupType.FULL, BackupType.INCREMENTAL)
    ]

    assert [kind.value for kind in types] == ["full", "incremental", "full", "incremental"]


def test_progress_gets_totals_from_the_newest_backup(stored: StoredRepository, data: Path) -> None:
    seen: list[Progress] = []
    listener = RunListener(hooks=Hooks(progress=seen.append), estimates=True)

    run_policies(stored, [policy("files", data)], BackupType.FULL, listener)
    assert {each.total_files for each in seen} == {0}
    seen.clear()
    (data / "b").write_text("b")
    run_policies(stored, [policy("files", data)], BackupType.FULL, listener)

    assert all(each.total_files in (0, 1) and each.files <= max(each.total_files, 2) for each in seen)
    assert all(each.total_files == 0 or each.files <= each.total_files for each in seen)


def test_a_plan_of_an_absent_repository_reads_everything(data: Path, tmp_path: Path) -> None:
    address = RepositoryAddress(str(tmp_path / "repository"), UNENCRYPTED)

    plan, failed = plan_policies(address, [policy("files", data), policy("absent", tmp_path / "absent")])

    assert (plan.status, plan.type, plan.files) == (RunStatus.PLANNED, BackupType.FULL, 1)
    assert failed.error is not None
    assert failed.error.exit_code == 10
    assert not (tmp_path / "repository").exists()


def test_an_absent_bucket_is_an_error_of_a_plan_too(data: Path) -> None:
    class NoBucket(MemoryStorage):
        def check(self) -> None:
            raise BucketMissingError("bucket 'x' does not exist")

    with pytest.raises(BucketMissingError):
        plan_policies(StoredRepository(NoBucket(), UNENCRYPTED), [policy("files", data)])


def test_a_request_carries_what_the_policy_says() -> None:
    source = FilesSource("docs", ("/x",), ("*.tmp",), allow_empty=True, allow_unreadable=True)

    request = build_request(PolicyConfig("p", (source,), description="why"), BackupType.FULL)

    assert (request.policy, request.type, request.description) == ("p", BackupType.FULL, "why")
    (files,) = request.sources
    assert (files.name, files.paths, files.exclude) == ("docs", ("/x",), ("*.tmp",))
    assert files.allow_empty
    assert files.allow_unreadable


def run_times(access: StoredRepository, *policies: PolicyConfig, times: int) -> Iterator[BackupResult]:
    for _ in range(times):
        yield from run_policies(access, policies)


def test_prune_narrowed_to_a_policy_leaves_the_others_alone(stored: StoredRepository, data: Path) -> None:
    rule = RetentionRule(keep_last=1)
    policies = [policy("one", data, rule=rule), policy("two", data, rule=rule)]
    ended = list(run_times(stored, *policies, times=2))

    result = prune(stored, policies, PruneOptions(only="one"))

    assert [verdict.id for verdict in result.removed] == [ended[0].id]
    assert [verdict.id for verdict in result.kept] == [ended[2].id]


def test_a_dry_run_of_prune_changes_nothing_and_says_the_same(stored: StoredRepository, data: Path) -> None:
    policies = [policy("one", data, rule=RetentionRule(keep_last=1))]
    list(run_times(stored, *policies, times=3))
    before = sorted(each.name for each in stored.storage.list(""))

    planned = prune(stored, policies, PruneOptions(grace_seconds=0, dry_run=True))

    assert sorted(each.name for each in stored.storage.list("")) == before
    assert prune(stored, policies, PruneOptions(grace_seconds=0)) == planned


def test_runs_that_failed_are_no_candidates(stored: StoredRepository, data: Path, tmp_path: Path) -> None:
    (failed,) = run_policies(stored, [policy("files", tmp_path / "absent")])
    (succeeded,) = run_policies(stored, [policy("files", data)])

    assert [each.id for each in candidates([failed, succeeded])] == [succeeded.id]


def test_a_session_tells_what_is_questionable(tmp_path: Path, data: Path) -> None:
    key = tmp_path / "open.key"
    key.write_text("0" * 64 + "\n")
    key.chmod(0o644)
    address = RepositoryAddress(str(tmp_path / "repository"), KeySpec(KeyProviderName.LOCAL, str(key)))
    told: list[tuple[str, ...]] = []

    run_policies(
        address,
        [policy("files", data)],
        None,
        RunListener(opened=lambda session: told.append(session.warnings)),
    )

    assert "0644" in told[0][0]
    with opened(address, read_only=True) as session:
        assert session.encrypted
