"""Runs that failed are kept on record, so that lists show them beside the backups."""

from contextlib import suppress
from dataclasses import replace

from backup_manager.common.errors import BackupManagerError
from backup_manager.contract.backups import BackupResult
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.records import failure_record
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.records import RecordKind, keep_newest, write_record
from backup_manager.engine.repository.snapshots import next_backup_id

MOST_KEPT = 20  # of a policy: one that fails each hour would otherwise make every listing slower for ever
# The store has just shown that it takes nothing, or somebody does not want to wait any longer.
NOT_RECORDED = frozenset({ExitCode.STORAGE, ExitCode.NO_SPACE, ExitCode.INTERRUPTED})


def record_failure(session: Session, run: BackupResult) -> BackupResult:
    """Put a run that failed on record, drop those before the newest 20 of its policy, and return it.

    Its id is another one than *run* has, where a backup of the same second has that. A record is worth less
    than what it tells of: trouble with it is passed over.
    """
    if run.error is None or run.error.exit_code in NOT_RECORDED:
        return run
    repository = session.repository
    sealing = (session.storage, repository.vault, repository.compressor)
    with suppress(BackupManagerError):
        taken = {known.id for known in list_backups(session)}
        run = replace(run, id=next_backup_id(run.policy, run.started_at.timestamp(), taken))
        at = (run.completed_at or run.started_at).timestamp()
        if write_record(*sealing, failure_record(run, at)):
            keep_newest(
                *sealing,
                MOST_KEPT,
                lambda record: (
                    record.kind == RecordKind.FAILURE and record.payload.get("policy") == run.policy
                ),
            )
    return run
