"""What a policy is going to do: its next runs, and when retention drops which backup.

The future is played through: each run that the schedule names is assumed to succeed, and after it retention
decides as ``prune`` would. Nothing is read here, so the answer needs neither store nor key; what was not
known is said in ``unknown``.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice

from backup_manager.api.documents import camel_case
from backup_manager.common.units import format_time
from backup_manager.contract.results import Document, Json
from backup_manager.manager.config_model import DatabaseSource, PolicyConfig
from backup_manager.reconcile.retention import (
    Candidate,
    RetentionDecision,
    decide_retention,
    with_one_id_each,
)
from backup_manager.reconcile.schedule import CronSchedule, iterate_runs, next_runs

SHOWN_RUNS = 5
MAX_RUNS = 1_000  # played through; at four runs a day the better part of a year
MAX_HORIZON = timedelta(days=400)


def explain(
    policy: PolicyConfig,
    backups: Sequence[Candidate] | None,
    now: datetime,
    *,
    unavailable: str | None = None,
) -> Document:
    """Return what *policy* does next and what becomes of *backups*, those of this policy.

    None stands for backups that could not be listed; *unavailable* says why.
    """
    schedule = policy.schedule
    unknown: list[Json] = []
    if backups is None:
        reason = f": {unavailable}" if unavailable else ""
        unknown.append(f"which backups exist, and so what retention drops{reason}")
    if schedule.full is None and schedule.incremental is None:
        unknown.append("when backups run: the policy has no schedule, so only today's removals are known")
    return {
        "policy": policy.name,
        "time": format_time(now),
        "timezone": policy.timezone.key,
        "nextFull": _next(schedule.full, now),
        "nextIncremental": _next_incremental(policy, now),
        "nextVerification": _next(policy.verification.schedule, now) if policy.verification.enabled else None,
        "nextRuns": [
            {"type": run.type.value, "time": format_time(run.time)}
            for run in next_runs(schedule.full, schedule.incremental, now, SHOWN_RUNS)
        ],
        "retention": _rule(policy),
        "backups": None if backups is None else _foretell(policy, backups, now),
        "recoveryWindow": None,
        "notes": _notes(policy),
        "unknown": unknown,
    }


def _next(schedule: CronSchedule | None, now: datetime) -> str | None:
    return format_time(next(schedule.after(now))) if schedule else None


def _next_incremental(policy: PolicyConfig, now: datetime) -> str | None:
    """Return the next incremental run that no full run takes the place of."""
    runs = islice(iterate_runs(policy.schedule.full, policy.schedule.incremental, now), MAX_RUNS)
    return next((format_time(run.time) for run in runs if run.type.value == "incremental"), None)


def _rule(policy: PolicyConfig) -> Document:
    if policy.retention.keeps_everything:
        return {"keepsEverything": True}
    named = {camel_case(key): count for key, count in asdict(policy.retention).items() if count}
    return {"keepsEverything": False, **named}


def _notes(policy: PolicyConfig) -> list[Json]:
    if all(isinstance(source, DatabaseSource) for source in policy.sources):
        return []
    return [
        "Files have no log: they are restored as of the start of a backup, so there is no recovery window."
    ]


def _foretell(policy: PolicyConfig, backups: Sequence[Candidate], now: datetime) -> list[Json]:
    """Return, newest first, why each backup is kept now and when it is expected to go."""
    backups = with_one_id_each(backups)
    decision = decide_retention(backups, policy.retention, policy.timezone)
    removals = _play(policy, backups, decision, now)
    starts = {backup.id: backup.started_at for backup in backups}
    verdicts = [(verdict, True) for verdict in decision.kept] + [
        (verdict, False) for verdict in decision.removed
    ]
    verdicts.sort(key=lambda pair: (starts[pair[0].id], pair[0].id), reverse=True)
    return [
        {
            "id": verdict.id,
            "startedAt": format_time(starts[verdict.id]),
            "kept": is_kept,
            "reasons": list(verdict.reasons),
            "expectedRemoval": format_time(removals[verdict.id]) if verdict.id in removals else None,
        }
        for verdict, is_kept in verdicts
    ]


def _play(
    policy: PolicyConfig, backups: Sequence[Candidate], decision: RetentionDecision, now: datetime
) -> dict[str, datetime]:
    """Return the time of the run after which each backup is expected to go; absent: not foreseeable."""
    removals = {verdict.id: now for verdict in decision.removed}
    alive = [backup for backup in backups if backup.id not in removals]
    waiting = {backup.id for backup in alive}
    if policy.retention.keeps_everything:
        return removals
    becomes_verified = policy.verification.enabled and policy.verification.schedule is not None
    runs = iterate_runs(policy.schedule.full, policy.schedule.incremental, now)
    for number, run in enumerate(islice(runs, MAX_RUNS)):
        if not waiting or run.time > now + MAX_HORIZON:
            break
        alive.append(Candidate(f"\0{number}", policy.name, run.time, verified=becomes_verified))
        gone = {verdict.id for verdict in decide_retention(alive, policy.retention, policy.timezone).removed}
        removals.update(dict.fromkeys(gone & waiting, run.time))
        waiting -= gone
        alive = [backup for backup in alive if backup.id not in gone]
    return removals
