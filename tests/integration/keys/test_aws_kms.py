import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.kms import REGION, KmsServer, run_answering_server

from backup_manager.common.errors import KeyUnavailableError, UsageError
from backup_manager.engine.keys.aws_kms import AwsKms, KeyServiceUnreachableError
from backup_manager.engine.keys.local import LocalKey, generate_key_file
from backup_manager.engine.processors.compress import ZstdCompressor
from backup_manager.engine.processors.crypto import RepositoryVault
from backup_manager.engine.repository.keyring import KeyProvider, KeySlot, wrap_context
from backup_manager.engine.repository.repository import Repository, create_repository, open_repository
from backup_manager.engine.storage.memory import MemoryStorage

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("aws_credentials")]

SECRET = bytes(range(72))
CONTEXT = wrap_context("ab" * 16, "01234567")


def create(storage: MemoryStorage, provider: KeyProvider) -> Repository:
    return create_repository(storage, provider, make_vault=RepositoryVault, make_compressor=ZstdCompressor)


def open_it(storage: MemoryStorage, provider: KeyProvider) -> Repository:
    return open_repository(storage, provider, make_vault=RepositoryVault, make_compressor=ZstdCompressor)


def new_slot(provider: AwsKms) -> KeySlot:
    made = provider.wrap(SECRET, CONTEXT)
    return KeySlot("01234567", "aws_kms", "", "2025-01-01T00:00:00Z", made.parameters, made.wrapped)


def unwrap(provider: AwsKms, slot: KeySlot, context: dict[str, str] = CONTEXT) -> bytes:
    return provider.unwrap(slot.parameters, slot.wrapped, context)


def test_a_repository_opens_by_id_arn_and_alias(kms_server: KmsServer) -> None:
    arn = kms_server.create_key("alias/three-names")
    storage = MemoryStorage()
    created = create(storage, kms_server.provider("alias/three-names"))

    for key_id in (arn, arn.rpartition("/")[2], "alias/three-names"):
        assert open_it(storage, kms_server.provider(key_id)).config == created.config

    assert created.ring.slots[0].parameters == {"keyArn": arn}


def test_one_process_calls_once(kms_server: KmsServer) -> None:
    storage = MemoryStorage()
    provider = kms_server.provider(kms_server.create_key())
    create(storage, provider)
    unreachable = AwsKms(provider.key_id, region=REGION, endpoint="http://127.0.0.1:9")
    unreachable._unwrapped = provider._unwrapped

    assert open_it(storage, unreachable).config.is_encrypted


def test_the_key_is_bound_to_the_repository(kms_server: KmsServer) -> None:
    provider = kms_server.provider(kms_server.create_key())

    with pytest.raises(KeyUnavailableError, match="damaged, or belongs to another repository"):
        unwrap(provider, new_slot(provider), wrap_context("cd" * 16, "01234567"))


def test_damaged_wrapped_bytes_are_an_error_of_the_slot(kms_server: KmsServer) -> None:
    provider = kms_server.provider(kms_server.create_key())
    slot = new_slot(provider)

    for wrapped in (b"x", slot.wrapped[:-1], slot.wrapped[:-1] + bytes([slot.wrapped[-1] ^ 1])):
        with pytest.raises(KeyUnavailableError, match="damaged") as caught:
            unwrap(provider, replace(slot, wrapped=wrapped))
        assert not caught.value.retryable


def test_another_key_is_not_tried(kms_server: KmsServer) -> None:
    storage = MemoryStorage()
    create(storage, kms_server.provider(kms_server.create_key()))

    with pytest.raises(KeyUnavailableError, match="opens none of the key slots"):
        open_it(storage, kms_server.provider(kms_server.create_key()))


def test_an_absent_key_is_named(kms_server: KmsServer) -> None:
    with pytest.raises(KeyUnavailableError, match=r"alias/absent.*does not exist") as caught:
        create(MemoryStorage(), kms_server.provider("alias/absent"))

    assert (caught.value.exit_code, caught.value.retryable) == (30, False)


def test_a_moved_alias_still_opens_and_a_rotation_rewraps(kms_server: KmsServer) -> None:
    old = kms_server.create_key("alias/moved")
    new = kms_server.create_key()
    storage = MemoryStorage()
    create(storage, kms_server.provider("alias/moved"))
    kms_server.client().update_alias(AliasName="alias/moved", TargetKeyId=new)

    opened = open_it(storage, kms_server.provider("alias/moved"))
    ring = opened.edit_keys().replace_slot(opened.slot_id, kms_server.provider("alias/moved"))

    assert [slot.parameters["keyArn"] for slot in ring.slots] == [new]
    assert open_it(storage, kms_server.provider(new)).ring == ring
    with pytest.raises(KeyUnavailableError):
        open_it(storage, kms_server.provider(old))


def test_an_offline_key_opens_without_the_service(kms_server: KmsServer, tmp_path: Path) -> None:
    storage = MemoryStorage()
    opened = create(storage, kms_server.provider(kms_server.create_key()))
    generate_key_file(tmp_path / "offline.key")

    opened.edit_keys().add_slot(LocalKey(tmp_path / "offline.key"), "in the safe")

    assert open_it(storage, LocalKey(tmp_path / "offline.key")).chunker_seed == opened.chunker_seed
    offline = LocalKey(tmp_path / "offline.key")
    slot_id = opened.edit_keys().list_slots()[1].id
    with pytest.raises(UsageError, match="only one that the given key opens"):
        opened.edit_keys().remove_slot(slot_id, offline)


def test_a_service_that_does_not_answer_is_worth_another_try() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(KeyServiceUnreachableError, match="unreachable") as caught:
            AwsKms("alias/key", region=REGION, endpoint=endpoint).wrap(SECRET, CONTEXT)

    assert (caught.value.exit_code, caught.value.retryable) == (30, True)


@pytest.mark.parametrize(
    ("status", "code", "facts", "retryable"),
    [
        (400, "NotFoundException", "does not exist", False),
        (400, "DisabledException", "is disabled", False),
        (400, "KMSInvalidStateException", "disabled or about to be deleted", False),
        (400, "AccessDeniedException", "is denied", False),
        (400, "IncorrectKeyException", "not the one that wrapped", False),
        (400, "InvalidCiphertextException", "damaged", False),
        (400, "UnrecognizedClientException", "refused the credentials", False),
        (400, "ExpiredTokenException", "refused the credentials", False),
        (400, "SomethingNewException", "cannot be used", False),
        (400, "ThrottlingException", "unreachable", True),
        (500, "KMSInternalException", "unreachable", True),
        (503, "ServiceUnavailable", "unreachable", True),
    ],
)
def test_answers_are_told_apart(status: int, code: str, facts: str, retryable: bool) -> None:
    with (
        run_answering_server(status, code) as (server, called),
        pytest.raises(KeyUnavailableError, match=facts) as caught,
    ):
        server.provider("alias/key").unwrap({"keyArn": "arn:aws:kms:x:1:key/a"}, b"wrapped", CONTEXT)

    assert (caught.value.retryable, caught.value.exit_code) == (retryable, 30)
    assert "alias/key" in caught.value.facts
    assert called[0] == "TrentService.Decrypt"


def test_missing_credentials_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(KeyUnavailableError, match="credentials") as caught:
        AwsKms("alias/key", region=REGION, endpoint="http://127.0.0.1:9").wrap(SECRET, CONTEXT)

    assert "AWS credentials" in caught.value.solution
