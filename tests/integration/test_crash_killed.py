"""A process that is really killed while it backs up to a folder, whatever it is doing at that moment."""

import random
import signal
import time
from pathlib import Path

import pytest
from tests.integration.crash_process import children
from tests.integration.crash_stage import KIB, Stage
from tests.integration.workbench import write

from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.local import LocalStorage

SEED = 20


def left_overs(folder: Path) -> list[Path]:
    """Return the temporary files of puts that did not end."""
    return list(folder.rglob(".tmp-*"))


def change_a_lot(stage: Stage, noise: random.Random) -> None:
    """Write 4 MiB of new data, in files of all sizes, so that a run takes its time."""
    for number in range(8):
        write(stage.source + b"/large/%d" % number, noise.randbytes(384 * KIB))
        write(stage.source + b"/small/%02d" % number, noise.randbytes(128 * KIB))


def seconds_of(stage: Stage, storage: Storage) -> float:
    """Return how long a run takes, which is the first backup of all."""
    begun = time.monotonic()
    with children(lambda: stage.back_up(storage)) as (child,):
        assert child.wait() == 0
    return time.monotonic() - begun


@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="three"), pytest.param(20, id="twenty", marks=pytest.mark.slow)]
)
def test_a_killed_run_hurts_nothing_and_the_next_one_goes_on(tmp_path: Path, kills: int) -> None:
    noise, stage = random.Random(SEED), Stage(tmp_path)
    folder = tmp_path / "repository"
    storage = LocalStorage(folder, create=True)
    change_a_lot(stage, noise)
    seconds = seconds_of(stage, storage)
    stage.check(storage, ())
    killed = 0
    while killed < kills:
        stage.clock.ahead += 60
        change_a_lot(stage, noise)
        with children(lambda: stage.back_up(storage)) as (child,):
            time.sleep(noise.uniform(0, seconds))
            child.signal(signal.SIGKILL)
            is_killed = child.wait() == -signal.SIGKILL
        stage.go_on(storage, set(stage.trees))
        killed += is_killed
        seconds *= 1.0 if is_killed else 0.8  # it was faster than the first
    time.sleep(0.01)
    stage.maintain(storage, 0)
    assert left_overs(folder) == []
