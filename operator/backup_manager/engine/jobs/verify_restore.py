"""The restore test: a backup restored into a scratch folder, compared entry by entry, and removed again."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from backup_manager.common.errors import TargetUnusableError
from backup_manager.common.printable import printable
from backup_manager.common.units import format_size
from backup_manager.contract.backups import Check, CheckOutcome, CheckResult
from backup_manager.contract.requests import Hooks, RestoreMode
from backup_manager.engine.jobs.restore_targets import ROOT, Landing
from backup_manager.engine.jobs.verify_checks import failed
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.checks.faults import Faults
from backup_manager.engine.repository.snapshots import Snapshot
from backup_manager.engine.targets.filesystem.clearing import find_unwanted
from backup_manager.engine.targets.filesystem.compare import compare
from backup_manager.engine.targets.filesystem.destination import LOST_AND_FOUND, Claim, open_destination
from backup_manager.engine.targets.filesystem.failures import target_error
from backup_manager.engine.targets.filesystem.folders import FOLDER, make_accessible
from backup_manager.engine.targets.filesystem.options import RestoreOptions
from backup_manager.engine.targets.filesystem.ports import StoredContents
from backup_manager.engine.targets.filesystem.restore import restore

PREFIX = "backup-manager-restore-test-"


def require_empty(destination: str) -> None:
    """Refuse a scratch folder that holds anything: it is emptied afterwards.

    Raises:
        TargetUnusableError: it does, or is no folder.
    """
    path = os.fsencode(destination)
    try:
        names = set(os.listdir(path)) - {LOST_AND_FOUND}
    except FileNotFoundError:
        return
    except OSError as err:
        raise target_error(err, "list", path) from err
    if names:
        raise TargetUnusableError(
            f"scratch folder {printable(path)} is not empty: it holds {printable(min(names))}",
            solution="Name an empty folder, or one that does not exist; it is emptied after the test.",
        )


def run_restore_test(
    session: Session, snapshot: Snapshot, destination: str | None, hooks: Hooks
) -> CheckResult:
    """Return whether everything that *snapshot* holds can be restored and then equals what it says.

    Raises:
        CorruptDataError: the restore itself met damage.
        TargetUnusableError: the scratch folder cannot take the restore.
        StorageUnreachableError: the store did not answer.
    """
    with _scratch(destination, snapshot) as folder:
        blobs = session.read_blobs()
        landing = Landing(os.path.abspath(folder), ROOT, snapshot.sources, ())
        readers = landing.readers(blobs)
        contents = StoredContents(blobs, readers[0], session.repository.vault)
        options = RestoreOptions(source=ROOT, cancelled=hooks.cancelled)
        claim = Claim(snapshot.name, "restore-test")
        with open_destination(landing.destination, RestoreMode.FAIL, claim) as target:
            stats = restore(landing.entries(readers), contents, target, options)
            target.finish()
        forgiven = frozenset(warning.kind for warning in stats.warnings)
        differences = Faults()
        entries = landing.entries(landing.readers(blobs))
        for difference in compare(entries, contents, landing.destination, options, forgiven, extras=True):
            differences.add(str(difference))
    restored = f"{stats.files} files, {stats.directories} folders and {stats.others} others"
    details = f"{restored} restored and compared, {format_size(stats.bytes)}"
    if stats.warnings:
        details += f"; left out: {'; '.join(str(warning) for warning in stats.warnings)}"
    if differences:
        return failed(Check.RESTORE_TEST, details, differences.told())
    return CheckResult(Check.RESTORE_TEST, CheckOutcome.SUCCESS, details)


@contextmanager
def _scratch(destination: str | None, snapshot: Snapshot) -> Iterator[bytes]:
    """Give an empty folder for the length of the block, and leave nothing of it behind."""
    if destination is None:
        folder = os.fsencode(tempfile.mkdtemp(prefix=PREFIX))
        was_there = False
    else:
        require_empty(destination)
        folder = os.path.abspath(os.fsencode(destination))
        was_there = os.path.isdir(folder)
        _make(folder)
    try:
        _require_space(folder, snapshot)
        yield folder
    finally:
        _empty(folder)
        if not was_there:
            os.rmdir(folder)


def _make(folder: bytes) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as err:
        raise target_error(err, "make the scratch folder", folder) from err


def _require_space(folder: bytes, snapshot: Snapshot) -> None:
    """Refuse to begin what would fill the disk to the brim; holes of sparse files count as bytes here."""
    needed = sum(source.source_bytes for source in snapshot.sources)
    free = shutil.disk_usage(os.fsdecode(folder)).free
    if free < needed:
        raise TargetUnusableError(
            f"the restore test needs {format_size(needed)}, and {printable(folder)} has {format_size(free)} free",
            solution="Free up space there, or name a larger scratch folder with --destination.",
        )


def _empty(folder: bytes) -> None:
    """Remove all that *folder* holds, whatever its modes, without following a link."""
    root = os.open(folder, FOLDER)
    try:
        for name in os.listdir(root):
            encoded = os.fsencode(name)
            if encoded == LOST_AND_FOUND:
                continue
            for doomed in find_unwanted(root, encoded, encoded, None, _open_own):
                if doomed.is_folder:
                    os.rmdir(doomed.name, dir_fd=doomed.above_fd)
                else:
                    os.unlink(doomed.name, dir_fd=doomed.above_fd)
    finally:
        os.close(root)


def _open_own(name: bytes, above_fd: int) -> int:
    make_accessible(name, above_fd)
    return os.open(name, FOLDER, dir_fd=above_fd)
