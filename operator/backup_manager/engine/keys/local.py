"""A key file: 256 bits as 64 hexadecimal digits on one line."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from backup_manager.common.errors import ConfigurationError, KeyUnavailableError
from backup_manager.engine.keys.envelope import key_fits, unwrap_envelope, wrap_envelope
from backup_manager.engine.repository.keyring import KeySlot, Parameter, WrappedKey

KEY_LINE = re.compile(rb"([0-9a-fA-F]{64})\r?\n?")
KEY_BYTES = 32
MOST_BYTES = 128  # a key file has 65; whatever is longer was named by mistake


class LocalKey:
    """The provider of a key file, which is read once, here.

    ``warnings`` names what is questionable about the file: a mode that lets others read it.

    Raises:
        KeyUnavailableError: the file is absent or cannot be read.
        ConfigurationError: it holds something else than a key.
    """

    provider = "local"

    def __init__(self, key_file: Path, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self.key_file = key_file
        self._random_bytes = random_bytes
        self._key, self.warnings = _read_key(key_file)

    def __repr__(self) -> str:
        return f"LocalKey({str(self.key_file)!r})"

    def wrap(self, secret: bytes, context: Mapping[str, str]) -> WrappedKey:
        """Return *secret* wrapped under the file's key."""
        return wrap_envelope(self._key, secret, context, self._random_bytes)

    def unwrap(
        self, parameters: Mapping[str, Parameter], wrapped: bytes, context: Mapping[str, str]
    ) -> bytes:
        """Return the secret; raises ``KeyUnavailableError`` for another key's slot and a damaged one."""
        return unwrap_envelope(self._key, parameters, wrapped, context)

    def accepts(self, slot: KeySlot) -> bool:
        """Whether the slot was made with this very key."""
        return slot.provider == self.provider and key_fits(self._key, slot.parameters)


def generate_key_file(path: Path, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
    """Write a new key to *path*, readable by its owner alone and durable, never over another file.

    Raises:
        ConfigurationError: there is a file of this name, or none can be made.
    """
    line = random_bytes(KEY_BYTES).hex().encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as err:
        raise ConfigurationError(
            f"{path} exists, and a key file is never written over another",
            solution="Choose another name, or use the key that is there.",
        ) from err
    except OSError as err:
        raise ConfigurationError(f"cannot create key file {path}: {err.strerror}") from err
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask was
        file.write(line)
        file.flush()
        os.fsync(descriptor)
    _sync_folder(path.parent)


def _read_key(path: Path) -> tuple[bytes, tuple[str, ...]]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MOST_BYTES)
    except FileNotFoundError as err:
        raise KeyUnavailableError(
            f"key file {path} does not exist",
            solution="Correct the path, bring the file back from where it is kept, or, for a new repository, "
            "make one with `sirsinexus backup key generate`.",
        ) from err
    except OSError as err:
        solution = "Give the process read access to the key file."
        raise KeyUnavailableError(f"cannot read key file {path}: {err.strerror}", solution=solution) from err
    match = KEY_LINE.fullmatch(content)
    if match is None:
        raise ConfigurationError(
            f"key file {path} does not hold 64 hexadecimal digits on one line",
            solution="Name a file made by `sirsinexus backup key generate`, or use --passphrase-file.",
        )
    warnings = (
        (f"key file {path} has mode {mode:04o}: others can read it; use chmod 600",) if mode & 0o077 else ()
    )
    return bytes.fromhex(match[1].decode()), warnings


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
