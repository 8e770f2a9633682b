"""Snapshots are stored sealed, listed with what is damaged, and found by what a person types."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.doubles import DoubleCompressor, DoubleVault

from backup_manager.common.errors import CorruptDataError, NotFoundError, ObjectMissingError, UsageError
from backup_manager.contract.backups import BackupType
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.snapshots import (
    BackupId,
    Snapshot,
    SnapshotList,
    SnapshotName,
    SourceRecord,
    delete_snapshot,
    next_backup_id,
    read_snapshot,
    read_snapshots,
    resolve,
    snapshot_collection,
    write_snapshot,
)
from backup_manager.engine.storage.memory import MemoryStorage

VAULT, COMPRESSOR = DoubleVault(), DoubleCompressor()
SOURCE = SourceRecord(
    name="files",
    kind="filesystem",
    paths=(b"/data/\xff",),
    root=b"r" * 32,
    level=1,
    entries=3,
    files=2,
    directories=1,
    others=0,
    source_bytes=10,
    warnings=("/data/a: changed while it was read",),
)


def snapshot(number: int = 1, **different: object) -> Snapshot:
    plain = Snapshot(
        name=SnapshotName(f"{number:032x}"),
        backup_id=BackupId(f"files-2025-06-24-{number:06d}"),
        policy="files",
        type=BackupType.FULL,
        started_at=1000.0 + number,
        completed_at=1001.5 + number,
        sources=(SOURCE,),
        labels={"team": "a"},
    )
    return replace(plain, **different)  # type: ignore[arg-type]  # one difference each


def stored(*snapshots: Snapshot) -> MemoryStorage:
    storage = MemoryStorage()
    for one in snapshots:
        write_snapshot(storage, VAULT, COMPRESSOR, one)
    return storage


def test_a_snapshot_reads_as_it_was_written() -> None:
    storage = stored(snapshot())
    assert read_snapshots(storage, VAULT, COMPRESSOR).snapshots == (snapshot(),)
    assert read_snapshot(storage, VAULT, COMPRESSOR, snapshot().name) == snapshot()
    assert snapshot().roots == (b"r" * 32,)
    assert snapshot().warnings == SOURCE.warnings
    assert SOURCE.catalogue.bytes == 10


def test_snapshots_are_listed_with_the_newest_first() -> None:
    listed = read_snapshots(stored(*(snapshot(number) for number in (2, 3, 1))), VAULT, COMPRESSOR)
    assert [found.started_at for found in listed] == [1003.0, 1002.0, 1001.0]
    assert len(listed) == 3


@pytest.mark.parametrize("at", range(0, 120, 7))
def test_a_damaged_snapshot_is_a_problem_and_hides_no_other(at: int) -> None:
    storage = stored(snapshot(1), snapshot(2))
    name = f"snapshots/{snapshot(1).name}"
    damaged = bytearray(storage.get(name))
    damaged[at] ^= 1
    storage.put(name, [damaged])
    listed = read_snapshots(storage, VAULT, COMPRESSOR)
    assert [problem.object_name for problem in listed.problems] == [name]
    assert listed.snapshots == (snapshot(2),)


def test_a_snapshot_that_stands_for_another_is_a_problem() -> None:
    storage = MemoryStorage()
    parts = Parts(storage, VAULT, COMPRESSOR)
    snapshot_collection(parts).put(snapshot(1), snapshot(2).name)
    assert len(read_snapshots(storage, VAULT, COMPRESSOR).problems) == 1
    with pytest.raises(CorruptDataError):
        read_snapshot(storage, VAULT, COMPRESSOR, snapshot(2).name)


def test_a_document_of_another_shape_is_damage_and_no_defect() -> None:
    storage = MemoryStorage()
    parts = Parts(storage, VAULT, COMPRESSOR)
    snapshot_collection(parts).put({"name": 7}, "a" * 32)  # type: ignore[arg-type]  # as a later format might
    assert len(read_snapshots(storage, VAULT, COMPRESSOR).problems) == 1


def test_fields_of_a_later_version_are_passed_over() -> None:
    storage = MemoryStorage()
    parts = Parts(storage, VAULT, COMPRESSOR)
    known = {name: getattr(snapshot(), name) for name in ("name", "backup_id", "policy", "type", "sources")}
    later = {**known, "started_at": 1, "completed_at": 2, "mood": "good"}
    snapshot_collection(parts).put(later, snapshot().name)  # type: ignore[arg-type]  # a map, as stored
    assert read_snapshots(storage, VAULT, COMPRESSOR).snapshots[0].completed_at == 2.0


def test_a_deleted_snapshot_is_gone_and_may_be_deleted_again() -> None:
    storage = stored(snapshot())
    delete_snapshot(storage, snapshot())
    delete_snapshot(storage, snapshot())
    assert read_snapshots(storage, VAULT, COMPRESSOR) == SnapshotList(())
    with pytest.raises(ObjectMissingError):
        read_snapshot(storage, VAULT, COMPRESSOR, snapshot().name)


def test_objects_of_other_names_are_left_alone() -> None:
    storage = MemoryStorage()
    storage.put("snapshots/readme.txt", [b"hello"])
    assert read_snapshots(storage, VAULT, COMPRESSOR) == SnapshotList(())


THREE = (
    snapshot(1, backup_id=BackupId("files-2025-06-24-000000")),
    snapshot(2, backup_id=BackupId("files-2025-06-24-000000-2")),
    snapshot(3, backup_id=BackupId("db-2025-06-25-000000"), policy="db"),
)


@pytest.mark.parametrize(
    ("text", "policy", "expected"),
    [
        ("latest", None, 2),
        ("latest", "files", 1),
        ("files-2025-06-24-000000", None, 0),
        ("files-2025-06-24-000000-", None, 1),
        ("d", None, 2),
        (THREE[1].name, None, 1),
    ],
    ids=["newest", "newest-of-policy", "exact-wins", "prefix", "short-prefix", "object-name"],
)
def test_a_backup_is_found(text: str, policy: str | None, expected: int) -> None:
    assert resolve(SnapshotList(THREE), text, policy) is THREE[expected]


@pytest.mark.parametrize(("text", "policy"), [("x", None), ("", None), ("latest", "x"), ("d", "files")])
def test_what_is_not_there_is_not_found(text: str, policy: str | None) -> None:
    with pytest.raises(NotFoundError):
        resolve(THREE, text, policy)


def test_the_id_of_a_backup_that_is_gone_does_not_stand_for_its_neighbour() -> None:
    with pytest.raises(NotFoundError):
        resolve(THREE[1:], "files-2025-06-24-000000")
    assert resolve(THREE[1:], "files-2025-06-24") is THREE[1]


def test_not_found_names_snapshots_that_cannot_be_read() -> None:
    storage = stored(snapshot())
    storage.put(f"snapshots/{snapshot().name}", [b"rubbish"])
    with pytest.raises(NotFoundError, match=snapshot().name):
        resolve(read_snapshots(storage, VAULT, COMPRESSOR), "latest")


def test_an_ambiguous_prefix_lists_the_candidates() -> None:
    with pytest.raises(
        UsageError, match="stands for 2 backups: files-2025-06-24-000000, files-2025-06-24-000000-2"
    ):
        resolve(THREE, "files")


def test_two_backups_of_one_id_are_told_apart_by_their_snapshots() -> None:
    twins = (snapshot(1), snapshot(2, backup_id=snapshot(1).backup_id))
    with pytest.raises(UsageError, match=twins[1].name):
        resolve(twins, snapshot(1).backup_id)


def test_many_candidates_are_not_all_listed() -> None:
    with pytest.raises(UsageError, match="and 5 more"):
        resolve([snapshot(number) for number in range(15)], "files")


def test_backup_ids_tell_policy_and_time() -> None:
    assert next_backup_id("files", 1750723200.9, ()) == "files-2025-06-24-000000"


@given(st.integers(0, 40))
def test_backups_of_one_second_get_ids_of_their_own(count: int) -> None:
    ids: set[str] = set()
    for _ in range(count):
        ids.add(next_backup_id("files", 0, ids))
    assert len(ids) == count
    assert next_backup_id("files", 0, {"files-1970-01-01-000000"}) == "files-1970-01-01-000000-2"
