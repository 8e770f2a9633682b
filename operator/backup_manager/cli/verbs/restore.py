"""``restore``: what a backup holds, back where it is wanted."""

import os
from datetime import UTC, datetime

import click

from backup_manager.cli.call import Call, one_of, verb
from backup_manager.cli.completion import complete_backups, complete_folders, complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.progress import watched
from backup_manager.cli.table import Cell, Seconds, Size, Table
from backup_manager.common.errors import NotAvailableError, UsageError
from backup_manager.common.units import format_size, parse_time
from backup_manager.contract.requests import RestoreMode, RestoreRequest, RestoreTarget
from backup_manager.contract.results import PathSample, RestorePlanResult, RestoreResult
from backup_manager.manager.api_restore import opened, plan_restore, run_restore

DATABASES = ("postgresql://", "postgres://")
SHOWN_PATHS = 10  # of each kind, to a person; documents and pipes have more


@click.command("restore", cls=VerbCommand)
@click.argument("backup", required=False, shell_complete=complete_backups)
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="The newest backup of this policy."
)
@click.option("--to", metavar="DIR", shell_complete=complete_folders, help="Put every path P at DIR/P.")
@click.option(
    "--target",
    "targets",
    metavar="SOURCE=DESTINATION",
    multiple=True,
    help="The content of SOURCE, a backed-up path or a source's name, lands in DESTINATION.",
)
@click.option("--include", metavar="GLOB", multiple=True, help="Only this, relative to the source's path.")
@click.option("--point-in-time", metavar="T", help="RFC 3339 with an offset, or such as '12h ago'.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in RestoreMode]),
    default=RestoreMode.FAIL.value,
    help="fail (default) refuses a destination that holds anything; merge overwrites what the backup has and keeps "
    "the rest; mirror also removes what the backup has not.",
)
@click.option(
    "--parallel",
    metavar="N",
    type=click.IntRange(1, 64),
    default=4,
    help="Files at once; 4 by default.",
)
@click.option("--no-verify", is_flag=True, help="Leave the closing comparison out.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, replaced and removed.")
@click.option("--yes", is_flag=True, help="Confirm a restore into a database.")
@verb  # fmt: skip
def command(
    call: Call,
    *,
    backup: str | None,
    policy: str | None,
    to: str | None,
    targets: tuple[str, ...],
    include: tuple[str, ...],
    point_in_time: str | None,
    mode: str,
    parallel: int,
    no_verify: bool,
    dry_run: bool,
    yes: bool,  # noqa: ARG001  # needed for databases only
) -> None:
    """Restore a backup, or the newest of a policy; data are verified while they are written."""
    if backup is None and policy is None:
        raise UsageError("`restore` needs BACKUP or --policy", solution="`latest` is the newest backup.")
    one_of({"--to": to, "--target": targets}, "`restore`")
    request = RestoreRequest(
        backup=backup or "latest",
        policy=policy,
        to=to,
        targets=tuple(parse_target(text) for text in targets),
        include=include,
        point_in_time=parse_time(point_in_time, datetime.now(UTC)) if point_in_time else None,
        mode=RestoreMode(mode),
        parallel=parallel,
        verify=not no_verify,
    )
    with opened(call.open_address(), read_only=dry_run) as session:
        call.remark_session(session)
        if dry_run:
            _show_plan(call, plan_restore(session, request))
            return
        with watched(call, "Restoring") as watch:
            result = run_restore(session, request, watch.hooks)
    for warning in result.warnings:
        call.console.remark(f"Warning: {warning}")
    if include and not result.files:
        call.console.remark(f"Warning: no file of {result.backup} matches --include {' '.join(include)}")
    call.console.show(result.document(), Table((), _rows(result)))


def parse_target(text: str) -> RestoreTarget:
    """Return what *text* says; the first ``=`` divides, so a path that holds one is named by its source.

    Raises:
        UsageError: no ``=``, or nothing on one side of it.
        NotAvailableError: the destination is a database.
    """
    source, _, destination = text.partition("=")
    if not source or not destination:
        raise UsageError(f"--target: {text!r} is not SOURCE=DESTINATION")
    if destination.startswith(DATABASES):
        raise NotAvailableError(
            f"--target: {source!r} would be restored into a database, which this version cannot do",
            solution="Name a folder as the destination.",
        )
    # A shell leaves a ~ after the equals sign alone.
    return RestoreTarget(source, os.path.join(os.getcwd(), os.path.expanduser(destination)))


def _rows(result: RestoreResult) -> list[tuple[Cell, ...]]:
    return [
        ("backup", result.backup),
        ("status", result.status.value),
        ("files", result.files),
        ("size", Size(result.bytes)),
        ("duration", Seconds(result.duration_seconds)),
        ("verified", result.verified),
    ]


def _show_plan(call: Call, plan: RestorePlanResult) -> None:
    if not call.console.draws_tables:
        call.console.show(plan.document(), Table(("what", "count", "bytes", "path"), _plan_rows(plan)))
        return
    call.console.show(plan.document(), Table(("what", "path"), _first_paths(plan)))
    for warning in plan.warnings:
        call.console.remark(f"Warning: {warning}")
    call.console.remark(
        f"Nothing was changed. A restore of {plan.backup} would bring {plan.files:,} files, {format_size(plan.bytes)}: "
        f"{plan.written.count:,} entries written, {plan.replaced.count:,} replaced, {plan.removed.count:,} removed, "
        f"and {format_size(plan.fetch_bytes)} fetched from the store."
    )


def _samples(plan: RestorePlanResult) -> tuple[tuple[str, PathSample], ...]:
    return ("write", plan.written), ("replace", plan.replaced), ("remove", plan.removed)


def _first_paths(plan: RestorePlanResult) -> list[tuple[Cell, ...]]:
    """Return a few paths of each kind; what a person should look at stands last."""
    rows: list[tuple[Cell, ...]] = []
    for name, sample in _samples(plan):
        shown = sample.paths[:SHOWN_PATHS]
        rows.extend((name, path) for path in shown)
        if sample.count > len(shown):
            rows.append((name, f"… and {sample.count - len(shown):,} more"))
    return rows


def _plan_rows(plan: RestorePlanResult) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = [
        ("files", plan.files, Size(plan.bytes), None),
        ("fetch", None, Size(plan.fetch_bytes), None),
    ]
    for name, sample in _samples(plan):
        rows.append((name, sample.count, None, None))
        rows.extend((name, None, None, path) for path in sample.paths)
    return rows + [("warning", None, None, warning) for warning in plan.warnings]
