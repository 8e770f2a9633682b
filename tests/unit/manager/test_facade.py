"""The Python API, on stores in memory and in folders."""

import asyncio
import dataclasses
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import backup_manager
from backup_manager import (
    AwsKms,
    Backup,
    BackupManager,
    Check,
    Database,
    Files,
    LocalKey,
    LocalStorage,
    NoEncryption,
    Passphrase,
    Restore,
    RetentionPolicy,
    S3Storage,
    Verification,
)
from backup_manager.common.errors import (
    ConfigurationError,
    NotAvailableError,
    TargetUnusableError,
    UsageError,
)
from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress
from backup_manager.contract.results import RestorePlanResult, RestoreResult
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.manager.facade_backups import Backups
from backup_manager.manager.prune import PruneOptions


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello")
    return folder


@pytest.fixture
def backups() -> Backups:
    """Backups on a store of the program's own, in memory."""
    return BackupManager().with_storage(MemoryStorage()).with_encryption(NoEncryption()).build()


def test_the_example_of_the_contract_builds() -> None:
    backups = (
        BackupManager()
        .with_storage(S3Storage(bucket="backups", region="us-west-2"))
        .with_encryption(AwsKms("alias/backup-key"))
        .build()
    )
    backup = (
        Backup("daily-backup")
        .with_description("Daily full backup")
        .with_type("full")
        .with_sources(
            Database("postgresql://localhost:5432/mydb", schemas=["public"]),
            Files(["/data/uploads", "/config"], exclude=["*.tmp", "*.log"]),
        )
        .with_retention(RetentionPolicy(keep_daily=7, keep_weekly=4, keep_monthly=12))
    )

    assert backups.access == RepositoryAddress(
        "s3://backups/", KeySpec(KeyProviderName.AWS_KMS, "alias/backup-key"), {"region": "us-west-2"}
    )
    with pytest.raises(NotAvailableError):
        backups.execute(backup)


def test_every_class_is_frozen_and_with_returns_copies() -> None:
    for name in backup_manager.__all__:
        kind = getattr(backup_manager, name)
        assert dataclasses.is_dataclass(kind), name
        assert kind.__dataclass_params__.frozen, name  # type: ignore[union-attr]
    plain = Backup("files")
    assert plain.with_description("x") != plain == Backup("files")


def test_every_call_has_an_awaitable_twin() -> None:
    calls = [name for name in vars(Backups) if not name.startswith("_") and callable(getattr(Backups, name))]

    for name in (name for name in calls if not name.endswith("_async")):
        twin = getattr(Backups, f"{name}_async")
        assert inspect.iscoroutinefunction(twin)
        assert list(inspect.signature(twin).parameters) == list(
            inspect.signature(getattr(Backups, name)).parameters
        )


def test_a_backup_goes_around(backups: Backups, data: Path, tmp_path: Path) -> None:
    backup_id = backups.execute(Backup("files").with_sources(Files([data])).with_description("why"))

    assert [each.id for each in backups.list()] == [backup_id]
    assert backups.get(backup_id).description == "why"
    restored = backups.restore(Restore(backup_id).with_targets({str(data): tmp_path / "out"}))
    assert isinstance(restored, RestoreResult)
    assert (tmp_path / "out" / "hello.txt").read_text() == "hello"
    assert [record.restore.backup for record in backups.list_restores()] == [backup_id]
    assert backups.verify_backup(backup_id).result == "Passed"
    assert backups.verify_restore(backup_id).result == "Passed"
    assert backups.verify_all().result == "Passed"
    assert backups.delete(backup_id) == (backup_id,)
    assert backups.list() == ()


def test_the_twins_answer_the_same(backups: Backups, data: Path) -> None:
    async def around() -> tuple[str, str]:
        backup_id = await backups.execute_async(Backup("files").with_sources(Files([data])))
        (found,) = await backups.list_async("files")
        await backups.delete_async(backup_id)
        return backup_id, found.id

    first, second = asyncio.run(around())
    assert first == second
    assert backups.list() == ()


def test_checks_are_iterated(backups: Backups, data: Path) -> None:
    backup_id = backups.execute(Backup("files").with_sources(Files([data])))
    verification = (
        Verification(backup_id)
        .with_checks(Check.INTEGRITY, Check.COMPLETENESS, Check.size(min_bytes=1024))
        .with_restore_test()
    )

    results = {result.check.value: result.result.value for result in backups.verify(verification)}

    assert results == {
        "integrity": "Success",
        "completeness": "Success",
        "size": "Failure",
        "restoreTest": "Success",
    }


def test_a_dry_run_of_restore_is_a_plan(backups: Backups, data: Path, tmp_path: Path) -> None:
    backups.execute(Backup("files").with_sources(Files([data])))

    plan = backups.restore(Restore().with_destination(tmp_path / "out").with_options(dry_run=True))

    assert isinstance(plan, RestorePlanResult)
    assert plan.files == 1
    assert not (tmp_path / "out").exists()


def test_a_full_destination_is_refused_unless_the_mode_says_otherwise(
    backups: Backups, data: Path, tmp_path: Path
) -> None:
    backups.execute(Backup("files").with_sources(Files([data])))
    out = tmp_path / "out"
    out.mkdir()
    (out / "stranger").touch()
    restore = Restore().with_policy("files").with_targets({"files": out})

    with pytest.raises(TargetUnusableError):
        backups.restore(restore)
    backups.restore(restore.with_mode("merge"))
    assert (out / "stranger").exists()
    backups.restore(restore.with_mode("mirror"))
    assert not (out / "stranger").exists()


def test_prune_applies_the_retention_of_the_backups_that_are_named(backups: Backups, data: Path) -> None:
    kept = Backup("kept").with_sources(Files([data]))
    pruned = Backup("pruned").with_sources(Files([data])).with_retention(RetentionPolicy(keep_last=1))
    for _ in range(2):
        backups.execute(kept)
        newest = backups.execute(pruned)

    result = backups.prune(pruned, options=PruneOptions(grace_seconds=0))

    assert len(result.removed) == 1
    assert [each.id for each in backups.list("pruned")] == [newest]
    assert len(backups.list("kept")) == 2


def test_the_builder_asks_for_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no storage"):
        BackupManager().build()
    with pytest.raises(ConfigurationError, match="no encryption"):
        BackupManager().with_storage(LocalStorage(tmp_path)).build()


@pytest.mark.parametrize(
    ("encryption", "spec"),
    [
        (LocalKey("k"), KeySpec(KeyProviderName.LOCAL, "k")),
        (Passphrase(Path("p")), KeySpec(KeyProviderName.PASSPHRASE, "p")),
        (AwsKms("id", region="r", endpoint="e"), KeySpec(KeyProviderName.AWS_KMS, "id", "r", "e")),
        (NoEncryption(), KeySpec(KeyProviderName.NONE)),
    ],
)
def test_encryption_becomes_a_key(
    encryption: LocalKey | Passphrase | AwsKms | NoEncryption, spec: KeySpec
) -> None:
    assert encryption.spec() == spec


def test_sources_are_named_after_the_backup() -> None:
    request = Backup("b").with_sources(Files(["/x"]), Files(["/y"], name="own"), Files(["/z"])).request()

    assert [source.name for source in request.sources] == ["b", "own", "b-3"]


def test_a_point_in_time_may_be_text() -> None:
    assert Restore().with_point_in_time("2025-06-24T02:00:00+02:00").request().point_in_time == datetime(
        2025, 6, 24, tzinfo=UTC
    )


def test_secrets_stay_out_of_repr() -> None:
    assert "hunter2" not in repr(Database("postgresql://user:hunter2@host/db"))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = backup_manager.Nothing  # type: ignore[attr-defined]
    assert "BackupManager" in dir(backup_manager)


def test_relative_paths_are_those_of_the_working_directory(
    backups: Backups, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    backup_id = backups.execute(Backup("files").with_sources(Files("data")))

    (source,) = backups.get(backup_id).source_details
    backups.restore(Restore(backup_id).with_targets({"data/": "restored"}))

    assert source.paths == (str(data),)
    assert (data.parent / "restored" / "hello.txt").read_text() == "hello"


@pytest.mark.parametrize("form", [str, Path, lambda path: f"file://{path}"], ids=["text", "path", "url"])
def test_storage_may_be_a_path_or_url(form: Callable[[Path], str | Path], data: Path) -> None:
    place = data.parent / "repository"
    backups = BackupManager().with_storage(form(place)).with_encryption(NoEncryption()).build()

    backups.execute(Backup("files").with_sources(Files([data])))

    assert (place / "config").exists()
    assert len(backups.list()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Backup("bad name/").with_sources(Files("/data")).request(),
        lambda: Backup("files").request(),
        lambda: Backup("files").with_type("differential"),
        lambda: Restore().with_mode("overwrite"),
    ],
    ids=["name", "no sources", "type", "mode"],
)
def test_what_makes_no_sense_is_refused_at_once(wrong: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        wrong()


def test_only_the_checks_that_are_named_are_run(backups: Backups, data: Path) -> None:
    backup_id = backups.execute(Backup("files").with_sources(Files([data])))

    assert [found.check.value for found in backups.verify(Verification(backup_id))] == [
        "integrity",
        "completeness",
    ]
    only_size = Verification(backup_id).with_checks(Check.size(min_bytes=1))
    assert [found.check.value for found in backups.verify(only_size)] == ["size"]
