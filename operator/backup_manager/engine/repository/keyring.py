"""The key ring: a repository's secrets, wrapped once for each key that opens it.

A ring is one small JSON object, ``keys/<repository id>-<generation>``. It never changes: adding, replacing
or removing a slot writes the next generation (:mod:`~backup_manager.engine.repository.key_slots`). Its MAC
needs the master key, so it can be checked only after one of its slots was opened.
"""

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from backup_manager.common.errors import KeyUnavailableError

FORMAT = 1
SECRETS_BYTES = 72  # master 32, id key 32, chunker seed 8
RING_NAME = re.compile(r"keys/([0-9a-f]{32})-(\d{8})")
SLOT_ID = re.compile(r"[0-9a-f]{8}")
MAX_SLOTS = 64  # a ring is read by every run; nobody has a use for more keys
RING_IS_DAMAGED = (
    "Put the object back from a replica, an older version in the bucket, or a copy of the folder; "
    "the data itself is not affected."
)

Parameters = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is drawn once for a repository; never printed, never stored but wrapped."""

    master: bytes = field(repr=False)
    id_key: bytes = field(repr=False)
    chunker_seed: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the 72 bytes that a slot wraps."""
        return self.master + self.id_key + self.chunker_seed


def draw_secrets(random_bytes: Callable[[int], bytes]) -> Secrets:
    """Return new secrets.

    The chunker ignores the highest bit of its seed, so it is the other 63 that must not all be zero.
    """
    master, id_key = random_bytes(32), random_bytes(32)
    seed = random_bytes(8)
    while not int.from_bytes(seed, "little") << 1 & (2**64 - 1):
        seed = random_bytes(8)
    return Secrets(master, id_key, seed)


def decode_secrets(plain: bytes) -> Secrets:
    """Return the secrets that a slot held; raises ``KeyUnavailableError`` when they cannot be ours."""
    if len(plain) != SECRETS_BYTES or not any(plain[64:]):
        raise KeyUnavailableError(
            "a key slot was opened and holds no secrets of this format", solution=RING_IS_DAMAGED
        )
    return Secrets(plain[:32], plain[32:64], plain[64:])


def extract_key(secret: bytes, repository_id: str) -> bytes:
    """Return the pseudo-random key of HKDF-SHA256 (RFC 5869, 2.2); the salt is the id's 16 bytes."""
    return hmac.digest(bytes.fromhex(repository_id), secret, "sha256")


def expand_key(pseudo_random_key: bytes, purpose: str) -> bytes:
    """Return 32 bytes for ``backup-manager 1 <purpose>``: HKDF-SHA256's only block (RFC 5869, 2.3)."""
    return hmac.digest(pseudo_random_key, f"backup-manager {FORMAT} {purpose}".encode() + b"\x01", "sha256")
