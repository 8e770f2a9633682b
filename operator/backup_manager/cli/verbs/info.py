"""``info``: one backup in full."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.completion import complete_backups, complete_policies
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.table import Cell, Seconds, Size, Table
from backup_manager.common.units import format_size, format_time
from backup_manager.contract.results import BackupDetails, SourceDetails
from backup_manager.manager.api_list import describe_backup, opened


@click.command("info", cls=VerbCommand)
@click.argument("backup", shell_complete=complete_backups)
@click.option(
    "--policy", metavar="NAME", shell_complete=complete_policies, help="Only this policy's backups."
)
@verb
def command(call: Call, backup: str, policy: str | None) -> None:
    """Describe one backup: sources, sizes, times, verification, and where it is stored."""
    with opened(call.open_address(), read_only=True) as session:
        call.remark_session(session)
        details = describe_backup(session, backup, policy)
    call.console.show(details.document(), Table((), _rows(details, for_person=call.console.draws_tables)))


def _rows(details: BackupDetails, *, for_person: bool) -> list[tuple[Cell, ...]]:
    rows = _backup_rows(details)
    for source in details.source_details:
        rows.append((f"source {source.name}", _source(source, for_person)))
        rows.extend((f"path of {source.name}", path) for path in source.paths)
    rows.extend(("warning", warning) for warning in details.backup.warnings)
    if (error := details.backup.error) is not None:
        rows += [("error", error.error), ("cause", error.cause), ("solution", error.solution)]
    return rows


def _backup_rows(details: BackupDetails) -> list[tuple[Cell, ...]]:
    backup = details.backup
    verified = (
        f"{backup.verified.result.value} at {format_time(backup.verified.time)}"
        if backup.verified
        else "not yet"
    )
    return [
        ("id", backup.id),
        ("policy", backup.policy),
        ("description", details.description),
        ("type", backup.type.value),
        ("status", backup.status.value),
        ("started", backup.started_at),
        ("completed", backup.completed_at),
        ("duration", Seconds(backup.duration_seconds)),
        ("files", backup.files),
        ("directories", backup.directories),
        ("size", Size(backup.source_bytes)),
        ("read", Size(backup.read_bytes)),
        ("added", Size(backup.added_bytes)),
        ("stored", Size(backup.stored_bytes)),
        ("verified", verified),
        ("location", details.location),
        ("repository", details.repository_id),
        ("encrypted", details.encrypted),
        ("snapshot", backup.snapshot_id),
        ("root digest", details.root_digest),
        ("software", details.software_version),
    ]


def _source(source: SourceDetails, for_person: bool) -> str:
    size = format_size(source.bytes) if for_person else f"{source.bytes} bytes"
    return f"{source.type}, {source.files} files, {source.directories} directories, {size}"
