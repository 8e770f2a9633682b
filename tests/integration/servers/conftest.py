"""Servers, and a repository with two backups on one of them, of which each test gets a copy."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.servers.desk import Desk, expect, write_files
from tests.support.kms import KmsServer, aws_credentials, kms_server
from tests.support.permissions import create_bucket
from tests.support.servers import S3Server, s3_process, s3_server

__all__ = ["aws_credentials", "kms_server", "s3_process", "s3_server"]


@pytest.fixture(scope="session")
def prepared(s3_process: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A full and an incremental backup, with a change between them; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared")
    desk = Desk(folder, folder / "data", s3_process.with_new_bucket())
    write_files(desk.data)
    desk.write_configuration()
    with pytest.MonkeyPatch.context() as monkeypatch:
        desk.sit_down(monkeypatch)
        expect(0, "key", "generate", "backup.key")
        expect(0, "run")
        (desk.data / "hello.txt").write_text("hello again\n")
        (desk.data / "added").write_bytes(b"new")
        (desk.data / "sub" / "small-7").unlink()
        expect(0, "run")
    return desk


@pytest.fixture
def desk(prepared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The working directory, over a copy of the prepared repository in a bucket of its own."""
    desk = replace(prepared, folder=tmp_path, server=prepared.server.with_copied_bucket())
    shutil.copy(prepared.folder / "backup.key", tmp_path)
    desk.write_configuration()
    desk.sit_down(monkeypatch)
    return desk


@pytest.fixture
def empty_desk(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The working directory, over an empty bucket of a server that ignores conditions of puts."""
    return _start(Desk(tmp_path, tmp_path / "data", s3_server), monkeypatch)


@pytest.fixture
def aws_desk(kms_server: KmsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The working directory, over an empty bucket of a server that obeys conditions and knows users."""
    server = S3Server(kms_server.endpoint, tmp_path, f"bucket-{tmp_path.name.replace('_', '-')}")
    create_bucket(server.endpoint, server.bucket)
    return _start(Desk(tmp_path, tmp_path / "data", server), monkeypatch)


def _start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    write_files(desk.data)
    desk.write_configuration()
    desk.sit_down(monkeypatch)
    expect(0, "key", "generate", "backup.key")
    return desk
