"""Creating a repository so that any number of creators at once end with one.

A creator puts its key ring, under a name that holds the id it has drawn, and then ``config``, by one
conditional put. Whoever loses removes its ring and reads the winner's. A ring is removed only once another
``config`` was seen: a put whose answer was lost may still arrive.

Where a store has no conditional put, each creator puts a candidate ``config.<name>``, waits, and copies the
earliest candidate, by the store's time and then by name, to ``config``. The wait is much longer than a
put takes and a listing lags, so that all who copy, copy the same one. A candidate is removed only by its
own creator, after ``config`` was seen: so whoever lists no earlier candidate than its own and then still
finds no ``config`` is the first.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from backup_manager.common.clock import utc_now
from backup_manager.common.errors import (
    BackupManagerError,
    ObjectMissingError,
    RepositoryMissingError,
    StorageUnreachableError,
)
from backup_manager.engine.repository.config import CONFIG, RepositoryConfig, decode_config, encode_config
from backup_manager.engine.repository.keyring import (
    NO_ENCRYPTION,
    KeyProvider,
    KeyRing,
    build_slot,
    encode_ring,
)
from backup_manager.engine.repository.opening import read_config
from backup_manager.engine.repository.secrets import draw_secrets
from backup_manager.engine.storage.base import Storage

CANDIDATE_PREFIX = "config."
ELECTION_ROUNDS = 5  # one is enough where a store lists what it holds


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time and randomness, as arguments for tests.

    *settle_seconds*: how long a creator or a change of keys waits on a store without conditional puts; two
    of the seconds that such stores tell time in, and room for a slow put.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random_bytes: Callable[[int], bytes] = os.urandom
    settle_seconds: float = 5.0

    def now(self) -> str:
        """The time as RFC 3339 in UTC, in whole seconds."""
        return utc_now(self.clock).strftime("%Y-%m-%dT%H:%M:%SZ")


DEFAULT_SURROUNDINGS = Surroundings()


@dataclass(frozen=True, slots=True)
class _Draft:
    """What one creator would have the repository be."""

    ring_name: str
    ring: bytes
    config: bytes


def create_if_absent(
    storage: Storage,
    provider: KeyProvider,
    *,
    label: str = "",
    surroundings: Surroundings = DEFAULT_SURROUNDINGS,
) -> bool:
    """Make *storage* hold a repository; true when it is the one that was drawn here.

    Raises:
        KeyUnavailableError: the key cannot wrap and unwrap, or ``config`` is missing beside data.
        StorageUnreachableError: whether the repository exists now is not known; a second call finds out.
    """
    try:
        read_config(storage)
    except RepositoryMissingError:
        pass
    else:
        return False
    draft = _draw(provider, label, surroundings)
    storage.put(draft.ring_name, (draft.ring,))
    if storage.properties.conditional_put:
        return _put_config(storage, draft)
    return _elect_config(storage, draft, surroundings)


def _draw(provider: KeyProvider, label: str, surroundings: Surroundings) -> _Draft:
    repository_id = surroundings.random_bytes(16).hex()
    secrets = draw_secrets(surroundings.random_bytes)
    now = surroundings.now()
    slot = build_slot(
        provider,
        secrets,
        repository_id,
        label=label,
        created_at=now,
        random_bytes=surroundings.random_bytes,
    )
    ring = KeyRing(repository_id, generation=1, slots=(slot,))
    config = RepositoryConfig(repository_id, now, is_encrypted=provider.provider != NO_ENCRYPTION)
    return _Draft(ring.object_name, encode_ring(ring, secrets), encode_config(config, secrets))


def _put_config(storage: Storage, draft: _Draft) -> bool:
    try:
        storage.put(CONFIG, (draft.config,), if_absent=True)
    except BackupManagerError as err:
        try:
            found = storage.get(CONFIG)
        except BackupManagerError:
            raise err from None  # whatever it was, the store does not say that it has been settled
        return _settle(storage, draft, found)
    return True


def _settle(storage: Storage, draft: _Draft, found: bytes) -> bool:
    """Remove what was put in vain, now that ``config`` is known; true when ours is the one."""
    if found == draft.config:
        return True
    storage.delete(draft.ring_name)
    return False


def _elect_config(storage: Storage, draft: _Draft, surroundings: Surroundings) -> bool:
    own = CANDIDATE_PREFIX + surroundings.random_bytes(16).hex()
    storage.put(own, (draft.config,))
    surroundings.sleep(surroundings.settle_seconds)
    for _ in range(ELECTION_ROUNDS):
        candidates = sorted((info.modified, info.name) for info in storage.list(CANDIDATE_PREFIX))
        try:
            found = storage.get(CONFIG)
        except ObjectMissingError:
            _copy_earliest(storage, [name for _, name in candidates])
            continue
        storage.delete(own)  # before the ring: a candidate without its ring must never be elected
        return _settle(storage, draft, found)
    raise StorageUnreachableError(
        f"{storage.properties.location} does not show config, which was put {ELECTION_ROUNDS} times"
    )


def _copy_earliest(storage: Storage, names: list[str]) -> None:
    for name in names:
        try:
            candidate = storage.get(name)
        except ObjectMissingError:
            return  # its creator has seen a config meanwhile
        try:
            decode_config(candidate)
        except BackupManagerError:
            continue  # half a candidate of somebody's broken store elects nobody
        storage.put(CONFIG, (candidate,))
        return
