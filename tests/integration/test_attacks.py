"""What once hung, or lost data without a word: each test stands for a defect that was found by attack."""

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.integration.workbench import FULL, INCREMENTAL, POLICY, Workbench, files_source, read, write

from backup_manager.common.clock import from_seconds
from backup_manager.common.errors import SourceUnreadableError
from backup_manager.contract.backups import BackupType, VerificationOutcome
from backup_manager.contract.requests import Hooks, VerifyRequest
from backup_manager.engine.jobs.maintain import maintain
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.repository.names import random_name
from backup_manager.engine.repository.snapshots import SnapshotName, read_snapshots, write_snapshot
from backup_manager.engine.sources.filesystem import large
from backup_manager.reconcile.retention import Candidate, RetentionRule, decide_all

MIB = 1 << 20


def within_seconds(seconds: float, work: Callable[[], object]) -> None:
    """Fail, rather than wait for ever, when *work* hangs."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as err:  # noqa: BLE001  # raised below, in the thread of the test
            failures.append(err)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    if failures:
        raise failures[0]


def test_large_files_on_a_damaged_disk_do_not_use_up_the_buffers_of_the_others(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = bench.place + b"/tree"
    for number in range(large.BLOCKS + 1):
        write(tree + b"/bad-%d" % number, os.urandom(MIB))
    write(tree + b"/good", content := os.urandom(MIB))
    preadv = os.preadv

    def fail_for_bad(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if b"/bad-" in os.readlink(b"/proc/self/fd/%d" % descriptor):
            raise OSError(errno.EIO, "Input/output error")
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", fail_for_bad)
    source = files_source(tree, allow_unreadable=True)
    within_seconds(20, lambda: bench.back_up(source))
    bench.bring_back(tree, target := bench.place + b"/back")
    assert read(target + b"/good") == content


def test_a_file_written_just_before_a_long_reading_is_read_again_by_the_next_run(bench: Workbench) -> None:
    path = bench.place + b"/tree/large"
    write(path, os.urandom(30 * MIB))
    bench.clock.ahead = 0.5

    def read_slowly(_progress: object) -> None:
        bench.clock.ahead += 10

    bench.back_up(bench.place + b"/tree", hooks=Hooks(progress=read_slowly))
    entry, _ = bench.entries()[path]
    assert entry.racy, "it may have been written again within the same tick of the clock, before it was read"


def packs_of(bench: Workbench, kind: str) -> list[Path]:
    """Return the files of all packs of a kind, ``d`` or ``m``."""
    return [path for path in (Path(bench.address.url) / "packs" / kind).rglob("*") if path.is_file()]


def flip(path: Path) -> None:
    """Change a bit of the first blob of a pack."""
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def remove_some(bench: Workbench) -> None:
    for path in packs_of(bench, "d"):
        path.unlink()


def remove_catalogue(bench: Workbench) -> None:
    for path in packs_of(bench, "m"):
        path.unlink()


def flip_catalogue(bench: Workbench) -> None:
    for path in packs_of(bench, "m"):
        flip(path)


@pytest.mark.parametrize("damage", [remove_some, remove_catalogue, flip_catalogue])
def test_an_incremental_backup_does_not_inherit_what_its_base_has_lost(
    folder_bench: Workbench, damage: Callable[[Workbench], None]
) -> None:
    tree = folder_bench.place + b"/tree"
    contents = {b"/small": os.urandom(3000), b"/large": os.urandom(5 * MIB), b"/empty": b""}
    for name, content in contents.items():
        write(tree + name, content)
    folder_bench.back_up(tree)
    damage(folder_bench)

    second = folder_bench.back_up(tree, type=INCREMENTAL)

    assert any("damaged or missing" in warning for warning in second.warnings)
    folder_bench.bring_back(tree, target := folder_bench.place + b"/back", second.id)
    assert {name: read(target + name) for name in contents} == contents
    third = folder_bench.back_up(tree, type=INCREMENTAL)
    assert (third.read_bytes, third.warnings) == (0, ())


def test_of_a_base_that_has_lost_one_pack_the_rest_is_not_read_again(folder_bench: Workbench) -> None:
    tree = folder_bench.place + b"/tree"
    for name in (b"/one", b"/two"):
        write(tree + name, os.urandom(3 * MIB))
        folder_bench.back_up(tree)
    newest = max(packs_of(folder_bench, "d"), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()

    assert folder_bench.back_up(tree).read_bytes == 3 * MIB


@pytest.mark.parametrize("kind", [FULL, INCREMENTAL])
@pytest.mark.parametrize("damaged", ["d", "m", "dm"])
def test_a_backup_after_a_failed_verification_mends_the_damaged_ones(
    folder_bench: Workbench, kind: BackupType, damaged: str
) -> None:
    tree = folder_bench.place + b"/tree"
    contents = {b"/small": os.urandom(3000), b"/large": os.urandom(5 * MIB)}
    for name, content in contents.items():
        write(tree + name, content)
    first = folder_bench.back_up(tree)
    for folder in damaged:
        for path in packs_of(folder_bench, folder):
            flip(path)

    with folder_bench.session() as session:
        verify = verify_all(session) if "m" in damaged else verify_backup(session, VerifyRequest(first.id))
        assert verify.result is VerificationOutcome.FAILED
    second = folder_bench.back_up(tree, type=kind)

    for backup in (first, second):
        folder_bench.bring_back(tree, target := folder_bench.place + b"/" + backup.id.encode(), backup.id)
        assert {name: read(target + name) for name in contents} == contents
    with folder_bench.session() as session:
        maintain(session, grace_seconds=0)
        assert verify_all(session).result is VerificationOutcome.PASSED


def test_backups_of_one_id_are_kept_and_removed_together(bench: Workbench) -> None:
    write(bench.place + b"/tree/file", b"content")
    first = bench.back_up(bench.place + b"/tree")
    with bench.session() as session:
        repository = session.repository
        known = session.storage, repository.vault, repository.compressor
        (snapshot,) = read_snapshots(*known)
        write_snapshot(*known, replace(snapshot, name=SnapshotName(random_name())))
        newest = bench.back_up(bench.place + b"/tree")
        rule = RetentionRule(keep_last=1), ZoneInfo("UTC")

        decision = decide_all(
            [
                Candidate(each.backup_id, each.policy, from_seconds(each.started_at))
                for each in read_snapshots(*known)
            ],
            {POLICY: rule},
        )
        assert [verdict.id for verdict in decision.removed] == [first.id]
        maintain(session, removed=[first.id])
        assert [each.backup_id for each in read_snapshots(*known)] == [newest.id]


def test_a_file_that_its_network_file_system_lost_while_it_was_read_is_a_problem_and_no_defect(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = bench.place + b"/tree"
    for name in (b"/lost-large", b"/found-large"):
        write(tree + name, os.urandom(MIB))
    for name in (b"/lost-small", b"/found-small"):
        write(tree + name, name)
    fstat = os.fstat

    def lose(descriptor: int) -> os.stat_result:
        if b"/lost-" in os.readlink(b"/proc/self/fd/%d" % descriptor):
            raise OSError(errno.ESTALE, "Stale file handle")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", lose)
    found = bench.back_up(files_source(tree, allow_unreadable=True))
    assert (found.files, len(found.warnings)) == (2, 2)
    with pytest.raises(SourceUnreadableError, match="Stale file handle"):
        bench.back_up(tree)


def test_a_repository_inside_its_source_is_left_out_and_does_not_double(folder_bench: Workbench) -> None:
    tree = os.path.dirname(os.fsencode(folder_bench.address.url))
    write(tree + b"/data/file", content := os.urandom(MIB))
    os.symlink(folder_bench.address.url, tree + b"/link")

    first, second = folder_bench.back_up(tree), folder_bench.back_up(tree, type=FULL)

    assert (first.files, second.files) == (2, 2), "the key and the file"
    assert second.added_bytes < MIB // 16
    assert any("repository of this very backup" in warning for warning in second.warnings)
    folder_bench.bring_back(tree, target := folder_bench.place + b"/back")
    assert read(target + b"/data/file") == content
    assert os.listdir(target + b"/repository") == []
    with folder_bench.session() as session:
        request = VerifyRequest(second.id, compare_source=True, sources=(files_source(tree),))
        assert verify_backup(session, request).result is VerificationOutcome.PASSED
