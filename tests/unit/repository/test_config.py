import json

import pytest
from tests.unit.repository.keyed import NamedKey

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.processors.chunker import MAX_BYTES, MIN_BYTES, NORMALIZATION, TARGET_BYTES
from backup_manager.engine.repository.config import (
    FIXED,
    RepositoryConfig,
    check_config,
    check_encryption,
    decode_config,
    encode_config,
)
from backup_manager.engine.repository.secrets import Secrets, decode_secrets, draw_secrets

SECRETS = Secrets(bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 72)))
CONFIG = RepositoryConfig("000102030405060708090a0b0c0d0e0f", "2025-06-24T00:00:00Z", is_encrypted=True)
GOLDEN = b"""{
 "format": 1,
 "repositoryId": "000102030405060708090a0b0c0d0e0f",
 "createdAt": "2025-06-24T00:00:00Z",
 "chunker": {
  "name": "fastcdc-2020",
  "minBytes": 262144,
  "targetBytes": 1048576,
  "maxBytes": 4194304,
  "normalization": 1
 },
 "frameBytes": 1048576,
 "smallFileBytes": 262144,
 "ids": "blake3-keyed",
 "compression": "zstd",
 "sealing": "aes-256-gcm",
 "kdf": "hkdf-sha256",
 "encryption": "enabled",
 "mac": "38b329427873d845389ca4e1c092c7ddefeccdf4a713e369e2810977b65ea550"
}
"""


def test_the_config_of_format_1_stays_what_it_is() -> None:
    assert encode_config(CONFIG, SECRETS) == GOLDEN
    assert decode_config(GOLDEN) == CONFIG
    check_config(GOLDEN, SECRETS)


def test_the_chunker_in_use_is_the_one_that_config_names() -> None:
    assert FIXED["chunker"] == {
        "name": "fastcdc-2020",
        "minBytes": MIN_BYTES,
        "targetBytes": TARGET_BYTES,
        "maxBytes": MAX_BYTES,
        "normalization": NORMALIZATION,
    }


def test_any_flipped_bit_is_detected() -> None:
    for position in range(len(GOLDEN) * 8):
        damaged = bytearray(GOLDEN)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(KeyUnavailableError):
            check_config(bytes(damaged), SECRETS)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="empty"),
        pytest.param(GOLDEN[:100], id="cut"),
        pytest.param(GOLDEN + b"\n", id="longer"),
        pytest.param(b"[]\n", id="a list"),
        pytest.param(b"{}\n", id="an empty object"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"\xff" * 10, id="no text"),
        pytest.param(b'{\n "format": "1"\n}\n', id="a format in words"),
        pytest.param(b'{\n "format": true\n}\n', id="a truth value for a number"),
        pytest.param(json.dumps(json.loads(GOLDEN)).encode(), id="the same in another layout"),
        pytest.param(GOLDEN.replace(b"enabled", b"perhaps"), id="another word"),
        pytest.param(GOLDEN.replace(b"000102", b"0001/2"), id="an id that is none"),
    ],
)
def test_a_damaged_config_is_said_to_be_damaged(stored: bytes) -> None:
    with pytest.raises(KeyUnavailableError, match="config is damaged") as caught:
        decode_config(stored)

    assert caught.value.exit_code == 30


@pytest.mark.parametrize("name", list(FIXED))
def test_what_format_1_fixes_is_checked(name: str) -> None:
    members = json.loads(GOLDEN)
    members[name] = "something else"

    with pytest.raises(KeyUnavailableError, match=f"{name} is not what format 1 has"):
        decode_config(json.dumps(members, indent=1).encode() + b"\n")


def test_a_later_format_asks_for_a_newer_version() -> None:
    with pytest.raises(KeyUnavailableError, match="format 2, and this version reads format 1") as caught:
        decode_config(GOLDEN.replace(b'"format": 1', b'"format": 2'))

    assert "version of Backup Manager" in caught.value.solution


@pytest.mark.parametrize("change", [(b"00Z", b"01Z"), (b"enabled", b"disabled"), (b'"mac": "', b'"mac": "0')])
def test_a_forged_config_does_not_authenticate(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(KeyUnavailableError, match="does not authenticate"):
        check_config(GOLDEN.replace(*change), SECRETS)


def test_encryption_is_said_never_assumed() -> None:
    plain = RepositoryConfig(CONFIG.id, CONFIG.created_at, is_encrypted=False)

    check_encryption(CONFIG, NamedKey("a"))
    check_encryption(plain, NoEncryption())
    with pytest.raises(KeyUnavailableError, match="is encrypted"):
        check_encryption(CONFIG, NoEncryption())
    with pytest.raises(KeyUnavailableError, match="without encryption"):
        check_encryption(plain, NamedKey("a"))


def test_sizes_are_those_that_are_stored() -> None:
    assert (CONFIG.frame_bytes, CONFIG.small_file_bytes) == (FIXED["frameBytes"], FIXED["smallFileBytes"])


def test_a_seed_without_effect_is_drawn_again() -> None:
    drawn = iter([b"m" * 32, b"i" * 32, bytes(8), bytes(6) + b"\xff\xff", b"seedseed"])

    assert draw_secrets(lambda _: next(drawn)).chunker_seed == b"seedseed"


def test_secrets_survive_being_wrapped() -> None:
    assert decode_secrets(SECRETS.encode()) == SECRETS
    with pytest.raises(KeyUnavailableError, match="71 bytes"):
        decode_secrets(SECRETS.encode()[:-1])
