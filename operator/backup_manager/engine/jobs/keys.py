"""The keys of a repository: listed, added, removed, rotated; data are never touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backup_manager.common.errors import KeyUnavailableError, during
from backup_manager.contract.inspection import KeySlotInfo
from backup_manager.contract.requests import KeySpec
from backup_manager.engine.jobs.wiring import Session, build_provider
from backup_manager.engine.repository.keyring import KeyRing, KeySlot, Parameter, WrappedKey

OPERATION = "Failed to change keys"


def list_slots(session: Session) -> tuple[KeySlotInfo, ...]:
    """Return the key slots as the store holds them now, in the order of their making."""
    return tuple(_described(session, slot) for slot in session.repository.edit_keys().list_slots())


def add_slot(session: Session, new: KeySpec, label: str = "") -> KeySlotInfo:
    """Let the key *new* open the repository, too, and return its slot.

    Raises:
        UsageError: the repository is not encrypted.
        KeyUnavailableError: the key cannot wrap and unwrap.
    """
    with during(OPERATION):
        before = {slot.id for slot in session.repository.edit_keys().list_slots()}
        ring = session.repository.edit_keys().add_slot(build_provider(new), label)
    return _newest(session, ring, before)


def remove_slot(session: Session, slot_id: str, force: bool = False) -> tuple[KeySlotInfo, ...]:
    """Take a slot away, given by its id or the beginning of it, and return those that are left.

    The slot that opened *session* stays, unless *force*; the last slot stays in any case.

    Raises:
        UsageError: there is no such slot, or it must stay.
    """
    with during(OPERATION):
        held = _HeldKey(session.repository.slot_id, session.repository.opened.secrets.encode())
        ring = session.repository.edit_keys().remove_slot(slot_id, held, force=force)
    return tuple(_described(session, slot) for slot in ring.slots)


def rotate(session: Session, new: KeySpec, label: str | None = None) -> KeySlotInfo:
    """Put the key *new* in the place of the one that opened *session*, which opens nothing from then on.

    Raises:
        UsageError: the repository is not encrypted, or somebody has removed the slot meanwhile.
        KeyUnavailableError: the new key cannot wrap and unwrap.
    """
    with during(OPERATION):
        editor = session.repository.edit_keys()
        before = {slot.id for slot in editor.list_slots()}
        ring = editor.replace_slot(session.repository.slot_id, build_provider(new), label)
    return _newest(session, ring, before)


@dataclass(frozen=True, slots=True)
class _HeldKey:
    """The key that opened the session, as a provider that knows one slot and makes none."""

    slot_id: str
    secret: bytes = field(repr=False)
    provider: str = "held"

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:  # noqa: ARG002
        raise KeyUnavailableError("the key that opened the session makes no other slots")

    def unwrap(
        self,
        parameters: Mapping[str, Parameter],  # noqa: ARG002
        wrapped: bytes,  # noqa: ARG002
        context: Mapping[str, str],  # noqa: ARG002
    ) -> bytes:
        return self.secret

    def accepts(self, slot: KeySlot) -> bool:
        return slot.id == self.slot_id


def _newest(session: Session, ring: KeyRing, before: set[str]) -> KeySlotInfo:
    fresh = [slot for slot in ring.slots if slot.id not in before]
    return _described(session, (fresh or list(ring.slots))[-1])


def _described(session: Session, slot: KeySlot) -> KeySlotInfo:
    return KeySlotInfo(
        id=slot.id,
        provider=slot.provider,
        label=slot.label,
        created_at=slot.created_at,
        is_current=slot.id == session.repository.slot_id,
        key=str(slot.parameters["keyArn"]) if "keyArn" in slot.parameters else None,
    )
