"""Four writers, a verifier and two maintenance runs at once, with a grace period of a second: nothing is lost."""

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from tests.integration.crash_process import children
from tests.integration.crash_stage import KIB, TUNING, Stage
from tests.integration.workbench import write

from backup_manager.common.errors import InterruptedRunError, NotFoundError
from backup_manager.contract.backups import BackupType, VerificationOutcome
from backup_manager.engine.jobs.catalogue import delete_backups
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.verify import verify_all
from backup_manager.engine.repository.protocol import ProtocolOptions
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage

WRITERS, MAINTAINERS = 4, 2
GRACE_SECONDS = LIFE_SECONDS = 1.0
FAST = replace(TUNING, protocol=ProtocolOptions(life_seconds=LIFE_SECONDS))
POOL = 10  # contents that all writers draw from: what one needs no more, another soon needs again
KEPT = (2, 2, 1, 0)  # backups of each writer: without the newest, a run has lost what it builds upon

Act = Callable[[], object]


def redraw(stage: Stage, choices: random.Random) -> None:
    """Fill the source with some contents of the pool."""
    for place, content in enumerate(choices.sample(range(POOL), 4)):
        noise = random.Random(content)
        write(stage.source + b"/large %d" % place, noise.randbytes(300 * KIB))
        write(stage.source + b"/small %d" % place, noise.randbytes(40 * KIB))


def writing(stage: Stage, storage: Storage, seed: int) -> Act:
    """Return an act that backs up another content; an interruption is an honest answer, anything else is not."""
    choices = random.Random(seed)

    def act() -> None:
        redraw(stage, choices)
        try:
            stage.back_up(storage, choices.choice([None, BackupType.FULL]))
        except InterruptedRunError as err:
            sys.stdout.write(f"{stage.policy} interrupted: {err}\n")

    return act


def verifying(stage: Stage, storage: Storage) -> Act:
    """Return an act that verifies whatever is there."""

    def act() -> None:
        with stage.session(storage) as session:
            result = verify_all(session)
        assert (result.damaged, result.problems) == ((), ())
        assert result.result is not VerificationOutcome.FAILED

    return act


def maintaining(stage: Stage, storage: Storage, seed: int) -> Act:
    """Return an act that removes all backups but the newest of each writer, and maintains."""
    choices = random.Random(seed)

    def act() -> None:
        with stage.session(storage) as session:
            backups = sorted(list_backups(session), key=lambda each: (each.policy, each.started_at))
        by_policy = [list(group) for _, group in groupby(backups, key=lambda each: each.policy)]
        kept = choices.choice(KEPT)
        gone = [each.id for group in by_policy for each in group[: len(group) - kept]]
        try:
            stage.maintain(storage, GRACE_SECONDS, gone)
        except NotFoundError as err:  # the other one was faster
            sys.stdout.write(f"not removed: {err}\n")

    return act


def cast(first: Stage, storage: Storage, seed: int) -> list[Act]:
    """Return what all of them do, again and again."""
    stages = [first.beside(f"writer-{number}") for number in range(WRITERS)]
    writers = [writing(stage, storage, seed * 100 + number) for number, stage in enumerate(stages)]
    maintainers = [maintaining(first, storage, seed * 100 + number) for number in range(MAINTAINERS)]
    return [*writers, verifying(first, storage), *maintainers]


def start(stage: Stage, storage: Storage) -> set[str]:
    """Store a backup and remove it, and return its packs, which nobody else has a use for."""
    stage.build_source(large=1, small=1)
    backup = stage.back_up(storage)
    with stage.session(storage) as session:
        delete_backups(session, [backup.id])
    return {info.name for info in storage.list("packs/")}


def repeat(act: Act, seconds: float) -> int:
    """Act until time is over, once at least, and return how often."""
    end, times = time.monotonic() + seconds, 0
    while times == 0 or time.monotonic() < end:
        act()
        times += 1
    return times


def in_threads(acts: list[Act], seconds: float) -> list[int]:
    """Let all act at once and return how often each did; raises the first error of any."""
    errors: list[BaseException] = []
    times = [0] * len(acts)

    def work(number: int) -> None:
        try:
            times[number] = repeat(acts[number], seconds)
        except BaseException as err:  # noqa: BLE001  # raised below
            errors.append(err)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for err in errors:
        raise err
    return times


def in_processes(acts: list[Act], seconds: float) -> None:
    """Let each act in a process of its own; none may fail."""
    works: list[Act] = [lambda act=act: repeat(act, seconds) for act in acts]
    with children(*works) as running:
        assert [child.wait() for child in running] == [0] * len(acts)


def unlisted_packs(storage: Storage, seen: set[str]) -> set[str]:
    """Return the packs that were *seen* and are not there any more."""
    return seen - {info.name for info in storage.list("packs/")}


@pytest.mark.parametrize(
    ("store", "seconds"),
    [
        ("memory", 2.6),
        pytest.param("memory", 30.0, marks=pytest.mark.slow),
        pytest.param("folder", 30.0, marks=pytest.mark.slow),
    ],
)
def test_writers_a_verifier_and_maintainers_at_once_lose_nothing(
    tmp_path: Path, store: str, seconds: float
) -> None:
    storage: Storage = MemoryStorage() if store == "memory" else LocalStorage(tmp_path / "store", create=True)
    stage = Stage(tmp_path, tuning=FAST)
    first = start(stage, storage)
    acts = cast(stage, storage, seed=1)
    times = in_threads(acts, seconds)
    stage.check(storage, ())
    in_threads(acts[:WRITERS], 0)
    assert len(stage.check(storage, ()).verifications) >= WRITERS
    assert unlisted_packs(storage, first) != set()
    sys.stdout.write(f"{store}: acts {times} in {seconds:.0f} s\n")


@pytest.mark.parametrize("seconds", [2.6, pytest.param(30.0, marks=pytest.mark.slow)])
def test_processes_at_once_lose_nothing(tmp_path: Path, seconds: float) -> None:
    storage = LocalStorage(tmp_path / "store", create=True)
    stage = Stage(tmp_path, tuning=FAST)
    first = start(stage, storage)
    acts = cast(stage, storage, seed=2)
    in_processes(acts, seconds)
    in_processes(acts[:WRITERS], 0)
    with stage.session(storage) as session:
        verified = verify_all(session)
    assert (verified.damaged, verified.result) == ((), VerificationOutcome.PASSED)
    assert len(verified.verifications) >= WRITERS
    assert unlisted_packs(storage, first) != set()
