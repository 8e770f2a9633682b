"""From a request's sources to catalogues: one pipeline of encoder, frames and reader for all sources of a run."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from backup_manager.common.errors import SourceEmptyError, SourceUnreadableError
from backup_manager.common.printable import printable
from backup_manager.contract.requests import FilesRequest, Hooks, Progress
from backup_manager.engine.processors.chunker import Chunker
from backup_manager.engine.processors.encoder import BlobEncoder
from backup_manager.engine.processors.frames import FrameBundler
from backup_manager.engine.repository.catalogue.entries import CatalogueRoot
from backup_manager.engine.repository.catalogue.previous import PreviousCatalogue
from backup_manager.engine.repository.catalogue.writer import CatalogueWriter
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.repository import Repository
from backup_manager.engine.sources.filesystem.excludes import Excludes
from backup_manager.engine.sources.filesystem.ingest import (
    FilesystemIngest,
    Hashing,
    IngestTools,
    IngestTotals,
)
from backup_manager.engine.sources.filesystem.large import LargeFileReader
from backup_manager.engine.sources.filesystem.problems import ProblemKind, Problems
from backup_manager.engine.sources.filesystem.roots import check_root_remains, read_roots
from backup_manager.engine.sources.filesystem.walk import walk
from backup_manager.engine.storage.base import Storage

MOST_WARNINGS = 100  # kept in the snapshot of one source; the rest is counted
TOLD_PROBLEMS = 5  # in an error's text
DAMAGED_BASE = (
    "data of the previous backup are damaged or missing: what needs them was read and stored again; "
    "`sirsinexus backup verify --all` shows which backups are affected"
)


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """What became of one source: its catalogue, totals and warnings."""

    root: CatalogueRoot
    totals: IngestTotals
    warnings: tuple[str, ...]


class SourcePipeline:
    """Stores the sources of one run, one after the other."""

    def __init__(
        self,
        repository: Repository,
        hashing: Hashing,
        writer: PackWriter,
        hooks: Hooks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._hashing = hashing
        self._hooks = hooks
        self._clock = clock
        self._done = Progress()
        self.encoder = BlobEncoder(repository.vault, repository.compressor, writer, threads=encoder_threads())
        self._bundler = FrameBundler(
            self.encoder.submit,
            writer.find_member,
            frame_bytes=repository.config.frame_bytes,
            small_bytes=repository.config.small_file_bytes,
        )

    def store(self, source: FilesRequest, previous: PreviousCatalogue | None) -> SourceOutcome:
        """Store *source*; what *previous* knows to be unchanged is not read.

        Raises:
            SourceUnreadableError: entries could not be read, and that is not allowed; all others were stored.
            SourceEmptyError: nothing but folders was found, and that is not allowed.
        """
        problems = Problems(kept=MOST_WARNINGS)
        tools = IngestTools(
            hashing=self._hashing,
            bundler=self._bundler,
            large=LargeFileReader(self.encoder, Chunker(self._repository.chunker_seed), problems),
            writer=CatalogueWriter(self.encoder.put_metadata),
            previous=previous,
            problems=problems,
            clock=self._clock,
            small_file_bytes=self._repository.config.small_file_bytes,
            cancelled=self._hooks.cancelled,
            progress=self._tell,
        )
        ingest = FilesystemIngest(tools)
        paths = [os.fsencode(path) for path in source.paths]
        excludes = Excludes(source.exclude)
        roots = read_roots(paths)
        left_out = folder_of(self._repository.storage)
        found = walk(paths, excludes, problems, one_file_system=source.one_file_system, left_out=left_out)
        root = ingest.run(found)
        for each in roots:  # a volume that went away after the walk leaves nothing but vanished files
            check_root_remains(each)
        judge_source(source, root.files + root.others, root.directories, problems)
        self._done = Progress(self._done.bytes + root.bytes, self._done.files + root.files)
        warnings = tell_problems(problems)
        if previous is not None and previous.is_damaged:
            warnings += (DAMAGED_BASE,)
        return SourceOutcome(root, ingest.totals, warnings)

    def _tell(self, done: int, files: int) -> None:
        self._hooks.progress(Progress(self._done.bytes + done, self._done.files + files))


def encoder_threads() -> int:
    """Return how many threads hash and compress: one for each core that this process may use, at most eight."""
    return max(2, min(8, len(os.sched_getaffinity(0))))


def folder_of(storage: Storage) -> bytes:
    """Return the folder that *storage* is, or nothing if it is none of this machine."""
    properties = storage.properties
    return os.fsencode(properties.location) if properties.local else b""


def judge_source(source: FilesRequest, contents: int, directories: int, problems: Problems) -> None:
    """Refuse a source that could not be read, or that is empty; *contents* counts all but folders."""
    unreadable = problems.count(ProblemKind.UNREADABLE)
    if unreadable and not source.allow_unreadable:
        told = [
            f"{printable(problem.path)}: {problem.reason}"
            for problem in problems.kept
            if problem.kind is ProblemKind.UNREADABLE
        ]
        count = "1 entry" if unreadable == 1 else f"{unreadable:,} entries"
        more = f"; and {unreadable - TOLD_PROBLEMS:,} more" if unreadable > TOLD_PROBLEMS else ""
        raise SourceUnreadableError(
            f"source {source.name!r}: {count} could not be read: {'; '.join(told[:TOLD_PROBLEMS])}{more}"
        )
    if not source.allow_empty and not contents:
        raise SourceEmptyError(
            f"source {source.name!r}: there is no file in {', '.join(source.paths)} once excludes are applied "
            f"(folders: {directories})"
        )


def tell_problems(problems: Problems) -> tuple[str, ...]:
    """Return the problems as warnings of the backup, the first hundred of each kind in full."""
    told = tuple(str(problem) for problem in problems.kept[:MOST_WARNINGS])
    more = problems.total - len(told)
    return (*told, f"and {more} more") if more > 0 else told
