"""Opening a repository, by its address or on a store that a program brought along."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress
from backup_manager.engine.jobs.wiring import Session, build_provider, open_session
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.repository import create_repository, open_repository
from backup_manager.engine.storage.base import Storage

__all__ = ["Access", "Session", "StoredRepository", "opened"]


@dataclass(frozen=True, slots=True)
class StoredRepository:
    """A repository on a store that exists as an object, whatever class it is of."""

    storage: Storage
    key: KeySpec = field(default_factory=lambda: KeySpec(KeyProviderName.NONE))
    compression_level: int = 3


Access = RepositoryAddress | StoredRepository


@contextmanager
def opened(access: Access, *, create: bool = False, read_only: bool = False) -> Iterator[Session]:
    """Open the repository; with *create*, one that is absent is initialised.

    Raises:
        RepositoryMissingError: there is none, and *create* is not set.
        BucketMissingError, AccessDeniedError, StorageUnreachableError, KeyUnavailableError: as they say.
    """
    if isinstance(access, RepositoryAddress):
        with open_session(access, create=create, read_only=read_only) as session:
            yield session
        return
    provider = build_provider(access.key)
    access.storage.check()
    opening = create_repository if create else open_repository
    repository = opening(
        access.storage,
        provider,
        compression_level=access.compression_level,
        make_vault=RepositoryVault,
        make_compressor=ZstdCompressor,
    )
    yield Session(access.storage, repository, tuple(getattr(provider, "warnings", ())))
