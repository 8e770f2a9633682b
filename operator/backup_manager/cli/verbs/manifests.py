"""``manifests``: a configuration file as custom resources."""

import click
import yaml

from backup_manager.cli.call import Call, verb
from backup_manager.cli.help_text import VerbCommand
from backup_manager.cli.output import OutputFormat
from backup_manager.cli.table import Table
from backup_manager.manager.manifests import manifests


@click.command("manifests", cls=VerbCommand)
@verb
def command(call: Call) -> None:
    """Print the configuration file as custom resources, for GitOps; secrets become references."""
    place = call.open_place(with_warnings=True)
    text = manifests(place.need_configuration("`manifests`"))
    if call.console.form is OutputFormat.JSON:
        call.console.show(list(yaml.safe_load_all(text)), Table((), ()))
    else:
        call.console.write_text(text)
