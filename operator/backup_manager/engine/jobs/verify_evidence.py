"""What a verification reads: the catalogues of a backup completely, and the packs that it needs."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from backup_manager.common.errors import (
    BackupManagerError,
    InsufficientStorageError,
    InterruptedRunError,
    NotFoundError,
    ObjectMissingError,
    StorageUnreachableError,
)
from backup_manager.contract.requests import Hooks, Progress
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.cache import CachingStorage
from backup_manager.engine.repository.checks.catalogue_walk import CatalogueWalk
from backup_manager.engine.repository.checks.faults import Faults
from backup_manager.engine.repository.checks.needs import Needs
from backup_manager.engine.repository.checks.packs import (
    PackChecker,
    StoredPack,
    list_stored_packs,
    told_problem,
)
from backup_manager.engine.repository.names import INDEX_PREFIX, PackKind, document_object
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.snapshots import Snapshot

LOOKS = 3  # maintenance may move data between packs while we read; not again and again
OBSTACLES = (StorageUnreachableError, InsufficientStorageError)


@dataclass(frozen=True, slots=True)
class Sample:
    """Which share of the data packs to read, and the seed of the choice."""

    percent: int = 100
    seed: int = 0

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.percent >= 100

    def choose(self, packs: Iterable[StoredPack]) -> list[StoredPack]:
        """Return all metadata packs and this share of the data packs, at least one; equal seeds choose alike."""
        ordered = sorted(packs, key=lambda pack: pack.name)
        data = [pack for pack in ordered if pack.kind is PackKind.DATA]
        if self.is_everything or not data:
            return ordered
        count = max(1, round(len(data) * self.percent / 100))
        chosen = random.Random(self.seed).sample(data, count)  # noqa: S311  # a choice, not a secret
        return [pack for pack in ordered if pack.kind is not PackKind.DATA] + chosen


@dataclass(slots=True)
class Evidence:
    """What was seen. *obstacle* is the error that kept us from seeing all of it.

    *losses*: parts of the catalogue and blobs that no pack holds; *contradictions*: what the catalogue says
    and cannot be; *damage*: packs that are not what was written, and that something needed relies on;
    *spare_damage*: the same, where everything needed is elsewhere, too.
    """

    losses: Faults = field(default_factory=Faults)
    contradictions: Faults = field(default_factory=Faults)
    damage: Faults = field(default_factory=Faults)
    spare_damage: Faults = field(default_factory=Faults)
    files: int = 0
    directories: int = 0
    others: int = 0
    bytes: int = 0
    blobs: int = 0
    packs: int = 0
    read_packs: int = 0
    read_bytes: int = 0
    damaged_packs: frozenset[str] = frozenset()
    obstacle: BackupManagerError | None = None


class Meter:
    """Tells how many bytes of packs were read, and stops a verification that was cancelled."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._bytes = 0
        self.total_bytes = 0

    def add(self, count: int) -> None:
        """Count *count* bytes; raises ``InterruptedRunError``."""
        self._bytes += count
        self._hooks.progress(Progress(bytes=self._bytes, total_bytes=max(self.total_bytes, self._bytes)))
        self.check()

    def check(self) -> None:
        """Raise ``InterruptedRunError`` if the verification was cancelled."""
        if self._hooks.cancelled():
            raise InterruptedRunError("the verification was cancelled", solution="Run it again.")


class Examination:
    """Gathers the evidence about one backup; *session* reads the store itself (:func:`without_cache`)."""

    def __init__(
        self, session: Session, snapshot: Snapshot, sample: Sample, hooks: Hooks, *, read_packs: bool
    ) -> None:
        repository = session.repository
        self._session = session
        self._snapshot = snapshot
        self._sample = sample
        self._read_packs = read_packs
        self._meter = Meter(hooks)
        self._checker = PackChecker(session.storage, repository.vault, repository.compressor, self._meter.add)

    def gather(self) -> Evidence:
        """Return what can be seen; damage and a store that fails are part of it.

        Raises:
            NotFoundError: the backup was removed meanwhile.
            InterruptedRunError: the verification was cancelled.
        """
        evidence = Evidence()
        for _ in range(LOOKS):
            evidence = Evidence()
            try:
                self._look(evidence)
                if evidence.obstacle is not None or not self._has_moved(evidence):
                    break
            except OBSTACLES as err:
                evidence.obstacle = err
                break
        if evidence.losses or evidence.damage:
            self._require_snapshot(evidence)
        return evidence

    def _look(self, evidence: Evidence) -> None:
        problems: list[Problem] = []
        blobs = self._session.read_blobs(problems)
        needs = Needs(blobs.index)
        try:
            take_walk(CatalogueWalk(blobs, needs, self._meter.check), self._snapshot, evidence)
        finally:
            evidence.blobs, evidence.packs = needs.blobs, len(needs.packs)
            _note_index(problems, evidence)
        if self._read_packs:
            self._read(needs, evidence)

    def _read(self, needs: Needs, evidence: Evidence) -> None:
        stored = list_stored_packs(self._session.storage)
        wanted = [stored.get(name, StoredPack(name, kind, 0)) for name, kind in needs.packs.items()]
        chosen = self._sample.choose(wanted)
        self._meter.total_bytes = sum(pack.size for pack in chosen)
        self._check(chosen, evidence)
        evidence.read_packs = sum(pack.name in self._checker.faults.checked for pack in chosen)
        evidence.read_bytes = self._checker.faults.read_bytes
        self._judge(needs, stored, evidence)

    def _check(self, packs: Iterable[StoredPack], evidence: Evidence) -> None:
        """Read *packs*; what was found before the store failed stays found."""
        try:
            self._checker.check(packs)
        except OBSTACLES as err:
            evidence.obstacle = evidence.obstacle or err

    def _judge(self, needs: Needs, stored: dict[str, StoredPack], evidence: Evidence) -> None:
        """Tell damage that matters from damage to what has a sound copy in another pack."""
        faults = self._checker.faults
        faulty = {name for name in needs.packs if not faults.is_whole(name)}
        if not faulty:
            return
        needed = {
            name: [blob.id for blob in blobs if blob.id in needs]
            for name, blobs in needs.index.blobs_of(faulty).items()
        }
        others = {
            place.pack
            for ids in needed.values()
            for blob_id in ids
            for place in needs.index.locations(blob_id)
        }
        self._check([stored[name] for name in sorted(others - faulty) if name in stored], evidence)
        for name in sorted(faulty):
            is_spare = all(
                any(faults.is_whole(place.pack) for place in needs.index.locations(blob_id))
                for blob_id in needed.get(name, ())
            )
            found = evidence.spare_damage if is_spare else evidence.damage
            for problem in faults.problems[name]:
                found.add(told_problem(problem))
        evidence.damaged_packs = frozenset(faulty)

    def _has_moved(self, evidence: Evidence) -> bool:
        """Whether a pack that was found wanting is gone by now: maintenance has put its data elsewhere."""
        if not evidence.damaged_packs:
            return False
        listed = list_stored_packs(self._session.storage)
        return not evidence.damaged_packs <= set(listed)

    def _require_snapshot(self, evidence: Evidence) -> None:
        try:
            if is_there(self._session, self._snapshot):
                return
        except OBSTACLES as err:
            evidence.obstacle = evidence.obstacle or err
            return
        raise NotFoundError(f"backup {self._snapshot.backup_id} was removed while it was verified")


def is_there(session: Session, snapshot: Snapshot) -> bool:
    """Whether the backup was not removed meanwhile."""
    try:
        session.storage.size(document_object(ObjectKind.SNAPSHOT, snapshot.name))
    except ObjectMissingError:
        return False
    return True


def take_walk(walk: CatalogueWalk, snapshot: Snapshot, evidence: Evidence) -> None:
    """Walk all catalogues of *snapshot* and add up what was found in *evidence*."""
    for source in snapshot.sources:
        result = walk.walk(source.catalogue)
        evidence.losses.extend(result.losses)
        evidence.contradictions.extend(result.contradictions)
        evidence.files += result.files
        evidence.directories += result.directories
        evidence.others += result.others
        evidence.bytes += result.bytes


def _note_index(problems: Iterable[Problem], evidence: Evidence) -> None:
    """Put damage to the index on record, and to packs that no shard names if anything is lost."""
    for problem in problems:
        if problem.object_name.startswith(INDEX_PREFIX) or evidence.losses:
            evidence.damage.add(told_problem(problem))


def without_cache(session: Session) -> Session:
    """Return the session as it reads the store itself: a copy on this machine proves nothing about the store."""
    storage = session.storage
    if not isinstance(storage, CachingStorage):
        return session
    repository = replace(session.repository, storage=storage.inner)
    return replace(session, storage=storage.inner, repository=repository)
