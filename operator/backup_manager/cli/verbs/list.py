"""``list``: backups, newest first."""

import click

from backup_manager.cli.backup_table import backup_table
from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.manager.api_list import list_backups, opened


@click.command("list", cls=VerbCommand)
@click.option("--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's.")
@verb
def command(call: Call, policy: str | None) -> None:
    """List backups, newest first."""
    place = call.open_place()
    with opened(place.address, read_only=True) as session:
        call.remark_session(session)
        backups = list_backups(session, policy)
        if policy is not None and not backups and place.configuration is not None:
            place.configuration.policy(policy)  # a name that was mistyped is an error, not an empty list
        if not backups and call.console.draws_tables:
            call.console.remark("There are no backups yet.")
            return
        call.console.show([backup.document() for backup in backups], backup_table(backups))
