"""The Python API: from a store and a key to the backups in it.

>>> import pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> (folder / "data").mkdir()
>>> (folder / "data" / "hello.txt").write_text("hello")
5
>>> backups = (BackupManager().with_storage(LocalStorage(folder / "repository"))
...            .with_encryption(NoEncryption()).build())
>>> backup = Backup("documents").with_sources(Files([folder / "data"]))
>>> backup_id = backups.execute(backup)
>>> [found.id == backup_id for found in backups.list()]
[True]
>>> for result in backups.verify(Verification(backup_id).with_checks(Check.INTEGRITY, Check.size(min_bytes=5))):
...     print(result.check.value, result.result.value)
integrity Success
size Success
>>> backups.verify_restore(backup_id).result.value
'Passed'
>>> restored = Restore(backup_id).with_targets({str(folder / "data"): folder / "restored"})
>>> backups.restore(restored).files
1
>>> (folder / "restored" / "hello.txt").read_text()
'hello'

Every call has a twin for programs with an event loop:

>>> import asyncio
>>> asyncio.run(backups.execute_async(backup)) != backup_id
True
>>> backups.delete(backup_id) == (backup_id,)
True
>>> import shutil
>>> shutil.rmtree(folder)
"""

from dataclasses import dataclass, replace
from os import PathLike, fsdecode

from backup_manager.common.errors import ConfigurationError
from backup_manager.contract.requests import RepositoryAddress
from backup_manager.engine.storage.base import Storage
from backup_manager.manager.access import StoredRepository
from backup_manager.manager.facade_backups import Backups
from backup_manager.manager.facade_places import (
    AwsKms,
    Encryption,
    LocalKey,
    LocalStorage,
    NoEncryption,
    Passphrase,
    S3Storage,
)
from backup_manager.manager.facade_records import (
    Backup,
    Check,
    Database,
    Files,
    Restore,
    RetentionPolicy,
    Verification,
)

__all__ = [
    "AwsKms",
    "Backup",
    "BackupManager",
    "Backups",
    "Check",
    "Database",
    "Files",
    "LocalKey",
    "LocalStorage",
    "NoEncryption",
    "Passphrase",
    "Restore",
    "RetentionPolicy",
    "S3Storage",
    "Verification",
]


@dataclass(frozen=True, slots=True)
class BackupManager:
    """The way to a repository: name the store and the encryption, then ``build``.

    Nothing is opened or written before the first call on what ``build`` returns.
    """

    storage: "LocalStorage | S3Storage | Storage | str | PathLike[str] | None" = None
    encryption: Encryption | None = None
    compression_level: int = 3
    cache_dir: str | None = None

    def with_storage(
        self, storage: "LocalStorage | S3Storage | Storage | str | PathLike[str]"
    ) -> "BackupManager":
        """Return a copy that keeps backups there.

        That is a folder, a bucket, a path or URL as for ``--repository``, or any object with the Storage protocol.
        """
        return replace(self, storage=storage)

    def with_encryption(self, encryption: Encryption) -> "BackupManager":
        """Return a copy that encrypts so; ``NoEncryption()`` must be said, too."""
        return replace(self, encryption=encryption)

    def with_compression(self, level: int) -> "BackupManager":
        """Return a copy that compresses new data at this level of zstd, 1 to 22."""
        return replace(self, compression_level=level)

    def with_cache(self, folder: str | PathLike[str]) -> "BackupManager":
        """Return a copy that keeps a local cache there; its contents stay sealed."""
        return replace(self, cache_dir=fsdecode(folder))

    def build(self) -> Backups:
        """Return the backups of the repository.

        Raises:
            ConfigurationError: no storage or no encryption was named.
        """
        if self.storage is None:
            raise ConfigurationError("no storage was named", solution="Call with_storage before build.")
        if self.encryption is None:
            raise ConfigurationError(
                "no encryption was named",
                solution="Call with_encryption before build; NoEncryption() stores readable backups.",
            )
        key = self.encryption.spec()
        if isinstance(self.storage, str | PathLike):
            url = fsdecode(self.storage)
            return Backups(RepositoryAddress(url, key, {}, self.compression_level, self.cache_dir))
        if isinstance(self.storage, LocalStorage | S3Storage):
            url, options = self.storage.location()
            return Backups(RepositoryAddress(url, key, options, self.compression_level, self.cache_dir))
        return Backups(StoredRepository(self.storage, key, self.compression_level))
