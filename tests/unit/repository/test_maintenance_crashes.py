"""Maintenance and commits that are killed at each single call to the store, and many actors at once."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.repository.histories import (
    COMPRESSOR,
    DAY,
    VAULT,
    Run,
    Turned,
    World,
    all_restore,
    back_up,
    plains_of,
    restore,
)

from backup_manager.common.errors import BackupManagerError, InterruptedRunError
from backup_manager.engine.repository.maintenance import run_maintenance
from backup_manager.engine.repository.snapshots import delete_snapshot, read_snapshots
from backup_manager.engine.storage.base import Buffer, ObjectInfo, Storage
from backup_manager.engine.storage.faulty import CrashingStorage, SimulatedCrash
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.wrapper import StorageWrapper


def copied(storage: Storage, clock: Turned) -> MemoryStorage:
    """The same objects with the same times in a store of its own."""
    copy = MemoryStorage(clock)
    copy._objects = dict(storage._objects)  # type: ignore[attr-defined]
    return copy


def with_history() -> World:
    """A ripe plan, a sparse pack, a dead one, many small shards, and what a killed writer left."""
    world = World()
    for number in range(9):
        back_up(world, f"small-{number}", number)
    gone = [back_up(world, "gone-1", 20, 21, 22), back_up(world, "gone-2", 30, 31, 32)]
    world.clock.pass_(2 * DAY)
    delete_snapshot(world.storage, gone[0])
    run_maintenance(world.parts, world.options())
    back_up(world, "kept", 32, 33, 34)
    killed = Run(world)
    killed.put_catalogue({"page": plains_of(40, 41)})
    killed.flush()
    world.clock.pass_(7 * 3600)
    killed.committer.announce()
    world.clock.pass_(2 * DAY)
    delete_snapshot(world.storage, gone[1])
    return world


class Slow(StorageWrapper):
    """Lets other threads go first, so that calls of several actors alternate."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        time.sleep(0.0005)
        return super().list(prefix)

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        time.sleep(0.0005)
        super().put(name, parts, if_absent=if_absent)

    def delete(self, name: str) -> None:
        time.sleep(0.0002)
        super().delete(name)


def maintain(world: World, grace: float) -> None:
    run_maintenance(world.parts, world.options(grace))


def commit(world: World, _: float) -> None:
    base = read_snapshots(world.storage, VAULT, COMPRESSOR).snapshots[0]
    run = Run(world, [base])
    root = run.put_catalogue({"page": plains_of(1, 22, 31, 50, 51)}, reused=base.roots)
    run.flush()
    run.commit("new", root)


def settle(world: World) -> None:
    """Let maintenance end what is left, with graces in between."""
    for _ in range(4):
        world.clock.pass_(DAY + 1)
        run_maintenance(world.parts, world.options())
        all_restore(world)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("act", "grace"),
    [(maintain, DAY), (maintain, 0.0), (commit, DAY)],
    ids=["maintenance", "maintenance-at-once", "commit"],
)
def test_killed_at_any_call_nothing_is_lost(
    act: Callable[[World, float], None], grace: float, after: bool
) -> None:
    world = with_history()
    expected = {found.backup_id for found in read_snapshots(world.storage, VAULT, COMPRESSOR)}
    counting = CrashingStorage(copied(world.storage, world.clock), 0)
    act(world.on(counting), grace)
    assert counting.calls > 20
    for call in range(1, counting.calls + 1):
        inner = copied(world.storage, world.clock)
        with pytest.raises(SimulatedCrash):
            act(world.on(CrashingStorage(inner, call, after=after)), grace)
        survived = world.on(inner)
        found = {snapshot.backup_id for snapshot in read_snapshots(inner, VAULT, COMPRESSOR)}
        assert expected <= found <= expected | {"new"}
        all_restore(survived)
        act(survived, grace)
        all_restore(survived)


def test_after_a_kill_at_any_call_all_garbage_goes_in_the_end() -> None:
    world = with_history()
    counting = CrashingStorage(copied(world.storage, world.clock), 0)
    maintain(world.on(counting), DAY)
    start = world.clock.now
    packs = set()
    for call in range(1, counting.calls + 1, 9):
        world.clock.now = start
        inner = copied(world.storage, world.clock)
        with pytest.raises(SimulatedCrash):
            maintain(world.on(CrashingStorage(inner, call)), DAY)
        survived = world.on(inner)
        for _ in range(8):
            world.clock.pass_(DAY + 1)
            run_maintenance(survived.parts, survived.options())
        assert all_restore(survived) == 10
        assert survived.names("intents/") == survived.names("maintenance/") == []
        packs.add((len(survived.names("packs/d/")), len(survived.names("packs/m/"))))
    assert packs == {(11, 3)}


def test_killed_on_a_local_folder_nothing_is_lost(tmp_path: Path) -> None:
    clock = Turned()
    folder = tmp_path / "repository"
    world = World(clock, storage=LocalStorage(folder, create=True))
    world.storage.check()
    kept, gone = back_up(world, "kept", 1, 2, 3), back_up(world, "gone", 3, 4, 5, 6)
    delete_snapshot(world.storage, gone)
    call, is_over = 0, False
    while not is_over:
        call += 1
        crashing = CrashingStorage(LocalStorage(folder), call, after=bool(call % 2))
        try:
            run_maintenance(world.on(crashing).parts, world.options(0))
            is_over = True
        except SimulatedCrash:
            pass
        assert restore(world, kept) == set(plains_of(1, 2, 3))
    assert run_maintenance(world.parts, world.options(0)).freed_bytes == 0


@pytest.mark.parametrize("seed", range(3))
def test_writers_and_maintainers_at_once_lose_nothing(seed: int) -> None:
    """Real threads; time runs so fast that plans get ripe and intents expire in the middle of everything."""
    world = World(seed=seed)
    world = world.on(Slow(world.storage))
    errors: list[BaseException] = []

    def guarded(act: Callable[[random.Random], None], number: int) -> None:
        choices = random.Random(seed * 100 + number)
        try:
            for _ in range(8):
                act(choices)
                world.clock.pass_(choices.choice([0.0, DAY / 8, DAY / 4]))
        except Exception as err:  # noqa: BLE001  # judged below
            errors.append(err)

    def write(choices: random.Random) -> None:
        own = world.on(world.storage)
        own.random = random.Random(choices.random())
        with suppress(InterruptedRunError):
            back_up(own, f"b-{choices.random()}", *sorted(choices.sample(range(12), 4)))

    def tidy(choices: random.Random) -> None:
        own = world.on(world.storage)
        own.random = random.Random(choices.random())
        for found in read_snapshots(own.storage, VAULT, COMPRESSOR).snapshots[3:]:
            delete_snapshot(own.storage, found)
        run_maintenance(own.parts, own.options())

    acts = (write, write, write, tidy, tidy)
    threads = [threading.Thread(target=guarded, args=(act, number)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [err for err in errors if not isinstance(err, BackupManagerError)] == []
    all_restore(world)
    settle(world)
    assert all_restore(world) > 0
