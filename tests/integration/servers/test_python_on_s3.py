"""The Python API over a bucket of a real server."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from tests.integration.servers.desk import SMALL_BYTES, Desk
from tests.support.servers import run_s3_server
from tests.support.trees import compare_trees

from backup_manager import (
    Backup,
    BackupManager,
    Check,
    Files,
    LocalKey,
    NoEncryption,
    Restore,
    RetentionPolicy,
    S3Storage,
    Verification,
)
from backup_manager.common.errors import (
    AccessDeniedError,
    BucketMissingError,
    KeyUnavailableError,
    RepositoryMissingError,
    StorageUnreachableError,
)
from backup_manager.engine.storage.registry import open_storage
from backup_manager.engine.storage.retrying import RetryingStorage
from backup_manager.engine.storage.s3 import S3Storage as S3Bucket
from backup_manager.manager.prune import PruneOptions

pytestmark = pytest.mark.server


def test_a_backup_is_made_listed_verified_and_restored(desk: Desk) -> None:
    backups = desk.python_api()
    backup = Backup("files").with_sources(Files([desk.data], exclude=["*.tmp"]))

    backup_id = backups.execute(backup)

    assert backups.list()[0].id == backup_id
    assert backups.get(backup_id).backup.added_bytes < SMALL_BYTES  # the prepared backups hold the files
    checks = Verification(backup_id).with_checks(
        Check.INTEGRITY, Check.COMPLETENESS, Check.size(min_bytes=1024)
    )
    assert [result.result.value for result in backups.verify(checks)] == ["Success"] * 3
    assert backups.verify_restore(backup_id).result.value == "Passed"
    backups.restore(Restore(backup_id).with_targets({str(desk.data): desk.folder / "out"}))
    differences = compare_trees(os.fsencode(desk.data), os.fsencode(desk.folder / "out"))
    assert [line for line in differences if "excluded.tmp" not in line] == []
    assert [record.restore.backup for record in backups.list_restores()] == [backup_id]


def test_awaited_twins_run_beside_each_other(desk: Desk) -> None:
    backups = desk.python_api()

    async def look() -> tuple[object, ...]:
        return await asyncio.gather(
            backups.list_async(), backups.get_async("latest"), backups.verify_backup_async("latest")
        )

    listed, newest, verified = asyncio.run(look())

    assert listed[0].id == newest.backup.id == verified.backup


def test_pruning_removes_what_the_named_policy_does_not_keep(desk: Desk) -> None:
    backups = desk.python_api()
    policy = Backup("files").with_retention(RetentionPolicy(keep_last=1))

    result = backups.prune(policy, options=PruneOptions(grace_seconds=0))

    assert [len(result.kept), len(result.removed)] == [1, 1]
    assert len(backups.list()) == 1
    assert backups.verify_all().result.value == "Passed"


def test_a_store_that_a_program_opens_itself_is_as_good(desk: Desk) -> None:
    storage = open_storage(desk.server.url("prod"), desk.server.options())
    key = LocalKey(desk.folder / "backup.key")

    backups = BackupManager().with_storage(storage).with_encryption(key).build()

    assert backups.list() == desk.python_api().list()


def test_what_is_wrong_is_told_apart(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def listing(bucket: str = desk.server.bucket, prefix: str = "prod/", key: Path | None = None) -> object:
        place = S3Storage(bucket=bucket, prefix=prefix, region="us-east-1", endpoint=desk.server.endpoint)
        encryption = LocalKey(key) if key else LocalKey(desk.folder / "backup.key")
        return BackupManager().with_storage(place).with_encryption(encryption).build().list()

    with pytest.raises(BucketMissingError, match="'absent-bucket'"):
        listing(bucket="absent-bucket")
    with pytest.raises(RepositoryMissingError):
        listing(prefix="elsewhere/")
    (desk.folder / "other.key").write_text(f"{'ab' * 32}\n")
    (desk.folder / "other.key").chmod(0o600)
    with pytest.raises(KeyUnavailableError):
        listing(key=desk.folder / "other.key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessDeniedError, match=desk.server.bucket):
        listing()


def test_a_server_that_was_stopped_is_given_up_within_the_bound(tmp_path: Path) -> None:
    with run_s3_server(tmp_path) as server:
        pass
    storage = RetryingStorage(S3Bucket(server.settings()), opening_seconds=2)
    backups = BackupManager().with_storage(storage).with_encryption(NoEncryption()).build()
    began = time.monotonic()

    with pytest.raises(StorageUnreachableError, match=r": Connection refused \(\d+ tries in [12] s\)"):
        backups.list()

    assert time.monotonic() - began < 4
