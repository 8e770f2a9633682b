"""What is restored is what was backed up."""

import os
import resource
import stat

import pytest
from tests.support import trees
from tests.support.trees import ACL, build_hostile_tree, compare_trees
from tests.support.unprivileged import as_nobody
from tests.unit.targets.memory_backup import MemoryBackup, back_up, bring_back

from backup_manager.common.errors import InterruptedRunError
from backup_manager.engine.repository.catalogue.entries import EntryKind, Extent, FileContent
from backup_manager.engine.targets.filesystem.options import RestoreOptions, Tuning, WarningKind

TUNING = Tuning()
DIRECTORY = EntryKind.DIRECTORY


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def names_below(root: bytes) -> list[bytes]:
    """Return all paths below *root*, relative and sorted."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, folders, files in os.walk(root)
        for name in folders + files
    )


def restore_hostile_tree(base: bytes, tuning: Tuning = TUNING) -> list[str]:
    build_hostile_tree(base + b"/from")
    backup = back_up(base + b"/from")
    bring_back(backup, base + b"/to", options=RestoreOptions(base + b"/from", tuning=tuning))
    return compare_trees(base + b"/from", base + b"/to")


def test_everything_a_file_system_holds_comes_back(base: bytes) -> None:
    assert restore_hostile_tree(base) == ["b'specials/socket': only in the first"]


def test_an_ordinary_user_gets_everything_of_an_own_tree_back(
    base: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "IS_ROOT", False)
    assert as_nobody(lambda: restore_hostile_tree(base)) == ["b'specials/socket': only in the first"]


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(pieces=1),
        Tuning(pieces=7, open_files=1),
        Tuning(blob_bytes=1),
        Tuning(open_files=2, open_folders=1),
        Tuning(creators=3),
    ],
    ids=str,
)
def test_bounds_of_any_size_give_the_same_tree(base: bytes, tuning: Tuning) -> None:
    assert restore_hostile_tree(base, tuning) == ["b'specials/socket': only in the first"]


def test_few_descriptors_are_enough(base: bytes) -> None:
    backup = MemoryBackup()
    for name in (b"a", b"b", b"c"):
        for depth in range(1, 6):
            backup.add(b"/s" + (b"/" + name) * depth, kind=DIRECTORY)
            backup.add(b"/s" + (b"/" + name) * depth + b"/file", name * depth)
    options = RestoreOptions(source=b"/s", tuning=Tuning(open_folders=1))
    bring_back(backup.sort(), base + b"/to", options=options)
    assert read(base + b"/to/c/c/c/c/c/file") == b"ccccc"
    assert os.stat(base + b"/to/a/a").st_mtime_ns == 1_500_000_000_123_456_789


def test_content_of_the_source_lands_in_the_destination(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/data/in", kind=DIRECTORY, mode=0o711, mtime_ns=5)
    backup.add(b"/data/in/a", b"A")
    bring_back(backup, base + b"/new/to", options=RestoreOptions(source=b"/data/in"))
    assert names_below(base + b"/new/to") == [b"a"]
    status = os.stat(base + b"/new/to")
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o711, 5)


def test_paths_land_below_the_destination_when_the_source_is_the_root(base: bytes) -> None:
    backup = MemoryBackup()
    for path in (b"/data", b"/etc/app"):
        backup.add(path, kind=DIRECTORY)
        backup.add(path + b"/file", path)
    bring_back(backup, base + b"/to")
    assert names_below(base + b"/to") == [b"data", b"data/file", b"etc", b"etc/app", b"etc/app/file"]


def test_a_source_that_is_a_file_lands_under_its_own_name(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/etc/passwd", b"root")
    stats = bring_back(backup, base + b"/to", options=RestoreOptions(source=b"/etc/passwd"))
    assert (names_below(base + b"/to"), stats.files, stats.bytes) == ([b"passwd"], 1, 4)


def test_an_empty_stream_makes_an_empty_directory(base: bytes) -> None:
    assert bring_back(MemoryBackup(), base + b"/to").files == 0
    assert names_below(base + b"/to") == []


def selected_backup() -> MemoryBackup:
    backup = MemoryBackup()
    for folder in (b"/s", b"/s/keep", b"/s/keep/deep", b"/s/none", b"/s/some"):
        backup.add(folder, kind=DIRECTORY, mode=0o750)
    for name in (b"/s/a.txt", b"/s/keep/b.log", b"/s/keep/deep/c", b"/s/none/d.log", b"/s/some/e.txt"):
        backup.add(name, name)
    return backup.sort()


def test_only_what_is_selected_comes_back_with_the_folders_above(base: bytes) -> None:
    def selects(path: bytes, is_folder: bool) -> bool:
        return path.endswith(b".txt") or (is_folder and path == b"keep")

    stats = bring_back(selected_backup(), base + b"/to", options=RestoreOptions(b"/s", selects))
    assert names_below(base + b"/to") == [
        *(b"a.txt", b"keep", b"keep/b.log", b"keep/deep", b"keep/deep/c", b"some", b"some/e.txt")
    ]
    assert stat.S_IMODE(os.stat(base + b"/to/some").st_mode) == 0o750
    assert (stats.files, stats.directories) == (4, 4)


def test_nothing_selected_makes_nothing(base: bytes) -> None:
    bring_back(selected_backup(), base + b"/to", options=RestoreOptions(b"/s", lambda path, is_folder: False))
    assert names_below(base + b"/to") == []


def test_counts_are_those_of_the_tree(base: bytes) -> None:
    build_hostile_tree(base + b"/from")
    backup = back_up(base + b"/from")
    told: list[tuple[int, int]] = []
    options = RestoreOptions(base + b"/from", progress=lambda size, files: told.append((size, files)))
    stats = bring_back(backup, base + b"/to", options=options)
    entries = [entry for entry, _ in backup.entries]
    files = [entry for entry in entries if entry.kind == EntryKind.FILE]
    assert stats.files == len(files)
    assert stats.directories == sum(entry.kind == DIRECTORY for entry in entries)
    assert stats.files + stats.directories + stats.others + 1 == len(entries)
    assert stats.bytes == sum(entry.size for entry in files)
    assert (sum(size for size, _ in told), sum(n for _, n in told)) == (2 * stats.bytes, 2 * stats.files)


def test_umask_and_setgid_folders_do_not_show(base: bytes) -> None:
    os.mkdir(base + b"/to")
    os.chown(base + b"/to", -1, os.getegid() if os.geteuid() else 777)
    os.chmod(base + b"/to", 0o2777)
    backup = MemoryBackup()
    backup.add(b"/open", b"open", mode=0o666)
    backup.add(b"/sub", kind=DIRECTORY, mode=0o777)
    backup.add(b"/sub/file", b"", mode=0o622)
    before = os.umask(0o077)
    try:
        bring_back(backup, base + b"/to")
    finally:
        os.umask(before)


def test_a_default_acl_of_the_destination_does_not_show(base: bytes) -> None:
    os.mkdir(base + b"/to")
    try:
        os.setxattr(base + b"/to", b"system.posix_acl_default", ACL)
    except OSError:
        pytest.skip("this file system has no ACLs")
    backup = MemoryBackup()
    backup.add(b"/file", b"content", mode=0o640)
    backup.add(b"/sub", kind=DIRECTORY)
    backup.add(b"/sub/file", b"content", mode=0o640)
    bring_back(backup, base + b"/to")
    assert os.listxattr(base + b"/to/sub/file") == os.listxattr(base + b"/to/sub") == []


@pytest.mark.parametrize("stop_at", [0, 1, 3])
def test_a_cancelled_restore_stops_and_says_so(base: bytes, stop_at: int) -> None:
    backup = MemoryBackup()
    for number in range(5):
        backup.add(b"/%d" % number, b"%d" % number)
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > stop_at

    with pytest.raises(InterruptedRunError):
        bring_back(backup, base + b"/to", options=RestoreOptions(cancelled=cancelled))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can back up what others own")
def test_what_lacks_rights_is_one_warning_for_each_class(base: bytes) -> None:
    build_hostile_tree(base + b"/from")
    backup = back_up(base + b"/from")
    options = RestoreOptions(base + b"/from")
    stats = as_nobody(lambda: bring_back(backup, base + b"/to", options=options))
    counts = {warning.kind: warning.count for warning in stats.warnings}
    assert set(counts) == {
        WarningKind.OWNER,
        WarningKind.SPECIAL_BITS,
        WarningKind.DEVICES,
        WarningKind.SOCKETS,
        WarningKind.PRIVILEGED_ATTRIBUTES,
    }
    assert counts[WarningKind.OWNER] > 200
    assert counts[WarningKind.DEVICES] == 2
    assert all(len(str(warning)) < 400 for warning in stats.warnings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can back up what others own")
def test_set_id_bits_never_lend_the_rights_of_the_wrong_owner(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/tool", b"#!", mode=0o6755, uid=0, gid=0)
    as_nobody(lambda: bring_back(backup, base + b"/to"))
    assert stat.S_IMODE(os.stat(base + b"/to/tool").st_mode) == 0o755


def test_many_files_in_parts_need_few_descriptors(base: bytes) -> None:
    backup = MemoryBackup()
    for number in range(200):
        backup.add(b"/%03d" % number, bytes(4096))
        blob = backup.put(b"%d" % number)
        content = FileContent(
            extents=(Extent(blob, len(b"%d" % number)), Extent(None, 4096 - len(b"%d" % number)))
        )
        backup.entries[-1] = (backup.entries[-1][0], content)

    def work() -> int:
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, used + 20))
        tuning = Tuning(open_files=4, open_folders=4)
        return bring_back(backup, base + b"/to", options=RestoreOptions(tuning=tuning, parallel=1)).files

    assert as_nobody(work) == 200
