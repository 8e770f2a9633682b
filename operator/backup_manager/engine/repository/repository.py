"""The handle of an opened repository: everything that jobs pass on, and none of its keys in print."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from backup_manager.engine.repository.config import RepositoryConfig
from backup_manager.engine.repository.creation import (
    DEFAULT_SURROUNDINGS,
    Surroundings,
    create_if_absent,
)
from backup_manager.engine.repository.key_slots import KeyEditor
from backup_manager.engine.repository.keyring import KeyProvider, KeyRing
from backup_manager.engine.repository.opening import Opened, open_secrets
from backup_manager.engine.repository.ports import Compressor, Vault
from backup_manager.engine.repository.secrets import Secrets
from backup_manager.engine.storage.base import Storage

MakeVault = Callable[[Secrets, str], Vault]
MakeCompressor = Callable[[int], Compressor]


@dataclass(frozen=True, slots=True)
class Repository:
    """An opened repository.

    *chunker_seed* is for the chunker alone, *opened* for :meth:`edit_keys`. *slot_id* is the key slot that
    opened it. *was_created*: this very call has created it.
    """

    storage: Storage
    vault: Vault
    compressor: Compressor
    config: RepositoryConfig
    ring: KeyRing
    slot_id: str
    chunker_seed: bytes = field(repr=False)
    opened: Opened = field(repr=False)
    was_created: bool = False

    def edit_keys(self, surroundings: Surroundings = DEFAULT_SURROUNDINGS) -> KeyEditor:
        """Return what adds, replaces and removes key slots."""
        return KeyEditor(self.storage, self.opened, self.vault, surroundings)


def open_repository(
    storage: Storage,
    provider: KeyProvider,
    *,
    compression_level: int = 3,
    make_vault: MakeVault,
    make_compressor: MakeCompressor,
) -> Repository:
    """Return the repository in *storage*, opened by *provider*; writes nothing.

    *storage* was checked. The factories are those of ``processors``, which this layer does not know.

    Raises:
        RepositoryMissingError: there is none.
        KeyUnavailableError: see :func:`~backup_manager.engine.repository.opening.open_secrets`.
    """
    opened = open_secrets(storage, provider)
    return Repository(
        storage=storage,
        vault=make_vault(opened.secrets, opened.config.id),
        compressor=make_compressor(compression_level),
        config=opened.config,
        ring=opened.ring,
        slot_id=opened.slot_id,
        chunker_seed=opened.secrets.chunker_seed,
        opened=opened,
    )


def create_repository(
    storage: Storage,
    provider: KeyProvider,
    *,
    compression_level: int = 3,
    make_vault: MakeVault,
    make_compressor: MakeCompressor,
    surroundings: Surroundings = DEFAULT_SURROUNDINGS,
) -> Repository:
    """Return the repository in *storage*, created if there was none; any number may do so at once.

    Raises:
        KeyUnavailableError: the key is not one of the repository that is there, or cannot wrap.
    """
    was_created = create_if_absent(storage, provider, surroundings=surroundings)
    opened = open_repository(
        storage,
        provider,
        compression_level=compression_level,
        make_vault=make_vault,
        make_compressor=make_compressor,
    )
    return replace(opened, was_created=was_created)
