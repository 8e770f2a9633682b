"""Every store and every wrapper passes the exported suite."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.servers import S3Server

from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import CrashingStorage, FaultyStorage, LaggingStorage, LyingStorage
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.readonly import ReadOnlyStorage
from backup_manager.engine.storage.registry import open_storage
from backup_manager.engine.storage.retrying import RetryingStorage
from backup_manager.engine.storage.s3 import S3Storage
from backup_manager.engine.storage.wrapper import StorageWrapper
from backup_manager.testing import StorageConformance, StorageReading


class TestMemoryStorage(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return MemoryStorage()


class TestLocalStorage(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return LocalStorage(tmp_path)


class TestLocalStorageByRegistry(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        storage = open_storage(f"file://{tmp_path}/new", create=True)
        storage.check()
        return storage


class TestLocalStorageWithoutHardLinks(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
        def refuse(*_paths: str) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr("os.link", refuse)
        return LocalStorage(tmp_path)


class TestStorageWrapper(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return StorageWrapper(MemoryStorage())


class TestRetryingStorage(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return RetryingStorage(MemoryStorage())


class TestReadOnlyStorage(StorageReading):
    @pytest.fixture
    def writer(self) -> Storage:
        return MemoryStorage()

    @pytest.fixture
    def storage(self, writer: Storage) -> Storage:
        return ReadOnlyStorage(writer)


class TestFaultyStorageWithoutFaults(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return FaultyStorage(MemoryStorage())


class TestCrashingStorageWithoutCrash(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return CrashingStorage(MemoryStorage(), 0)


class TestLyingStorageThatTellsTheTruth(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return LyingStorage(MemoryStorage(), bytes)


class TestLaggingStorageWithoutLag(StorageConformance):
    @pytest.fixture
    def storage(self) -> Storage:
        return LaggingStorage(MemoryStorage(), 0)


@pytest.mark.server
class TestS3Storage(StorageConformance):
    listed_objects = 2_100  # pages have 1,000

    @pytest.fixture
    def storage(self, s3_server: S3Server) -> Iterator[Storage]:
        storage = S3Storage(s3_server.settings(prefix="deep/prefix/"))
        yield storage
        storage.close()


@pytest.mark.server
class TestS3StorageByRegistry(StorageReading):
    @pytest.fixture
    def storage(self, s3_server: S3Server) -> Storage:
        return open_storage(s3_server.url(), s3_server.options())


@pytest.mark.server
class TestS3StorageInParts(StorageConformance):
    @pytest.fixture
    def storage(self, s3_server: S3Server) -> Iterator[Storage]:
        storage = S3Storage(s3_server.settings(), part_bytes=1 << 20)
        yield storage
        storage.close()
