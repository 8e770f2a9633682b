"""Maintenance beside others: what vanishes, comes, or takes long while it reads and deletes."""

from collections.abc import Callable, Iterator

import pytest
from tests.unit.repository.histories import DAY, HOUR, Run, World, all_restore, back_up, plains_of, restore

from backup_manager.common.errors import CorruptDataError, InterruptedRunError, StorageUnreachableError
from backup_manager.engine.repository.intents import Intent, intent_collection
from backup_manager.engine.repository.maintenance import run_maintenance
from backup_manager.engine.repository.maintenance.reading import read_view
from backup_manager.engine.repository.maintenance.run import begin_reading
from backup_manager.engine.repository.plans import Plan, plan_collection
from backup_manager.engine.repository.snapshots import delete_snapshot
from backup_manager.engine.storage.base import ObjectInfo, Storage, StorageProperties
from backup_manager.engine.storage.faulty import Fault, FaultyStorage
from backup_manager.engine.storage.wrapper import StorageWrapper


@pytest.fixture
def world() -> World:
    return World()


class Watched(StorageWrapper):
    """Calls *meet* with method and name ahead of each call."""

    def __init__(self, world: World, meet: Callable[[str, str], object], *, local: bool = True) -> None:
        super().__init__(world.storage)
        self._meet, self._local = meet, local

    @property
    def properties(self) -> StorageProperties:
        return StorageProperties("watched:", connections=3, local=self._local)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self._meet("get", name)
        return super().get(name, start, length)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._meet("list", prefix)
        return super().list(prefix)

    def delete(self, name: str) -> None:
        self._meet("delete", name)
        super().delete(name)


def once(method: str, prefix: str, act: Callable[[], object]) -> Callable[[str, str], None]:
    pending = [act]

    def meet(met: str, name: str) -> None:
        if pending and met == method and name.startswith(prefix):
            pending.pop()()

    return meet


def with_ripe_plan(world: World) -> None:
    back_up(world, "kept", 1, 2, 3)
    delete_snapshot(world.storage, back_up(world, "gone", 4, 5, 6))
    world.clock.pass_(2 * DAY)
    run_maintenance(world.parts, world.options())
    world.clock.pass_(2 * DAY)


def test_a_far_store_is_maintained_by_several_calls_at_once(world: World) -> None:
    world = world.on(Watched(world, lambda method, name: None, local=False))
    back_up(world, "another", 7)
    with_ripe_plan(world)
    assert run_maintenance(world.parts, world.options()).deleted_packs == 3
    assert all_restore(world) == 2


def test_a_maintainer_that_slept_reads_again_before_it_deletes(world: World) -> None:
    with_ripe_plan(world)
    readings: list[str] = []

    def meet(method: str, name: str) -> None:
        if (method, name) == ("list", "intents/"):
            readings.append(name)
            if len(readings) == 1:
                world.clock.pass_(13 * HOUR)

    watched = world.on(Watched(world, meet))
    assert run_maintenance(watched.parts, world.options()).deleted_packs == 3
    assert len(readings) == 2


def test_a_maintainer_that_always_sleeps_deletes_nothing(world: World) -> None:
    with_ripe_plan(world)
    packs = world.names("packs/")
    watched = world.on(
        Watched(world, lambda method, name: name == "intents/" and world.clock.pass_(13 * HOUR))
    )
    report = run_maintenance(watched.parts, world.options())
    assert (report.freed_bytes, report.deleted_packs) == (0, 0)
    assert report.pending_bytes > 3000
    assert world.names("packs/") == packs


def test_a_plan_that_came_while_it_read_is_not_carried_out(world: World) -> None:
    """By a clock of whole seconds it may look as if it had been there before."""
    begun = begin_reading(world.parts, world.options(0))
    plan_collection(world.parts).put_new(Plan())
    assert read_view(world.parts, world.options(0), begun).ripe_plans == ()
    begun = begin_reading(world.parts, world.options(0))
    assert len(read_view(world.parts, world.options(0), begun).ripe_plans) == 1


def test_a_snapshot_that_is_deleted_while_it_is_marked_is_passed_over(world: World) -> None:
    kept, gone = back_up(world, "kept", 1, 2, 3), back_up(world, "gone", 4, 5, 6)
    packs = set(world.names("packs/d/"))
    late = back_up(world, "late", 7, 8, 9)

    def vanish() -> None:
        delete_snapshot(world.storage, late)
        world.storage.delete(min(set(world.names("packs/d/")) - packs))

    watched = world.on(Watched(world, once("list", "packs/", vanish)))
    run_maintenance(watched.parts, world.options(0))
    assert restore(world, kept, gone) == set(plains_of(1, 2, 3, 4, 5, 6))


def test_the_base_of_an_intent_may_be_gone_in_part(world: World) -> None:
    back_up(world, "kept", 1, 2, 3)
    packs = set(world.names("packs/"))
    gone = back_up(world, "gone", 4, 5, 6)
    intent = Intent(packs=b"", roots=(*gone.roots, b"?" * 32))
    intent_collection(world.parts).put_new(intent)
    delete_snapshot(world.storage, gone)
    for name in sorted(set(world.names("packs/")) - packs)[:2]:
        world.storage.delete(name)
    run_maintenance(world.parts, world.options(0))
    assert all_restore(world) == 1


def test_an_unreadable_blob_below_the_base_of_an_intent_stops_nothing(world: World) -> None:
    run = Run(world)
    rubbish = run.put(b"not a catalogue")
    run.flush()
    intent_collection(world.parts).put_new(Intent(packs=b"", roots=(rubbish,)))
    run_maintenance(world.parts, world.options())


def test_a_root_that_is_no_catalogue_stops_maintenance(world: World) -> None:
    run = Run(world)
    rubbish = run.put(b"not a catalogue")
    run.flush()
    run.commit("a", rubbish)
    with pytest.raises(CorruptDataError, match="backup a"):
        run_maintenance(world.parts, world.options(0))


def test_a_damaged_intent_stops_deletions_until_it_expires(world: World) -> None:
    with_ripe_plan(world)
    world.storage.put(f"intents/{'0' * 32}", [b"rubbish"])
    assert run_maintenance(world.parts, world.options()).freed_bytes == 0
    world.clock.pass_(DAY + 1)
    assert run_maintenance(world.parts, world.options()).freed_bytes > 0
    assert world.names("intents/") == []


def test_a_store_that_does_not_answer_while_it_marks_ends_the_run(world: World) -> None:
    back_up(world, "kept", 1, 2, 3)
    faulty = world.on(FaultyStorage(world.storage, [Fault("get", prefix="packs/m/", last=99)]))
    with pytest.raises(StorageUnreachableError):
        run_maintenance(faulty.parts, world.options(0))


def test_packs_that_vanish_again_and_again_end_the_run(world: World) -> None:
    first = back_up(world, "gone", 1, 2, 3)
    back_up(world, "kept", 3)
    delete_snapshot(world.storage, first)
    name = world.names("packs/d/")[0]

    def meet(method: str, met: str) -> None:
        if (method, met) == ("get", name):
            world.storage.delete(name)

    before = world.storage.get(name)

    class Returning(Watched):
        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            if prefix == "packs/":
                world.storage.put(name, [before])
            return super().list(prefix)

    with pytest.raises(InterruptedRunError, match="deletes packs at the same time"):
        run_maintenance(world.on(Returning(world, meet)).parts, world.options(0))


def test_shards_that_vanish_make_it_list_again(world: World) -> None:
    for number in range(3):
        back_up(world, f"b{number}", number)
    shard = world.names("index/")[0]
    watched = world.on(Watched(world, once("get", shard, lambda: world.storage.delete(shard))))
    run_maintenance(watched.parts, world.options(0))
    assert all_restore(world) == 3


class Ghostly(StorageWrapper):
    """Lists an object that is not there."""

    def __init__(self, inner: Storage, ghost: str) -> None:
        super().__init__(inner)
        self.ghost = ghost

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        yield from super().list(prefix)
        if self.ghost.startswith(prefix):
            yield ObjectInfo(self.ghost, 100, 0.0)


def test_shards_that_stay_listed_when_they_are_gone_do_no_harm(world: World) -> None:
    back_up(world, "a", 1)
    run_maintenance(world.on(Ghostly(world.storage, f"index/{0:032x}")).parts, world.options(0))
    assert all_restore(world) == 1


def test_a_store_that_lists_packs_that_it_does_not_hold_is_unreachable(world: World) -> None:
    back_up(world, "a", 1)
    with pytest.raises(StorageUnreachableError, match="does not hold"):
        run_maintenance(world.on(Ghostly(world.storage, f"packs/d/{0:032x}")).parts, world.options(0))
