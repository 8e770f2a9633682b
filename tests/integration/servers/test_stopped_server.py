"""A server that does not answer; apart from the others, as it takes most of a minute."""

import time
from pathlib import Path

import pytest
from tests.integration.servers.desk import Desk, expect
from tests.support.servers import run_s3_server

pytestmark = pytest.mark.slow


def test_server_that_was_stopped_is_20_within_a_minute(empty_desk: Desk, tmp_path: Path) -> None:
    with run_s3_server(tmp_path / "stopped") as server:
        pass
    empty_desk.at(server.endpoint)
    began = time.monotonic()

    error = expect(20, "list", "-o", "json").error

    assert (error["reason"], error["retryable"]) == ("StorageUnreachable", True)
    assert empty_desk.server.bucket in error["cause"]
    assert 30 < time.monotonic() - began <= 61
