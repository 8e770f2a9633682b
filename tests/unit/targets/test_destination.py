"""What a destination may hold, and how one that cannot be used is refused."""

import errno
import os

import pytest
from tests.support.unprivileged import as_nobody
from tests.unit.targets.memory_backup import CLAIM, MemoryBackup, bring_back

from backup_manager.common.errors import TargetUnusableError
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.targets.filesystem.destination import Claim, open_destination
from backup_manager.engine.targets.filesystem.failures import target_error
from backup_manager.engine.targets.filesystem.options import RestoreOptions, WarningKind

FAIL, MERGE, MIRROR = RestoreMode.FAIL, RestoreMode.MERGE, RestoreMode.MIRROR


def write(path: bytes, content: bytes = b"old") -> None:
    with open(path, "wb") as file:
        file.write(content)


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def simple_backup() -> MemoryBackup:
    backup = MemoryBackup()
    backup.add(b"/a", b"new")
    backup.add(b"/dir", kind=EntryKind.DIRECTORY)
    backup.add(b"/dir/b", b"new")
    return backup


@pytest.mark.parametrize("name", [b"file", b".hidden", b"\xff", b".backup-manager-restore-other"])
def test_fail_refuses_a_destination_that_holds_anything(base: bytes, name: bytes) -> None:
    write(base + b"/" + name)
    with pytest.raises(TargetUnusableError, match="not empty"):
        bring_back(simple_backup(), base)
    assert os.listdir(base) == [name]


def test_lost_and_found_at_the_root_counts_as_nothing(base: bytes) -> None:
    os.mkdir(base + b"/lost+found")
    bring_back(simple_backup(), base)
    assert sorted(os.listdir(base)) == [b"a", b"dir", b"lost+found"]


def test_lost_and_found_of_the_backup_meets_that_of_the_destination(base: bytes) -> None:
    os.mkdir(base + b"/lost+found")
    backup = simple_backup()
    backup.add(b"/lost+found", kind=EntryKind.DIRECTORY, mode=0o700)
    bring_back(backup, base)
    assert os.stat(base + b"/lost+found").st_mode & 0o777 == 0o700


def test_a_state_file_that_was_never_filled_is_no_obstacle(base: bytes) -> None:
    write(base + b"/" + CLAIM.file_name, b"")
    bring_back(simple_backup(), base)
    assert sorted(os.listdir(base)) == [b"a", b"dir"]


@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo"])
def test_a_state_file_is_never_written_through_a_link(base: bytes, kind: str) -> None:
    os.mkdir(base + b"/to")
    write(base + b"/outside")
    state = base + b"/to/" + CLAIM.file_name
    if kind == "symlink":
        os.symlink(base + b"/outside", state)
    elif kind == "hard link":
        os.link(base + b"/outside", state)
    else:
        os.mkfifo(state)
    try:
        bring_back(simple_backup(), base + b"/to", MERGE)
    except TargetUnusableError:
        assert kind != "hard link"
    assert read(base + b"/outside") == b"old"


def test_two_restores_never_write_to_one_destination_at_once(base: bytes) -> None:
    with (
        open_destination(base, FAIL, CLAIM),
        pytest.raises(TargetUnusableError, match="another restore"),
        open_destination(base, FAIL, CLAIM),
    ):
        pass


def test_a_file_is_no_destination(base: bytes) -> None:
    write(base + b"/file")
    for path in (base + b"/file", base + b"/file/below"):
        with pytest.raises(TargetUnusableError):
            bring_back(simple_backup(), path)


@pytest.mark.skipif(os.geteuid() != 0, reason="root may make what nobody may not write")
def test_a_destination_without_rights_is_refused(base: bytes) -> None:
    os.mkdir(base + b"/closed", 0o755)
    with pytest.raises(TargetUnusableError, match="permission denied"):
        as_nobody(lambda: bring_back(simple_backup(), base + b"/closed"))
    with pytest.raises(TargetUnusableError, match="permission denied"):
        as_nobody(lambda: bring_back(simple_backup(), base + b"/closed/below"))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "EIO"),
    ],
    ids=lambda value: str(value),
)
def test_refusals_are_told_apart(number: int, words: str) -> None:
    error = target_error(OSError(number, os.strerror(number)), "write", b"/to/\xff")
    assert words in error.facts
    assert (error.exit_code, "/to/\\xff" in error.facts) == (50, True)


def test_merge_overwrites_what_the_backup_has_and_keeps_the_rest(base: bytes) -> None:
    os.makedirs(base + b"/dir/kept")
    for name in (b"/a", b"/other", b"/dir/b", b"/dir/c"):
        write(base + name)
    bring_back(simple_backup(), base, MERGE)
    assert [read(base + n) for n in (b"/a", b"/dir/b", b"/other", b"/dir/c")] == [b"new"] * 2 + [b"old"] * 2
    assert os.path.isdir(base + b"/dir/kept")


def test_merge_replaces_an_empty_folder_by_a_file_and_refuses_a_full_one(base: bytes) -> None:
    os.makedirs(base + b"/a")
    bring_back(simple_backup(), base, MERGE)
    assert read(base + b"/a") == b"new"
    os.unlink(base + b"/a")
    os.makedirs(base + b"/a/full")
    with pytest.raises(TargetUnusableError, match="folder with content"):
        bring_back(simple_backup(), base, MERGE)
    assert os.path.isdir(base + b"/a/full")


def test_merge_breaks_hard_links_instead_of_writing_through_them(base: bytes) -> None:
    write(base + b"/outside")
    os.makedirs(base + b"/to")
    os.link(base + b"/outside", base + b"/to/a")
    bring_back(simple_backup(), base + b"/to", MERGE)
    assert (read(base + b"/outside"), read(base + b"/to/a")) == (b"old", b"new")


def test_mirror_removes_what_the_backup_has_not(base: bytes) -> None:
    os.makedirs(base + b"/to/dir/deep/er")
    os.makedirs(base + b"/to/lost+found")
    os.makedirs(base + b"/outside")
    for name in (
        b"/to/0",
        b"/to/a",
        b"/to/dir/a",
        b"/to/dir/c",
        b"/to/dir/deep/x",
        b"/to/z",
        b"/outside/kept",
    ):
        write(base + name)
    os.symlink(b"../outside", base + b"/to/link")
    stats = bring_back(simple_backup(), base + b"/to", MIRROR)
    assert sorted(os.listdir(base + b"/to")) == [b"a", b"dir", b"lost+found"]
    assert os.listdir(base + b"/to/dir") == [b"b"]
    assert (stats.removed, os.listdir(base + b"/outside")) == (8, [b"kept"])


def test_mirror_removes_only_what_the_selector_wants(base: bytes) -> None:
    os.makedirs(base + b"/dir/deep")
    os.makedirs(base + b"/gone.txt/inside")
    for name in (b"/x.log", b"/x.txt", b"/dir/y.log", b"/dir/y.txt", b"/dir/deep/z.txt", b"/dir/deep/z.log"):
        write(base + name)
    backup = MemoryBackup()
    backup.add(b"/dir", kind=EntryKind.DIRECTORY)
    backup.add(b"/dir/b.txt", b"new")
    backup.add(b"/dir/unwanted", b"new")
    options = RestoreOptions(selects=lambda path, is_folder: path.endswith(b".txt"))
    stats = bring_back(backup, base, MIRROR, options=options)
    found = sorted(
        os.path.join(folder, name)[len(base) :] for folder, _, names in os.walk(base) for name in names
    )
    assert found == [b"/dir/b.txt", b"/dir/deep/z.log", b"/dir/y.log", b"/x.log"]
    assert stats.removed == 5


@pytest.mark.parametrize("mode", [MERGE, MIRROR])
def test_a_second_run_changes_nothing(base: bytes, mode: RestoreMode) -> None:
    backup = simple_backup()
    bring_back(backup, base, mode)
    bring_back(backup, base, mode)
    assert read(base + b"/dir/b") == b"new"


def test_folders_that_were_there_and_are_not_wanted_keep_their_mode(base: bytes) -> None:
    os.mkdir(base + b"/dir", 0o710)
    options = RestoreOptions(selects=lambda path, is_folder: path == b"dir/b")
    bring_back(simple_backup(), base, MERGE, options=options)
    assert os.stat(base + b"/dir").st_mode & 0o777 == 0o710


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_an_own_folder_that_is_closed_is_opened_and_closed_again(base: bytes) -> None:
    def work() -> tuple[int, list[bytes]]:
        os.mkdir(base + b"/dir", 0o100)
        options = RestoreOptions(selects=lambda path, is_folder: path == b"dir/b")
        backup = simple_backup()
        bring_back(backup, base, MERGE, options=options)
        return os.stat(base + b"/dir").st_mode & 0o777, os.listdir(base)

    assert as_nobody(work) == (0o100, [b"dir"])


def test_what_appears_while_restoring_is_not_overwritten(base: bytes) -> None:
    backup = simple_backup()
    backup.before_blob = lambda number: None if os.path.exists(base + b"/to/a") else write(base + b"/to/a")
    with pytest.raises(TargetUnusableError, match="appeared"):
        bring_back(backup, base + b"/to")
    assert read(base + b"/to/a") == b"old"


def test_a_claim_names_its_snapshot(base: bytes) -> None:
    with open_destination(base, FAIL, Claim("7f3c", "x")):
        assert os.listdir(base) == [b".backup-manager-restore-7f3c"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_root_that_is_somebody_elses_is_one_warning(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/s", kind=EntryKind.DIRECTORY, uid=65_534, gid=65_534)
    backup.add(b"/s/a", b"new", uid=65_534, gid=65_534)
    stats = as_nobody(lambda: bring_back(backup, base, options=RestoreOptions(b"/s")))
    assert {warning.kind: warning.count for warning in stats.warnings} == {
        WarningKind.OWNER: 1,
        WarningKind.MODE: 1,
        WarningKind.TIMES: 1,
    }
    assert os.listdir(base) == [b"a"]
