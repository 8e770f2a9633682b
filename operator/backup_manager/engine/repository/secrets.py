"""What a repository keeps secret, and how keys are derived from it (HKDF-SHA256, RFC 5869)."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from backup_manager.common.errors import KeyUnavailableError

FORMAT = 1
EPOCH = 0
SECRETS_BYTES = 72  # master 32, id key 32, chunker seed 8
EFFECTIVE_SEED = (1 << 48) - 1  # the chunker's masks look at no higher bit of its seed


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
    """Return new secrets; the part of the chunker's seed that has an effect is never zero."""
    master, id_key = random_bytes(32), random_bytes(32)
    seed = random_bytes(8)
    while not int.from_bytes(seed, "little") & EFFECTIVE_SEED:
        seed = random_bytes(8)
    return Secrets(master, id_key, seed)


def decode_secrets(plain: bytes) -> Secrets:
    """Return the secrets that a slot held; raises ``KeyUnavailableError`` when they cannot be ours."""
    if len(plain) != SECRETS_BYTES:
        raise KeyUnavailableError(f"a key slot holds {len(plain)} bytes instead of {SECRETS_BYTES}")
    return Secrets(plain[:32], plain[32:64], plain[64:])


def extract_key(secret: bytes, salt: bytes) -> bytes:
    """Return the pseudo-random key of HKDF-SHA256 (RFC 5869, 2.2)."""
    return hmac.digest(salt, secret, "sha256")


def expand_key(pseudo_random_key: bytes, purpose: str) -> bytes:
    """Return 32 bytes for ``backup-manager 1 <purpose>``: HKDF-SHA256's first block (RFC 5869, 2.3)."""
    return hmac.digest(pseudo_random_key, f"backup-manager {FORMAT} {purpose}".encode() + b"\x01", "sha256")
