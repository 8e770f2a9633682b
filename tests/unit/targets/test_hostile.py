"""A restore writes only inside its destination, whatever the backup names and whatever lies there."""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trees import describe_tree
from tests.unit.targets.memory_backup import CLAIM, MemoryBackup, bring_back

from backup_manager.common.errors import BackupManagerError, CorruptDataError, TargetUnusableError
from backup_manager.contract.requests import RestoreMode
from backup_manager.engine.repository.catalogue.entries import EntryKind, Extent, FileContent
from backup_manager.engine.targets.filesystem.options import RestoreOptions

DIRECTORY, SYMLINK = EntryKind.DIRECTORY, EntryKind.SYMLINK
MERGE, MIRROR = RestoreMode.MERGE, RestoreMode.MIRROR


@pytest.mark.parametrize(
    "path",
    [
        *(b"/s/..", b"/s/.", b"/s/../x", b"/s/a/../../x", b"/s//x", b"/s/", b"/s/./x", b"/s/nul\0nul"),
        *(b"/other", b"/sx", b"relative", b"", b"/", b"../../x"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", [EntryKind.FILE, DIRECTORY, SYMLINK], ids=lambda kind: kind.name)
def test_names_that_no_file_can_have_are_corrupt_data(base: bytes, path: bytes, kind: EntryKind) -> None:
    backup = MemoryBackup()
    backup.add(b"/s", kind=DIRECTORY)
    backup.add(path, b"content", kind=kind, target=b"/etc" if kind == SYMLINK else b"")
    with pytest.raises(CorruptDataError):
        bring_back(backup, base + b"/to/deep", options=RestoreOptions(b"/s"))
    assert os.listdir(base) == [b"to"]
    assert os.listdir(base + b"/to") == [b"deep"]


def backup_below_a(kind: EntryKind) -> MemoryBackup:
    backup = MemoryBackup()
    backup.add(b"/a", b"content", kind=kind, target=b"/etc" if kind == SYMLINK else b"")
    backup.add(b"/a/file", b"content")
    return backup


@pytest.mark.parametrize("kind", [EntryKind.FILE, SYMLINK, EntryKind.FIFO], ids=lambda kind: kind.name)
@pytest.mark.parametrize("mode", list(RestoreMode))
def test_entries_below_what_is_no_folder_are_corrupt_data(
    base: bytes, kind: EntryKind, mode: RestoreMode
) -> None:
    with pytest.raises(CorruptDataError):
        bring_back(backup_below_a(kind), base + b"/to", mode)


@pytest.mark.parametrize("paths", [(b"/b", b"/a"), (b"/a", b"/a"), (b"/a!", b"/a/b")], ids=repr)
def test_entries_out_of_order_are_corrupt_data(base: bytes, paths: tuple[bytes, ...]) -> None:
    backup = MemoryBackup()
    for path in paths:
        backup.add(path, b"x")
    with pytest.raises(CorruptDataError):
        bring_back(backup, base + b"/to")


def broken(name: str) -> MemoryBackup:
    """Return a backup whose second file's content is not what the entry says."""
    backup = MemoryBackup()
    backup.add(b"/a", b"first")
    backup.add(b"/b", b"second")
    entry, content = backup.entries[1]
    assert content is not None
    chunk = backup.put(b"0123456789")
    replaced = {
        "no content": None,
        "beyond its frame": FileContent(content.hash, content.frame, 1000),
        "too few extents": FileContent(extents=(Extent(chunk, 2), Extent(None, 2))),
        "too many extents": FileContent(extents=(Extent(None, 6), Extent(chunk, 10))),
        "extent of another length": FileContent(extents=(Extent(chunk, 3), Extent(None, 3))),
    }
    backup.entries[1] = (entry, replaced[name])
    return backup


@pytest.mark.parametrize(
    "name",
    [
        *("no content", "beyond its frame", "too few extents", "too many extents"),
        "extent of another length",
    ],
)
def test_content_that_does_not_fit_is_corrupt_data(base: bytes, name: str) -> None:
    with pytest.raises(CorruptDataError):
        bring_back(broken(name), base + b"/to")


def test_an_entry_called_like_the_state_file_is_refused(base: bytes) -> None:
    backup = MemoryBackup()
    backup.add(b"/" + CLAIM.file_name, b"{}")
    with pytest.raises(CorruptDataError):
        bring_back(backup, base + b"/to")


@pytest.mark.parametrize("mode", [MERGE, MIRROR])
def test_links_in_the_destination_are_replaced_and_never_followed(base: bytes, mode: RestoreMode) -> None:
    os.makedirs(base + b"/out/dir")
    write(base + b"/out/file", b"outside")
    write(base + b"/out/linked", b"outside")
    os.makedirs(base + b"/to")
    os.symlink(b"../out/dir", base + b"/to/dir")
    os.symlink(b"../out/file", base + b"/to/file")
    os.symlink(base + b"/out/new", base + b"/to/dangling")
    os.link(base + b"/out/linked", base + b"/to/linked")
    outside = describe_tree(base + b"/out")
    backup = MemoryBackup()
    backup.add(b"/dangling", b"D")
    backup.add(b"/dir", kind=DIRECTORY)
    backup.add(b"/dir/inside", b"I")
    backup.add(b"/file", b"F", mode=0o600)
    backup.add(b"/linked", b"L", mode=0o600)
    bring_back(backup, base + b"/to", mode)
    assert describe_tree(base + b"/out")[0] == outside[0]
    assert not os.path.islink(base + b"/to/dir")


def test_a_link_where_an_implied_folder_is_needed_is_refused(base: bytes) -> None:
    os.makedirs(base + b"/out")
    os.makedirs(base + b"/to")
    os.symlink(b"../out", base + b"/to/data")
    backup = MemoryBackup()
    backup.add(b"/data/in", kind=DIRECTORY)
    with pytest.raises(TargetUnusableError):
        bring_back(backup, base + b"/to", MERGE)
    assert os.listdir(base + b"/out") == []


def write(path: bytes, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


NAMES = st.sampled_from([b"a", b"b", b"c"])
SHAPES = st.recursive(
    st.sampled_from(["file", "large", "link", "outside", "fifo"]),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(NAMES, SHAPES, max_size=3)


def plant(path: bytes, shape: object, outside: bytes) -> None:
    """Make what *shape* says; links lead out of the tree, and so do hard links."""
    if isinstance(shape, dict):
        os.makedirs(path, exist_ok=True)
        for name, inner in shape.items():
            plant(path + b"/" + name, inner, outside)
    elif shape in ("file", "large"):
        os.link(outside + b"/file", path)
    elif shape == "fifo":
        os.mkfifo(path)
    else:
        os.symlink(outside + (b"/dir" if shape == "outside" else b"/file"), path)


def grow(backup: MemoryBackup, path: bytes, shape: object) -> None:
    """Add to *backup* what *shape* says."""
    if isinstance(shape, dict):
        backup.add(path, kind=DIRECTORY)
        for name, inner in sorted(shape.items()):
            grow(backup, path + b"/" + name, inner)
    elif shape == "large":
        parts = [random.Random(path + bytes([n])).randbytes(3000) for n in range(3)]
        backup.add(path, b"".join(parts))
        backup.entries[-1] = (
            backup.entries[-1][0],
            FileContent(extents=tuple(Extent(backup.put(part), 3000) for part in parts)),
        )
    elif shape == "file":
        backup.add(path, b"new " + path)
    elif shape == "fifo":
        backup.add(path, kind=EntryKind.FIFO)
    else:
        backup.add(path, kind=SYMLINK, mode=0o777, target=b"/nowhere")


@settings(max_examples=150, deadline=None)
@given(there=TREES, coming=TREES, mode=st.sampled_from([MERGE, MIRROR]))
def test_whatever_meets_whatever_nothing_outside_changes(
    tmp_path_factory: pytest.TempPathFactory,
    there: dict[bytes, object],
    coming: dict[bytes, object],
    mode: RestoreMode,
) -> None:
    base = os.fsencode(tmp_path_factory.mktemp("meeting"))
    os.makedirs(base + b"/out/dir")
    write(base + b"/out/dir/inner", b"inner")
    write(base + b"/out/file", b"outside")
    os.makedirs(base + b"/to")
    plant(base + b"/to", there, base + b"/out")
    outside = describe_tree(base + b"/out")[0]
    backup = MemoryBackup()
    grow(backup, b"/s", coming)
    options = RestoreOptions(b"/s")
    try:
        bring_back(backup, base + b"/to", mode, options=options)
    except TargetUnusableError:
        assert mode is MERGE  # a folder with content is where the backup has none
    else:
        found = {path for path in describe_tree(base + b"/to")[0] if path != b"."}
        wanted = {entry.path[3:] for entry, _ in backup.entries[1:]}
        assert wanted <= found
        assert mode is MERGE or wanted == found
    assert describe_tree(base + b"/out")[0] == outside


def test_errors_have_three_parts(base: bytes) -> None:
    write(base + b"/to", b"a file")
    with pytest.raises(BackupManagerError) as caught:
        bring_back(MemoryBackup(), base + b"/to")
    assert all(line.strip() for line in caught.value.lines())


@pytest.mark.parametrize(
    "fields",
    [
        {"mtime_ns": 2**100},
        {"uid": 2**40},
        {"gid": 2**70},
        {"kind": SYMLINK, "target": b""},
        {"kind": SYMLINK, "target": b"nul\0nul"},
    ],
    ids=str,
)
def test_metadata_that_no_system_can_have_are_corrupt_data(base: bytes, fields: dict[str, object]) -> None:
    backup = MemoryBackup()
    backup.add(b"/a", b"content", **fields)  # type: ignore[arg-type]
    with pytest.raises(CorruptDataError):
        bring_back(backup, base + b"/to")
