"""KMS servers for tests: moto's, started from its package, and one that gives a single answer.

Import the fixture ``kms_server`` into a ``conftest.py``. moto keeps keys and aliases and checks encryption
contexts; it does not refuse disabled keys, for which :func:`run_answering_server` stands in.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from backup_manager.engine.keys.aws_kms import AwsKms

REGION = "eu-central-1"
START_SECONDS = 60
STARTED = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class KmsServer:
    """A running KMS; credentials are in ``ENVIRONMENT``."""

    endpoint: str

    def client(self):  # type: ignore[no-untyped-def]  # boto3 has no types
        """Return boto3's client, to arrange keys."""
        return boto3.client("kms", region_name=REGION, endpoint_url=self.endpoint)

    def create_key(self, alias: str = "") -> str:
        """Return the ARN of a new key, named by *alias* when there is one."""
        arn = self.client().create_key()["KeyMetadata"]["Arn"]
        if alias:
            self.client().create_alias(AliasName=alias, TargetKeyId=arn)
        return str(arn)

    def provider(self, key_id: str) -> AwsKms:
        """Return our provider for the key."""
        return AwsKms(key_id, region=REGION, endpoint=self.endpoint)


@contextmanager
def run_kms_server(folder: Path) -> Iterator[KmsServer]:
    """Run ``moto_server`` on a free port until the block ends."""
    program = shutil.which(
        "moto_server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    assert program, "moto_server is missing: install the package moto[server] (extra 'test')"
    log = folder / "moto.log"
    with log.open("wb") as output:
        server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", "0"], stdout=output, stderr=output)
    try:
        yield KmsServer(_wait_for_endpoint(server, log))
    finally:
        server.terminate()
        server.wait(START_SECONDS)


@contextmanager
def run_answering_server(status: int, code: str) -> Iterator[tuple[KmsServer, list[str]]]:
    """Run a server that answers every call with one error of AWS; the list collects what was called."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            called.append(self.headers["X-Amz-Target"])
            self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps({"__type": code, "message": f"said {code}"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield KmsServer(f"http://127.0.0.1:{server.server_port}"), called
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _wait_for_endpoint(server: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := STARTED.search(log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"moto_server did not start: {log.read_text()}")


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give boto3 credentials that no other service knows."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def kms_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KmsServer]:
    """Run one KMS for the whole session."""
    with run_kms_server(tmp_path_factory.mktemp("kms")) as server:
        yield server
