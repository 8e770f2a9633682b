"""The closing comparison sees every kind of difference, and changes nothing."""

import os
import stat
from collections.abc import Callable

import pytest
from tests.support.trees import build_hostile_tree, compare_trees
from tests.support.unprivileged import as_nobody
from tests.unit.targets.memory_backup import MemoryBackup, back_up, bring_back

from backup_manager.common.errors import TargetUnusableError
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.targets.filesystem.checking import Aspect, Difference
from backup_manager.engine.targets.filesystem.compare import compare
from backup_manager.engine.targets.filesystem.options import RestoreOptions, WarningKind

SOURCE = b"/s"


def differences(backup: MemoryBackup, destination: bytes, **more: object) -> list[tuple[bytes, Aspect]]:
    found = compare(backup.entries, backup, destination, RestoreOptions(SOURCE), **more)  # type: ignore[arg-type]
    return [(difference.path.removeprefix(b"/s/"), difference.aspect) for difference in found]


@pytest.fixture
def restored(base: bytes) -> tuple[MemoryBackup, bytes]:
    """A restored tree and what it was restored from."""
    root = base + b"/from"
    os.makedirs(root + b"/dir/sub")
    for name, content in {b"small": b"small", b"dir/large": os.urandom(3_000_000), b"empty": b""}.items():
        with open(root + b"/" + name, "wb") as file:
            file.write(content)
    with open(root + b"/sparse", "wb") as file:
        file.write(os.urandom(70_000))
        file.truncate(5_000_000)
    os.symlink(b"small", root + b"/link")
    os.mkfifo(root + b"/fifo")
    os.link(root + b"/small", root + b"/twin")
    backup = back_up(root, SOURCE)
    bring_back(backup, base + b"/to", options=RestoreOptions(SOURCE))
    return backup, base + b"/to"


def keep_time(path: bytes, change: Callable[[bytes], None]) -> None:
    """Change the file at *path*, but not its time."""
    before = os.stat(path, follow_symlinks=False)
    change(path)
    os.utime(path, ns=(0, before.st_mtime_ns), follow_symlinks=False)


def flip(position: int) -> Callable[[bytes], None]:
    def change(path: bytes) -> None:
        with open(path, "r+b") as file:
            file.seek(position)
            byte = file.read(1)
            file.seek(position)
            file.write(bytes([byte[0] ^ 1]))

    return change


def replace_by_link(path: bytes) -> None:
    os.unlink(path)
    os.symlink(b"other", path)


CHANGES: list[tuple[bytes, Callable[[bytes], None], Aspect]] = [
    (b"small", flip(0), Aspect.CONTENT),
    (b"small", flip(4), Aspect.CONTENT),
    (b"dir/large", flip(0), Aspect.CONTENT),
    (b"dir/large", flip(2_999_999), Aspect.CONTENT),
    (b"sparse", flip(3_000_000), Aspect.CONTENT),
    (b"sparse", flip(69_999), Aspect.CONTENT),
    (b"dir/large", lambda path: os.truncate(path, 2_999_999), Aspect.SIZE),
    (b"empty", lambda path: os.truncate(path, 1), Aspect.SIZE),
    (b"dir/large", lambda path: os.chmod(path, 0o4644), Aspect.MODE),
    (b"dir/sub", lambda path: os.chmod(path, 0o700), Aspect.MODE),
    (b"fifo", lambda path: os.chmod(path, 0o611), Aspect.MODE),
    (b"dir/large", lambda path: os.utime(path, ns=(1, 1)), Aspect.TIME),
    (b"dir", lambda path: os.utime(path, ns=(1, 1)), Aspect.TIME),
    (b"link", lambda path: os.utime(path, ns=(1, 1), follow_symlinks=False), Aspect.TIME),
    (b"link", replace_by_link, Aspect.TARGET),
    (b"dir/large", replace_by_link, Aspect.KIND),
    (b"fifo", replace_by_link, Aspect.KIND),
    (b"dir/large", os.unlink, Aspect.MISSING),
    (b"dir/sub", os.rmdir, Aspect.MISSING),
    (b"link", os.unlink, Aspect.MISSING),
    (b"dir/large", lambda path: os.setxattr(path, b"user.more", b"x"), Aspect.ATTRIBUTES),
    (b"dir/sub", lambda path: os.setxattr(path, b"user.more", b"x"), Aspect.ATTRIBUTES),
]


@pytest.mark.parametrize(("name", "change", "aspect"), CHANGES)
def test_every_change_is_seen(
    restored: tuple[MemoryBackup, bytes], name: bytes, change: Callable[[bytes], None], aspect: Aspect
) -> None:
    backup, root = restored
    parent = os.path.dirname(root + b"/" + name)
    times = os.stat(parent)
    if aspect in (Aspect.TIME, Aspect.MISSING):
        change(root + b"/" + name)
    else:
        keep_time(root + b"/" + name, change)
    os.utime(parent, ns=(0, times.st_mtime_ns))
    found = [pair for pair in differences(backup, root) if pair[0] in (name, b"twin")]
    assert (name, aspect) in found
    assert {seen for _, seen in found} <= {aspect, Aspect.LINKS}


def test_a_copy_is_no_hard_link(restored: tuple[MemoryBackup, bytes]) -> None:
    backup, root = restored
    status = os.stat(root + b"/twin")
    os.unlink(root + b"/twin")
    with open(root + b"/twin", "wb") as file:
        file.write(b"small")
    os.utime(root + b"/twin", ns=(0, status.st_mtime_ns))
    assert (b"twin", Aspect.LINKS) in differences(backup, root)
    assert (b"twin", Aspect.LINKS) not in differences(
        backup, root, forgiven=frozenset({WarningKind.HARD_LINKS})
    )


def test_a_folder_that_is_a_link_hides_nothing(restored: tuple[MemoryBackup, bytes]) -> None:
    backup, root = restored
    os.rename(root + b"/dir", root + b"/moved")
    os.symlink(b"moved", root + b"/dir")
    found = differences(backup, root)
    assert {(b"dir", Aspect.KIND), (b"dir/large", Aspect.MISSING), (b"dir/sub", Aspect.MISSING)} <= set(found)


def test_more_names_than_the_backup_has_are_seen_when_asked_for(restored: tuple[MemoryBackup, bytes]) -> None:
    backup, root = restored
    for name in (b"/0", b"/zz", b"/dir/more"):
        with open(root + name, "wb"):
            pass
    os.mkdir(root + b"/lost+found")
    found = differences(backup, root, extras=True)
    assert [path for path, aspect in found if aspect is Aspect.EXTRA] == [b"0", b"dir/more", b"zz"]
    assert Aspect.EXTRA not in {aspect for _, aspect in differences(backup, root)}


def test_a_destination_that_is_gone_is_an_error(base: bytes) -> None:
    with pytest.raises(TargetUnusableError):
        list(compare([], MemoryBackup(), base + b"/gone", RestoreOptions()))


def test_a_comparison_that_is_left_early_leaves_nothing_open(restored: tuple[MemoryBackup, bytes]) -> None:
    backup, root = restored
    for name in (b"/dir/large", b"/sparse"):
        flip(1)(root + name)
    before = os.listdir("/proc/self/fd")
    found = compare(backup.entries, backup, root, RestoreOptions(SOURCE, parallel=1))
    assert isinstance(next(iter(found)), Difference)
    found.close()  # type: ignore[attr-defined]
    assert os.listdir("/proc/self/fd") == before


def test_what_its_owner_may_not_read_is_compared_and_left_as_it_is(base: bytes) -> None:
    def work() -> list[str]:
        os.makedirs(base + b"/from/dir")
        for name in (b"closed", b"dir/file"):
            with open(base + b"/from/" + name, "wb") as file:
                file.write(name)
        backup = back_up(base + b"/from", SOURCE)
        backup.entries = [
            (_with_mode(entry, 0 if entry.path != SOURCE else entry.mode), content)
            for entry, content in backup.entries
        ]
        bring_back(backup, base + b"/to", options=RestoreOptions(SOURCE))
        return [oct(stat.S_IMODE(os.stat(base + b"/to/" + name).st_mode)) for name in (b"closed", b"dir")]

    assert as_nobody(work) == ["0o0", "0o0"]


def _with_mode(entry: object, mode: int) -> object:
    import msgspec

    return msgspec.structs.replace(entry, mode=mode)  # type: ignore[type-var]


def test_messages_hold_paths_and_facts_on_one_line() -> None:
    difference = Difference(b"/new\nline", Aspect.SIZE, "1", "2")
    assert str(difference) == "/new\\nline: size: expected 1, found 2"


def test_a_hostile_tree_is_equal_to_itself(base: bytes) -> None:
    build_hostile_tree(base + b"/from")
    backup = back_up(base + b"/from", SOURCE)
    assert differences(backup, base + b"/from", extras=True) == []
    assert compare_trees(base + b"/from", base + b"/from") == []
    assert EntryKind.SOCKET in {entry.kind for entry, _ in backup.entries}
