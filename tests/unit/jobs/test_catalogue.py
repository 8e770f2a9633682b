"""Looking at backups: lists, details, folders, files, differences, and removal."""

import os
import stat
from pathlib import Path

import pytest
from tests.unit.jobs.repositories import Place, make_place

from backup_manager.common.errors import CorruptDataError, NotFoundError, UsageError
from backup_manager.contract.backups import BackupResult, BackupType, RunStatus
from backup_manager.contract.inspection import ChangeKind, EntryType
from backup_manager.contract.requests import BackupRequest, FilesRequest
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.catalogue import (
    compare_backups,
    delete_backups,
    describe_backup,
    list_backups,
    list_entries,
    read_file,
)
from backup_manager.engine.jobs.wiring import Session


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = make_place(tmp_path)
    source = place.source
    (source / "docs").mkdir()
    (source / "docs" / "a").write_bytes(b"small")
    (source / "docs" / "b\udce9\n").write_bytes(b"strange name")
    (source / "empty").write_bytes(b"")
    (source / "link").symlink_to("docs/a")
    os.mkfifo(source / "pipe")
    os.chmod(source / "docs" / "a", 0o4640)
    os.utime(source / "docs" / "a", ns=(0, -1_500_000_001))
    return place


def big(place: Place) -> bytes:
    """Write a file with data, a hole of some MiB, and data."""
    with (place.source / "big").open("wb") as file:
        file.write(os.urandom(3 << 20))
        file.seek(6 << 20, os.SEEK_CUR)
        file.write(os.urandom(700_000))
    return (place.source / "big").read_bytes()


def test_backups_come_newest_first_and_by_policy(place: Place) -> None:
    first, second = place.back_up(), place.back_up()
    other = place.back_up(policy="other")
    session = place.session()
    assert [backup.id for backup in list_backups(session)] == [other.id, second.id, first.id]
    assert [backup.id for backup in list_backups(session, "files")] == [second.id, first.id]
    assert [backup.type for backup in list_backups(session, "files")] == [
        BackupType.INCREMENTAL,
        BackupType.FULL,
    ]
    assert list_backups(session)[0] == other
    assert list_backups(session)[0].status is RunStatus.SUCCEEDED


def test_details_say_what_a_list_does_not(place: Place) -> None:
    place.back_up()
    details = describe_backup(place.session(), "latest")
    assert details.source_details[0].paths == (str(place.source),)
    assert details.source_details[0].files == 3
    assert details.encrypted
    assert len(details.root_digest) == 64
    assert details.document()["verifications"] == []


def test_equal_content_has_one_root_digest(place: Place) -> None:
    first, second = place.back_up(BackupType.FULL), place.back_up(BackupType.FULL)
    session = place.session()
    assert describe_backup(session, first.id).root_digest == describe_backup(session, second.id).root_digest


def test_a_folder_lists_its_children_and_a_file_itself(place: Place) -> None:
    place.back_up()
    session = place.session()
    top = list(list_entries(session, "latest"))
    assert [(entry.path, entry.type) for entry in top] == [(str(place.source), EntryType.DIRECTORY)]
    names = [entry.path.rpartition("/")[2] for entry in list_entries(session, "latest", str(place.source))]
    assert names == ["docs", "empty", "link", "pipe"]
    (one,) = list_entries(session, "latest", f"{place.source}/docs/../docs/a/")
    assert one.permissions == "-rwSr-----"
    assert (one.size, one.modified_ns, one.uid) == (5, -1_500_000_001, os.getuid())
    (link,) = list_entries(session, "latest", f"{place.source}/link")
    assert (link.type, link.target) == (EntryType.SYMLINK, "docs/a")
    strange = list(list_entries(session, "latest", f"{place.source}/docs"))[1]
    assert os.fsencode(strange.path) == os.fsencode(place.source) + b"/docs/b\xe9\n"


def test_folders_above_what_was_backed_up_can_be_walked(place: Place) -> None:
    place.back_up()
    session = place.session()
    parts = place.source.parts
    (first,) = list_entries(session, "latest", "/")
    assert (first.path, first.is_recorded) == ("/" + parts[1], False)
    (last,) = list_entries(session, "latest", str(place.source.parent))
    assert (last.path, last.is_recorded) == (str(place.source), True)


def test_children_that_two_sources_hold_come_once(place: Place) -> None:
    sources = (
        FilesRequest("docs", (str(place.source / "docs"),)),
        FilesRequest("rest", (str(place.source),), exclude=("docs/a",)),
    )
    run_backup(place.session(), BackupRequest("files", sources), clock=place.clock)
    session = place.session()
    listed = [os.fsencode(e.path) for e in list_entries(session, "latest", f"{place.source}/docs")]
    folder = os.fsencode(place.source)
    assert listed == [folder + b"/docs/a", folder + b"/docs/b\xe9\n"]
    assert b"".join(read_file(session, "latest", f"{place.source}/docs/a")) == b"small"


@pytest.mark.parametrize("call", [list_entries, read_file])
def test_an_absent_path_is_not_found_before_anything_is_taken(place: Place, call) -> None:
    place.back_up()
    with pytest.raises(NotFoundError, match="holds nothing at"):
        call(place.session(), "latest", str(place.source / "nowhere"))


def test_a_file_comes_back_in_pieces_holes_included(place: Place) -> None:
    content = big(place)
    place.back_up()
    session = place.session()
    pieces = list(read_file(session, "latest", str(place.source / "big")))
    assert len(pieces) > 3
    assert b"".join(pieces) == content
    assert list(read_file(session, "latest", str(place.source / "empty"))) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("link", "symbolic link to docs/a"), ("docs", "directory"), ("pipe", "fifo")],
)
def test_only_regular_files_can_be_read(place: Place, name: str, words: str) -> None:
    place.back_up()
    with pytest.raises(UsageError, match=words):
        read_file(place.session(), "latest", str(place.source / name))


def test_differences_say_what_changed(place: Place) -> None:
    big(place)
    first = place.back_up()
    (place.source / "docs" / "a").unlink()
    (place.source / "new").write_bytes(b"1234")
    os.chmod(place.source / "empty", stat.S_IRUSR)
    with (place.source / "big").open("r+b") as file:
        file.write(b"x")
    second = place.back_up()
    changes = {
        change.path.rpartition("/")[2]: change
        for change in compare_backups(place.session(), first.id, second.id)
    }
    assert changes["a"].change is ChangeKind.REMOVED
    assert (changes["new"].change, changes["new"].size_after) == (ChangeKind.ADDED, 4)
    assert changes["empty"].aspects == ("mode",)
    assert changes["big"].aspects == ("content", "mtime")
    assert set(changes) == {"a", "new", "empty", "big", "docs", "source"}
    assert list(compare_backups(place.session(), second.id, second.id)) == []


def test_sources_that_one_backup_lacks_differ_as_a_whole(place: Place) -> None:
    first = place.back_up()
    renamed = FilesRequest("renamed", (str(place.source),))
    apart = FilesRequest("docs", (str(place.source / "docs"),))
    second = run_backup(place.session(), BackupRequest("files", (renamed, apart)), clock=place.clock)
    changes = list(compare_backups(place.session(), first.id, second.id))
    assert {change.change for change in changes} == {ChangeKind.ADDED}
    assert len(changes) == 3  # the folder and its two files; the renamed source is equal
    back = list(compare_backups(place.session(), second.id, first.id))
    assert {change.change for change in back} == {ChangeKind.REMOVED}


def ids(session: Session) -> list[str]:
    return [backup.id for backup in list_backups(session)]


def test_removed_backups_are_gone_and_the_others_are_not(place: Place) -> None:
    first, second, third = place.back_up(), place.back_up(), place.back_up()
    session = place.session()
    assert delete_backups(session, [first.id, third.id, first.id]) == (first.id, third.id)
    assert ids(session) == [second.id]


def test_nothing_is_removed_unless_all_are_found(place: Place) -> None:
    backup = place.back_up()
    session = place.session()
    with pytest.raises(NotFoundError):
        delete_backups(session, [backup.id, "files-1999"])
    assert ids(session) == [backup.id]


def test_a_damaged_snapshot_is_no_missing_backup(place: Place) -> None:
    first, second = place.back_up(), place.back_up()
    damaged = f"snapshots/{second.snapshot_id}"
    place.storage.put(damaged, (b"noise" * 50,))
    session = place.session()
    assert ids(session) == [first.id]
    with pytest.raises(CorruptDataError, match=second.snapshot_id):
        describe_backup(session, second.id)
    with pytest.raises(CorruptDataError, match="may be the latest"):
        describe_backup(session, "latest")
    assert describe_backup(session, first.id).backup == first
    assert delete_backups(session, [damaged]) == (damaged,)
    assert describe_backup(session, "latest").backup == first


def test_a_damaged_older_snapshot_leaves_the_latest_alone(place: Place) -> None:
    first: BackupResult = place.back_up()
    damaged = place.storage.get(f"snapshots/{first.snapshot_id}")[:-1]
    place.storage.put(f"snapshots/{first.snapshot_id}", (damaged,))
    second = place.back_up()
    assert describe_backup(place.session(), "latest").backup.id == second.id
