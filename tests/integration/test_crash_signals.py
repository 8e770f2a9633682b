"""The command line interrupted by SIGINT and SIGTERM: exit code 60, and the next run goes on with what was stored."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.crash_process import wait_until
from tests.integration.workbench import key_spec, write
from tests.support.trees import compare_trees

from backup_manager.contract.exit_codes import ExitCode

MIB = 2**20
FILES = 16  # of 4 MiB: a run has stored the first packs long before it has read the last
CONFIGURATION = """
backup_manager:
  storage: {type: local, path: ./repository}
  encryption: {enabled: true, provider: local, key_file: ./key}
policies:
  data:
    sources: [{type: filesystem, paths: [./source]}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A configuration, its key, and much to back up."""
    key_spec(tmp_path)
    (tmp_path / "backup.yaml").write_text(CONFIGURATION)
    noise = random.Random(60)
    for number in range(FILES):
        write(os.fsencode(tmp_path / "source" / f"{number:02d}"), noise.randbytes(4 * MIB))
    return tmp_path


def start(place: Path, *args: str) -> "subprocess.Popen[str]":
    """Start the program in *place*."""
    return subprocess.Popen(
        [sys.executable, "-m", "backup_manager.cli.main", "backup", *args],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(place: Path, *args: str) -> Any:
    """Run a command that must succeed and return its document."""
    process = start(place, *args, "-o", "json")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return json.loads(output)


def durable_packs(place: Path) -> list[Path]:
    """Return the data packs that are stored as a whole."""
    return [path for path in place.glob("repository/packs/d/*") if not path.name.startswith(".")]


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals) -> list[str]:
    """Send a signal, wait for the end, and return the last three lines of what was said."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    return errors.splitlines()[-3:]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_exits_with_60_and_the_next_one_goes_on(
    place: Path, number: signal.Signals
) -> None:
    process = start(place, "run")
    wait_until(lambda: len(durable_packs(place)) > 0)
    error, cause, solution = interrupt(process, number)
    assert process.returncode == ExitCode.INTERRUPTED
    assert error == "Error: Failed to create backup"
    assert cause.startswith("Cause: Interrupted: ")
    assert solution.startswith("Solution: ")

    kept = durable_packs(place)
    (backup,) = run(place, "run")
    assert 0 < backup["addedBytes"] < FILES * 4 * MIB - len(kept) * 12 * MIB
    assert set(kept) <= set(durable_packs(place))
    run(place, "restore", "latest", "--target", f"{place}/source={place}/restored")
    assert compare_trees(os.fsencode(place / "source"), os.fsencode(place / "restored")) == []


def change_some(place: Path, noise: random.Random) -> None:
    for changed in noise.sample(range(FILES), 8):
        write(os.fsencode(place / "source" / f"{changed:02d}"), noise.randbytes(4 * MIB))


def seconds_of_a_run(place: Path, noise: random.Random) -> float:
    change_some(place, noise)
    begun = time.monotonic()
    run(place, "run")
    return time.monotonic() - begun


@pytest.mark.slow
def test_a_run_interrupted_at_any_moment_is_complete_or_goes_on(place: Path) -> None:
    noise, codes = random.Random(61), []
    run(place, "run")
    shortest = min(seconds_of_a_run(place, noise) for _ in range(3))
    for _ in range(12):
        change_some(place, noise)
        process = start(place, "run")
        time.sleep(shortest * noise.uniform(0.1, 0.9))
        interrupt(process, noise.choice([signal.SIGINT, signal.SIGTERM]))
        codes.append(process.returncode)
        run(place, "run")
        assert run(place, "verify", "--all")["result"] == "Passed"
    # A process that is still starting has nobody yet who answers.
    assert set(codes) <= {ExitCode.DONE, ExitCode.INTERRUPTED, -signal.SIGTERM, -signal.SIGINT}
    assert set(codes) != {ExitCode.DONE}, "every signal came too late"
