"""What goes wrong with a real store ends with the exit code of the contract, and names the bucket."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.integration.servers.desk import PREFIX, Desk, expect, ids
from tests.support.permissions import create_user, permissions_enforced
from tests.support.requests_proxy import RequestsProxy, run_requests_proxy

pytestmark = pytest.mark.server

VERBS = (("run",), ("list",), ("verify", "--all"), ("restore", "latest", "--to", "out"), ("prune",))
READING = ("s3:ListBucket", "s3:GetObject")


@pytest.mark.parametrize("args", VERBS, ids=lambda args: args[0])
def test_absent_bucket_is_3_and_is_not_made(desk: Desk, args: tuple[str, ...]) -> None:
    absent = replace(desk, server=replace(desk.server, bucket="absent-bucket"))
    absent.write_configuration()

    err = expect(3, *args).err

    assert "Cause: Bucket missing: bucket 'absent-bucket' does not exist" in err
    assert not (desk.server.root / "absent-bucket").exists()


@pytest.mark.parametrize("args", VERBS[1:], ids=lambda args: args[0])
def test_bucket_without_a_repository_is_3(empty_desk: Desk, args: tuple[str, ...]) -> None:
    error = expect(3, *args, "-o", "json").error

    assert error["reason"] == "RepositoryMissing"
    assert empty_desk.server.object_names() == []


@pytest.mark.parametrize("args", VERBS, ids=lambda args: args[0])
def test_wrong_secret_is_20_at_once(
    desk: Desk, args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    began = time.monotonic()

    err = expect(20, *args).err

    assert f"Cause: Access denied: cannot list objects in bucket '{desk.server.bucket}'" in err
    assert "not-the-secret" not in err
    assert time.monotonic() - began < 10


def test_absent_credentials_are_20_and_name_the_variables(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    assert "Solution: Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in expect(20, "list").err


@pytest.fixture
def reader_desk(aws_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk with a backup, whose credentials may only list and read."""
    expect(0, "run")
    for name, value in create_user(aws_desk.server.endpoint, *READING).items():
        monkeypatch.setenv(name, value)
    with permissions_enforced(aws_desk.server.endpoint):
        yield aws_desk


def test_reading_needs_no_right_to_write(reader_desk: Desk) -> None:
    (newest,) = ids()

    expect(0, "info", newest)
    expect(0, "verify", newest)
    expect(0, "verify", "--all")
    expect(0, "restore", newest, "--to", "out")
    expect(0, "ls", newest)
    expect(0, "run", "--dry-run")
    expect(0, "prune", "--dry-run")


@pytest.mark.parametrize(
    "args", [("run",), ("prune",), ("delete", "latest", "--yes")], ids=lambda args: args[0]
)
def test_writing_without_the_right_to_is_20(reader_desk: Desk, args: tuple[str, ...]) -> None:
    error = expect(20, *args, "-o", "json").error

    assert error["reason"] == "AccessDenied"
    assert reader_desk.server.bucket in error["cause"]


def test_doctor_warns_of_a_bucket_that_refuses_writes(reader_desk: Desk) -> None:
    findings = expect(0, "doctor", "-o", "json").document["findings"]

    assert [found["subject"] for found in findings if "refuses writes" in found["facts"]] == ["store"]


def test_user_without_any_right_is_20(aws_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in create_user(aws_desk.server.endpoint).items():
        monkeypatch.setenv(name, value)

    with permissions_enforced(aws_desk.server.endpoint):
        for args in VERBS:
            assert expect(20, *args, "-o", "json").error["reason"] == "AccessDenied"


def test_wrong_key_is_30_before_anything_is_read_or_written(desk: Desk) -> None:
    before = desk.server.object_names()
    (desk.folder / "backup.key").write_text(f"{'ab' * 32}\n")

    for args in VERBS:
        error = expect(30, *args, "-o", "json").error
        assert (error["reason"], error["retryable"]) == ("KeyUnavailable", False)

    assert desk.server.object_names() == before


def test_absent_key_file_is_30_and_named(desk: Desk) -> None:
    (desk.folder / "backup.key").unlink()

    assert str(desk.folder / "backup.key") in expect(30, "list").err


def test_run_survives_a_server_that_is_gone_for_a_while(aws_desk: Desk) -> None:
    with run_requests_proxy(aws_desk.server.endpoint) as proxy:
        aws_desk.at(proxy.endpoint)
        lost = lose_at_first_pack(proxy, seconds=2)
        (run,) = expect(0, "run", "-o", "json").document

    assert lost.is_set()
    assert run["status"] == "Succeeded"
    aws_desk.write_configuration()
    assert expect(0, "verify", "--all", "-o", "json").document["result"] == "Passed"


def lose_at_first_pack(proxy: RequestsProxy, seconds: float) -> threading.Event:
    """Let the server be gone for a while when the first pack is put; the event tells that it was."""
    lost = threading.Event()

    def lose(method: str, path: str) -> None:
        if method == "PUT" and "/packs/" in path and not lost.is_set():
            lost.set()
            proxy.vanish()
            threading.Timer(seconds, proxy.return_).start()

    proxy.on_request = lose
    return lost


def test_configuration_takes_names_from_the_environment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (desk.folder / "backup.yaml").read_text()
    text = text.replace(desk.server.bucket, "${BUCKET}").replace(desk.server.endpoint, "${S3_ENDPOINT}")
    (desk.folder / "backup.yaml").write_text(text)

    missing = expect(2, "list").err
    monkeypatch.setenv("BUCKET", desk.server.bucket)
    monkeypatch.setenv("S3_ENDPOINT", desk.server.endpoint)

    assert "BUCKET" in missing
    assert len(expect(0, "list").rows) == 2


def test_url_and_key_file_need_no_configuration(desk: Desk) -> None:
    (desk.folder / "backup.yaml").unlink()

    ended = expect(0, "--repository", desk.server.url(PREFIX), "--key-file", "backup.key", "list")

    assert len(ended.rows) == 2
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in ended.out + ended.err
