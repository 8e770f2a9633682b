"""Attributes, links, kinds and the names of owners."""

import os
import pwd
import stat

import pytest
from tests.support.trees import build_hostile_tree, describe_tree, write

from backup_manager.common.errors import SourceUnreadableError
from backup_manager.engine.repository.catalogue.entries import EntryKind
from backup_manager.engine.sources.filesystem.metadata import OwnerNames, kind_of, read_link, read_xattrs
from backup_manager.engine.sources.filesystem.problems import EntryProblemError, ProblemKind, Problems
from backup_manager.engine.sources.filesystem.walk import walk


def test_attributes_and_links_of_a_hostile_tree_are_read_as_they_are(
    place: bytes, problems: Problems
) -> None:
    root = place + b"/hostile"
    build_hostile_tree(root)
    facts = describe_tree(root)[0]
    for path, status in walk([root], None, problems):
        known = facts[os.path.relpath(path, root)]
        assert read_xattrs(path) == known.xattrs
        if stat.S_ISLNK(status.st_mode):
            assert read_link(path) == known.content
    assert any(len(known.xattrs) > 3 for known in facts.values())


def test_attributes_are_those_of_the_link_unless_it_is_to_be_followed(place: bytes) -> None:
    write(place + b"/file")
    os.setxattr(place + b"/file", b"user.one", b"1")
    os.symlink(b"file", place + b"/link")
    assert read_xattrs(place + b"/link") == ()
    assert read_xattrs(place + b"/link", follow=True) == ((b"user.one", b"1"),)
    with open(place + b"/file", "rb") as file:
        assert read_xattrs(file.fileno()) == ((b"user.one", b"1"),)


def test_a_file_system_without_attributes_gives_none() -> None:
    assert read_xattrs(b"/proc/self/status") == ()


def test_what_vanished_has_neither_attributes_nor_target(place: bytes) -> None:
    for read in (read_xattrs, read_link):
        with pytest.raises(EntryProblemError) as caught:
            read(place + b"/gone")
        assert caught.value.problem.kind is ProblemKind.VANISHED


def test_a_link_that_was_replaced_is_a_change(place: bytes) -> None:
    write(place + b"/file")
    with pytest.raises(EntryProblemError) as caught:
        read_link(place + b"/file")
    assert caught.value.problem.kind is ProblemKind.CHANGED


KINDS = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
    stat.S_IFIFO: EntryKind.FIFO,
    stat.S_IFSOCK: EntryKind.SOCKET,
    stat.S_IFCHR: EntryKind.CHARACTER,
    stat.S_IFBLK: EntryKind.BLOCK,
}


@pytest.mark.parametrize(("mode", "kind"), KINDS.items())
def test_every_kind_is_known(mode: int, kind: EntryKind) -> None:
    assert kind_of(mode | 0o7777) is kind


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(SourceUnreadableError, match="0o150000"):
        kind_of(0o150000 | 0o644)


def test_owners_without_a_name_have_an_empty_one() -> None:
    names = OwnerNames()
    assert names.user(os.geteuid()) == pwd.getpwuid(os.geteuid()).pw_name
    assert names.user(3_999_999_999) == names.group(3_999_999_999) == ""
