"""The one place where the layers of the engine meet: a store and a key become an opened repository."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress
from backup_manager.engine.keys.local import LocalKey
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.cache import CachingStorage
from backup_manager.engine.repository.index import Index, load_index
from backup_manager.engine.repository.index_shard import SHARD_PACKS
from backup_manager.engine.repository.keyring import KeyProvider
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import CLOSED_AT_BYTES
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.protocol import ProtocolOptions
from backup_manager.engine.repository.repository import Repository, create_repository, open_repository
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.registry import open_storage


def build_provider(spec: KeySpec) -> KeyProvider:
    """Return the provider of the key that *spec* names; scrypt and the AWS client are imported only when chosen.

    Raises:
        KeyUnavailableError: a key or passphrase file cannot be read.
    """
    if spec.provider is KeyProviderName.LOCAL:
        return LocalKey(Path(spec.value))
    if spec.provider is KeyProviderName.NONE:
        return NoEncryption()
    if spec.provider is KeyProviderName.PASSPHRASE:
        module = importlib.import_module("backup_manager.engine.keys.passphrase")
        passphrase: KeyProvider = module.Passphrase(module.read_passphrase(Path(spec.value)))
        return passphrase
    module = importlib.import_module("backup_manager.engine.keys.aws_kms")
    kms: KeyProvider = module.AwsKms(spec.value, region=spec.region or None, endpoint=spec.endpoint or None)
    return kms


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is the same for everybody, and small in tests: packs, packs in a shard, the times of the protocol."""

    closed_at_bytes: Mapping[PackKind, int] = field(default_factory=lambda: CLOSED_AT_BYTES)
    shard_packs: int = SHARD_PACKS
    protocol: ProtocolOptions = field(default_factory=ProtocolOptions)


@dataclass(frozen=True, slots=True)
class Session:
    """An opened repository and what was noticed on the way; jobs take one and leave it open."""

    storage: Storage
    repository: Repository
    warnings: tuple[str, ...] = ()
    tuning: Tuning = field(default_factory=Tuning)

    @property
    def location(self) -> str:
        """Where the repository is, without secrets."""
        return self.storage.properties.location

    @property
    def repository_id(self) -> str:
        """The id drawn when the repository was created."""
        return self.repository.config.id

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed to read the repository."""
        return self.repository.config.is_encrypted

    @property
    def hashing(self) -> RepositoryVault:
        """The repository's ids, with the short hashes of small files that sources need."""
        vault = self.repository.vault
        assert isinstance(vault, RepositoryVault)
        return vault

    def load_index(self, condemned: Iterable[str] = ()) -> Index:
        """Return the index for a writer: with small files, and without what the *condemned* packs hold."""
        return load_index(self.storage, self.repository.vault, condemned=condemned)

    def read_blobs(self, problems: list[Problem] | None = None) -> BlobStore:
        """Return the blobs of the repository as the store lists them now, for reading."""
        vault = self.repository.vault
        index = load_index(self.storage, vault, with_members=False, problems=problems)
        return BlobStore(self.storage, vault, self.repository.compressor, index)


@contextmanager
def open_session(
    address: RepositoryAddress, *, create: bool = False, read_only: bool = False
) -> Iterator[Session]:
    """Open the repository at *address*; with *create*, one that is absent is initialised.

    The key is looked at first, then the store, then both together: whatever is wrong is told before anything is
    written.

    Raises:
        RepositoryMissingError: there is none, and *create* is not set.
        BucketMissingError, AccessDeniedError, StorageUnreachableError, KeyUnavailableError: as they say.
    """
    provider = build_provider(address.key)
    options = {**address.options, **({"read_only": True} if read_only else {})}
    storage = open_storage(address.url, options, create=create)
    storage.check()
    opening = create_repository if create else open_repository
    repository = opening(
        storage,
        provider,
        compression_level=address.compression_level,
        make_vault=RepositoryVault,
        make_compressor=ZstdCompressor,
    )
    if address.cache_dir and not storage.properties.local:
        cached = CachingStorage(storage, Path(address.cache_dir), repository.config.id, repository.vault)
        repository = replace(repository, storage=cached)
    yield Session(repository.storage, repository, tuple(getattr(provider, "warnings", ())))
