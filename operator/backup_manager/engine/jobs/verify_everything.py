"""Every object of a repository read once, every backup judged by that, and what no backup needs named."""

from collections.abc import Iterator
from datetime import datetime

from backup_manager.common.errors import BackupManagerError
from backup_manager.common.units import format_size
from backup_manager.contract.backups import Check, CheckOutcome, CheckResult, VerificationResult
from backup_manager.contract.restores import VerifyAllResult
from backup_manager.engine.jobs.listing import History
from backup_manager.engine.jobs.verify_checks import failed, inconclusive, judge_completeness
from backup_manager.engine.jobs.verify_evidence import LOOKS, OBSTACLES, Evidence, Meter, is_there, take_walk
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.checks.catalogue_walk import CatalogueWalk
from backup_manager.engine.repository.checks.needs import Needs
from backup_manager.engine.repository.checks.packs import (
    PackChecker,
    StoredPack,
    list_stored_packs,
    told_problem,
)
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.config import CONFIG
from backup_manager.engine.repository.intents import intent_collection
from backup_manager.engine.repository.keyring import KeyRing
from backup_manager.engine.repository.names import pack_object, parse_document_object, parse_pack_object
from backup_manager.engine.repository.plans import plan_collection
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.snapshots import Snapshot

DOCUMENT_KINDS = tuple(kind for kind in ObjectKind if kind is not ObjectKind.PACK)


class WholeVerification:
    """One run over everything; *session* reads the store itself, *history* was read from it.

    ``judged`` has each backup with what was found, those that were removed meanwhile left out.
    """

    def __init__(self, session: Session, history: History, ring: KeyRing, meter: Meter) -> None:
        repository = session.repository
        self._session = session
        self._history = history
        self._ring = ring
        self._meter = meter
        self._problems: list[Problem] = [*history.snapshots.problems, *history.record_problems]
        self._obstacle: BackupManagerError | None = None
        self.judged: tuple[tuple[Snapshot, VerificationResult], ...] = ()
        self._needs_are_known = not history.snapshots.problems
        self._checker = PackChecker(session.storage, repository.vault, repository.compressor, meter.add)

    @property
    def damaged_packs(self) -> frozenset[str]:
        """The packs in which something was found to be wrong."""
        return frozenset(self._checker.faults.problems)

    def run(self, now: datetime) -> VerifyAllResult:
        """Return what is wrong with anything; damage is never raised.

        Raises:
            StorageUnreachableError: not even the listings could be read.
            InterruptedRunError: the verification was cancelled.
        """
        self._read_documents()
        stored = self._read_packs()
        blobs = self._session.read_blobs(self._problems)
        needs = Needs(blobs.index, self._checker.faults.is_sound)
        self.judged = tuple(self._judge_all(blobs, needs, now))
        unneeded = [pack for pack in stored.values() if pack.name not in needs.packs]
        if not self._needs_are_known or self._obstacle is not None:
            unneeded = []  # somebody may need them
        names = sorted(pack_object(pack.name, pack.kind) for pack in unneeded)
        return VerifyAllResult(
            verifications=tuple(verification for _, verification in self.judged),
            damaged=tuple(sorted({problem.object_name for problem in self._problems})),
            unneeded=(*names, *self._strangers()),
            inconclusive=(self._obstacle.cause,) if self._obstacle else (),
            problems=tuple(sorted({told_problem(problem) for problem in self._problems})),
            unneeded_bytes=sum(pack.size for pack in unneeded),
        )

    def _read_documents(self) -> None:
        repository = self._session.repository
        parts = Parts(self._session.storage, repository.vault, repository.compressor)
        intents, plans = intent_collection(parts).read_all(), plan_collection(parts).read_all()
        self._problems += [damaged.problem for damaged in (*intents.damaged, *plans.damaged)]

    def _read_packs(self) -> dict[str, StoredPack]:
        """Read every pack and return those that are there; what maintenance removes meanwhile is no damage."""
        faults = self._checker.faults
        stored: dict[str, StoredPack] = {}
        try:
            for _ in range(LOOKS):
                stored = list_stored_packs(self._session.storage)  # the packs of all snapshots read so far
                self._meter.total_bytes = sum(pack.size for pack in stored.values())
                self._checker.check(sorted(stored.values(), key=lambda pack: pack.name))
                gone = set(faults.problems) - set(list_stored_packs(self._session.storage))
                if not gone:
                    break
                for name in gone:
                    del faults.problems[name]
        except OBSTACLES as err:
            self._obstacle = err
        for problems in faults.problems.values():
            self._problems += problems
        return stored

    def _judge_all(
        self, blobs: BlobStore, needs: Needs, now: datetime
    ) -> Iterator[tuple[Snapshot, VerificationResult]]:
        walk = CatalogueWalk(blobs, needs, self._meter.check)
        for snapshot in self._history.snapshots:
            evidence = Evidence(obstacle=self._obstacle)
            try:
                take_walk(walk, snapshot, evidence)
                if evidence.losses and not is_there(self._session, snapshot):
                    continue
            except OBSTACLES as err:
                evidence.obstacle = self._obstacle = err
            self._needs_are_known &= not evidence.losses
            checks = (self._judge(evidence), judge_completeness(evidence, snapshot, [], []))
            yield snapshot, VerificationResult(snapshot.backup_id, checks, now)

    def _judge(self, evidence: Evidence) -> CheckResult:
        faults = self._checker.faults
        details = f"all {len(faults.checked)} packs read in full, {format_size(faults.read_bytes)}"
        if evidence.losses:
            return failed(Check.INTEGRITY, details, evidence.losses.told())
        if evidence.obstacle is not None:
            return inconclusive(Check.INTEGRITY, evidence.obstacle, "not all packs could be read")
        return CheckResult(Check.INTEGRITY, CheckOutcome.SUCCESS, details)

    def _strangers(self) -> list[str]:
        """Return the objects that are no part of any repository's format, or of an older key ring."""
        return sorted(info.name for info in self._session.storage.list("") if not self._is_ours(info.name))

    def _is_ours(self, name: str) -> bool:
        if name in (CONFIG, self._ring.object_name) or parse_pack_object(name) is not None:
            return True
        return any(parse_document_object(kind, name) is not None for kind in DOCUMENT_KINDS)
