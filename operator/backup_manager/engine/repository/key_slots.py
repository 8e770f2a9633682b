"""Adding, replacing and removing keys: each writes the next generation of the key ring.

The next ring is put under its own name, so that two changes at once cannot both count: the loser reads the
winner's ring and applies its change to that. Older rings are removed after the new one is durable; killed
anywhere, the repository opens by its old keys or by its new ones. Last, a record says which generation was
reached, so that an older ring put back is noticed (``keyring.check_generation``).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from backup_manager.common.errors import (
    KeyUnavailableError,
    ObjectExistsError,
    ObjectMissingError,
    StorageUnreachableError,
    UsageError,
)
from backup_manager.engine.repository.creation import DEFAULT_SURROUNDINGS, Surroundings
from backup_manager.engine.repository.documents import seal_document
from backup_manager.engine.repository.keyring import (
    MAX_SLOTS,
    NO_ENCRYPTION,
    KeyProvider,
    KeyRing,
    KeySlot,
    build_slot,
    check_ring,
    decode_ring,
    encode_ring,
)
from backup_manager.engine.repository.names import document_object, random_name
from backup_manager.engine.repository.opening import Opened, open_slot, read_newest_ring, ring_names
from backup_manager.engine.repository.ports import ObjectKind, Vault
from backup_manager.engine.repository.records import Record, RecordKind
from backup_manager.engine.storage.base import Storage

CHANGE_ROUNDS = 16  # so many changes of others would have to come first

Change = Callable[[KeyRing], tuple[KeySlot, ...]]


@dataclass(frozen=True, slots=True)
class KeyEditor:
    """Changes the keys of an opened repository; each call returns the ring that rules then."""

    storage: Storage
    opened: Opened
    vault: Vault
    surroundings: Surroundings = DEFAULT_SURROUNDINGS

    def list_slots(self) -> tuple[KeySlot, ...]:
        """Return the slots as they are now in the store."""
        return self._read_ring().slots

    def add_slot(self, provider: KeyProvider, label: str = "") -> KeyRing:
        """Let *provider* open the repository, too.

        Raises:
            UsageError: the repository is not encrypted, or the provider is no encryption.
            KeyUnavailableError: the new key cannot wrap and unwrap.
        """
        slot = self._build(provider, label)
        return self._apply(lambda ring: ring.slots if slot in ring.slots else (*ring.slots, slot))

    def replace_slot(self, slot_id: str, provider: KeyProvider, label: str | None = None) -> KeyRing:
        """Put a slot of *provider* in the place of another, whose key opens nothing from then on.

        Rotates a KMS key, or a passphrase. Without *label*, the new slot takes the old one's.

        Raises:
            UsageError: there is no such slot, or as :meth:`add_slot`.
            KeyUnavailableError: the new key cannot wrap and unwrap.
        """
        old = find_slot(self._read_ring(), slot_id)
        new = self._build(provider, old.label if label is None else label)

        def change(ring: KeyRing) -> tuple[KeySlot, ...]:
            if new in ring.slots:
                return ring.slots
            place = find_slot(ring, old.id)
            return tuple(new if slot is place else slot for slot in ring.slots)

        return self._apply(change)

    def remove_slot(self, slot_id: str, provider: KeyProvider, *, force: bool = False) -> KeyRing:
        """Take a slot away; its key opens nothing from then on.

        *provider* is the caller's key, which must open one of the slots that stay, unless *force*.

        Raises:
            UsageError: there is no such slot, it is the last one, or the caller would lock itself out.
        """
        removed = find_slot(self._read_ring(), slot_id)

        def change(ring: KeyRing) -> tuple[KeySlot, ...]:
            left = tuple(slot for slot in ring.slots if slot.id != removed.id)
            if not left:
                raise UsageError(
                    f"key slot {removed.description} is the last one: without it nobody opens the repository",
                    solution="Add another key first with `sirsinexus backup key add`.",
                )
            if not force and not any(_opens(ring, slot, provider) for slot in left):
                raise UsageError(
                    f"key slot {removed.description} is the only one that the given key opens",
                    solution="Run the command with one of the other keys.",
                )
            return left

        return self._apply(change)

    def _build(self, provider: KeyProvider, label: str) -> KeySlot:
        if not self.opened.config.is_encrypted or provider.provider == NO_ENCRYPTION:
            raise UsageError(
                f"repository {self.opened.config.id} "
                + ("cannot become unencrypted" if self.opened.config.is_encrypted else "is not encrypted"),
                solution="Create another repository, encrypted as it should be, and back up to it.",
            )
        return build_slot(
            provider,
            self.opened.secrets,
            self.opened.config.id,
            label=label,
            created_at=self.surroundings.now(),
            random_bytes=self.surroundings.random_bytes,
        )

    def _apply(self, change: Change) -> KeyRing:
        for _ in range(CHANGE_ROUNDS):
            ring = self._read_ring()
            slots = change(ring)
            is_done = slots == ring.slots  # an earlier put of ours has counted, though we could not tell
            new = ring if is_done else replace(ring, generation=ring.generation + 1, slots=slots)
            if len(new.slots) > MAX_SLOTS:
                raise UsageError(f"a repository has at most {MAX_SLOTS} keys", solution="Remove one first.")
            if is_done or self._put_ring(new):
                self._remove_older(new)
                self._write_record(new)
                return new
        raise StorageUnreachableError(f"others changed the keys {CHANGE_ROUNDS} times meanwhile")

    def _read_ring(self) -> KeyRing:
        name, stored = read_newest_ring(self.storage, self.opened.config.id)
        check_ring(name, stored, self.opened.secrets)
        return decode_ring(name, stored)

    def _put_ring(self, ring: KeyRing) -> bool:
        """Put *ring*; true when it certainly rules now.

        That its name was free is not enough: others may have written this generation and a later one, and
        removed this one as outdated. The later one is then there, since nothing is removed before.
        """
        stored = encode_ring(ring, self.opened.secrets)
        if self.storage.properties.conditional_put:
            try:
                self.storage.put(ring.object_name, (stored,), if_absent=True)
            except ObjectExistsError:
                return False
        elif not self._put_and_look(ring, stored):
            return False
        return self._newest_generation(ring) == ring.generation

    def _put_and_look(self, ring: KeyRing, stored: bytes) -> bool:
        """Put without a condition: whoever wrote last within the wait has won, and the other sees it."""
        if self._newest_generation(ring) >= ring.generation:
            return False
        self.storage.put(ring.object_name, (stored,))
        self.surroundings.sleep(self.surroundings.settle_seconds)
        try:
            return self.storage.get(ring.object_name) == stored
        except ObjectMissingError:
            return False  # a later one has replaced it

    def _newest_generation(self, ring: KeyRing) -> int:
        return max((generation for generation, _ in ring_names(self.storage, ring.repository_id)), default=0)

    def _remove_older(self, ring: KeyRing) -> None:
        for generation, name in sorted(ring_names(self.storage, ring.repository_id)):
            if generation < ring.generation:
                self.storage.delete(name)

    def _write_record(self, ring: KeyRing) -> None:
        name = random_name(self.surroundings.random_bytes)
        payload: dict[str, object] = {"generation": ring.generation}
        record = Record(kind=RecordKind.KEYS, at=self.surroundings.clock(), payload=payload)
        sealed = seal_document(self.vault, None, ObjectKind.RECORD, name, msgspec.msgpack.encode(record))
        self.storage.put(document_object(ObjectKind.RECORD, name), (sealed,))


def find_slot(ring: KeyRing, slot_id: str) -> KeySlot:
    """Return the slot of this id, or of the only id that begins so; raises ``UsageError``."""
    found = [slot for slot in ring.slots if slot_id and slot.id.startswith(slot_id)]
    if len(found) != 1:
        slots = ", ".join(slot.description for slot in ring.slots)
        what = "begins the ids of several" if found else "is the id of none"
        raise UsageError(f"{slot_id!r} {what} of the key slots: {slots}")
    return found[0]


def _opens(ring: KeyRing, slot: KeySlot, provider: KeyProvider) -> bool:
    try:
        return provider.accepts(slot) and open_slot(ring, slot, provider) is not None
    except KeyUnavailableError:
        return False
