"""A stretch of the entry stream: the blobs it needs, who needs them, and what is to be done afterwards."""

from dataclasses import dataclass, field

from backup_manager.engine.repository.catalogue.entries import Entry, FileContent
from backup_manager.engine.targets.filesystem.creators import Task
from backup_manager.engine.targets.filesystem.files import FileWriter, Part, PartedFile, WholeFile
from backup_manager.engine.targets.filesystem.options import Tuning
from backup_manager.engine.targets.filesystem.tree import Folder

FRAME_BYTES = 1_048_576  # what a frame is taken for; its true length is known only when it is read


@dataclass(slots=True)
class Demand:
    """Who needs a blob: small files that lie in it, and files of which it is a part."""

    wholes: list[WholeFile] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def write(self, writer: FileWriter, plain: bytes) -> tuple[int, int]:
        """Write the blob to all; return the bytes written and the files completed."""
        written = writer.write_whole(self.wholes, plain) if self.wholes else 0
        for part in self.parts:
            written += writer.write_part(part, plain)
        return written, len(self.wholes)


@dataclass(frozen=True, slots=True)
class Link:
    """Another name of the file that was restored at the path *first*, relative to the destination."""

    folder: Folder
    name: bytes
    entry: Entry
    first: bytes


@dataclass(slots=True)
class Window:
    """What one stretch of entries asks for; bounded in bytes, pieces and open files."""

    tuning: Tuning
    demands: dict[bytes, Demand] = field(default_factory=dict)
    finished: list[PartedFile] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    left: list[Folder] = field(default_factory=list)
    blob_bytes: int = 0
    pieces: int = 0
    open_files: int = 0

    @property
    def is_full(self) -> bool:
        """No further entry should enter, unless it needs nothing new."""
        most = self.tuning
        return (
            self.pieces >= most.pieces
            or self.blob_bytes >= most.blob_bytes
            or self.open_files >= most.open_files
        )

    def covers(self, content: FileContent | None) -> bool:
        """Return whether the window, though full, may take one more file, because it reads its frame
        anyway.
        """
        return content is not None and content.frame in self.demands and self.pieces < 2 * self.tuning.pieces

    def demand(self, blob_id: bytes, length: int) -> Demand:
        """Return who needs the blob of about *length* bytes."""
        self.pieces += 1
        demand = self.demands.get(blob_id)
        if demand is None:
            demand = self.demands[blob_id] = Demand()
            self.blob_bytes += length
        return demand


def task_of(demand: Demand, writer: FileWriter, plain: bytes) -> Task:
    """Return the work on one blob that arrived."""

    def work() -> tuple[int, int]:
        return demand.write(writer, plain)

    return work
