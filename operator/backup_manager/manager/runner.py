"""Runs policies with no cluster: each to its end, a failed one beside those that succeeded."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from backup_manager.common.clock import Clock, from_seconds, utc_now
from backup_manager.common.errors import BackupManagerError, NotAvailableError, UsageError
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.requests import BackupRequest, FilesRequest, Hooks, Progress
from backup_manager.contract.results import BackupResult, BackupType, ErrorReport, RunStatus
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.failures import record_failure
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.manager.access import Access, Session, opened
from backup_manager.manager.config_model import DatabaseSource, FilesSource, PolicyConfig, Source

OPERATION = "Failed to create backup"


def _ignore(_value: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class RunListener:
    """Who is told about a run: the opened repository, each policy's start, each result.

    *estimates*: progress gets totals, those of the policy's newest backup, as nobody counts files before.
    """

    opened: Callable[[Session], None] = _ignore
    started: Callable[[str], None] = _ignore
    ended: Callable[[BackupResult], None] = _ignore
    hooks: Hooks = field(default_factory=Hooks)
    estimates: bool = False


def build_request(policy: PolicyConfig, backup_type: BackupType | None = None) -> BackupRequest:
    """Return what the engine is asked to do for *policy*.

    Raises:
        NotAvailableError: a source is of a type that this version does not back up.
    """
    sources = tuple(_build_files(policy.name, source) for source in policy.sources)
    return BackupRequest(policy.name, sources, backup_type, policy.description)


def _build_files(policy: str, source: Source) -> FilesRequest:
    if isinstance(source, FilesSource):
        return FilesRequest(
            name=source.name,
            paths=source.paths,
            exclude=source.exclude,
            allow_empty=source.allow_empty,
            allow_unreadable=source.allow_unreadable,
        )
    assert isinstance(source, DatabaseSource)
    raise NotAvailableError(
        f"policy {policy!r} has the source {source.name!r} of type postgresql, which this version does not back up",
        solution="Run the other policies by --policy, or take the source out of the configuration.",
        operation=OPERATION,
    )


def run_policies(
    access: Access,
    policies: Sequence[PolicyConfig],
    backup_type: BackupType | None = None,
    listener: RunListener | None = None,
    *,
    clock: Clock = time.time,
) -> tuple[BackupResult, ...]:
    """Run each of *policies* and return the results in their order; a failure does not stop the next one.

    The repository is initialised if it is absent. When it cannot be opened, every policy has failed by
    that. After an interruption the rest is left out.

    Raises:
        UsageError: the configuration cannot be used at all.
    """
    listener = listener or RunListener()
    runs = [prepare_run(policy, backup_type, clock) for policy in policies]
    runnable = any(isinstance(run.request, BackupRequest) for run in runs)
    results: list[BackupResult] = []
    try:
        for result in _run_all(access, runs, listener) if runnable else _refuse_all(runs):
            listener.ended(result)
            results.append(result)
            if result.error is not None and result.error.exit_code == ExitCode.INTERRUPTED:
                break
    except UsageError:
        raise
    except BackupManagerError as err:
        err.operation = err.operation or OPERATION
        for run in runs[len(results) :]:
            results.append(run.failed(err))
            listener.ended(results[-1])
    return tuple(results)


def first_failure(results: Sequence[BackupResult]) -> ErrorReport | None:
    """Return the error of the first run that failed; it decides the exit code."""
    return next((result.error for result in results if result.error is not None), None)


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One policy, and its request or why there is none."""

    policy: PolicyConfig
    clock: Clock
    request: BackupRequest | BackupManagerError

    def carry_out(self, session: Session, listener: RunListener) -> BackupResult:
        """Back up, and return the backup or the element of the run that failed."""
        if isinstance(self.request, BackupManagerError):
            return record_failure(session, self.failed(self.request))
        listener.started(self.policy.name)
        begun = self.clock()
        try:
            hooks = _estimating(session, self.policy.name, listener) if listener.estimates else listener.hooks
            return run_backup(session, self.request, hooks)
        except BackupManagerError as err:
            return record_failure(session, self.failed(err, begun))

    def failed(self, err: BackupManagerError, begun: float | None = None) -> BackupResult:
        """Return the element of a run that failed; its id is the one that it would have had."""
        started_at = from_seconds(begun) if begun is not None else utc_now(self.clock)
        kind = self.request.type if isinstance(self.request, BackupRequest) else None
        ended_at = utc_now(self.clock)
        return BackupResult(
            id=f"{self.policy.name}-{started_at:%Y-%m-%d-%H%M%S}",
            policy=self.policy.name,
            type=kind or BackupType.FULL,
            status=RunStatus.FAILED,
            started_at=started_at,
            completed_at=ended_at,
            duration_seconds=max(0.0, (ended_at - started_at).total_seconds()),
            sources=tuple(source.name for source in self.policy.sources),
            error=replace(ErrorReport.of(err), error=err.operation or OPERATION),
        )


def prepare_run(
    policy: PolicyConfig, backup_type: BackupType | None = None, clock: Clock = time.time
) -> PolicyRun:
    """Return the run of *policy*, with its request or with why there is none."""
    try:
        return PolicyRun(policy, clock, build_request(policy, backup_type))
    except NotAvailableError as err:
        return PolicyRun(policy, clock, err)


def _run_all(access: Access, runs: Sequence[PolicyRun], listener: RunListener) -> Iterator[BackupResult]:
    with opened(access, create=True) as session:
        listener.opened(session)
        for run in runs:
            yield run.carry_out(session, listener)


def _refuse_all(runs: Sequence[PolicyRun]) -> Iterator[BackupResult]:
    for run in runs:
        assert isinstance(run.request, BackupManagerError)
        yield run.failed(run.request)


def _estimating(session: Session, policy: str, listener: RunListener) -> Hooks:
    """Return hooks that know about how much there is to do, until more than that was done."""
    backups = (each for each in list_backups(session, policy) if each.status is RunStatus.SUCCEEDED)
    newest = next(backups, None)
    if newest is None:
        return listener.hooks
    show = listener.hooks.progress

    def progress(done: Progress) -> None:
        if done.bytes <= newest.source_bytes and done.files <= newest.files:
            done = replace(done, total_bytes=newest.source_bytes, total_files=newest.files)
        show(done)

    return replace(listener.hooks, progress=progress)
