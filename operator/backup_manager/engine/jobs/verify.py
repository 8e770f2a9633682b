"""Proving that backups are good: one of them, or everything that a repository holds."""

import os
import time
from collections.abc import Callable, Collection

from backup_manager.common.clock import from_seconds
from backup_manager.common.errors import BackupManagerError, during
from backup_manager.common.log import get_log
from backup_manager.contract.backups import Check, CheckResult, VerificationResult
from backup_manager.contract.requests import Hooks, VerifyRequest
from backup_manager.contract.restores import VerifyAllResult
from backup_manager.engine.jobs.listing import History, find_snapshot, read_history
from backup_manager.engine.jobs.records import verification_record
from backup_manager.engine.jobs.verify_checks import (
    guarded,
    judge_completeness,
    judge_integrity,
    judge_size,
)
from backup_manager.engine.jobs.verify_everything import WholeVerification
from backup_manager.engine.jobs.verify_evidence import (
    Evidence,
    Examination,
    Meter,
    Sample,
    without_cache,
)
from backup_manager.engine.jobs.verify_restore import require_empty, run_restore_test
from backup_manager.engine.jobs.verify_source import compare_with_previous, compare_with_source
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.checks.identity import read_identity
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.keyring import KeyRing
from backup_manager.engine.repository.plans import plan_damaged_packs
from backup_manager.engine.repository.records import write_record
from backup_manager.engine.repository.snapshots import Snapshot

OPERATION = "Backup verification failed"
Clock = Callable[[], float]

log = get_log(__name__)


def verify_backup(
    session: Session,
    request: VerifyRequest,
    hooks: Hooks | None = None,
    *,
    clock: Clock = time.time,
    seed: int | None = None,
) -> VerificationResult:
    """Run the checks of *request* over one backup, put the result on record, and return it.

    What is wrong with the backup is in the result, not raised. *seed* decides which packs a sample has. Packs
    that are damaged are not relied upon by later backups, which store again what they need of them.

    Raises:
        NotFoundError: there is no such backup, or it was removed meanwhile.
        KeyUnavailableError: ``config`` or key ring is damaged, or was put back to an older self.
        CorruptDataError: the snapshot itself cannot be read.
        TargetUnusableError: the scratch folder of the restore test is not empty.
        InterruptedRunError: cancelled.
    """
    with during(OPERATION):
        session = without_cache(session)
        history = read_history(session)
        _read_ring(session, history)
        snapshot = find_snapshot(session, request.backup, request.policy, history.snapshots)
        if request.destination is not None:
            require_empty(request.destination)
        drawn = int.from_bytes(os.urandom(4)) if seed is None else seed
        sample = Sample(request.sample_percent, drawn)
        run = _Checks(session, request, snapshot, history, sample, hooks or Hooks())
        checks = run.run()
        _distrust(session, run.damaged_packs)
        ended = clock()
        result = VerificationResult(snapshot.backup_id, checks, from_seconds(ended))
        _write_record(session, result, snapshot, ended)
    log.info("backup verified", backup=result.backup, result=result.result.value)
    return result


def verify_all(session: Session, hooks: Hooks | None = None, *, clock: Clock = time.time) -> VerifyAllResult:
    """Read every object once, judge every backup by that, put the results on record, and return them.

    Raises:
        KeyUnavailableError, InterruptedRunError: as :func:`verify_backup`.
        StorageUnreachableError: not even the listings could be read.
    """
    with during(OPERATION):
        session = without_cache(session)
        history = read_history(session)
        ring = _read_ring(session, history)
        whole = WholeVerification(session, history, ring, Meter(hooks or Hooks()))
        result = whole.run(from_seconds(clock()))
        _distrust(session, whole.damaged_packs)
        for snapshot, verification in whole.judged:
            _write_record(session, verification, snapshot, clock())
    log.info("repository verified", backups=len(result.verifications), result=result.result.value)
    return result


class _Checks:
    """The checks of one request, in a fixed order."""

    def __init__(
        self,
        session: Session,
        request: VerifyRequest,
        snapshot: Snapshot,
        history: History,
        sample: Sample,
        hooks: Hooks,
    ) -> None:
        self._session = session
        self._request = request
        self._snapshot = snapshot
        self._history = history
        self._sample = sample
        self._hooks = hooks
        self.damaged_packs: frozenset[str] = frozenset()

    def run(self) -> tuple[CheckResult, ...]:
        """Return the result of each check that was asked for."""
        wanted = self._wanted()
        evidence = Evidence()
        if wanted & {Check.INTEGRITY, Check.COMPLETENESS}:
            reads = Check.INTEGRITY in wanted
            examination = Examination(
                self._session, self._snapshot, self._sample, self._hooks, read_packs=reads
            )
            evidence = examination.gather()
            self.damaged_packs = evidence.damaged_packs
        runs: dict[Check, Callable[[], CheckResult]] = {
            Check.INTEGRITY: lambda: judge_integrity(evidence, self._sample),
            Check.COMPLETENESS: lambda: self._completeness(evidence),
            Check.SIZE: lambda: judge_size(self._snapshot, self._request.min_bytes),
            Check.RESTORE_TEST: self._restore_test,
        }
        return tuple(guarded(check, run) for check, run in runs.items() if check in wanted)

    def _wanted(self) -> set[Check]:
        wanted = set(self._request.checks)
        if self._request.min_bytes:
            wanted.add(Check.SIZE)
        if self._request.restore_test:
            wanted.add(Check.RESTORE_TEST)
        return wanted

    def _completeness(self, evidence: Evidence) -> CheckResult:
        told: list[str] = []
        wrong: list[str] = []
        if self._request.compare_previous:
            facts, error = compare_with_previous(self._snapshot, self._history.snapshots)
            told.append(facts)
            wrong += [error] if error else []
        if self._request.compare_source and not evidence.losses and evidence.obstacle is None:
            live = compare_with_source(self._session, self._snapshot, self._request.sources)
            told.append(live.told())
            wrong += [live.overlooked.told()] if live.overlooked else []
        return judge_completeness(evidence, self._snapshot, told, wrong)

    def _restore_test(self) -> CheckResult:
        return run_restore_test(self._session, self._snapshot, self._request.destination, self._hooks)


def _read_ring(session: Session, history: History) -> KeyRing:
    return read_identity(session.storage, session.repository.opened, history.key_generations())


def _distrust(session: Session, damaged_packs: Collection[str]) -> None:
    """Let the next backups store again what these packs hold, as far as the store can be written."""
    if not damaged_packs or not session.storage.properties.writable:
        return
    repository = session.repository
    parts = Parts(session.storage, repository.vault, repository.compressor)
    try:
        plan_damaged_packs(parts, damaged_packs, session.tuning.protocol.random_bytes)
    except BackupManagerError as err:
        log.warning("damaged packs not noted", packs=len(damaged_packs), cause=err.cause)


def _write_record(session: Session, result: VerificationResult, snapshot: Snapshot, at: float) -> None:
    """Put *result* on record; a store that does not take it changes nothing about what was found."""
    repository = session.repository
    try:
        record = verification_record(result, snapshot.name, at)
        write_record(session.storage, repository.vault, repository.compressor, record)
    except BackupManagerError as err:
        log.warning("verification not recorded", backup=result.backup, cause=err.cause)
