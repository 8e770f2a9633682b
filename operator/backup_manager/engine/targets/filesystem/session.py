"""What the parts of one restore share, wired in one place."""

from dataclasses import dataclass, field

from backup_manager.common.errors import InterruptedRunError
from backup_manager.engine.targets.filesystem.clearing import Clearing
from backup_manager.engine.targets.filesystem.destination import Destination
from backup_manager.engine.targets.filesystem.files import FileWriter
from backup_manager.engine.targets.filesystem.folders import FolderCache
from backup_manager.engine.targets.filesystem.links import LinkGroups
from backup_manager.engine.targets.filesystem.metadata import MetadataWriter, read_umask
from backup_manager.engine.targets.filesystem.nodes import NodeMaker
from backup_manager.engine.targets.filesystem.options import RestoreOptions, RestoreStats, Warnings
from backup_manager.engine.targets.filesystem.ports import Contents


@dataclass(slots=True)
class Tally:
    """What was done so far."""

    files: int = 0
    directories: int = 0
    others: int = 0
    bytes: int = 0
    skipped: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One restore under way."""

    destination: Destination
    contents: Contents
    options: RestoreOptions
    folders: FolderCache
    warnings: Warnings
    clearing: Clearing
    nodes: NodeMaker
    files: FileWriter
    links: LinkGroups = field(default_factory=LinkGroups)
    tally: Tally = field(default_factory=Tally)

    def done(self, written: int, files: int) -> None:
        """Count bytes and files, tell whoever watches, and stop when asked to.

        Raises:
            InterruptedRunError: the restore was cancelled.
        """
        self.tally.bytes += written
        self.tally.files += files
        self.options.progress(written, files)
        self.check_cancelled()

    def check_cancelled(self) -> None:
        """Raise ``InterruptedRunError`` when the restore was cancelled."""
        if self.options.cancelled():
            raise InterruptedRunError(
                "the restore was cancelled", solution="Run the same restore again: it goes on where it was."
            )

    def stats(self) -> RestoreStats:
        """Return what was done."""
        tally = self.tally
        return RestoreStats(
            files=tally.files,
            directories=tally.directories,
            others=tally.others,
            bytes=tally.bytes,
            skipped=tally.skipped,
            removed=tally.removed,
            warnings=self.warnings.all(),
        )

    def close(self) -> None:
        """Close every descriptor and temporary file of the restore."""
        self.files.close()
        self.folders.close()
        self.links.close()


def build_session(contents: Contents, destination: Destination, options: RestoreOptions) -> Session:
    """Return a session with all its parts."""
    warnings = Warnings()
    folders = FolderCache(destination.fd, options.tuning.open_folders)
    metadata = MetadataWriter(destination.uid, read_umask(), warnings)
    clearing = Clearing(destination, options.selects)
    nodes = NodeMaker(destination, folders, metadata, clearing, warnings)
    files = FileWriter(destination, folders, metadata, clearing)
    return Session(destination, contents, options, folders, warnings, clearing, nodes, files)
