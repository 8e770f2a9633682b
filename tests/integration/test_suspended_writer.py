"""A writer that is stopped for longer than the grace period and its intent's life: complete, or cleanly failed."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import pytest
from tests.integration.crash_points import FolderShelf
from tests.integration.crash_process import children
from tests.integration.crash_stage import TUNING, Stage

from backup_manager.contract.backups import BackupType
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.repository.protocol import ProtocolOptions
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import CallingStorage

Record = Callable[[str, object], None]
DAY = 24 * 3600.0
DONE, INTERRUPTED = int(ExitCode.DONE), int(ExitCode.INTERRUPTED)


@dataclass(frozen=True)
class Moment:
    """The *number*-th call of *method*, of any if it is empty, on *prefix*, before it takes effect or after it did."""

    method: str
    prefix: str
    number: int
    is_after: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.is_after else 'before'} {self.method} {self.prefix} {self.number}"


WHILE_READING = Moment("put", "packs/d/", 1)
BEFORE_THE_SNAPSHOT = Moment("put", "snapshots/", 1)
MOMENTS = [
    WHILE_READING,
    Moment("put", "index/", 1),
    Moment("put", "intents/", 1),
    Moment("list", "maintenance/", 2),
    BEFORE_THE_SNAPSHOT,
    Moment("put", "snapshots/", 1, is_after=True),
    Moment("delete", "intents/", 1),
]
# m: a maintenance run, which removes the backup that holds what the writer has not stored itself; p: a day passes.
MEANWHILE = ["mp", "mpmpmpm"]


class SuspendingStorage(CallingStorage):
    """Stops its own process at a *moment*, as a laptop that is closed does."""

    def __init__(self, inner: Storage, moment: Moment) -> None:
        super().__init__(inner)
        self._moment = moment
        self._lock = threading.Lock()
        self._met = 0

    @contextmanager
    def _call(self, method: str, name: str) -> Iterator[None]:
        moment = self._moment
        is_meant = moment.method in ("", method) and name.startswith(moment.prefix)
        with self._lock:
            self._met += is_meant
            is_due = is_meant and self._met == moment.number
        if is_due and not moment.is_after:
            os.kill(os.getpid(), signal.SIGSTOP)
        yield
        if is_due and moment.is_after:
            os.kill(os.getpid(), signal.SIGSTOP)


class Days:
    """Time that passes for a store, for us and for our children at once."""

    def __init__(self, shelf: FolderShelf) -> None:
        self._shelf = shelf
        self._passed: Synchronized[float] = multiprocessing.get_context("fork").Value("d", 0.0)

    def __call__(self) -> float:
        return time.time() + self._passed.value

    def pass_(self) -> None:
        """Let a day and a second pass."""
        self._shelf.age(self._shelf.storage, DAY + 1)
        self._passed.value += DAY + 1


@dataclass
class Scene:
    """A repository of two backups, *gone* and *kept*, long ago; a full run now would re-use what *gone* holds."""

    shelf: FolderShelf
    days: Days
    stage: Stage
    gone: str
    kept: str

    @property
    def storage(self) -> Storage:
        return self.shelf.storage

    def do(self, meanwhile: str, removed: tuple[str, ...]) -> None:
        """Maintain and let days pass."""
        for step in meanwhile:
            if step == "m":
                self.stage.maintain(self.storage, DAY, removed)
            else:
                self.days.pass_()

    def policies(self) -> Counter[str]:
        """Count the backups of each policy."""
        with self.stage.session(self.storage) as session:
            return Counter(backup.policy for backup in list_backups(session) if backup.snapshot_id)


def set_scene(folder: Path) -> Scene:
    shelf = FolderShelf(folder)
    days = Days(shelf)
    first = Stage(folder, tuning=replace(TUNING, protocol=ProtocolOptions(clocks=(days,))))
    other, stage = first.beside("other"), first.beside("data")
    for each in (other, stage):
        each.build_source(large=1, small=4)
    other.change_source(1)
    kept, gone = other.back_up(shelf.storage).id, stage.back_up(shelf.storage).id
    days.pass_()
    days.pass_()
    stage.change_source(2)
    stage.clock.ahead += 60
    return Scene(shelf, days, stage, gone, kept)


def suspend(
    scene: Scene, moment: Moment, kind: BackupType, meanwhile: str, removed: tuple[str, ...]
) -> int | None:
    """Back up in a child that sleeps from *moment* on while *meanwhile* happens, and return its exit code.

    ``None``: it has ended without coming to that moment.
    """
    storage = SuspendingStorage(scene.storage, moment)
    with children(lambda: scene.stage.back_up(storage, kind)) as (child,):
        if not child.has_stopped():
            return None
        scene.do(meanwhile, removed)
        child.signal(signal.SIGCONT)
        return child.wait()


def judge(scene: Scene, code: int | None, removed: tuple[str, ...]) -> None:
    """Its backup is complete, or it is not there and the next run succeeds; other backups are as they were."""
    assert code in (DONE, INTERRUPTED)
    staying = {scene.kept, scene.gone} - set(removed)
    scene.stage.check(scene.storage, staying)
    assert scene.policies()["data"] == (code == DONE) + (not removed)
    scene.stage.clock.ahead += 60
    again = scene.stage.back_up(scene.storage).id
    scene.stage.check(scene.storage, {*staying, again})


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_writer_that_slept_while_packs_went_is_complete_or_has_failed(
    tmp_path: Path, moment: Moment
) -> None:
    scene = set_scene(tmp_path)
    code = suspend(scene, moment, BackupType.FULL, "mpm", (scene.gone,))
    judge(scene, code, (scene.gone,))


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("base_goes", [True, False], ids=["base goes", "base stays"])
@pytest.mark.parametrize("kind", list(BackupType))
def test_a_writer_that_slept_at_any_call_is_complete_or_has_failed(
    tmp_path: Path, kind: BackupType, base_goes: bool, meanwhile: str, record_property: Record
) -> None:
    codes: Counter[int] = Counter()
    for number in count(1):
        for is_after in (False, True):
            (tmp_path / f"{number}-{is_after}").mkdir()
            scene = set_scene(tmp_path / f"{number}-{is_after}")
            removed = (scene.gone,) if base_goes else ()
            code = suspend(scene, Moment("", "", number, is_after), kind, meanwhile, removed)
            if code is None:
                record_property("exit codes", dict(codes))
                sys.stdout.write(
                    f"{kind} {removed} {meanwhile}: slept {codes.total()} times, {dict(codes)}\n"
                )
                return
            judge(scene, code, removed)
            codes[code] += 1


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        pytest.param(BEFORE_THE_SNAPSHOT, 0.6, id="short"),
        pytest.param(BEFORE_THE_SNAPSHOT, 2.0, id="long", marks=pytest.mark.slow),
        pytest.param(WHILE_READING, 2.0, id="long, while reading", marks=pytest.mark.slow),
    ],
)
def test_a_writer_that_slept_in_real_time_is_complete_or_has_failed(
    tmp_path: Path, seconds: float, moment: Moment
) -> None:
    """The same with the machine's own clocks and file times, a grace period and intents of *seconds*."""
    scene = set_scene(tmp_path)
    scene.stage.tuning = replace(TUNING, protocol=ProtocolOptions(life_seconds=seconds))
    storage = SuspendingStorage(scene.storage, moment)
    with children(lambda: scene.stage.back_up(storage, BackupType.FULL)) as (child,):
        assert child.has_stopped()
        for _ in range(3):
            scene.stage.maintain(scene.storage, seconds, (scene.gone,))
            time.sleep(1.1 * seconds)
        child.signal(signal.SIGCONT)
        code = child.wait()
    judge(scene, code, (scene.gone,))
