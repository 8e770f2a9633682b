"""From a restore's request to what lands where: a backup, its sources, their streams of entries."""

import heapq
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from backup_manager.common.errors import CorruptDataError, NotFoundError, TargetUnusableError, UsageError
from backup_manager.common.printable import printable
from backup_manager.common.units import format_time
from backup_manager.contract.requests import RestoreMode, RestoreRequest
from backup_manager.engine.jobs.inspect_paths import original_path
from backup_manager.engine.jobs.listing import find_snapshot, read_all_snapshots, refuse_if_older
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.catalogue.entries import EntryPath, StoredEntry, path_key
from backup_manager.engine.repository.catalogue.reader import CatalogueReader
from backup_manager.engine.repository.snapshots import LATEST, Snapshot, SourceRecord
from backup_manager.engine.sources.filesystem.excludes import Includes
from backup_manager.engine.storage.base import StorageProperties

ROOT = b"/"


@dataclass(frozen=True, slots=True)
class Landing:
    """One destination: the content of *source* of these catalogues lands in *destination*.

    *source* is ``/`` where every path P is to land at ``DESTINATION/P``.
    """

    destination: bytes
    source: EntryPath
    records: tuple[SourceRecord, ...]
    include: tuple[str, ...]

    def readers(self, blobs: BlobStore) -> list[CatalogueReader]:
        """Return a reader for each catalogue."""
        return [CatalogueReader(blobs.fetch, record.catalogue, blobs.prefetch) for record in self.records]

    def refuse_absent(self, blobs: BlobStore) -> None:
        """Make sure that there is something to land.

        Raises:
            NotFoundError: the backup holds no entry at *source*.
        """
        if self.source != ROOT and not any(reader.find(self.source) for reader in self.readers(blobs)):
            raise NotFoundError(
                f"the backup holds nothing at {printable(self.source)}",
                solution="`sirsinexus backup ls BACKUP` shows what it holds.",
            )

    def entries(self, readers: Iterable[CatalogueReader]) -> Iterator[StoredEntry]:
        """Yield what lands here, in the catalogue's order; a path that two sources hold comes once."""
        prefix = None if self.source == ROOT else self.source
        streams = [_stored(reader, prefix) for reader in readers]
        if len(streams) == 1:
            return streams[0]
        return _merged(streams)

    def selects(self) -> Callable[[bytes, bool], bool] | None:
        """Return whether a path relative to *source* is wanted; None if all are. Globs are relative to the
        path that was backed up, or to *source* where that lies deeper.
        """
        if not self.include:
            return None
        includes = Includes(self.include)
        if self.source != ROOT:
            return includes.selects
        paths = [path.strip(b"/") for record in self.records for path in record.paths]

        def selected(relative: bytes, is_directory: bool) -> bool:
            for path in paths:
                if not path:
                    return includes.selects(relative, is_directory)
                if relative.startswith(path + b"/"):
                    return includes.selects(relative[len(path) + 1 :], is_directory)
                if relative == path and not is_directory:
                    return includes.selects(os.path.basename(path), is_directory)
            return False

        return selected


def choose_backup(session: Session, request: RestoreRequest) -> Snapshot:
    """Return the backup that *request* means.

    Points in time count in whole seconds, as backups show theirs: what a listing shows as the start finds its backup.

    Raises:
        NotFoundError: there is none, or none that was started at or before the point in time.
        UsageError: several backups fit.
        CorruptDataError: a snapshot that cannot be read may be the one that is meant.
    """
    if request.point_in_time is None:
        return find_snapshot(session, request.backup or LATEST, request.policy)
    moment = math.floor(request.point_in_time.timestamp())
    if request.backup and request.backup != LATEST:
        named = find_snapshot(session, request.backup, request.policy)
        if math.floor(named.started_at) > moment:
            raise NotFoundError(
                f"backup {named.backup_id} was started after {format_time(request.point_in_time)}",
                solution="Give --policy NAME with the point in time, or a backup that was started before it.",
            )
        return named
    known = read_all_snapshots(session)
    eligible = [
        snapshot
        for snapshot in known
        if math.floor(snapshot.started_at) <= moment
        and (request.policy is None or snapshot.policy == request.policy)
    ]
    if not eligible:
        of_policy = f" of policy {request.policy!r}" if request.policy else ""
        facts = f"no backup{of_policy} was started at or before {format_time(request.point_in_time)}"
        if known.problems:
            raise CorruptDataError(f"{facts}, and {len(known.problems)} backups cannot be read")
        raise NotFoundError(
            facts,
            solution="Choose a later point in time; `sirsinexus backup list` shows the times of all backups.",
        )
    chosen = max(eligible, key=lambda snapshot: snapshot.started_at)
    refuse_if_older(session, chosen, known.problems)
    return chosen


def refuse_repository(landings: Iterable[Landing], mode: RestoreMode, properties: StorageProperties) -> None:
    """Make sure that no restore writes into the folder of its own repository, or removes it by ``mirror``.

    Raises:
        TargetUnusableError: it would.
    """
    if not (properties.local and os.path.isabs(properties.location)):
        return
    repository = os.path.realpath(os.fsencode(properties.location))
    for landing in landings:
        destination = os.path.realpath(landing.destination)
        if _is_within(repository, destination) and repository != destination:
            if mode is not RestoreMode.MIRROR or not _removes(
                landing, os.path.relpath(repository, destination)
            ):
                continue
        elif not _is_within(destination, repository):
            continue
        raise TargetUnusableError(
            f"destination {printable(landing.destination)} and the repository's folder {printable(repository)} overlap",
            solution="Choose a destination outside of the repository, and one that does not hold it for mirror.",
        )


def _removes(landing: Landing, relative: bytes) -> bool:
    """Whether mirroring is to remove the folder *relative*, unless the backup has it."""
    selects = landing.selects()
    parts = relative.split(b"/")
    ways = [b"/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return selects is None or any(selects(way, True) for way in ways)


def plan_landings(request: RestoreRequest, snapshot: Snapshot) -> tuple[Landing, ...]:
    """Return the destinations of *request*.

    Raises:
        UsageError: neither or both of a folder and targets are given, or destinations overlap.
        NotFoundError: the backup has no such source or path.
    """
    if (request.to is None) == (not request.targets):
        raise UsageError(
            "exactly one of --to DIR and --target SOURCE=DESTINATION is needed",
            solution="Give --to DIR for everything, or one --target for each source that is wanted.",
        )
    if request.to is not None:
        destination = _absolute(request.to)
        return (Landing(destination, ROOT, snapshot.sources, request.include),)
    landings = []
    for target in request.targets:
        source, records = _find_source(target.source, snapshot)
        landings.append(Landing(_absolute(target.destination), source, records, request.include))
    _refuse_overlap([landing.destination for landing in landings])
    return tuple(landings)


def _refuse_overlap(destinations: list[bytes]) -> None:
    """A folder inside another's would be in its way, or be removed with it by ``mirror``."""
    for number, one in enumerate(destinations):
        for other in destinations[number + 1 :]:
            if one == other:
                text = "two targets name the same destination"
            elif _is_within(one, other) or _is_within(other, one):
                text = f"of the destinations {printable(one)} and {printable(other)}, one is inside the other"
            else:
                continue
            raise UsageError(text, solution="Give each target a folder of its own, outside of the others.")


def _absolute(path: str) -> bytes:
    if not path or "\0" in path:
        raise UsageError(f"the destination {path!r} is not a path")
    return os.path.abspath(os.fsencode(path))


def _find_source(text: str, snapshot: Snapshot) -> tuple[EntryPath, tuple[SourceRecord, ...]]:
    """Return the path and the catalogues that *text* names: a source's name, or a path at or below a source's."""
    for record in snapshot.sources:
        if record.name == text:
            return (record.paths[0] if len(record.paths) == 1 else ROOT), (record,)
    path = original_path(text)
    inside = tuple(
        record for record in snapshot.sources if any(_is_within(path, top) for top in record.paths)
    )
    if inside:
        return path, inside
    names = ", ".join(record.name for record in snapshot.sources)
    paths = ", ".join(printable(top) for record in snapshot.sources for top in record.paths)
    raise NotFoundError(
        f"backup {snapshot.backup_id} has no source {text!r}; its sources are {names}, with the paths {paths}",
        solution="Name one of these sources, or a path at or below one of these paths.",
    )


def _is_within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top if top == ROOT else top + b"/")


def _stored(reader: CatalogueReader, prefix: EntryPath | None) -> Iterator[StoredEntry]:
    for page, entry in reader.entries(prefix):
        yield entry, reader.content(page, entry)


def _merged(streams: list[Iterator[StoredEntry]]) -> Iterator[StoredEntry]:
    last: bytes | None = None
    for stored in heapq.merge(*streams, key=lambda item: path_key(item[0].path)):
        if stored[0].path != last:
            last = stored[0].path
            yield stored
