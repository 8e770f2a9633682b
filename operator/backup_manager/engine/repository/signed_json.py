"""The two objects in the clear, ``config`` and the key ring: JSON in one canonical form, with a MAC.

The MAC covers what was parsed, the canonical form every byte around it, so that no bit of these objects
can change unseen: white space, the case of an escape, the unused bits at the end of base64.
"""

import hmac
import json
from collections.abc import Mapping
from typing import TypeVar

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.repository.secrets import Secrets, expand_key, extract_key

PUT_IT_BACK = (
    "Put the object back from a replica, an older version in the bucket or a copy of the folder; "
    "as long as it is missing or damaged, no key opens the repository."
)

JsonObject = Mapping[str, object]
Value = TypeVar("Value")


def encode_signed(members: JsonObject, secrets: Secrets, repository_id: str, purpose: str) -> bytes:
    """Return the object as it is stored; *purpose* is ``config`` or ``keys``, and names the MAC's key."""
    return _canonical({**members, "mac": _compute_mac(members, secrets, repository_id, purpose)})


def decode_signed(name: str, stored: bytes) -> dict[str, object]:
    """Return the members of object *name*, ``mac`` included and not yet checked.

    Raises:
        KeyUnavailableError: it is no JSON object in the canonical form.
    """
    try:
        members = json.loads(stored)
        is_canonical = isinstance(members, dict) and _canonical(members) == stored
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise damaged(name, f"its {len(stored)} bytes are not the JSON that this program writes")
    return dict(members)


def signature_is_valid(members: JsonObject, secrets: Secrets, repository_id: str, purpose: str) -> bool:
    """Whether the members are what a holder of the master key wrote."""
    found = members.get("mac")
    if not isinstance(found, str) or not found.isascii():
        return False
    return hmac.compare_digest(found, _compute_mac(members, secrets, repository_id, purpose))


def damaged(name: str, facts: str) -> KeyUnavailableError:
    """Return the error of an object that cannot be used."""
    return KeyUnavailableError(f"{name} is damaged: {facts}", solution=PUT_IT_BACK)


def of_type(kind: type[Value], value: object) -> Value:
    """Return *value*; raises ``TypeError`` when it is of another type (a truth value is no number)."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"expected {kind.__name__}")
    return value


def _compute_mac(members: JsonObject, secrets: Secrets, repository_id: str, purpose: str) -> str:
    key = expand_key(extract_key(secrets.master, bytes.fromhex(repository_id)), purpose)
    signed = {name: value for name, value in members.items() if name != "mac"}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(members: JsonObject) -> bytes:
    return json.dumps(members, indent=1, ensure_ascii=True).encode() + b"\n"
