"""Maintenance frees what no backup needs, when it may, and nothing else."""

import pytest
from tests.unit.repository.histories import (
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

from backup_manager.common.errors import CorruptDataError, InterruptedRunError
from backup_manager.engine.repository.catalogue.metadata import MetadataKind, frame_metadata
from backup_manager.engine.repository.index import load_index
from backup_manager.engine.repository.maintenance import plan_maintenance, run_maintenance
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob, Member
from backup_manager.engine.repository.ports import Algorithm
from backup_manager.engine.repository.snapshots import delete_snapshot


@pytest.fixture
def world() -> World:
    return World()


def test_an_empty_repository_needs_no_maintenance(world: World) -> None:
    report = run_maintenance(world.parts, world.options())
    assert (report.freed_bytes, report.pending_bytes, report.planned_packs) == (0, 0, 0)
    assert world.names("") == []


def test_what_backups_need_is_left_alone(world: World) -> None:
    back_up(world, "a", 1, 2, 3, 4, 5)
    back_up(world, "b", 3, 4, 5, 6)
    before = world.names("")
    world.clock.pass_(3 * DAY)
    for _ in range(3):
        run_maintenance(world.parts, world.options())
        world.clock.pass_(2 * DAY)
    assert world.names("") == before


def test_what_a_deleted_backup_needed_goes_after_the_grace_period(world: World) -> None:
    kept, gone = back_up(world, "a", 1, 2, 3), back_up(world, "b", 4, 5, 6)
    world.clock.pass_(2 * DAY)
    delete_snapshot(world.storage, gone)
    planned = run_maintenance(world.parts, world.options())
    assert planned.freed_bytes == 0
    assert planned.pending_bytes > 3000
    world.clock.pass_(DAY - 1)
    assert run_maintenance(world.parts, world.options()).freed_bytes == 0
    world.clock.pass_(2)
    freed = run_maintenance(world.parts, world.options())
    assert (freed.freed_bytes, freed.pending_bytes) == (planned.pending_bytes, 0)
    assert restore(world, kept) == set(plains_of(1, 2, 3))
    assert len(world.names("packs/")) == 3


def test_a_plan_outlives_its_deletions_by_the_life_of_an_intent(world: World) -> None:
    delete_snapshot(world.storage, back_up(world, "a", 1, 2, 3))
    world.clock.pass_(2 * DAY)
    run_maintenance(world.parts, world.options())
    world.clock.pass_(2 * DAY)
    run_maintenance(world.parts, world.options())
    assert world.names("packs/") == []
    assert len(world.names("maintenance/")) == 2  # the plan and the mark that closes it
    world.clock.pass_(DAY - 1)
    run_maintenance(world.parts, world.options())
    assert len(world.names("maintenance/")) == 2
    world.clock.pass_(1)
    run_maintenance(world.parts, world.options())
    assert world.names("") == []


def test_without_grace_everything_goes_in_one_call(world: World) -> None:
    kept, gone = back_up(world, "a", 1, 2, 3), back_up(world, "b", 2, 3, 4, 5)
    delete_snapshot(world.storage, gone)
    report = run_maintenance(world.parts, world.options(0))
    assert report.pending_bytes == 0
    assert report.freed_bytes > 2000
    assert restore(world, kept) == set(plains_of(1, 2, 3))
    assert run_maintenance(world.parts, world.options(0)).freed_bytes == 0
    assert len(world.names("maintenance/")) == 2  # for writers that began before
    world.clock.pass_(DAY)
    run_maintenance(world.parts, world.options(0))
    assert world.names("maintenance/") == []


def test_maintenance_without_grace_ends_a_running_backup_and_loses_nothing(world: World) -> None:
    run = Run(world)
    root = run.put_catalogue({"page": plains_of(1, 2, 3)})
    run.flush()
    run_maintenance(world.parts, world.options(0))
    with pytest.raises(InterruptedRunError):
        run.commit("a", root)
    assert world.names("snapshots/") == []


def test_a_sparse_pack_is_copied_and_then_goes(world: World) -> None:
    first = back_up(world, "a", 1, 2, 3)
    kept = back_up(world, "b", 3, 4, 5, 6)
    delete_snapshot(world.storage, first)
    report = run_maintenance(world.parts, world.options(0))
    assert report.rewritten_bytes >= 1000
    assert restore(world, kept) == set(plains_of(3, 4, 5, 6))


def test_small_files_are_still_found_after_their_frame_was_copied(world: World) -> None:
    run = Run(world)
    (frame,) = plains_of(1)
    members = (Member(b"1" * 16, 0, 400), Member(b"2" * 16, 400, 600))
    blob_id = VAULT.blob_id(frame)
    run.writer.put(EncodedBlob(blob_id, Algorithm.STORED, len(frame), frame, members), PackKind.DATA)
    for plain in plains_of(2, 3):
        run.put(plain)
    root = run.put(frame_metadata(MetadataKind.PAGE, 0, [], [blob_id], b""), PackKind.METADATA)
    run.flush()
    kept = run.commit("a", root)
    assert run_maintenance(world.parts, world.options(0)).rewritten_bytes > 1000
    assert restore(world, kept) == {frame}
    found = load_index(world.storage, VAULT).find_member(b"2" * 16)
    assert (found.blob_id, found.offset, found.length) == (blob_id, 400, 600)


def test_a_run_rewrites_no_more_than_it_may(world: World) -> None:
    first = back_up(world, "a", 1, 2, 3)
    kept = back_up(world, "b", 3, 4, 5, 6)
    delete_snapshot(world.storage, first)
    report = run_maintenance(world.parts, world.options(0, max_rewrite_bytes=999))
    assert report.rewritten_bytes == 0
    assert restore(world, kept) == set(plains_of(3, 4, 5, 6))


@pytest.mark.parametrize("grace", [0.0, HOUR, DAY])
def test_a_dry_run_tells_what_the_run_then_does(world: World, grace: float) -> None:
    first, second = back_up(world, "a", 1, 2, 3, 4, 5, 6), back_up(world, "b", 3, 7, 8, 9)
    world.clock.pass_(2 * DAY)
    delete_snapshot(world.storage, first)
    for _ in range(4):
        before = world.names("")
        planned = plan_maintenance(world.parts, world.options(grace))
        assert world.names("") == before
        report = run_maintenance(world.parts, world.options(grace))
        assert (report.freed_bytes, report.pending_bytes) == (planned.freed_bytes, planned.pending_bytes)
        assert report.rewritten_bytes == planned.rewritten_bytes
        world.clock.pass_(DAY)
    assert restore(world, second) == set(plains_of(3, 7, 8, 9))


def test_packs_of_a_run_that_is_not_committed_are_left_alone_while_they_are_young(world: World) -> None:
    run = Run(world)
    root = run.put_catalogue({"page": plains_of(1, 2, 3)})
    run.flush()
    world.clock.pass_(DAY - 1)
    assert run_maintenance(world.parts, world.options()).planned_packs == 0
    assert restore(world, run.commit("a", root)) == set(plains_of(1, 2, 3))


def test_young_packs_that_nothing_needs_are_said_to_be_pending(world: World) -> None:
    run = Run(world)
    run.put_catalogue({"page": plains_of(1, 2, 3)})
    run.flush()
    sizes = sum(info.size for info in world.parts.storage.list("packs/"))

    planned = plan_maintenance(world.parts, world.options())

    assert planned.pending_bytes == run_maintenance(world.parts, world.options()).pending_bytes == sizes


def test_what_an_intent_names_is_spared_until_it_expires(world: World) -> None:
    run = Run(world)
    run.put_catalogue({"page": plains_of(1, 2, 3)})
    run.flush()
    world.clock.pass_(2 * DAY)
    run.committer.announce()
    assert run_maintenance(world.parts, world.options()).pending_bytes == 0
    assert run_maintenance(world.parts, world.options(0)).freed_bytes == 0
    world.clock.pass_(DAY + 1)
    assert run_maintenance(world.parts, world.options()).pending_bytes > 0
    assert world.names("intents/") == []


def test_a_damaged_snapshot_stops_maintenance(world: World) -> None:
    back_up(world, "a", 1, 2, 3)
    delete_snapshot(world.storage, back_up(world, "b", 4, 5, 6))
    name = world.names("snapshots/")[0]
    world.storage.put(name, [world.storage.get(name)[:-1]])
    before = world.names("packs/")
    with pytest.raises(CorruptDataError, match="nothing is deleted"):
        run_maintenance(world.parts, world.options(0))
    assert world.names("packs/") == before


@pytest.mark.parametrize("prefix", ["packs/m/", "packs/d/"])
def test_a_backup_that_lacks_a_pack_stops_maintenance(world: World, prefix: str) -> None:
    back_up(world, "a", 1, 2, 3)
    delete_snapshot(world.storage, back_up(world, "b", 4, 5, 6))
    kept = set(world.names(prefix))
    back_up(world, "c", 7, 8, 9)
    world.storage.delete(min(set(world.names(prefix)) - kept))
    before = world.names("packs/")
    with pytest.raises(CorruptDataError, match="backup c"):
        run_maintenance(world.parts, world.options(0))
    assert world.names("packs/") == before


def test_a_damaged_plan_is_closed_and_removed(world: World) -> None:
    kept = back_up(world, "a", 1, 2, 3)
    delete_snapshot(world.storage, back_up(world, "b", 4, 5, 6))
    world.clock.pass_(2 * DAY)
    run_maintenance(world.parts, world.options())
    (name,) = world.names("maintenance/")
    world.storage.put(name, [b"rubbish"])
    world.clock.pass_(2 * DAY)
    assert run_maintenance(world.parts, world.options()).freed_bytes == 0
    for _ in range(4):
        world.clock.pass_(DAY)
        run_maintenance(world.parts, world.options())
    assert name not in world.names("maintenance/")
    assert len(world.names("packs/")) == 3
    assert restore(world, kept) == set(plains_of(1, 2, 3))


def test_many_small_shards_become_one(world: World) -> None:
    for number in range(20):
        back_up(world, f"b{number}", number, number + 1)
    assert len(world.names("index/")) == 20
    run_maintenance(world.parts, world.options(0))
    assert len(world.names("index/")) <= 2
    assert all_restore(world) == 20


def test_lost_and_damaged_shards_are_written_again(world: World) -> None:
    for number in range(4):
        back_up(world, f"b{number}", number * 3, number * 3 + 1)
    first, second, *_ = world.names("index/")
    world.storage.delete(first)
    world.storage.put(second, [b"rubbish"])
    run_maintenance(world.parts, world.options(0))
    world.clock.pass_(1)
    assert second not in world.names("index/")
    assert all_restore(world) == 4
    before = world.names("index/")
    run_maintenance(world.parts, world.options(0))
    assert world.names("index/") == before


def test_old_rings_and_candidates_are_removed_and_the_ruling_ring_stays(world: World) -> None:
    own, other = "a" * 32, "b" * 32
    names = [f"keys/{own}-00000001", f"keys/{own}-00000002", f"keys/{other}-00000001", f"config.{other}"]
    for name in (*names, "config"):
        world.storage.put(name, [b"{}"])
    world.clock.pass_(2 * DAY)
    young = f"keys/{own}-00000003"
    world.storage.put(young, [b"{}"])
    options = world.options()
    run_maintenance(world.parts, options)
    assert world.names("keys/") == sorted([*names[:3], young])  # nobody said which one rules
    assert world.names("config") == ["config"]
    run_maintenance(world.parts, world.options(repository_id=own, key_generation=2))  # type: ignore[arg-type]
    assert world.names("keys/") == sorted([names[1], young])
