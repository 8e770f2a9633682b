"""``prune``: what retention no longer keeps goes."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Cell, Table
from backup_manager.common.units import format_size, parse_duration
from backup_manager.contract.results import PruneResult
from backup_manager.manager.prune import PruneOptions, prune
from backup_manager.manager.workplace import Workplace

COLUMNS = ("id", "verdict", "reasons")


@click.command("prune", cls=VerbCommand)
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@click.option("--dry-run", is_flag=True, help="Say what goes and why, and free nothing.")
@click.option(
    "--grace", metavar="DURATION", help="How long removed data wait; 0s when nobody writes meanwhile."
)
@verb
def command(call: Call, policy: str | None, dry_run: bool, grace: str | None) -> None:
    """Apply retention, then maintenance; with --repository there is no retention, only maintenance."""
    place = call.open_place(with_warnings=True)
    policies = place.policies(policy, "`prune --policy`") if policy or place.configuration else ()
    options = _options(place, grace, dry_run, policy)
    result = prune(place.address, policies, options, on_open=call.remark_session)
    call.console.show(result.document(), Table(COLUMNS, _rows(result)))
    freed, pending = format_size(result.freed_bytes), format_size(result.pending_bytes)
    call.console.remark(
        f"{freed} {'would be' if dry_run else 'were'} freed, {pending} wait for the grace period to pass"
    )


def _options(place: Workplace, grace: str | None, dry_run: bool, policy: str | None) -> PruneOptions:
    options = PruneOptions(dry_run=dry_run, only=policy)
    if place.configuration is not None:
        maintenance = place.configuration.maintenance
        options = PruneOptions(maintenance.grace_seconds, maintenance.max_rewrite_bytes, dry_run, policy)
    if grace is None:
        return options
    return PruneOptions(parse_duration(grace), options.max_rewrite_bytes, dry_run, policy)


def _rows(result: PruneResult) -> list[tuple[Cell, ...]]:
    kept = [(verdict.id, "keep", ", ".join(verdict.reasons)) for verdict in result.kept]
    return [*kept, *((verdict.id, "remove", ", ".join(verdict.reasons)) for verdict in result.removed)]
