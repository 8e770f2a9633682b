"""A secret wrapped under a 256-bit key that somebody holds: AES-256-GCM with a random nonce.

The random nonce is safe here: a key wraps a handful of secrets in its life. The context is the associated
data, and the key itself is derived for each slot from a salt, which also gives a check value that tells a
wrong key from a damaged slot without revealing where else the same key is in use.
"""

import hmac
import json
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.repository.keyring import Parameter, WrappedKey
from backup_manager.engine.repository.secrets import expand_key, extract_key

SALT_BYTES = 16
NONCE_BYTES = 12
CHECK_DIGITS = 16
SLOT_IS_DAMAGED = (
    "Put the key ring (the object in keys/) back from a replica, an older version in the bucket or a copy of "
    "the folder, or use another of the repository's keys."
)


def wrap_envelope(
    key: bytes, secret: bytes, context: Mapping[str, str], random_bytes: Callable[[int], bytes]
) -> WrappedKey:
    """Return *secret* wrapped under *key*; the parameters hold a salt and a check value."""
    salt, nonce = random_bytes(SALT_BYTES), random_bytes(NONCE_BYTES)
    pseudo_random_key = extract_key(key, salt)
    sealed = AESGCM(expand_key(pseudo_random_key, "slot")).encrypt(nonce, secret, _associated(context))
    return WrappedKey({"salt": salt.hex(), "check": _check_value(pseudo_random_key)}, nonce + sealed)


def unwrap_envelope(
    key: bytes, parameters: Mapping[str, Parameter], wrapped: bytes, context: Mapping[str, str]
) -> bytes:
    """Return the secret.

    Raises:
        KeyUnavailableError: *key* is not the one that wrapped it, or the slot is damaged.
    """
    if not key_fits(key, parameters):
        raise KeyUnavailableError(f"the given key is not the one of key slot {context.get('slot')}")
    cipher = AESGCM(expand_key(extract_key(key, _salt(parameters)), "slot"))
    try:
        return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _associated(context))
    except (InvalidTag, ValueError) as err:
        facts = f"key slot {context.get('slot')} is damaged, or belongs to another repository: the key fits"
        raise KeyUnavailableError(facts, solution=SLOT_IS_DAMAGED) from err


def key_fits(key: bytes, parameters: Mapping[str, Parameter]) -> bool:
    """Whether the slot's check value is that of *key*."""
    expected = _check_value(extract_key(key, _salt(parameters)))
    return hmac.compare_digest(expected.encode(), str(parameters.get("check", "")).encode())


def _salt(parameters: Mapping[str, Parameter]) -> bytes:
    try:
        return bytes.fromhex(str(parameters.get("salt", "")))
    except ValueError:
        return b""


def _check_value(pseudo_random_key: bytes) -> str:
    return expand_key(pseudo_random_key, "slot check").hex()[:CHECK_DIGITS]


def _associated(context: Mapping[str, str]) -> bytes:
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode()
