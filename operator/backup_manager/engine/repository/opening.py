"""Opening a repository: from a store and a key to its secrets, or to what exactly is in the way.

Nothing here writes. ``config`` and key ring are read, a slot is opened, and only then can the MACs of both
be checked; until all of that passed, nothing that they say is acted upon but which ring to read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from backup_manager.common.errors import (
    KeyUnavailableError,
    ObjectMissingError,
    RepositoryMissingError,
)
from backup_manager.engine.repository.config import (
    CONFIG,
    RepositoryConfig,
    check_config,
    check_encryption,
    decode_config,
)
from backup_manager.engine.repository.keyring import (
    RING_NAME,
    KeyProvider,
    KeyRing,
    KeySlot,
    check_ring,
    decode_ring,
    ring_object,
    wrap_context,
)
from backup_manager.engine.repository.secrets import Secrets, decode_secrets
from backup_manager.engine.repository.signed_json import PUT_IT_BACK
from backup_manager.engine.storage.base import Storage

RING_READS = 8  # a ring can be replaced between the listing and the reading; not again and again
DATA_PREFIXES = ("packs/", "snapshots/", "index/")


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening gives: authentic config and ring, the secrets, and the id of the slot that opened."""

    config: RepositoryConfig
    ring: KeyRing
    secrets: Secrets
    slot_id: str


def open_secrets(storage: Storage, provider: KeyProvider) -> Opened:
    """Return what *provider* opens in *storage*.

    Raises:
        RepositoryMissingError: there is no repository, and nothing that looks like the rest of one.
        KeyUnavailableError: ``config`` or key ring is damaged or missing, no slot is of this key, the slot
            does not open, or the format is a later one.
    """
    stored_config = read_config(storage)
    config = decode_config(stored_config)
    check_encryption(config, provider)
    name, stored_ring = read_newest_ring(storage, config.id)
    ring = decode_ring(name, stored_ring)
    slot_id, secrets = open_slots(ring, provider)
    check_ring(name, stored_ring, secrets)
    check_config(stored_config, secrets)
    return Opened(config, ring, secrets, slot_id)


def read_config(storage: Storage) -> bytes:
    """Return the stored ``config``.

    Raises:
        RepositoryMissingError: it is absent, and so is everything else.
        KeyUnavailableError: it is absent, and there is data: creating a new repository over it would
            hide all of its backups.
    """
    for is_last_try in (False, True):
        try:
            return storage.get(CONFIG)
        except ObjectMissingError as err:
            remains = _first_data_object(storage)
            if remains is None:
                raise RepositoryMissingError(f"{storage.properties.location} holds no repository") from err
            if is_last_try:  # else somebody may just have created the repository, and written to it
                raise KeyUnavailableError(
                    f"config is missing in {storage.properties.location}, which holds {remains}",
                    solution=PUT_IT_BACK,
                ) from err
    raise AssertionError("the last try returns or raises")


def read_newest_ring(storage: Storage, repository_id: str) -> tuple[str, bytes]:
    """Return name and bytes of the repository's ring with the highest generation.

    Where none is listed, or the one that is listed is gone, the next one is asked for by its name: there are
    listings that lag, and a ring is needed as soon as it was put.
    """
    generation = 0
    for _ in range(RING_READS):
        listed = max((number for number, _ in ring_names(storage, repository_id)), default=0)
        generation = max(listed, generation + 1)
        name = ring_object(repository_id, generation)
        try:
            return name, storage.get(name)
        except ObjectMissingError:
            continue  # a newer one has replaced it since
    others = sum(1 for _ in storage.list("keys/"))
    facts = f"the key ring keys/{repository_id}-… is missing in {storage.properties.location}"
    if others:
        facts += f", which holds {others} of other repositories: config is damaged or was replaced"
    raise KeyUnavailableError(facts, solution=PUT_IT_BACK)


def ring_names(storage: Storage, repository_id: str) -> Iterator[tuple[int, str]]:
    """Yield generation and name of each ring of the repository."""
    for info in storage.list(f"keys/{repository_id}-"):
        match = RING_NAME.fullmatch(info.name)
        if match is not None:
            yield int(match[2]), info.name


def open_slots(ring: KeyRing, provider: KeyProvider) -> tuple[str, Secrets]:
    """Return the id of the first slot that *provider* opens, and the secrets in it.

    Raises:
        KeyUnavailableError: there is none; an error that may pass by itself comes first.
    """
    failures: list[KeyUnavailableError] = []
    for slot in ring.slots:
        if not provider.accepts(slot):
            continue
        try:
            return slot.id, open_slot(ring, slot, provider)
        except KeyUnavailableError as err:
            failures.append(err)
    if not failures:
        raise _no_slot(ring, provider)
    if len(failures) == 1:
        raise failures[0]
    worst = next((err for err in failures if err.retryable), failures[0])
    facts = "; ".join(err.facts for err in failures)
    raise type(worst)(f"no slot opens: {facts}", solution=worst.solution)


def open_slot(ring: KeyRing, slot: KeySlot, provider: KeyProvider) -> Secrets:
    """Return the secrets in *slot*; raises ``KeyUnavailableError``."""
    context = wrap_context(ring.repository_id, slot.id)
    return decode_secrets(provider.unwrap(slot.parameters, slot.wrapped, context))


def _no_slot(ring: KeyRing, provider: KeyProvider) -> KeyUnavailableError:
    slots = ", ".join(slot.description for slot in ring.slots)
    return KeyUnavailableError(
        f"the given {provider.provider} key opens none of the key slots of repository {ring.repository_id}, "
        f"which are {slots}",
        solution="Use one of these keys; if this key should be one of them, its slot or its file is damaged.",
    )


def _first_data_object(storage: Storage) -> str | None:
    for prefix in DATA_PREFIXES:
        for info in storage.list(prefix):
            return info.name
    return None
