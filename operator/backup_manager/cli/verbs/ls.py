"""``ls``: what a backup holds."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_backups, complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Cell
from backup_manager.contract.inspection import ListedEntry
from backup_manager.manager.api_look import list_entries, opened

LONGEST_OWNER = 17


@click.command("ls", cls=VerbCommand)
@click.argument("backup", shell_complete=complete_backups)
@click.argument("path", required=False)
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@verb
def command(call: Call, backup: str, path: str | None, policy: str | None) -> None:
    """List a folder of a backup by its original path; without one, the paths that were backed up."""
    with opened(call.open_address(), read_only=True) as session:
        call.remark_session(session)
        entries = list_entries(session, backup, path, policy)
        call.console.show_each(entries, ListedEntry.document, _line if call.console.is_terminal else _row)


def _row(entry: ListedEntry) -> tuple[Cell, ...]:
    return (
        entry.permissions,
        entry.user or entry.uid,
        entry.group or entry.gid,
        entry.size,
        entry.modified_at,
        _name(entry),
    )


def _line(entry: ListedEntry) -> tuple[Cell, ...]:
    """Return one cell in the manner of ``ls -l``: the widths are fixed, as the lines come one by one."""
    owner = f"{entry.user or entry.uid} {entry.group or entry.gid}"
    time = f"{entry.modified_at:%Y-%m-%d %H:%M}" if entry.modified_at else "-"
    return (f"{entry.permissions} {owner:{LONGEST_OWNER}} {entry.size:>12} {time:16} {_name(entry)}",)


def _name(entry: ListedEntry) -> str:
    return f"{entry.path} -> {entry.target}" if entry.target is not None else entry.path
