"""A restore that was killed goes on where it was, whenever that happened."""

import os
import random
import signal
import time

import pytest
from tests.support.trees import build_hostile_tree, compare_trees
from tests.unit.targets.memory_backup import CLAIM, MemoryBackup, back_up, bring_back

from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.targets.filesystem.destination import Claim, open_destination
from backup_manager.engine.targets.filesystem.options import RestoreOptions, Tuning
from backup_manager.engine.targets.filesystem.restore import restore

TUNING = Tuning(pieces=5)


class KilledError(BaseException):
    """What a test raises where a process would be killed."""


def small_backup(base: bytes) -> MemoryBackup:
    """Back up a tree of a few files, one of them in several parts."""
    noise = random.Random(7)
    for folder in (b"/from/a/b", b"/from/c"):
        os.makedirs(base + folder)
    for path, size in {
        b"a/1": 10,
        b"a/b/2": 2_000,
        b"a/b/3": 300_000,
        b"c/4": 40,
        b"c/5": 33_000,
        b"6": 9,
    }.items():
        with open(base + b"/from/" + path, "wb") as file:
            file.write(noise.randbytes(size))
    os.link(base + b"/from/a/1", base + b"/from/c/0")
    os.symlink(b"4", base + b"/from/c/link")
    os.truncate(base + b"/from/c/5", 500_000)
    return back_up(base + b"/from")


def break_off(
    backup: MemoryBackup,
    destination: bytes,
    mode: RestoreMode,
    *,
    blob: int = -1,
    call: int = -1,
    options: RestoreOptions | None = None,
) -> bool:
    """Restore until the blob or the call of a hook with that number; return whether it was broken off."""
    calls = [0]

    def count(*_: object) -> bool:
        calls[0] += 1
        if calls[0] == call:
            raise KilledError
        return False

    def before_blob(number: int) -> None:
        if number == blob:
            raise KilledError

    backup.fetched.clear()
    backup.before_blob = before_blob
    entries = backup.entries
    options = options or RestoreOptions(entries[0][0].path, progress=count, cancelled=count, tuning=TUNING)  # type: ignore[arg-type]
    try:
        with open_destination(destination, mode, CLAIM) as target:
            restore(entries, backup, target, options)
    except KilledError:
        return True
    finally:
        backup.before_blob = lambda number: None
    return False


@pytest.mark.parametrize("mode", list(RestoreMode))
@pytest.mark.parametrize("hook", ["blob", "call"])
def test_killed_anywhere_it_goes_on_and_all_is_equal(base: bytes, mode: RestoreMode, hook: str) -> None:
    backup = small_backup(base)
    source = backup.entries[0][0].path
    number = 1 - (hook == "blob")
    while break_off(backup, base + b"/to-%d" % number, mode, **{hook: number}):
        destination = base + b"/to-%d" % number
        bring_back(backup, destination, mode, options=RestoreOptions(source))
        assert compare_trees(base + b"/from", destination) == []
        number += 1
    assert number > 5


def test_complete_files_are_not_fetched_again(base: bytes) -> None:
    backup = small_backup(base)
    source = backup.entries[0][0].path
    assert not break_off(backup, base + b"/to", RestoreMode.FAIL)
    backup.fetched.clear()
    stats = bring_back(backup, base + b"/to", options=RestoreOptions(source))
    assert (stats.skipped, backup.fetched) == (6, [])


def test_parts_of_a_large_file_that_are_there_are_not_fetched_again(base: bytes) -> None:
    with open(base + b"/from", "wb") as file:
        file.write(random.Random(3).randbytes(1_000_000))
    backup = back_up(base + b"/from")
    assert break_off(backup, base + b"/to", RestoreMode.FAIL, blob=10)
    backup.fetched.clear()
    bring_back(backup, base + b"/to", options=RestoreOptions(base + b"/from"))
    assert len(backup.fetched) <= 16 - 6


@pytest.mark.parametrize("damage", ["content", "length", "hard link", "symlink", "folder"])
def test_what_only_looks_complete_is_written_again(base: bytes, damage: str) -> None:
    backup = small_backup(base)
    source = backup.entries[0][0].path
    assert not break_off(backup, base + b"/to", RestoreMode.FAIL)
    path = base + b"/to/a/b/2"
    status = os.stat(path)
    if damage in ("content", "length"):
        with open(path, "r+b") as file:
            file.write(bytes(9))
            file.truncate(status.st_size - (damage == "length"))
    elif damage == "hard link":
        os.link(path, base + b"/outside")
    else:
        os.unlink(path)
        os.symlink(b"/etc/passwd", path) if damage == "symlink" else os.mkdir(path)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)
    stats = bring_back(backup, base + b"/to", options=RestoreOptions(source))
    assert stats.skipped == 5
    assert compare_trees(base + b"/from", base + b"/to") == []


def test_the_state_file_goes_at_the_end_and_leaves_the_root_as_it_was(base: bytes) -> None:
    backup = small_backup(base)
    bring_back(backup, base + b"/to", options=RestoreOptions(backup.entries[0][0].path))
    assert compare_trees(base + b"/from", base + b"/to") == []


def test_folders_made_for_selected_files_are_finished_after_a_kill_in_a_merge(base: bytes) -> None:
    backup = MemoryBackup()
    for folder in (b"/s", b"/s/new", b"/s/old"):
        backup.add(folder, kind=EntryKind.DIRECTORY, mode=0o751)
    for name in (b"/s/new/x.txt", b"/s/old/x.txt"):
        backup.add(name, name)
    backup.sort()
    os.makedirs(base + b"/to/old", 0o700)
    options = RestoreOptions(b"/s", lambda path, is_folder: path.endswith(b".txt"))
    assert break_off(backup, base + b"/to", RestoreMode.MERGE, blob=0, options=options)
    bring_back(backup, base + b"/to", RestoreMode.MERGE, options=options)
    assert [os.stat(base + b"/to/" + name).st_mode & 0o7777 for name in (b"new", b"old")] == [0o751, 0o700]


@pytest.mark.parametrize("milliseconds", [2, 10, 25, 60])
def test_killed_by_the_system_it_goes_on(base: bytes, milliseconds: int) -> None:
    build_hostile_tree(base + b"/from")
    backup = back_up(base + b"/from")
    options = RestoreOptions(base + b"/from")
    child = os.fork()
    if child == 0:
        with open_destination(base + b"/to", RestoreMode.FAIL, CLAIM) as target:
            restore(backup.entries, backup, target, options)
        os._exit(0)
    time.sleep(milliseconds / 1000)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    bring_back(backup, base + b"/to", options=options)
    assert compare_trees(base + b"/from", base + b"/to") == ["b'specials/socket': only in the first"]


def test_another_request_does_not_go_on(base: bytes) -> None:
    backup = small_backup(base)
    break_off(backup, base + b"/to", RestoreMode.FAIL, blob=2)
    with pytest.raises(Exception, match="other options"):
        bring_back(backup, base + b"/to", claim=Claim(CLAIM.snapshot, "other"))
    with pytest.raises(Exception, match="not empty"):
        bring_back(backup, base + b"/to", claim=Claim("other", CLAIM.request))
