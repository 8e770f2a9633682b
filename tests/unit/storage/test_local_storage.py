"""What the folder store promises beyond the suite: crashes, full and vanished disks, left-overs."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from backup_manager.common.errors import (
    AccessDeniedError,
    BackupManagerError,
    BucketMissingError,
    InsufficientStorageError,
    ObjectMissingError,
    StorageUnreachableError,
)
from backup_manager.engine.storage.faulty import SimulatedCrash
from backup_manager.engine.storage.local import LocalStorage

SYSTEM_CALLS = ("open", "writev", "fsync", "close", "link", "rename", "unlink", "mkdir")
NEW = [b"new " * 100, b"bytes"]


class Kernel:
    """Counts system calls and kills the process at one of them: no call after that does anything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.crash_at = 0
        self._monkeypatch = monkeypatch

    def watch(self) -> None:
        for name in SYSTEM_CALLS:
            self._monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    def _watched(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **options: object) -> object:
            self.calls += 1
            if self.crash_at and self.calls >= self.crash_at:
                raise SimulatedCrash(call.__name__)
            return call(*arguments, **options)

        return counted


def put_and_count(root: Path, crash_at: int, *, if_absent: bool) -> int:
    """Put one object, dying at that system call (0: not at all); return how many calls there were."""
    with pytest.MonkeyPatch.context() as patch:
        kernel = Kernel(patch)
        kernel.crash_at = crash_at
        kernel.watch()
        with suppress(SimulatedCrash):
            LocalStorage(root).put("folder/deep/object", NEW, if_absent=if_absent)
        return kernel.calls


@pytest.mark.parametrize("old", [None, b"old"], ids=["first put", "replacing"])
def test_killed_at_any_system_call_leaves_old_or_new(tmp_path: Path, old: bytes | None) -> None:
    counting = tmp_path / "counting"
    counting.mkdir()
    calls = put_and_count(counting, 0, if_absent=old is None)
    assert calls > 8
    for crash_at in range(1, calls + 1):
        root = tmp_path / str(crash_at)
        root.mkdir()
        storage = LocalStorage(root)
        if old is not None:
            storage.put("folder/deep/object", [old])
        put_and_count(root, crash_at, if_absent=old is None)
        found = [storage.get(each.name) for each in storage.list("")]
        assert found in ([] if old is None else [old], [b"".join(NEW)])
        assert storage.sweep(0) <= 1
        storage.put("folder/deep/object", [b"next"])
        assert storage.get("folder/deep/object") == b"next"
        assert [path.name for path in root.rglob(".*")] == []


def test_put_flushes_the_file_before_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("folder/before", [b"x"])
    seen: list[str] = []
    for name in ("fsync", "rename", "link"):
        call = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *given, name=name, call=call: (seen.append(name), call(*given))[1]
        )
    storage.put("folder/object", [b"x"])
    storage.put("folder/other", [b"x"], if_absent=True)
    assert seen == ["fsync", "rename", "fsync", "fsync", "link", "fsync"]


def test_new_folders_are_flushed_into_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (flushed.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file))[1]
    )
    LocalStorage(tmp_path).put("a/b/object", [b"x"])
    assert flushed[:2] == [str(tmp_path), f"{tmp_path}/a"]
    assert flushed[-1] == f"{tmp_path}/a/b"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, InsufficientStorageError),
        (errno.EDQUOT, InsufficientStorageError),
        (errno.EFBIG, InsufficientStorageError),
        (errno.EACCES, AccessDeniedError),
        (errno.EROFS, AccessDeniedError),
        (errno.EIO, StorageUnreachableError),
    ],
    ids=errno.errorcode.get,
)
def test_system_error_while_writing_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[BackupManagerError]
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    storage = LocalStorage(tmp_path)
    storage.put("a", [b"old"])
    monkeypatch.setattr(os, "writev", fail)
    with pytest.raises(BackupManagerError, match=os.strerror(number)) as caught:
        storage.put("a", [b"new"])
    assert type(caught.value) is expected
    assert os.listdir(tmp_path) == ["a"]
    assert storage.get("a") == b"old"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda file, views: writev(file, [views[0][:7]]))
    parts = [bytes([number]) * number for number in range(1, 40)]
    storage = LocalStorage(tmp_path)
    storage.put("a", parts)
    assert storage.get("a") == b"".join(parts)


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("a", [bytes(range(100))])
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, length, start: pread(file, min(7, length), start))
    assert storage.get("a", 5, 90) == bytes(range(5, 95))


@pytest.mark.parametrize(
    "call",
    [
        lambda storage: storage.check(),
        lambda storage: storage.put("a/b", [b"x"]),
        lambda storage: storage.get("a"),
        lambda storage: storage.size("a"),
        lambda storage: list(storage.list("")),
        lambda storage: storage.delete("a"),
        lambda storage: storage.sweep(0),
    ],
    ids=["check", "put", "get", "size", "list", "delete", "sweep"],
)
def test_vanished_folder_is_never_an_empty_store(
    tmp_path: Path, call: Callable[[LocalStorage], object]
) -> None:
    storage = LocalStorage(tmp_path / "gone")
    with pytest.raises(BucketMissingError, match="gone does not exist"):
        call(storage)
    assert os.listdir(tmp_path) == []


def test_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BucketMissingError, match="is not a folder"):
        LocalStorage(tmp_path / "file").check()


def test_check_makes_the_folder_only_if_asked(tmp_path: Path) -> None:
    LocalStorage(tmp_path / "a" / "b", create=True).check()
    assert (tmp_path / "a" / "b").is_dir()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_folder_that_refuses_writes_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("a", [b"x"])
    real_open = os.open

    def refuse(path: str, flags: int, *rest: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return real_open(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    storage.check()
    assert not storage.properties.writable
    assert storage.get("a") == b"x"


def test_file_system_without_hard_links_has_no_conditional_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    storage = LocalStorage(tmp_path)
    storage.check()
    assert not storage.properties.conditional_put
    assert storage.properties.writable
    assert os.listdir(tmp_path) == []


def test_link_whose_answer_was_lost_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def link_and_lose_the_answer(source: str, target: str) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", link_and_lose_the_answer)
    storage = LocalStorage(tmp_path)
    storage.put("a", [b"x"], if_absent=True)
    assert storage.get("a") == b"x"
    assert os.listdir(tmp_path) == ["a"]


def test_sweep_spares_young_files_by_the_file_systems_clock(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("packs/d/a", [b"x"])
    for name, age in (("old", 7200), ("young", 60)):
        path = tmp_path / "packs" / "d" / f".tmp-{name}"
        path.write_bytes(b"left over")
        moment = path.stat().st_mtime - age
        os.utime(path, (moment, moment))
    assert storage.sweep(3600) == 1
    assert sorted(os.listdir(tmp_path / "packs" / "d")) == [".tmp-young", "a"]


class SweptStorage(LocalStorage):
    """Sleeps so long, once, between writing a file and naming it that maintenance removes the file."""

    is_swept = False

    def _publish(self, temporary: str, path: str, name: str, if_absent: bool) -> None:
        if not self.is_swept:
            self.is_swept = self.sweep(0) == 1
        super()._publish(temporary, path, name, if_absent)


@pytest.mark.parametrize("if_absent", [False, True])
def test_file_that_is_swept_while_the_process_sleeps_is_written_again(
    tmp_path: Path, if_absent: bool
) -> None:
    storage = SweptStorage(tmp_path)
    storage.put("packs/d/a", [b"x"], if_absent=if_absent)
    assert storage.is_swept
    assert storage.get("packs/d/a") == b"x"
    assert os.listdir(tmp_path / "packs" / "d") == ["a"]


def test_stray_files_are_not_listed(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("packs/a", [b"x"])
    for stray in ("README.md", ".hidden", "packs/.tmp-1", "lost+found/b", "packs/a b"):
        (tmp_path / stray).parent.mkdir(exist_ok=True)
        (tmp_path / stray).write_text("x")
    (tmp_path / "packs" / "dangling").symlink_to("nowhere")
    assert [found.name for found in storage.list("")] == ["packs/a"]


def test_folder_removed_by_somebody_is_made_again(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("packs/a", [b"x"])
    storage.delete("packs/a")
    (tmp_path / "packs").rmdir()
    storage.put("packs/b", [b"x"])
    assert storage.get("packs/b") == b"x"


def test_deleting_the_name_of_a_folder_changes_nothing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("packs/a", [b"x"])
    storage.delete("packs")
    assert storage.get("packs/a") == b"x"


def test_relative_path_survives_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path)
    storage = LocalStorage(Path("repository"))
    monkeypatch.chdir("/")
    storage.put("a", [b"x"])
    assert (tmp_path / "repository" / "a").read_bytes() == b"x"


def test_file_that_vanished_between_is_missing(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.put("a", [b"x"])
    (tmp_path / "a").unlink()
    with pytest.raises(ObjectMissingError, match="'a' is not in"):
        storage.get("a")
