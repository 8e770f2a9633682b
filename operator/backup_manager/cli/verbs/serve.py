"""``serve``: schedules without a cluster."""

import click

from backup_manager.cli.call import Call, verb
from backup_manager.cli.help_text import VerbCommand
from backup_manager.common.errors import NotAvailableError


@click.command("serve", cls=VerbCommand)
@verb
def command(_call: Call) -> None:
    """Run a configuration file's schedules in the foreground."""
    raise NotAvailableError(
        "this version does not run schedules by itself",
        solution="Start `sirsinexus backup run` from cron or a systemd timer at the scheduled times.",
    )
