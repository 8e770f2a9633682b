"""A dry run says what the restore then does, and changes nothing."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trees import build_hostile_tree, describe_tree
from tests.unit.targets.memory_backup import CLAIM, MemoryBackup, back_up, bring_back
from tests.unit.targets.test_hostile import TREES, grow, plant, write

from backup_manager.common.errors import TargetUnusableError
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.targets.filesystem.options import RestoreOptions
from backup_manager.engine.targets.filesystem.plan import RestorePlan, plan_restore

OPTIONS = RestoreOptions(b"/s")


def plan(
    backup: MemoryBackup, destination: bytes, mode: RestoreMode, options: RestoreOptions = OPTIONS
) -> RestorePlan:
    return plan_restore(backup.entries, backup, destination, mode, CLAIM, options)


def test_a_plan_for_a_new_destination_counts_everything_and_makes_nothing(base: bytes) -> None:
    build_hostile_tree(base + b"/from")
    backup = back_up(base + b"/from", b"/s")
    planned = plan(backup, base + b"/to", RestoreMode.FAIL)
    assert not os.path.exists(base + b"/to")
    stats = bring_back(backup, base + b"/to", options=OPTIONS)
    assert (planned.files, planned.bytes) == (stats.files, stats.bytes)
    assert (planned.directories, planned.others) == (stats.directories, stats.others)
    assert planned.written.count == len(describe_tree(base + b"/to")[0]) - 1
    assert planned.fetch_bytes == sum(len(backup.blobs[blob]) for blob in set(backup.fetched))
    assert (planned.replaced.count, planned.removed.count) == (0, 0)


def test_paths_are_those_of_the_destination(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/s", kind=EntryKind.DIRECTORY)
    backup.add(b"/s/a", b"new")
    backup.add(b"/s/b", b"new")
    for name in (b"/b", b"/c"):
        write(base + name, b"old")
    planned = plan(backup, base, RestoreMode.MIRROR)
    assert planned.written.paths == (os.fsdecode(base) + "/a",)
    assert planned.replaced.paths == (os.fsdecode(base) + "/b",)
    assert planned.removed.paths == (os.fsdecode(base) + "/c",)


def test_a_plan_refuses_what_the_restore_refuses(base: bytes) -> None:
    write(base + b"/there", b"old")
    with pytest.raises(TargetUnusableError, match="not empty"):
        plan(MemoryBackup(), base, RestoreMode.FAIL)
    with pytest.raises(TargetUnusableError, match="not a directory"):
        plan(MemoryBackup(), base + b"/there", RestoreMode.MERGE)


def test_a_plan_for_an_unfinished_restore_leaves_out_what_is_complete(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/s", kind=EntryKind.DIRECTORY)
    backup.add(b"/s/a", b"new")
    backup.add(b"/s/b", b"newer")
    bring_back(backup, base + b"/to", options=OPTIONS, finish=False)
    write(base + b"/to/b", b"cut")
    planned = plan(backup, base + b"/to", RestoreMode.FAIL)
    assert (planned.files, planned.bytes, planned.replaced.count) == (1, 5, 1)


@settings(max_examples=150, deadline=None)
@given(
    there=TREES,
    coming=TREES,
    mode=st.sampled_from([RestoreMode.MERGE, RestoreMode.MIRROR]),
    wanted=st.none() | st.sampled_from([b"a", b"b"]),
)
def test_a_plan_is_what_the_restore_does(
    tmp_path_factory: pytest.TempPathFactory,
    there: dict[bytes, object],
    coming: dict[bytes, object],
    mode: RestoreMode,
    wanted: bytes | None,
) -> None:
    base = os.fsencode(tmp_path_factory.mktemp("plan"))
    os.makedirs(base + b"/out/dir")
    write(base + b"/out/file", b"outside")
    plant(base + b"/to", there, base + b"/out")
    backup = MemoryBackup()
    grow(backup, b"/s", coming)
    selects = None if wanted is None else (lambda path, is_folder: path.endswith(wanted))
    options = RestoreOptions(b"/s", selects)
    before = describe_tree(base + b"/to")[0]
    try:
        planned = plan(backup, base + b"/to", mode, options)
    except TargetUnusableError:
        planned = None
    assert describe_tree(base + b"/to")[0] == before
    try:
        stats = bring_back(backup, base + b"/to", mode, options=options)
    except TargetUnusableError:
        assert planned is None
        return
    assert planned is not None
    after = describe_tree(base + b"/to")[0]
    assert planned.written.count == len(after.keys() - before.keys())
    assert planned.removed.count == len(before.keys() - after.keys())
    assert (planned.files, planned.bytes, planned.others) == (stats.files, stats.bytes, stats.others)
