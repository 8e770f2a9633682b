"""``diff``: what differs between two backups."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_backups, complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Cell
from backup_manager.contract.inspection import Change
from backup_manager.manager.api_look import compare_backups, opened


@click.command("diff", cls=VerbCommand)
@click.argument("a", shell_complete=complete_backups)
@click.argument("b", shell_complete=complete_backups)
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@verb
def command(call: Call, a: str, b: str, policy: str | None) -> None:
    """List what was added, removed and changed from backup A to backup B."""
    with opened(call.open_address(), read_only=True) as session:
        call.remark_session(session)
        call.console.show_each(compare_backups(session, a, b, policy), Change.document, _row)


def _row(change: Change) -> tuple[Cell, ...]:
    return (change.change.value, change.path, ",".join(change.aspects))
