"""A person's working directory: files, a key, and a configuration file over a bucket."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.support.program import ENVIRONMENT, Ended, sirsinexus
from tests.support.servers import S3Server

from backup_manager import BackupManager, LocalKey, S3Storage
from backup_manager.manager.facade_backups import Backups

PREFIX = "prod/"
SMALL_BYTES = 100_000  # more than a catalogue of the files below, and much less than the files
CONFIGURATION = """\
backup_manager:
  storage:
    {{type: s3, bucket: "{bucket}", prefix: {prefix}, region: us-east-1, endpoint: "{endpoint}",
      force_path_style: true}}
  encryption: {encryption}
  retention: {{keep_last: 1}}
policies:
  files:
    sources: [{{type: filesystem, paths: ["{data}"], exclude: ["*.tmp"]}}]
"""
FILES = {
    "hello.txt": b"hello\n",
    "excluded.tmp": b"not this one",
    "sub/large": os.urandom(3 << 20),
    **{f"sub/small-{number}": os.urandom(700 + number) for number in range(200)},
}


def isolated_environment() -> dict[str, str]:
    """Return variables that keep the AWS chain from looking at this machine."""
    return {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@dataclass(frozen=True)
class Desk:
    """A folder with ``backup.yaml`` and ``backup.key``, beside the *data* that it backs up to *server*."""

    folder: Path
    data: Path
    server: S3Server

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a process of its own."""
        return {**ENVIRONMENT, **isolated_environment(), **self.server.environment()}

    def sit_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work here from now on, with the server's credentials."""
        self.folder.mkdir(exist_ok=True)
        monkeypatch.chdir(self.folder)
        for name, value in {**isolated_environment(), **self.server.environment()}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)

    def write_configuration(self, encryption: str = "{provider: local, key_file: ./backup.key}") -> None:
        """Write ``backup.yaml``."""
        text = CONFIGURATION.format(
            bucket=self.server.bucket,
            prefix=PREFIX,
            endpoint=self.server.endpoint,
            encryption=encryption,
            data=self.data,
        )
        (self.folder / "backup.yaml").write_text(text)

    def at(self, endpoint: str) -> "Desk":
        """Return the same desk, whose configuration reaches the server by another address."""
        other = replace(self, server=replace(self.server, endpoint=endpoint))
        other.write_configuration()
        return other

    def python_api(self) -> Backups:
        """Return the Python API's view of the same repository."""
        storage = S3Storage(
            bucket=self.server.bucket,
            prefix=PREFIX,
            region="us-east-1",
            endpoint=self.server.endpoint,
            force_path_style=True,
        )
        key = LocalKey(self.folder / "backup.key")
        return BackupManager().with_storage(storage).with_encryption(key).build()


def write_files(folder: Path) -> None:
    """Make a small tree."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def expect(code: int, *args: str) -> Ended:
    """Run ``sirsinexus backup ARGS`` in the working directory; it must end with *code*."""
    ended = sirsinexus(*args, environment=os.environ)
    assert ended.code == code, ended.err
    return ended


def ids() -> list[str]:
    """Return the ids of the backups, newest first."""
    return [backup["id"] for backup in expect(0, "list", "-o", "json").document]
