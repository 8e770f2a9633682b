"""Builders for tests about keys: cheap providers, repositories, and a store without conditional puts."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from backup_manager.common.errors import KeyUnavailableError, UsageError
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.creation import Surroundings
from backup_manager.engine.repository.keyring import KeyProvider, KeySlot, Parameter, WrappedKey
from backup_manager.engine.repository.repository import Repository, create_repository, open_repository
from backup_manager.engine.storage.base import Buffer, Storage, StorageProperties
from backup_manager.engine.storage.wrapper import StorageWrapper


class NamedKey:
    """A provider whose key is its name, and which notices damage."""

    provider = "named"

    def __init__(self, name: str) -> None:
        self.name = name

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:
        return WrappedKey({"name": self.name}, self._tag(secret, context) + secret[::-1])

    def unwrap(
        self, parameters: Mapping[str, Parameter], wrapped: bytes, context: Mapping[str, str]
    ) -> bytes:
        secret = wrapped[32:][::-1]
        if parameters.get("name") != self.name or wrapped[:32] != self._tag(secret, context):
            raise KeyUnavailableError(f"slot {context['slot']} does not open with {self.name}")
        return secret

    def accepts(self, slot: KeySlot) -> bool:
        return slot.provider == self.provider and slot.parameters.get("name") == self.name

    def _tag(self, secret: bytes, context: Mapping[str, str]) -> bytes:
        return hashlib.sha256(repr((self.name, secret, sorted(context.items()))).encode()).digest()


class UnconditionalStorage(StorageWrapper):
    """A store that cannot decide whether a name is absent."""

    @property
    def properties(self) -> StorageProperties:
        return replace(super().properties, conditional_put=False)

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        if if_absent:
            raise UsageError("no conditional put here")
        super().put(name, parts)


def no_sleep(_: float) -> None:
    """Pass no time at all."""


AT_ONCE = Surroundings(clock=lambda: 1_750_000_000.0, sleep=no_sleep)


def create(storage: Storage, provider: KeyProvider, surroundings: Surroundings = AT_ONCE) -> Repository:
    return create_repository(
        storage,
        provider,
        make_vault=RepositoryVault,
        make_compressor=ZstdCompressor,
        surroundings=surroundings,
    )


def open_it(storage: Storage, provider: KeyProvider) -> Repository:
    return open_repository(storage, provider, make_vault=RepositoryVault, make_compressor=ZstdCompressor)


def names(storage: Storage, prefix: str = "") -> list[str]:
    return sorted(info.name for info in storage.list(prefix))


def opens(storage: Storage, *keys: str) -> list[str]:
    """Return those of the named keys that open the repository."""
    opening = []
    for key in keys:
        try:
            open_it(storage, NamedKey(key))
        except KeyUnavailableError:
            continue
        opening.append(key)
    return opening


def counted_bytes() -> Callable[[int], bytes]:
    """Return a source of bytes that counts: equal in every run, never twice the same."""
    drawn = [0]

    def draw(count: int) -> bytes:
        drawn[0] += 1
        return hashlib.shake_128(b"%d" % drawn[0]).digest(count)

    return draw
