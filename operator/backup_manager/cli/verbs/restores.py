"""``restores``: what was restored with this repository."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Cell, Seconds, Size, Table
from backup_manager.contract.results import RestoreRecord
from backup_manager.manager.api_restore import list_restores, opened

COLUMNS = ("backup", "status", "started", "duration", "files", "size", "verified", "destination")
SPARE = ("duration", "files", "size", "verified")


@click.command("restores", cls=VerbCommand)
@verb
def command(call: Call) -> None:
    """List restores done with this repository."""
    with opened(call.open_address(), read_only=True) as session:
        call.remark_session(session)
        records = list_restores(session)
    if not records and call.console.draws_tables:
        call.console.remark("Nothing was restored with this repository yet.")
        return
    call.console.show(
        [record.document() for record in records], Table(COLUMNS, [_row(each) for each in records], SPARE)
    )


def _row(record: RestoreRecord) -> tuple[Cell, ...]:
    restore = record.restore
    return (
        restore.backup,
        restore.status.value,
        record.started_at,
        Seconds(restore.duration_seconds),
        restore.files,
        Size(restore.bytes),
        restore.verified,
        ", ".join(record.destinations),
    )
