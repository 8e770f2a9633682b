"""The tree of commands; a verb's module is imported when the verb is called.

``click`` and not ``typer``: measured in 2026-11, typer 0.29 imports pydantic for any parameter and takes
125 ms before the first line of ours, click 25 ms.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click

from backup_manager.cli.call import place_options, take_options
from backup_manager.cli.completion import completion_options
from backup_manager.cli.help_text import VerbFamily, write_exit_codes
from backup_manager.common.suggest import nearest_name


@dataclass(frozen=True, slots=True)
class Verb:
    """What a verb does, in a line, and how its failure is called; its module has its name."""

    help: str
    operation: str


VERBS: Mapping[str, Verb] = {
    "quickstart": Verb(
        "Set up a first repository and try everything once.", "Failed to finish the quickstart"
    ),
    "run": Verb("Run policies now.", "Failed to create backup"),
    "list": Verb("Backups, newest first.", "Failed to list backups"),
    "info": Verb("One backup in full.", "Failed to describe backup"),
    "verify": Verb("Check that backups can be restored.", "Backup verification failed"),
    "restore": Verb("Bring back what a backup holds.", "Failed to restore backup"),
    "restores": Verb("Restores that were done with this repository.", "Failed to list restores"),
    "delete": Verb("Remove backups.", "Failed to delete backup"),
    "ls": Verb("What a backup holds.", "Failed to list files"),
    "cat": Verb("The content of a file in a backup.", "Failed to read file"),
    "diff": Verb("What differs between two backups.", "Failed to compare backups"),
    "prune": Verb("Apply retention, then free what nothing needs.", "Failed to prune backups"),
    "explain": Verb("What a policy is going to do.", "Failed to explain policy"),
    "serve": Verb("Run schedules in the foreground (not in this version).", "Failed to serve schedules"),
    "manifests": Verb("A configuration file as custom resources.", "Failed to print manifests"),
    "key": Verb("Key files, key slots and epochs.", "Failed to manage keys"),
    "doctor": Verb("Check configuration, store, key and clock.", "Failed to examine"),
}


class VerbGroup(VerbFamily):
    """A group whose commands are in :data:`VERBS`, none of them imported before it is needed."""

    describes_common_options = True

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names in the order of the table."""
        return list(VERBS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb, its command and the arguments left; of an unknown one, say which is nearest."""
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            near = nearest_name(name, VERBS)
            ctx.fail(f"There is no command {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb's command; the operation's name is noted for errors."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        surroundings = ctx.find_root().obj
        if surroundings is not None:
            surroundings.operation = verb.operation
        command: click.Command = importlib.import_module(f"backup_manager.cli.verbs.{cmd_name}").command
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options, then the exit codes."""
        super().format_options(ctx, formatter)
        write_exit_codes(formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group("sirsinexus", context_settings={"help_option_names": ["-h", "--help"]})
@completion_options
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False,
    callback=lambda ctx, _option, is_given: _show_version(ctx) if is_given else None,
    help="Print the version.",
)  # fmt: skip
def sirsinexus() -> None:
    """Automated backup, verification and recovery for databases and files."""


def _show_version(ctx: click.Context) -> None:
    metadata = importlib.import_module("importlib.metadata")
    try:
        version = metadata.version("sirsinexus-backup-manager")
    except metadata.PackageNotFoundError:
        version = "of a source tree that is not installed"
    ctx.obj.console.write_text(f"sirsinexus {version}\n")
    ctx.exit()


@sirsinexus.group("backup", cls=VerbGroup)
@place_options
def backup(**given: object) -> None:
    """Back up, verify, restore and maintain.

    The common options may stand before or after the command. `COMMAND --help` says more of each.
    """
    take_options(given)
