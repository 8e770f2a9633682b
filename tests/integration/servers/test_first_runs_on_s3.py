"""Processes that start at once on an empty bucket, with and without conditional puts."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.servers.desk import PREFIX, Desk, expect
from tests.support.program import COMMAND

pytestmark = pytest.mark.server

WRITERS = 4


def start(desk: Desk, *args: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*COMMAND, *args],
        cwd=desk.folder,
        env=desk.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def beside(desk: Desk, number: int) -> Desk:
    """Return a desk of its own, with another policy, over the same bucket and with the same key."""
    other = replace(desk, folder=desk.folder / f"writer-{number}")
    other.folder.mkdir()
    other.write_configuration(f"{{provider: local, key_file: {desk.folder}/backup.key}}")
    text = (other.folder / "backup.yaml").read_text()
    (other.folder / "backup.yaml").write_text(text.replace("  files:", f"  files-{number}:"))
    return other


@pytest.mark.parametrize("kind", ["empty_desk", "aws_desk"])
def test_four_processes_that_start_at_once_end_with_one_key(
    kind: str, request: pytest.FixtureRequest
) -> None:
    desk: Desk = request.getfixturevalue(kind)
    running = [start(beside(desk, number), "run", "-o", "json") for number in range(WRITERS)]

    ended = [(*process.communicate(timeout=60), process.returncode) for process in running]

    assert [code for _, _, code in ended] == [0] * WRITERS, [err for _, err, _ in ended]
    names = [name.removeprefix(PREFIX) for name in desk.server.object_names()]
    assert [name for name in names if name.startswith(("config", ".probe"))] == ["config"]
    assert len([name for name in names if name.startswith("keys/")]) == 1
    listed = {backup["id"] for backup in expect(0, "list", "-o", "json").document}
    assert listed == {backup["id"] for out, _, _ in ended for backup in json.loads(out)}
    assert len(listed) == WRITERS
    assert expect(0, "verify", "--all", "-o", "json").document["result"] == "Passed"


def test_a_process_of_its_own_backs_up_and_restores(aws_desk: Desk) -> None:
    for args in (("run",), ("verify", "latest"), ("restore", "latest", "--to", "out")):
        process = start(aws_desk, *args)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")

    restored = aws_desk.folder / "out" / aws_desk.data.relative_to("/")
    assert {path.name for path in Path(restored).iterdir()} == {"hello.txt", "sub"}
