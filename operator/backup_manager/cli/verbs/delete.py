"""``delete``: backups that are not wanted any more."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_backups, complete_policies
from backup_manager.cli.confirmation import confirm
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Table
from backup_manager.common.errors import CorruptDataError, NotFoundError
from backup_manager.manager.api_list import describe_backup
from backup_manager.manager.api_look import delete_backups, opened


@click.command("delete", cls=VerbCommand)
@click.argument("backups", nargs=-1, required=True, shell_complete=complete_backups)
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@verb
def command(call: Call, backups: tuple[str, ...], policy: str | None, yes: bool) -> None:
    """Remove backups; their data go with the next maintenance."""
    if not yes and not call.surroundings.stdin_is_terminal:
        confirm(call, "")
    with opened(call.open_address()) as session:
        call.remark_session(session)
        if not yes:
            names: list[str] = []
            for text in backups:
                try:
                    names.append(describe_backup(session, text, policy).backup.id)
                except (NotFoundError, CorruptDataError):
                    names.append(text)  # the removal knows damaged ones by their objects' names
            confirm(call, f"Remove {', '.join(names)}?")
        deleted = delete_backups(session, backups, policy)
    call.console.show({"deleted": list(deleted)}, Table(("deleted",), [(backup,) for backup in deleted]))
