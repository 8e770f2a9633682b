"""A passphrase, stretched by scrypt (RFC 7914)."""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backup_manager.common.errors import ConfigurationError, KeyUnavailableError
from backup_manager.engine.keys.envelope import SLOT_IS_DAMAGED, unwrap_envelope, wrap_envelope
from backup_manager.engine.repository.keyring import KeySlot, Parameter, WrappedKey

SALT_BYTES = 16
MOST_MEMORY = 256 << 20  # bytes, 128 * N * r: a ring from elsewhere must not make us allocate what it likes
MOST_WORK = 1 << 24  # N * r * p: sixteen times the default, some 6 s
MOST_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """The parameters of scrypt; the default takes 128 MiB and about 0.4 s (measured on one 2026 core)."""

    n: int = 1 << 17
    r: int = 8
    p: int = 1

    def is_acceptable(self) -> bool:
        """Whether scrypt can take these numbers, within what we are willing to spend."""
        is_power = self.n > 1 and self.n & (self.n - 1) == 0
        within = self.r > 0 and self.p > 0 and 128 * self.n * self.r <= MOST_MEMORY
        return is_power and within and self.n * self.r * self.p <= MOST_WORK


class Passphrase:
    """The provider of a passphrase; it stretches once for each slot that it meets, and remembers the result.

    Text is normalised (NFC), so that the same phrase typed on another system is the same.

    Raises:
        ConfigurationError: the phrase is empty.
    """

    provider = "passphrase"

    def __init__(
        self,
        phrase: str,
        *,
        cost: ScryptCost = ScryptCost(),
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if not phrase:
            raise ConfigurationError("the passphrase is empty")
        self._phrase = unicodedata.normalize("NFC", phrase).encode()
        self._cost = cost
        self._random_bytes = random_bytes
        self._stretched: dict[tuple[bytes, ScryptCost], bytes] = {}

    def __repr__(self) -> str:
        return "Passphrase()"

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:
        """Return *secret* wrapped under the stretched phrase."""
        salt = self._random_bytes(SALT_BYTES)
        made = wrap_envelope(self._stretch(salt, self._cost), secret, context, self._random_bytes)
        scrypt: dict[str, Parameter] = {
            "scryptSalt": salt.hex(),
            "n": self._cost.n,
            "r": self._cost.r,
            "p": self._cost.p,
        }
        return WrappedKey({**made.parameters, **scrypt}, made.wrapped)

    def unwrap(
        self, parameters: Mapping[str, Parameter], wrapped: bytes, context: Mapping[str, str]
    ) -> bytes:
        """Return the secret; raises ``KeyUnavailableError`` for another phrase and for a damaged slot."""
        try:
            salt = bytes.fromhex(str(parameters["scryptSalt"]))
            cost = ScryptCost(*(int(parameters[name]) for name in ("n", "r", "p")))
        except (KeyError, ValueError) as err:
            facts = f"key slot {context.get('slot')} is damaged: its scrypt parameters are incomplete"
            raise KeyUnavailableError(facts, solution=SLOT_IS_DAMAGED) from err
        if not cost.is_acceptable():
            facts = f"key slot {context.get('slot')} demands scrypt with N={cost.n}, r={cost.r}, p={cost.p}"
            raise KeyUnavailableError(facts, solution=SLOT_IS_DAMAGED)
        return unwrap_envelope(self._stretch(salt, cost), parameters, wrapped, context)

    def accepts(self, slot: KeySlot) -> bool:
        """Whether the slot is a passphrase's; only :meth:`unwrap` can tell if it is this one's."""
        return slot.provider == self.provider

    def _stretch(self, salt: bytes, cost: ScryptCost) -> bytes:
        known = self._stretched.get((salt, cost))
        if known is None:
            most = 128 * cost.n * cost.r + 128 * cost.r * cost.p + (1 << 20)
            known = hashlib.scrypt(
                self._phrase, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=most, dklen=32
            )
            self._stretched[salt, cost] = known
        return known


def read_passphrase(path: Path) -> str:
    """Return the first and only line of *path*, without its line end.

    Raises:
        KeyUnavailableError: the file is absent or cannot be read.
        ConfigurationError: it holds several lines, or no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_FILE_BYTES + 1)
    except OSError as err:
        solution = "Correct the path of the passphrase file, or give the process read access to it."
        raise KeyUnavailableError(
            f"cannot read passphrase file {path}: {err.strerror}", solution=solution
        ) from err
    try:
        phrase = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as err:
        raise ConfigurationError(f"passphrase file {path} is not UTF-8 text") from err
    if not phrase or "\n" in phrase or len(content) > MOST_FILE_BYTES:
        raise ConfigurationError(
            f"passphrase file {path} does not hold one line of at most {MOST_FILE_BYTES} bytes"
        )
    return phrase
