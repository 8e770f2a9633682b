"""The key ring: a repository's secrets, wrapped once for each key that opens it.

A ring is one small JSON object, ``keys/<repository id>-<generation>``. It never changes: adding, replacing
or removing a slot writes the next generation (:mod:`~backup_manager.engine.repository.key_slots`). Its MAC
needs the master key, so it can be checked only after one of its slots was opened.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.repository.secrets import EPOCH, Secrets
from backup_manager.engine.repository.signed_json import (
    damaged,
    decode_signed,
    encode_signed,
    of_type,
    signature_is_valid,
)

MAX_SLOTS = 64  # a ring is read by every run; nobody has a use for more keys
NO_ENCRYPTION = "none"  # the provider whose slots hold the secrets in the clear
RING_NAME = re.compile(r"keys/([0-9a-f]{32})-(\d{8})")
SLOT_ID = re.compile(r"[0-9a-f]{8}")

Parameter = str | int


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """What a provider made of the secrets: its *parameters* in the clear, and the bytes only it can undo."""

    parameters: Mapping[str, Parameter]
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One way to open the repository. *id*: 8 hexadecimal digits; *label*: free text of its owner."""

    id: str
    provider: str
    label: str
    created_at: str
    parameters: Mapping[str, Parameter]
    wrapped: bytes = field(repr=False)

    @property
    def description(self) -> str:
        """The slot as messages name it."""
        return (
            f"{self.id} ({self.provider}, {self.label!r})" if self.label else f"{self.id} ({self.provider})"
        )


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All slots of a repository at one generation."""

    repository_id: str
    generation: int
    slots: tuple[KeySlot, ...]
    epoch: int = EPOCH

    @property
    def object_name(self) -> str:
        """The name of the ring in the store."""
        return ring_object(self.repository_id, self.generation)


def ring_object(repository_id: str, generation: int) -> str:
    """Return the name of a ring's object."""
    return f"keys/{repository_id}-{generation:08d}"


class KeyProvider(Protocol):
    """A key that somebody holds, and how it wraps a secret; the implementations are in ``engine.keys``.

    The context (:func:`wrap_context`) is bound into what is wrapped: a slot copied into another repository,
    or in the place of another slot, does not open.
    """

    @property
    def provider(self) -> str:
        """The name of the kind of key, as stored in a slot."""
        ...

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:
        """Return *secret* wrapped; raises ``KeyUnavailableError`` when the key cannot be used."""
        ...

    def unwrap(
        self, parameters: Mapping[str, Parameter], wrapped: bytes, context: Mapping[str, str]
    ) -> bytes:
        """Return the secret; raises ``KeyUnavailableError``, saying if key, service or slot is at fault."""
        ...

    def accepts(self, slot: KeySlot) -> bool:
        """Whether it is worth trying: false when the slot is certainly another key's. Costs no call."""
        ...


def wrap_context(repository_id: str, slot_id: str) -> dict[str, str]:
    """Return what a wrapped secret is bound to."""
    return {"repositoryId": repository_id, "epoch": str(EPOCH), "slot": slot_id}


def build_slot(
    provider: KeyProvider,
    secrets: Secrets,
    repository_id: str,
    *,
    label: str,
    created_at: str,
    random_bytes: Callable[[int], bytes],
) -> KeySlot:
    """Return a slot that *provider* opens, which was tried.

    A key that may wrap but not unwrap (a KMS policy without ``kms:Decrypt``) would lock its owner out.
    """
    slot_id = random_bytes(4).hex()
    context = wrap_context(repository_id, slot_id)
    made = provider.wrap(secrets.encode(), context)
    if provider.unwrap(made.parameters, made.wrapped, context) != secrets.encode():
        raise KeyUnavailableError(f"a {provider.provider} key unwraps something else than it has wrapped")
    return KeySlot(slot_id, provider.provider, label, created_at, made.parameters, made.wrapped)


def encode_ring(ring: KeyRing, secrets: Secrets) -> bytes:
    """Return the ring as it is stored, with its MAC."""
    slots = [
        {
            "id": slot.id,
            "provider": slot.provider,
            "label": slot.label,
            "createdAt": slot.created_at,
            "parameters": dict(slot.parameters),
            "wrapped": b64encode(slot.wrapped).decode(),
        }
        for slot in ring.slots
    ]
    members = {
        "repositoryId": ring.repository_id,
        "generation": ring.generation,
        "epoch": ring.epoch,
        "slots": slots,
    }
    return encode_signed(members, secrets, ring.repository_id, "keys")


def decode_ring(name: str, stored: bytes) -> KeyRing:
    """Return the ring stored as *name*, its MAC not yet checked.

    Raises:
        KeyUnavailableError: it is no ring of format 1, or not the one of its name.
    """
    members = decode_signed(name, stored)
    try:
        ring = KeyRing(
            repository_id=of_type(str, members["repositoryId"]),
            generation=of_type(int, members["generation"]),
            slots=tuple(_decode_slot(slot) for slot in of_type(list, members["slots"])),
            epoch=of_type(int, members["epoch"]),
        )
    except (ValueError, KeyError, TypeError) as err:
        raise damaged(name, "it lacks something that every key ring has") from err
    if ring.object_name != name or ring.epoch != EPOCH or not 0 < len(ring.slots) <= MAX_SLOTS:
        facts = f"it says that it is {ring.object_name}, of epoch {ring.epoch}, with {len(ring.slots)} slots"
        raise damaged(name, facts)
    return ring


def check_ring(name: str, stored: bytes, secrets: Secrets) -> None:
    """Raise ``KeyUnavailableError`` unless a holder of the master key wrote the ring stored as *name*."""
    ring = decode_ring(name, stored)
    if not signature_is_valid(decode_signed(name, stored), secrets, ring.repository_id, "keys"):
        raise damaged(name, "a slot of it opens, but the ring as a whole does not authenticate")


def check_generation(ring: KeyRing, highest_generation_seen: int) -> None:
    """Refuse a ring that is older than one under which something was stored.

    Raises:
        KeyUnavailableError: the ring was put back to an older self, in which keys may open the
            repository that were removed since.
    """
    if ring.generation < highest_generation_seen:
        raise KeyUnavailableError(
            f"the key ring of generation {ring.generation} is an older one that was put back: the repository "
            f"holds objects written under generation {highest_generation_seen}",
            solution="Put the newest key ring back from a replica or an older version in the bucket, and "
            "find out who replaced it: keys that were removed since may open this one.",
        )


def _decode_slot(members: Mapping[str, object]) -> KeySlot:
    parameters: dict[str, Parameter] = {}
    for name, value in of_type(dict, members["parameters"]).items():
        parameters[name] = value if isinstance(value, str) else of_type(int, value)
    slot_id = of_type(str, members["id"])
    if not SLOT_ID.fullmatch(slot_id):
        raise ValueError("a slot's id has 8 hexadecimal digits")
    return KeySlot(
        id=slot_id,
        provider=of_type(str, members["provider"]),
        label=of_type(str, members["label"]),
        created_at=of_type(str, members["createdAt"]),
        parameters=parameters,
        wrapped=b64decode(of_type(str, members["wrapped"]), validate=True),
    )
