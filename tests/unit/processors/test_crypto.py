import threading

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.processors.crypto import CACHED_SUBKEYS, RepositoryVault
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.secrets import Secrets, expand_key, extract_key

SECRETS = Secrets(master=bytes(range(32)), id_key=bytes(range(32, 64)), chunker_seed=bytes(range(64, 72)))
REPOSITORY_ID = "000102030405060708090a0b0c0d0e0f"
NAME = "f" * 32
HEADER = b"BMGR\x01\x01" + bytes(10)


def vault() -> RepositoryVault:
    return RepositoryVault(SECRETS, REPOSITORY_ID)


def seal(number: int = 0, plain: bytes = b"plain bytes") -> bytes:
    return vault().seal(ObjectKind.PACK, NAME, number, plain, HEADER)


@given(secret=st.binary(min_size=1, max_size=64), salt=st.binary(min_size=1, max_size=16), kind=st.text())
def test_keys_are_those_of_hkdf_sha256(secret: bytes, salt: bytes, kind: str) -> None:
    info = f"backup-manager 1 {kind}".encode()
    expected = HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)

    assert expand_key(extract_key(secret, salt), kind) == expected


def test_golden_values_of_format_1_stay_what_they_are() -> None:
    subkey = expand_key(extract_key(SECRETS.master, bytes.fromhex(REPOSITORY_ID)), f"packs/{NAME}")

    assert subkey.hex() == "195def6e6e1c13ab33510930b3678473aa6e8c8de66e9ccfda02d5038202376d"
    assert (
        vault().blob_id(b"plain bytes").hex()
        == "adcc17c3265c694aff4463c950586c9f63e19067143d4231a387a21659d0dbab"
    )
    assert vault().blob_id(b"").hex() == "4b57adcaf21ce6ec2187b5732f8e7537feffdd7951cf299f222e55172e33c881"
    assert vault().member_hash(b"plain bytes") == vault().blob_id(b"plain bytes")[:16]
    assert seal().hex() == "4bdf0f7af80bbe1a4395f711ac19b80d7fc672164b12b79d00245f"
    assert seal(2**32 - 1).hex() == "0db804a5f7bfb00bbda1d4b18cc1b0ca315658d32da86c8ba1c152"


@given(plain=st.binary(max_size=300), number=st.integers(0, 2**32 - 1))
def test_what_was_sealed_opens(plain: bytes, number: int) -> None:
    sealed = memoryview(seal(number, plain))

    assert vault().open(ObjectKind.PACK, NAME, number, sealed, HEADER) == plain


def test_any_flipped_bit_is_detected() -> None:
    sealed = seal()
    for position in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(CorruptDataError):
            vault().open(ObjectKind.PACK, NAME, 0, damaged, HEADER)


@pytest.mark.parametrize(
    ("kind", "name", "number", "header", "secrets", "repository_id"),
    [
        pytest.param(ObjectKind.INDEX, NAME, 0, HEADER, SECRETS, REPOSITORY_ID, id="another kind"),
        pytest.param(ObjectKind.PACK, "e" * 32, 0, HEADER, SECRETS, REPOSITORY_ID, id="another name"),
        pytest.param(ObjectKind.PACK, NAME, 1, HEADER, SECRETS, REPOSITORY_ID, id="another segment"),
        pytest.param(ObjectKind.PACK, NAME, 0, bytes(16), SECRETS, REPOSITORY_ID, id="another header"),
        pytest.param(ObjectKind.PACK, NAME, 0, HEADER, SECRETS, "ff" * 16, id="another repository"),
        pytest.param(
            ObjectKind.PACK,
            NAME,
            0,
            HEADER,
            Secrets(bytes(32), SECRETS.id_key, SECRETS.chunker_seed),
            REPOSITORY_ID,
            id="another master key",
        ),
    ],
)
def test_a_segment_opens_only_in_its_own_place(
    kind: ObjectKind, name: str, number: int, header: bytes, secrets: Secrets, repository_id: str
) -> None:
    with pytest.raises(CorruptDataError):
        RepositoryVault(secrets, repository_id).open(kind, name, number, seal(), header)


def test_an_error_names_object_and_segment_and_no_secret() -> None:
    with pytest.raises(CorruptDataError) as caught:
        vault().open(ObjectKind.SNAPSHOT, NAME, 7, b"too short", HEADER)

    assert NAME in caught.value.facts
    assert "segment 7" in caught.value.facts
    assert "snapshots" in caught.value.facts


def test_secrets_are_in_no_representation() -> None:
    shown = f"{SECRETS!r}{SECRETS}{vault()!r}"

    for secret in (SECRETS.master, SECRETS.id_key, SECRETS.chunker_seed):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


def test_ids_of_equal_data_differ_between_repositories() -> None:
    other = RepositoryVault(Secrets(SECRETS.master, bytes(32), SECRETS.chunker_seed), REPOSITORY_ID)

    assert other.blob_id(b"data") != vault().blob_id(b"data")


def test_more_objects_than_the_cache_holds_and_forgotten_ones_still_open() -> None:
    used = vault()
    names = [f"{number:032x}" for number in range(CACHED_SUBKEYS + 20)]
    sealed = [used.seal(ObjectKind.INDEX, name, 0, b"x", HEADER) for name in names]
    used.forget(ObjectKind.INDEX, names[-1])
    used.forget(ObjectKind.INDEX, "never seen")

    opened = {
        used.open(ObjectKind.INDEX, name, 0, data, HEADER) for name, data in zip(names, sealed, strict=True)
    }

    assert opened == {b"x"}


def test_threads_share_a_vault() -> None:
    used, failures = vault(), []

    def work(start: int) -> None:
        for number in range(start, start + 300):
            name = f"{number % 290:032x}"
            sealed = used.seal(ObjectKind.PACK, name, number, b"data", HEADER)
            if used.open(ObjectKind.PACK, name, number, sealed, HEADER) != b"data":
                failures.append(number)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 1200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
