"""``config``: what a repository is, in the clear and authenticated; written once, never changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.repository.keyring import NO_ENCRYPTION, KeyProvider
from backup_manager.engine.repository.secrets import FORMAT, Secrets
from backup_manager.engine.repository.signed_json import (
    damaged,
    decode_signed,
    encode_signed,
    of_type,
    signature_is_valid,
)

CONFIG = "config"
REPOSITORY_ID = re.compile(r"[0-9a-f]{32}")

# What format 1 fixes for every repository. The names are stored all the same, so that a program that knows
# other ones can tell, and one that does not can say so.
FIXED: Mapping[str, object] = MappingProxyType(
    {
        "chunker": {
            "name": "fastcdc-2020",
            "minBytes": 256 * 1024,
            "targetBytes": 1024 * 1024,
            "maxBytes": 4 * 1024 * 1024,
            "normalization": 1,
        },
        "frameBytes": 1024 * 1024,
        "smallFileBytes": 256 * 1024,
        "ids": "blake3-keyed",
        "compression": "zstd",
        "sealing": "aes-256-gcm",
        "kdf": "hkdf-sha256",
    }
)
FRAME_BYTES = 1024 * 1024
SMALL_FILE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class RepositoryConfig:
    """What differs between repositories of format 1. *id*: 32 hexadecimal digits; *created_at*: RFC 3339."""

    id: str
    created_at: str
    is_encrypted: bool
    format: int = FORMAT

    @property
    def frame_bytes(self) -> int:
        """The size at which a frame of small files is closed."""
        return FRAME_BYTES

    @property
    def small_file_bytes(self) -> int:
        """Files below this size are bundled into frames."""
        return SMALL_FILE_BYTES


def encode_config(config: RepositoryConfig, secrets: Secrets) -> bytes:
    """Return ``config`` as it is stored, with its MAC."""
    members = {
        "format": config.format,
        "repositoryId": config.id,
        "createdAt": config.created_at,
        **FIXED,
        "encryption": "enabled" if config.is_encrypted else "disabled",
    }
    return encode_signed(members, secrets, config.id, "config")


def decode_config(stored: bytes) -> RepositoryConfig:
    """Return the stored ``config``, its MAC not yet checked.

    Raises:
        KeyUnavailableError: it is no config, or one of a later format.
    """
    members = decode_signed(CONFIG, stored)
    try:
        found = of_type(int, members["format"])
        if found != FORMAT:
            raise _other_format(found)
        config = RepositoryConfig(
            id=of_type(str, members["repositoryId"]),
            created_at=of_type(str, members["createdAt"]),
            is_encrypted={"enabled": True, "disabled": False}[of_type(str, members["encryption"])],
        )
    except (KeyError, TypeError) as err:
        raise damaged(CONFIG, "it lacks something that every repository's config has") from err
    differing = [name for name, value in FIXED.items() if members.get(name) != value]
    if differing or not REPOSITORY_ID.fullmatch(config.id):
        raise damaged(CONFIG, f"{(differing or ['repositoryId'])[0]} is not what format {FORMAT} has")
    return config


def check_config(stored: bytes, secrets: Secrets) -> None:
    """Raise ``KeyUnavailableError`` unless a holder of the master key wrote the stored ``config``."""
    config = decode_config(stored)
    if not signature_is_valid(decode_signed(CONFIG, stored), secrets, config.id, "config"):
        raise damaged(CONFIG, "the key opens the repository, but config does not authenticate")


def check_encryption(config: RepositoryConfig, provider: KeyProvider) -> None:
    """Refuse a provider that contradicts what the repository says about its encryption."""
    if config.is_encrypted and provider.provider == NO_ENCRYPTION:
        raise KeyUnavailableError(
            f"repository {config.id} is encrypted, and no key was named",
            solution="Name the repository's key (--key-file, --passphrase-file, --kms-key or `encryption`).",
        )
    if not config.is_encrypted and provider.provider != NO_ENCRYPTION:
        raise KeyUnavailableError(
            f"repository {config.id} was created without encryption, and a {provider.provider} key is given",
            solution="Set `encryption: {enabled: false}` to use it as it is, or create another one.",
        )


def _other_format(found: int) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"config says format {found}, and this version reads format {FORMAT}",
        solution="Use a version of Backup Manager that knows this format; if there is none, config is "
        "damaged: put it back from a replica or an older version in the bucket.",
    )
