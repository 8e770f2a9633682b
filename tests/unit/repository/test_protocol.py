"""A writer's side of the protocol, against maintenance that comes at the worst time."""

from collections.abc import Callable

import pytest
from tests.unit.repository.histories import (
    COMPRESSOR,
    DAY,
    HOUR,
    VAULT,
    Run,
    World,
    all_restore,
    back_up,
    plains_of,
    restore,
)

from backup_manager.common.errors import CorruptDataError, InterruptedRunError, StorageUnreachableError
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.intents import intent_collection, join_names, split_names
from backup_manager.engine.repository.maintenance import run_maintenance
from backup_manager.engine.repository.plans import Plan, plan_collection, read_planned_packs
from backup_manager.engine.repository.protocol import Stopwatch, running_clock
from backup_manager.engine.repository.snapshots import delete_snapshot
from backup_manager.engine.storage.faulty import Fault, FaultyStorage, LaggingStorage
from backup_manager.engine.storage.wrapper import StorageWrapper


class Interposed(StorageWrapper):
    """Calls *before* ahead of each put or listing whose name begins with *prefix*, once."""

    def __init__(self, world: World, prefix: str, before: Callable[[], object], *, skip: int = 0) -> None:
        super().__init__(world.storage)
        self._prefix, self._before, self._skip = prefix, before, skip

    def put(self, name, parts, *, if_absent=False):  # type: ignore[no-untyped-def]
        self._meet(name)
        super().put(name, parts, if_absent=if_absent)

    def _meet(self, name: str) -> None:
        if name.startswith(self._prefix) and self._before is not None:
            if self._skip:
                self._skip -= 1
                return
            before, self._before = self._before, None  # type: ignore[assignment]
            before()


@pytest.fixture
def world() -> World:
    return World()


def plan_all_packs(world: World) -> None:
    names = [name.rpartition("/")[2] for name in world.names("packs/")]
    plan_collection(world.parts).put_new(Plan(packs=join_names(names)), world.random.randbytes)


def test_a_commit_leaves_a_snapshot_and_no_intent(world: World) -> None:
    snapshot = back_up(world, "a", 1, 2, 3)
    assert restore(world, snapshot) == set(plains_of(1, 2, 3))
    assert world.names("intents/") == []
    assert len(snapshot.intent) == 32


def test_a_second_run_relies_on_the_packs_of_the_first(world: World) -> None:
    back_up(world, "a", 1, 2, 3)
    packs = world.names("packs/")
    run = Run(world)
    root = run.put_catalogue({"(1, 2, 3)": plains_of(1, 2, 3)})
    run.flush()
    run.commit("b", root)
    assert world.names("packs/") == packs
    assert {name.rpartition("/")[2] for name in packs} == run.index.relied_on()


def test_what_only_planned_packs_hold_is_stored_again(world: World) -> None:
    back_up(world, "a", 1, 2, 3)
    plan_all_packs(world)
    before = len(world.names("packs/"))
    back_up(world, "b", 1, 2, 3)
    assert len(world.names("packs/")) == 2 * before


def test_packs_that_are_planned_during_the_run_are_copied(world: World) -> None:
    back_up(world, "a", 1, 2, 3)
    run = Run(world)
    root = run.put_catalogue({"page": plains_of(1, 2, 3, 4)})
    run.flush()
    old = world.names("packs/")
    plan_all_packs(world)
    snapshot = run.commit("b", root)
    for name in old:
        world.storage.delete(name)
    assert restore(world, snapshot) == set(plains_of(1, 2, 3, 4))


def test_a_copy_elsewhere_is_taken_instead_of_a_lost_pack(world: World) -> None:
    first = back_up(world, "a", 1, 2, 3)
    run = Run(world)
    root = run.put_catalogue({"(1, 2, 3)": plains_of(1, 2, 3)})
    run.flush()
    old = world.names("packs/")
    plan_all_packs(world)
    back_up(world, "b", 1, 2, 3)
    for name in old:
        world.storage.delete(name)
    delete_snapshot(world.storage, first)
    packs = world.names("packs/")
    assert restore(world, run.commit("c", root)) == set(plains_of(1, 2, 3))
    assert world.names("packs/") == packs


def test_a_pack_that_is_gone_for_good_ends_the_run(world: World) -> None:
    run = Run(world)
    root = run.put_catalogue({"page": plains_of(1, 2, 3)})
    run.flush()
    world.storage.delete(world.names("packs/d/")[0])
    with pytest.raises(InterruptedRunError, match="deleted meanwhile"):
        run.commit("a", root)
    assert world.names("snapshots/") == world.names("intents/") == []


def test_a_machine_that_slept_puts_its_intent_again(world: World) -> None:
    run = Run(world.on(Interposed(world, "intents/", lambda: world.clock.pass_(0))))
    root = run.put_catalogue({"page": plains_of(1)})
    run.flush()
    listing = run.committer._parts.storage.list
    naps = iter([13 * HOUR])

    def slow_list(prefix: str):  # type: ignore[no-untyped-def]
        if prefix == "packs/":
            world.clock.pass_(next(naps, 0.0))
        return listing(prefix)

    run.committer._parts.storage.list = slow_list  # type: ignore[method-assign]
    snapshot = run.commit("a", root)
    assert restore(world, snapshot)
    assert world.names("intents/") == []


@pytest.mark.parametrize("is_planned", [True, False], ids=["planned", "deleted"])
def test_a_writer_that_slept_before_its_put_takes_its_snapshot_back(world: World, is_planned: bool) -> None:
    def sleep() -> None:
        world.clock.pass_(13 * HOUR)
        if is_planned:
            plan_all_packs(world)
        else:
            world.storage.delete(world.names("packs/d/")[0])

    run = Run(world.on(Interposed(world, "snapshots/", sleep)))
    root = run.put_catalogue({"page": plains_of(1, 2)})
    run.flush()
    with pytest.raises(InterruptedRunError, match="suspended"):
        run.commit("a", root)
    assert world.names("snapshots/") == []


def test_a_writer_that_slept_and_lost_nothing_has_committed(world: World) -> None:
    run = Run(world.on(Interposed(world, "snapshots/", lambda: world.clock.pass_(30 * DAY))))
    root = run.put_catalogue({"page": plains_of(1, 2)})
    run.flush()
    assert restore(world, run.commit("a", root)) == set(plains_of(1, 2))


def test_a_writer_that_slept_through_maintenance_loses_nothing(world: World) -> None:
    """Stopped for days right before its put, while its packs become garbage, are planned and deleted."""

    def sleep() -> None:
        for _ in range(4):
            world.clock.pass_(2 * DAY)
            run_maintenance(world.parts, world.options())

    back_up(world, "old", 7, 8, 9)
    run = Run(world.on(Interposed(world, "snapshots/", sleep)))
    root = run.put_catalogue({"page": plains_of(1, 2)})
    run.flush()
    with pytest.raises(InterruptedRunError):
        run.commit("a", root)
    assert all_restore(world) == 1
    assert restore(world, back_up(world, "again", 1, 2)) == set(plains_of(1, 2))


def test_a_base_that_is_deleted_ends_the_run(world: World) -> None:
    base = back_up(world, "a", 1, 2, 3)
    run = Run(world, [base])
    root = run.put_catalogue({"page": plains_of(4)}, reused=base.roots)
    run.flush()
    delete_snapshot(world.storage, base)
    with pytest.raises(InterruptedRunError, match="backup a"):
        run.commit("b", root)
    assert world.names("snapshots/") == []


def test_a_base_that_is_deleted_during_the_put_takes_the_snapshot_along(world: World) -> None:
    base = back_up(world, "a", 1, 2, 3)
    run = Run(world.on(Interposed(world, "snapshots/", lambda: delete_snapshot(world.storage, base))), [base])
    root = run.put_catalogue({"page": plains_of(4)}, reused=base.roots)
    run.flush()
    with pytest.raises(InterruptedRunError, match="backup a"):
        run.commit("b", root)
    assert world.names("snapshots/") == []


def test_an_intent_names_the_roots_of_the_bases(world: World) -> None:
    base = back_up(world, "a", 1, 2, 3)
    run = Run(world, [base])
    world.clock.pass_(7 * HOUR)
    run.committer.announce()
    (stored,) = intent_collection(world.parts).read_all().found
    assert stored.value.roots == base.roots
    delete_snapshot(world.storage, base)
    assert run_maintenance(world.parts, world.options(0)).freed_bytes == 0


def test_a_young_intent_is_not_announced_again(world: World) -> None:
    run = Run(world)
    run.committer.announce()
    assert world.names("intents/") == []
    world.clock.pass_(6 * HOUR)
    run.committer.announce()
    (name,) = world.names("intents/")
    run.committer.announce()
    assert world.names("intents/") == [name]
    world.clock.pass_(6 * HOUR)
    run.committer.announce()
    assert len(world.names("intents/")) == 1
    assert world.names("intents/") != [name]


def test_a_plan_that_cannot_be_read_stops_a_writer(world: World) -> None:
    world.storage.put(f"maintenance/{'0' * 32}", [b"rubbish"])
    with pytest.raises(CorruptDataError, match="which packs are going to be deleted"):
        Run(world)


def test_plans_without_end_stop_a_writer(world: World) -> None:
    run = Run(world)
    root = run.put_catalogue({"page": plains_of(1)})
    run.flush()
    run.committer._parts = Parts(Interposing(world), VAULT, COMPRESSOR)
    run.committer._intents = intent_collection(run.committer._parts)
    with pytest.raises(InterruptedRunError, match="10 times"):
        run.commit("a", root)
    assert world.names("snapshots/") == []


class Interposing(StorageWrapper):
    """Plans every pack before each intent."""

    def __init__(self, world: World) -> None:
        super().__init__(world.storage)
        self._world = world

    def put(self, name, parts, *, if_absent=False):  # type: ignore[no-untyped-def]
        if name.startswith("intents/"):
            plan_all_packs(self._world)
        super().put(name, parts, if_absent=if_absent)


def test_a_snapshot_whose_put_is_in_doubt_is_removed(world: World) -> None:
    faulty = FaultyStorage(world.storage, [Fault("put", prefix="snapshots/", after=True)])
    run = Run(world.on(faulty))
    root = run.put_catalogue({"page": plains_of(1)})
    run.flush()
    with pytest.raises(StorageUnreachableError):
        run.commit("a", root)
    assert world.names("snapshots/") == []


def test_an_intent_that_cannot_be_removed_fails_nothing(world: World) -> None:
    run = Run(world.on(FaultyStorage(world.storage, [Fault("delete", prefix="intents/")])))
    root = run.put_catalogue({"page": plains_of(1)})
    run.flush()
    assert restore(world, run.commit("a", root))
    assert len(world.names("intents/")) == 1


def test_a_store_whose_listings_lag_can_be_written(world: World) -> None:
    lagging = LaggingStorage(world.storage, 60, clock=world.clock)
    base = back_up(world.on(lagging), "a", 1, 2, 3)
    run = Run(world.on(lagging), [base])
    root = run.put_catalogue({"page": plains_of(3, 4)}, reused=base.roots)
    run.flush()
    snapshot = run.commit("b", root)
    world.clock.pass_(61)
    assert all_restore(world) == 2
    assert restore(world, snapshot) == set(plains_of(1, 2, 3, 4))


def test_a_clock_that_jumps_back_does_not_shorten_a_sleep() -> None:
    times = {"running": 100.0, "wall": 5000.0}
    watch = Stopwatch((lambda: times["running"], lambda: times["wall"]))
    times.update(running=160.0, wall=1000.0)
    assert watch.seconds == 60.0
    times.update(wall=9000.0)
    assert watch.seconds == 4000.0
    assert running_clock() > 0


def test_names_of_packs_survive_their_joining() -> None:
    names = [f"{number:032x}" for number in (3, 1, 2)]
    assert list(split_names(join_names(names))) == sorted(names)
    assert list(split_names(b"")) == []


def test_a_closed_plan_still_counts_as_planned(world: World) -> None:
    back_up(world, "a", 1)
    plan_all_packs(world)
    (plan,) = (name.rpartition("/")[2] for name in world.names("maintenance/"))
    plan_collection(world.parts).put_new(Plan(closes=plan), world.random.randbytes)
    assert len(read_planned_packs(world.parts)) == len(world.names("packs/")) > 0
