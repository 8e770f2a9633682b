"""``quickstart``: everything once, with nothing to configure."""

from pathlib import Path

import click

from backup_manager.cli.backup_table import backup_table
from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_files, complete_folders
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.progress import watched
from backup_manager.cli.verdict import report_verdict
from backup_manager.common.errors import UsageError
from backup_manager.common.units import format_duration, format_size
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.results import BackupResult, VerificationResult
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
    _refuse_places(call)
    with watched(call, "Trying everything once") as watch:
        listener = QuickstartListener(
            said=call.console.remark,
            started=watch.begin,
            ran=lambda run: call.console.remark(_told(run)),
            verified=lambda result: call.console.remark(_told_verification(result)),
            hooks=watch.hooks,
        )
        result = run_quickstart(paths, Path(into).expanduser(), listener)
    return _show(call, result)


def _refuse_places(call: Call) -> None:
    given = {
        "--repository": call.options.repository, "-f": call.options.file, "--key-file": call.options.key_file,
        "--passphrase-file": call.options.passphrase_file, "--kms-key": call.options.kms_key,
        "--context": call.options.context,
    }  # fmt: skip
    for option, value in given.items():
        if value is not None:
            raise UsageError(
                f"`quickstart` makes a repository of its own, so {option} does not apply",
                solution="Leave it out, or use `sirsinexus backup run`.",
            )


def _show(call: Call, result: QuickstartResult) -> ExitCode | None:
    console = call.console
    failure = first_failure(result.runs)
    console.show(result.document(), backup_table(result.backups))
    if failure is not None:
        console.report(failure)
        return ExitCode(failure.exit_code)
    assert result.verification is not None
    code = report_verdict(console, result.verification.result, (result.verification,))
    if code is None and not console.writes_documents:
        console.remark("What to do next:")
        for command_, does in result.next_steps:
            console.remark(f"  # {does}")
            console.remark(f"  {command_}")
    return code


def _told(run: BackupResult) -> str:
    if run.error is not None:
        return f"{run.type.value} backup failed"
    return (
        f"{run.type.value} backup {run.id}: {run.files:,} files, {format_size(run.source_bytes)}, "
        f"{format_size(run.stored_bytes)} stored, in {format_duration(run.duration_seconds)}"
    )


def _told_verification(result: VerificationResult) -> str:
    checks = ", ".join(f"{check.check.value} {check.result.value}" for check in result.checks)
    return f"verification: {result.result.value} ({checks})"
