"""The help of commands: their own options before those that every command takes, and what their arguments mean."""

import click

from backup_manager.contract.exit_codes import MEANINGS

BACKUP = "An id, any beginning of one that fits no other, or `latest`."
ARGUMENTS = {
    "backup": BACKUP,
    "backups": BACKUP,
    "a": BACKUP,
    "b": BACKUP,
    "path": "The original path of a file or folder, as `ls` shows it.",
    "paths": "Files and folders to back up; the working directory by default.",
    "policy": "A policy of the configuration file.",
    "slot": "The id of a key slot or its beginning, as `key list` shows it.",
    "file": "Where to write the key file.",
}


class CommonOption(click.Option):
    """An option that every command takes."""


class VerbCommand(click.Command):
    """A command whose help tells its own options from the common ones."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments, own options, then common options."""
        write_parameters(self, ctx, formatter)


class VerbFamily(click.Group):
    """A group of commands, such as ``key``, with help of the same form."""

    command_class = VerbCommand
    describes_common_options = False

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first: they are what somebody looks for."""
        self.format_commands(ctx, formatter)
        write_parameters(self, ctx, formatter)


def write_parameters(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write what *command* takes, in sections; the common options of a single verb by their names alone."""
    arguments: list[tuple[str, str]] = []
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Argument):
            name = parameter.metavar or (parameter.name or "").upper()
            arguments.append((name, ARGUMENTS[name.lower()]))
        elif (record := parameter.get_help_record(ctx)) is not None:
            (common if isinstance(parameter, CommonOption) else own).append(record)
    is_full = isinstance(command, VerbFamily) and command.describes_common_options
    sections = [
        ("Arguments", arguments),
        ("Options", own),
        *([("Common options", common)] if is_full else []),
    ]
    for title, rows in sections:
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)
    if not is_full:
        with formatter.section(
            f"Common options (`{ctx.find_root().info_name} backup --help` describes them)"
        ):
            formatter.write_text(", ".join(names.replace(", -", "/-") for names, _ in common))


def write_exit_codes(formatter: click.HelpFormatter) -> None:
    """Write what the exit codes mean."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANINGS.items()])
