"""``cat``: the content of a file in a backup."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_backups, complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.common.errors import UsageError
from backup_manager.manager.api_look import opened, read_file


@click.command("cat", cls=VerbCommand)
@click.argument("backup", shell_complete=complete_backups)
@click.argument("path")
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@verb
def command(call: Call, backup: str, path: str, policy: str | None) -> None:
    """Write a file's bytes to standard output, each piece verified before it is written."""
    if call.options.output is not None:
        raise UsageError("`cat` writes the file's own bytes, so -o does not apply")
    with opened(call.open_address(), read_only=True) as session:
        call.remark_session(session)
        call.console.write_bytes(read_file(session, backup, path, policy))
