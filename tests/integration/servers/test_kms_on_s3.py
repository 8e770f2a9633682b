"""A repository whose key is wrapped by AWS KMS, from the command line and from Python."""

import pytest
from tests.integration.servers.desk import Desk, expect
from tests.support.kms import KmsServer, run_answering_server
from tests.support.permissions import create_user, permissions_enforced

from backup_manager import AwsKms, Backup, BackupManager, Files, LocalStorage

pytestmark = pytest.mark.server

REGION = "eu-central-1"


def encryption(server: KmsServer, key_id: str) -> str:
    """Return the block of a configuration file."""
    return f'{{provider: aws_kms, key_id: "{key_id}", region: {REGION}, endpoint: "{server.endpoint}"}}'


@pytest.fixture
def kms_desk(aws_desk: Desk, kms_server: KmsServer, aws_credentials: None) -> Desk:
    """A desk with a backup, whose key is wrapped by ``alias/of-<bucket>``."""
    alias = f"alias/of-{aws_desk.server.bucket}"
    kms_server.create_key(alias)
    aws_desk.write_configuration(encryption(kms_server, alias))
    expect(0, "run")
    return aws_desk


def test_backup_and_restore_need_nothing_but_the_kms_key(kms_desk: Desk) -> None:
    expect(0, "run")
    expect(0, "verify", "latest", "--restore-test")
    expect(0, "restore", "latest", "--to", "out")

    assert (kms_desk.folder / "out" / kms_desk.data.relative_to("/") / "hello.txt").read_bytes() == b"hello\n"
    assert expect(0, "key", "list", "-o", "json").document[0]["provider"] == "aws_kms"


def test_rotation_to_another_kms_key_shuts_the_first_one_out(kms_desk: Desk, kms_server: KmsServer) -> None:
    first = expect(0, "key", "list", "-o", "json").document[0]["key"]
    second = kms_server.create_key()

    expect(0, "key", "rotate", "--new-kms-key", second)
    kms_desk.write_configuration(encryption(kms_server, first))

    assert expect(30, "restore", "latest", "--to", "out", "-o", "json").error["reason"] == "KeyUnavailable"
    kms_desk.write_configuration(encryption(kms_server, second))
    expect(0, "restore", "latest", "--to", "out")
    expect(0, "run")
    assert len(expect(0, "key", "list").rows) == 1


def test_an_offline_key_opens_what_kms_wrapped(kms_desk: Desk) -> None:
    expect(0, "key", "generate", "offline.key")

    expect(0, "key", "add", "--new-key-file", "offline.key", "--label", "offline")

    kms_desk.write_configuration("{provider: local, key_file: ./offline.key}")
    expect(0, "verify", "latest")


def test_absent_kms_key_is_30_and_named(kms_desk: Desk, kms_server: KmsServer) -> None:
    kms_desk.write_configuration(encryption(kms_server, "alias/nobody-made-this"))

    for args in (("list",), ("run",), ("restore", "latest", "--to", "out")):
        err = expect(30, *args).err
        assert "Cause: Key unavailable: cannot open key slot" in err
        assert "'alias/nobody-made-this'" in err


def test_nothing_is_written_when_the_kms_key_of_a_new_repository_is_absent(
    aws_desk: Desk, kms_server: KmsServer
) -> None:
    aws_desk.write_configuration(encryption(kms_server, "alias/nobody-made-this"))

    expect(30, "run")

    assert aws_desk.server.object_names() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [("DisabledException", "is disabled"), ("KMSInvalidStateException", "about to be deleted")],
)
def test_disabled_kms_key_is_30_and_the_solution_says_so(kms_desk: Desk, code: str, words: str) -> None:
    with run_answering_server(400, code) as (server, _):
        kms_desk.write_configuration(encryption(server, f"alias/of-{kms_desk.server.bucket}"))

        err = expect(30, "list").err

    assert words in err
    assert "nable" in err.splitlines()[-1]


def test_user_who_may_not_decrypt_is_30(
    kms_desk: Desk, kms_server: KmsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in create_user(kms_server.endpoint, "s3:*", "kms:Encrypt").items():
        monkeypatch.setenv(name, value)

    with permissions_enforced(kms_server.endpoint):
        err = expect(30, "list").err

    assert "kms:Decrypt" in err.splitlines()[-1]


def test_doctor_tells_kms_from_the_store(kms_desk: Desk, kms_server: KmsServer) -> None:
    assert expect(0, "doctor", "-o", "json").document["healthy"]
    kms_desk.write_configuration(encryption(kms_server, "alias/nobody-made-this"))

    findings = expect(30, "doctor", "-o", "json").document["findings"]

    assert [found["level"] for found in findings if found["subject"] == "store"] == ["ok"]


def test_python_uses_the_same_key(kms_desk: Desk, kms_server: KmsServer) -> None:
    key = AwsKms(f"alias/of-{kms_desk.server.bucket}", region=REGION, endpoint=kms_server.endpoint)
    folder = kms_desk.folder / "repository"
    backups = BackupManager().with_storage(LocalStorage(folder)).with_encryption(key).build()

    backup_id = backups.execute(Backup("files").with_sources(Files([kms_desk.data])))

    assert backups.verify_restore(backup_id).result.value == "Passed"
