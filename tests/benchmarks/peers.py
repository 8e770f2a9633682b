"""The programs that are compared, each behind the same six verbs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

RESTIC = "0.19.1"
KOPIA = "0.21.1"
BUPSTASH = "0.12.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "backup-manager" / "peers"
PASSWORD = "benchmark"


@dataclass(frozen=True)
class S3Place:
    """A bucket on an S3 server of this machine."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    @property
    def environment(self) -> dict[str, str]:
        """What the AWS credential chain reads."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@dataclass(frozen=True)
class Home:
    """Where one program keeps its repository, its cache and its keys for one row."""

    path: Path
    s3: S3Place | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> Path:
        """The repository on the local disk."""
        return self.path / "repository"


class Program(Protocol):
    """One backup program; every method returns a command for a fresh process."""

    name: str
    has_s3: bool

    def environment(self, home: Home) -> dict[str, str]:
        """What the commands need in their environment."""
        ...

    def create(self, home: Home) -> list[list[str]]:
        """Commands that make an empty repository; not measured."""
        ...

    def backup(self, home: Home, folder: Path) -> list[str]:
        """A backup of *folder*, with zstd level 3 where it can be set."""
        ...

    def restore(self, home: Home, folder: Path, destination: Path) -> list[str]:
        """The newest backup of *folder*, into the empty *destination*."""
        ...

    def verify(self, home: Home) -> list[str] | None:
        """A check that reads every byte; None if there is no such command."""
        ...


class Ours:
    """This project, as a person runs it: the program in the environment that runs the benchmark."""

    name = "backup-manager"
    has_s3 = True

    def environment(self, home: Home) -> dict[str, str]:
        return {"XDG_CACHE_HOME": str(home.path / "cache"), **(home.s3.environment if home.s3 else {})}

    def create(self, home: Home) -> list[list[str]]:
        """A key, and the backup of one byte, as the first run creates the repository."""
        key = home.path / "backup.key"
        seed = home.path / "seed"
        seed.mkdir()
        (seed / "byte").write_bytes(b"1")
        return [[self._program, "backup", "key", "generate", str(key)], self.backup(home, seed)]

    def backup(self, home: Home, folder: Path) -> list[str]:
        config = home.path / f"{folder.name}.yaml"
        storage: dict[str, object] = {"type": "local", "path": str(home.repository)}
        if home.s3:
            storage = {"type": "s3", "bucket": home.s3.bucket, "endpoint": home.s3.endpoint}
            storage |= {"region": "us-east-1", "force_path_style": True}
        document = {
            "backup_manager": {
                "storage": storage,
                "compression": {"algorithm": "zstd", "level": 3},
                "encryption": {
                    "enabled": True,
                    "provider": "local",
                    "key_file": str(home.path / "backup.key"),
                },
            },
            "policies": {folder.name: {"sources": [{"type": "filesystem", "paths": [str(folder)]}]}},
        }
        config.write_text(json.dumps(document))  # JSON is YAML
        return [self._program, "backup", "-f", str(config), "run"]

    def restore(self, home: Home, folder: Path, destination: Path) -> list[str]:
        config = home.path / f"{folder.name}.yaml"
        target = f"{folder}={destination}"
        return [
            self._program,
            "backup",
            "-f",
            str(config),
            "restore",
            "latest",
            "--target",
            target,
            "--no-verify",
        ]

    def verify(self, home: Home) -> list[str]:
        config = home.path / "seed.yaml"  # any of them names the repository
        return [self._program, "backup", "-f", str(config), "verify", "--all"]

    @property
    def _program(self) -> str:
        return str(Path(sys.executable).with_name("sirsinexus"))


class Restic:
    """restic, with its default of automatic compression, which is zstd level 3."""

    name = f"restic {RESTIC}"
    has_s3 = True

    def environment(self, home: Home) -> dict[str, str]:
        repository = f"s3:{home.s3.endpoint}/{home.s3.bucket}" if home.s3 else str(home.repository)
        return {
            "RESTIC_REPOSITORY": repository,
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": str(home.path / "cache"),
            **(home.s3.environment if home.s3 else {}),
        }

    def create(self, home: Home) -> list[list[str]]:
        return [[self._program, "init"]]

    def backup(self, home: Home, folder: Path) -> list[str]:
        return [self._program, "backup", "--quiet", str(folder)]

    def restore(self, home: Home, folder: Path, destination: Path) -> list[str]:
        return [self._program, "restore", f"latest:{folder}", "--quiet", "--target", str(destination)]

    def verify(self, home: Home) -> list[str]:
        return [self._program, "check", "--read-data", "--quiet"]

    @property
    def _program(self) -> str:
        return str(CACHE / "bin" / f"restic-{RESTIC}")


class Kopia:
    """kopia, with zstd for all files."""

    name = f"kopia {KOPIA}"
    has_s3 = True

    def environment(self, home: Home) -> dict[str, str]:
        return {
            "KOPIA_PASSWORD": PASSWORD,
            "KOPIA_CONFIG_PATH": str(home.path / "kopia.config"),
            "KOPIA_CACHE_DIRECTORY": str(home.path / "cache"),
            "KOPIA_LOG_DIR": str(home.path / "logs"),
            "KOPIA_CHECK_FOR_UPDATES": "false",
            **(home.s3.environment if home.s3 else {}),
        }

    def create(self, home: Home) -> list[list[str]]:
        if home.s3:
            host = home.s3.endpoint.removeprefix("http://")
            store = [
                "s3",
                f"--bucket={home.s3.bucket}",
                f"--endpoint={host}",
                "--disable-tls",
                "--region=us-east-1",
            ]
            store += [f"--access-key={home.s3.access_key}", f"--secret-access-key={home.s3.secret_key}"]
        else:
            home.repository.mkdir()
            store = ["filesystem", f"--path={home.repository}"]
        return [
            [self._program, "repository", "create", *store],
            [self._program, "policy", "set", "--global", "--compression=zstd"],
        ]

    def backup(self, home: Home, folder: Path) -> list[str]:
        return [self._program, "snapshot", "create", "--no-progress", str(folder)]

    def restore(self, home: Home, folder: Path, destination: Path) -> list[str]:
        listed = subprocess.run(
            [self._program, "snapshot", "list", "--json", str(folder)],
            env={**os.environ, **self.environment(home)},
            check=True,
            capture_output=True,
        )
        newest = json.loads(listed.stdout)[-1]["rootEntry"]["obj"]
        return [self._program, "snapshot", "restore", "--no-progress", newest, str(destination)]

    def verify(self, home: Home) -> list[str]:
        return [self._program, "snapshot", "verify", "--verify-files-percent=100", "--no-progress"]

    @property
    def _program(self) -> str:
        return str(CACHE / "bin" / f"kopia-{KOPIA}")


class Bupstash:
    """bupstash: local repositories alone, and no command that reads every byte."""

    name = f"bupstash {BUPSTASH}"
    has_s3 = False

    def environment(self, home: Home) -> dict[str, str]:
        return {
            "BUPSTASH_REPOSITORY": str(home.repository),
            "BUPSTASH_KEY": str(home.path / "bupstash.key"),
            "BUPSTASH_SEND_LOG": str(home.path / "send.log"),
            "BUPSTASH_QUERY_CACHE": str(home.path / "query.cache"),
        }

    def create(self, home: Home) -> list[list[str]]:
        return [[self._program, "init"], [self._program, "new-key", "-o", str(home.path / "bupstash.key")]]

    def backup(self, home: Home, folder: Path) -> list[str]:
        return [
            self._program,
            "put",
            "--quiet",
            "--compression=zstd:3",
            f"name={folder.name}.tar",
            str(folder),
        ]

    def restore(self, home: Home, folder: Path, destination: Path) -> list[str]:
        destination.mkdir(exist_ok=True)
        query = [self._program, "list", "--format=jsonl1", f"name={folder.name}.tar"]
        listed = subprocess.run(
            query, env={**os.environ, **self.environment(home)}, check=True, capture_output=True, text=True
        )
        newest = json.loads(listed.stdout.splitlines()[-1])["id"]
        return [self._program, "restore", "--quiet", "--into", str(destination), f"id={newest}"]

    def verify(self, home: Home) -> list[str] | None:
        return None

    @property
    def _program(self) -> str:
        return str(CACHE / "bin" / "bupstash")


def stored_bytes(home: Home) -> int:
    """Return the bytes of the files of a local repository."""
    return sum(path.stat().st_size for path in home.repository.rglob("*") if path.is_file())


def fresh_home(path: Path, s3: S3Place | None = None) -> Home:
    """Return an empty home at *path*."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return Home(path, s3)
