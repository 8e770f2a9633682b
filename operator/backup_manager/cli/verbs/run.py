"""``run``: policies now."""

import importlib

import click

from backup_manager.cli.backup_table import backup_table
from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.output import OutputFormat
from backup_manager.cli.progress import watched
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.results import BackupResult, BackupType
from backup_manager.manager.runner import RunListener, first_failure, run_policies

WHY = "`run`"


@click.command("run", cls=VerbCommand)
@click.option(
    "--policy", "names", metavar="NAME", multiple=True, shell_complete=complete_policies,
    help="Only this policy; may be given several times.",
)  # fmt: skip
@click.option(
    "--type", "type_", type=click.Choice([kind.value for kind in BackupType]),
    help="Read everything, or trust size and times; without it, the first is full and later ones incremental.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@verb
def command(call: Call, names: tuple[str, ...], type_: str | None, dry_run: bool) -> ExitCode | None:
    """Run policies now; a repository that is absent is initialised, a bucket never."""
    place = call.open_place(with_warnings=True)
    policies = [each for name in dict.fromkeys(names or (None,)) for each in place.policies(name, WHY)]
    backup_type = BackupType(type_) if type_ else None
    if dry_run:
        plan = importlib.import_module("backup_manager.manager.runner_plan").plan_policies
        return _show(call, plan(place.address, policies, backup_type))
    with watched(call, "Opening the repository") as watch:
        listener = RunListener(
            opened=call.remark_session,
            started=lambda name: watch.begin(f"Backing up {name}"),
            hooks=watch.hooks,
            estimates=call.console.has_live_errors,
        )
        results = run_policies(place.address, policies, backup_type, listener)
    return _show(call, results)


def _show(call: Call, results: tuple[BackupResult, ...]) -> ExitCode | None:
    call.console.show([result.document() for result in results], backup_table(results))
    for result in results:
        for warning in result.warnings:
            call.console.remark(f"Warning: {result.id}: {warning}")
    return _report(call, results)


def _report(call: Call, results: tuple[BackupResult, ...]) -> ExitCode | None:
    failure = first_failure(results)
    if failure is None:
        return None
    errors = [result.error for result in results if result.error is not None]
    shown = errors[:1] if call.console.form is OutputFormat.JSON else list(dict.fromkeys(errors))
    for error in shown:
        call.console.report(error)
    return ExitCode(failure.exit_code)
