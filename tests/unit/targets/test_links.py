"""Groups of hard links are found again, in memory or not, and linked or copied."""

import errno
import os

import pytest
from tests.unit.targets.memory_backup import back_up, bring_back

from backup_manager.engine.repository.catalogue.entries import Entry, EntryKind
from backup_manager.engine.targets.filesystem import linking
from backup_manager.engine.targets.filesystem.links import LinkGroups
from backup_manager.engine.targets.filesystem.options import RestoreOptions, WarningKind


def entry(inode: int, links: int, *, size: int = 1, mtime_ns: int = -5) -> Entry:
    return Entry(b"/%d" % inode, EntryKind.FILE, 0o644, 0, 0, size, mtime_ns, 0, inode, 2**64 - 1, links)


@pytest.mark.parametrize("most", [0, 1, 100])
def test_members_find_the_first_of_their_group(most: int) -> None:
    groups = LinkGroups(most)
    for inode in (1, 2, 2**64 - 1):
        assert groups.first_of(entry(inode, 3)) is None
        groups.remember(entry(inode, 3), b"first of %d" % inode)
    for _ in range(2):
        for inode in (1, 2, 2**64 - 1):
            assert groups.first_of(entry(inode, 3)) == b"first of %d" % inode
    groups.close()


@pytest.mark.parametrize("most", [0, 100])
def test_an_inode_that_was_used_again_is_another_file(most: int) -> None:
    groups = LinkGroups(most)
    groups.remember(entry(1, 3), b"first")
    assert groups.first_of(entry(1, 3, size=2)) is None
    assert groups.first_of(entry(1, 3, mtime_ns=0)) is None
    groups.close()


def test_a_group_is_dropped_with_its_last_member() -> None:
    groups = LinkGroups()
    groups.remember(entry(1, 2), b"first")
    assert groups.first_of(entry(1, 2)) == b"first"
    assert groups.first_of(entry(1, 2)) is None


def test_copies_are_made_where_there_can_be_no_links(base: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    os.makedirs(base + b"/from/sub")
    with open(base + b"/from/a", "wb") as file:
        file.write(b"start")
        file.seek(2_000_000)
        file.write(b"end")
    os.link(base + b"/from/a", base + b"/from/sub/b")
    os.symlink(b"a", base + b"/from/link")
    os.link(base + b"/from/link", base + b"/from/sub/link", follow_symlinks=False)

    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "too many links")

    monkeypatch.setattr(linking, "_link", refuse)
    backup = back_up(base + b"/from", b"/s")
    stats = bring_back(backup, base + b"/to", options=RestoreOptions(b"/s"))
    assert [(warning.kind, warning.count) for warning in stats.warnings] == [(WarningKind.HARD_LINKS, 2)]
    assert os.stat(base + b"/to/sub/b").st_blocks * 512 < 1_000_000
