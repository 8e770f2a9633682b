"""``verify``: proof that backups can be restored."""

from collections.abc import Mapping, Sequence

import click

from backup_manager.cli.call import Call, one_of, verb
from backup_manager.cli.completion import complete_backups, complete_folders, complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.progress import watched
from backup_manager.cli.table import Cell, Table
from backup_manager.cli.verdict import report_verdict
from backup_manager.common.errors import UsageError
from backup_manager.common.units import parse_size
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.requests import VerifyRequest
from backup_manager.contract.results import Check, VerificationResult, VerifyAllResult
from backup_manager.manager.api_verify import opened, verify_all, verify_backup

CHECKS = {check.value: check for check in (Check.INTEGRITY, Check.COMPLETENESS, Check.SIZE)}
COLUMNS = ("backup", "check", "result", "details")


@click.command("verify", cls=VerbCommand)
@click.argument("backup", required=False, shell_complete=complete_backups)
@click.option("--all", "all_", is_flag=True, help="Every backup and every object; each byte is read once.")
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@click.option(
    "--check", "checks", metavar="CHECK,…", help=f"Of {', '.join(CHECKS)}; the first two by default."
)
@click.option(
    "--min-bytes", metavar="N", help="The least size that the backup must have; implies the check size."
)
@click.option("--restore-test", is_flag=True, help="Restore into a scratch place and compare entry by entry.")
@click.option(
    "--destination",
    metavar="DIR",
    shell_complete=complete_folders,
    help="The scratch place of the restore test.",
)
@verb
def command(
    call: Call,
    backup: str | None,
    all_: bool,
    policy: str | None,
    checks: str | None,
    min_bytes: str | None,
    restore_test: bool,
    destination: str | None,
) -> ExitCode | None:
    """Check a backup, or all of them; a failed check ends with 40, an inconclusive one with 41."""
    one_of({"BACKUP": backup, "--all": all_}, "`verify`")
    if all_:
        given = {
            "--policy": policy, "--check": checks, "--min-bytes": min_bytes,
            "--restore-test": restore_test, "--destination": destination,
        }  # fmt: skip
        _refuse_with_all(given)
        return _verify_all(call)
    if destination is not None and not restore_test:
        raise UsageError("--destination goes with --restore-test")
    wanted = _checks(checks, min_bytes)
    least = parse_size(min_bytes) if min_bytes is not None else 1
    request = VerifyRequest(
        backup=backup or "",
        policy=policy,
        checks=wanted,
        min_bytes=least if Check.SIZE in wanted else 0,
        restore_test=restore_test,
        destination=destination,
    )
    with opened(call.open_address()) as session, watched(call, "Verifying") as watch:
        call.remark_session(session)
        result = verify_backup(session, request, watch.hooks)
    call.console.show(result.document(), Table(COLUMNS, _rows((result,))))
    return report_verdict(call.console, result.result, (result,))


def _verify_all(call: Call) -> ExitCode | None:
    with opened(call.open_address()) as session, watched(call, "Verifying") as watch:
        call.remark_session(session)
        result = verify_all(session, watch.hooks)
    call.console.show(
        result.document(), Table(COLUMNS, [*_rows(result.verifications), *_object_rows(result)])
    )
    return report_verdict(call.console, result.result, result.verifications, result.damaged)


def _checks(text: str | None, min_bytes: str | None) -> tuple[Check, ...]:
    found = [Check.INTEGRITY, Check.COMPLETENESS]
    if text is not None:
        found = []
        for name in (part.strip() for part in text.split(",")):
            if name not in CHECKS:
                raise UsageError(f"--check: {name!r} is not one of {', '.join(CHECKS)}")
            found.append(CHECKS[name])
    if min_bytes is not None:
        found.append(Check.SIZE)
    return tuple(dict.fromkeys(found))


def _refuse_with_all(given: Mapping[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} narrows what --all is to leave nothing out of")


def _rows(results: Sequence[VerificationResult]) -> list[tuple[Cell, ...]]:
    return [
        (result.backup, check.check.value, check.result.value, check.details or check.error)
        for result in results
        for check in result.checks
    ]


def _object_rows(result: VerifyAllResult) -> list[tuple[Cell, ...]]:
    return [
        *((name, "object", "Failure", "damaged") for name in result.damaged),
        *((name, "object", "Inconclusive", "could not be read") for name in result.inconclusive),
        *((name, "object", "Success", "no backup needs it") for name in result.unneeded),
    ]
