"""Retention, then maintenance: what each policy no longer keeps goes, with its reasons."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from backup_manager.contract.results import PruneResult, RetentionVerdict
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.maintain import maintain
from backup_manager.manager.access import Access, Session, opened
from backup_manager.manager.config_model import MaintenanceConfig, PolicyConfig
from backup_manager.manager.prune_decision import decide
from backup_manager.reconcile.retention import Verdict

DEFAULTS = MaintenanceConfig()


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """How maintenance goes about it; *only* narrows retention to one policy."""

    grace_seconds: float = DEFAULTS.grace_seconds
    max_rewrite_bytes: int = DEFAULTS.max_rewrite_bytes
    dry_run: bool = False
    only: str | None = None


def prune(
    access: Access,
    policies: Sequence[PolicyConfig],
    options: PruneOptions,
    *,
    on_open: Callable[[Session], None] = lambda _session: None,
) -> PruneResult:
    """Remove what no retention rule keeps and free what nothing needs; a dry run says the same and does nothing.

    Backups of policies that are not among *policies* are kept.
    """
    with opened(access, read_only=options.dry_run) as session:
        on_open(session)
        decision = decide(list_backups(session, options.only), policies)
        totals = maintain(
            session,
            grace_seconds=options.grace_seconds,
            max_rewrite_bytes=options.max_rewrite_bytes,
            dry_run=options.dry_run,
            removed=tuple(verdict.id for verdict in decision.removed),
        )
    return PruneResult(
        kept=_verdicts(decision.kept),
        removed=_verdicts(decision.removed),
        freed_bytes=totals.freed_bytes,
        pending_bytes=totals.pending_bytes,
    )


def _verdicts(verdicts: Iterable[Verdict]) -> tuple[RetentionVerdict, ...]:
    return tuple(RetentionVerdict(verdict.id, verdict.reasons) for verdict in verdicts)
