"""``quickstart``: everything once, with nothing to configure."""

from pathlib import Path

import click

from backup_manager.cli.backup_table import backup_table
from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_files, complete_folders
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.progress import watched
from backup_manager.cli.verdict import report_verdict
from backup_manager.common.units import format_duration, format_size
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.results import BackupResult
from backup_manager.manager.quickstart import QuickstartListener, QuickstartResult, run_quickstart
from backup_manager.manager.runner import first_failure


@click.command("quickstart", cls=VerbCommand)
@click.argument("paths", nargs=-1, shell_complete=complete_files)
@click.option(
    "--into",
    metavar="DIR",
    default="backup-demo",
    shell_complete=complete_folders,
    help="Where to put it; ./backup-demo by default.",
)
@verb
def command(call: Call, paths: tuple[str, ...], into: str) -> ExitCode | None:
    """Set up a repository in DIR, back PATHS up twice, verify, restore-test and list.

    PATHS is the working directory if none is given. A second start in the same DIR goes on from there.
    """
    with watched(call, "Trying everything once") as hooks:
        listener = QuickstartListener(said=call.console.remark, started=call.console.remark, hooks=hooks)
        result = run_quickstart(paths, Path(into).expanduser(), listener)
    return _show(call, result)


def _show(call: Call, result: QuickstartResult) -> ExitCode | None:
    console = call.console
    for run in result.runs:
        console.remark(_told(run))
    failure = first_failure(result.runs)
    if failure is None:
        console.remark(_told_verification(result))
    console.show(result.document(), backup_table(result.backups))
    if failure is not None:
        console.report(failure)
        return ExitCode(failure.exit_code)
    assert result.verification is not None
    code = report_verdict(console, result.verification.result, (result.verification,))
    if code is None and not console.writes_documents:
        console.remark("What to do next:")
        width = max(len(command_) for command_, _ in result.next_steps)
        for command_, does in result.next_steps:
            console.remark(f"  {command_:{width}}  # {does}")
    return code


def _told(run: BackupResult) -> str:
    if run.error is not None:
        return f"{run.type.value} backup failed"
    return (
        f"{run.type.value} backup {run.id}: {run.files} files, {format_size(run.source_bytes)}, "
        f"{format_size(run.stored_bytes)} stored, in {format_duration(run.duration_seconds)}"
    )


def _told_verification(result: QuickstartResult) -> str:
    assert result.verification is not None
    checks = ", ".join(f"{check.check.value} {check.result.value}" for check in result.verification.checks)
    return f"verification of {result.verification.backup}: {result.verification.result.value} ({checks})"
