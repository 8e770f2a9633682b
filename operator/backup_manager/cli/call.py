"""What a verb is given: its options, where it looks, and the console to answer on."""

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol

import click

from backup_manager.cli.completion import complete_files, complete_folders
from backup_manager.cli.help_text import CommonOption
from backup_manager.cli.output import Console, OutputFormat
from backup_manager.cli.place import FilePlace, PlaceOptions, find_place, shown_place
from backup_manager.cli.stopping import Stopping
from backup_manager.common.errors import UsageError
from backup_manager.common.log import configure_logging
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.requests import RepositoryAddress
from backup_manager.manager.workplace import Workplace, open_url

Parameters = ParamSpec("Parameters")
Command = Callable[..., Any]

common = functools.partial(click.option, cls=CommonOption)
PLACE_OPTIONS = (
    common(
        "-f",
        "--file",
        metavar="FILE",
        shell_complete=complete_files,
        help="The configuration file (default: ./backup.yaml).",
    ),
    common(
        "--repository", metavar="URL", help="A repository to work on directly, with no configuration file."
    ),
    common(
        "--key-file", metavar="FILE", shell_complete=complete_files, help="With --repository: its key file."
    ),
    common(
        "--passphrase-file",
        metavar="FILE",
        shell_complete=complete_files,
        help="With --repository: a file that holds its passphrase.",
    ),
    common("--kms-key", metavar="ID", help="With --repository: the AWS KMS key that wraps its key."),
    common(
        "--cache-dir",
        metavar="DIR",
        shell_complete=complete_folders,
        help="Where to keep a local cache; its contents stay sealed.",
    ),
    common("-o", "--output", type=click.Choice(["json", "yaml", "table"]), help="The form of the result."),
    common("-v", "--verbose", count=True, help="Say what is chosen and done; twice, in detail."),
    common("--context", metavar="NAME", help="The Kubernetes context (not in this version)."),
    common("--namespace", metavar="NAME", help="The Kubernetes namespace (not in this version)."),
)


class OpenedRepository(Protocol):
    """What there is to say about a repository once it is open."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noticed on the way."""
        ...

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed to read it."""
        ...


@dataclass(slots=True)
class Surroundings:
    """The process around a command: handed down by the program, gathered on the way."""

    console: Console
    environment: Mapping[str, str]
    stopping: Stopping
    stdin_is_terminal: bool = False
    operation: str | None = None
    options: PlaceOptions = field(default_factory=PlaceOptions)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a verb."""

    surroundings: Surroundings
    options: PlaceOptions

    @property
    def console(self) -> Console:
        """Where the answer goes."""
        return self.surroundings.console

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of the process."""
        return self.surroundings.environment

    def open_place(self, *, with_warnings: bool = False) -> Workplace:
        """Return the repository's address, and the configuration if there is one.

        *with_warnings* says what the file asks for in vain; verbs that only look leave it to ``-v``.
        """
        place = find_place(self.options, self.environment, Path.cwd())
        if self.options.verbose:
            self.console.remark(shown_place(place))
        if isinstance(place, FilePlace):
            module = importlib.import_module("backup_manager.manager.address")
            found: Workplace = module.open_file(place.file, self.environment, self.options.cache_dir)
        else:
            found = open_url(place.url, place.key, self.options.cache_dir)
        if found.configuration and (with_warnings or self.options.verbose):
            for warning in found.configuration.warnings:
                self.console.remark(f"Warning: {warning}")
        return found

    def open_address(self) -> RepositoryAddress:
        """Return where the repository is."""
        return self.open_place().address

    def remark_session(self, session: OpenedRepository) -> None:
        """Say what is questionable about an opened repository, above all that it is not encrypted."""
        for warning in session.warnings:
            self.console.remark(f"Warning: {warning}")
        if not session.encrypted:
            self.console.remark(
                "Encryption is disabled: whoever can read the repository can read these backups."
            )


def place_options(command: Command) -> Command:
    """Let *command* take the options that every verb takes."""
    for option in reversed(PLACE_OPTIONS):
        command = option(command)
    return command


def verb(
    function: Callable[Concatenate[Call, Parameters], ExitCode | None],
) -> Callable[..., ExitCode | None]:
    """Give *function* its :class:`Call`, from options before and after the verb; later ones win."""

    @functools.wraps(function)
    def called(*_positional: Any, **given: Any) -> ExitCode | None:
        surroundings = take_options(given)
        return function(Call(surroundings, surroundings.options), **given)  # type: ignore[call-arg]  # by name

    return place_options(called)


def take_options(given: dict[str, Any]) -> Surroundings:
    """Move the common options out of *given* into the surroundings of the running command."""
    surroundings: Surroundings = click.get_current_context().find_root().obj
    names = {found.name for found in fields(PlaceOptions)}
    found = {name: given.pop(name) for name in names if name in given}
    found["verbose"] = found.get("verbose") or None
    options = surroundings.options.overridden_by(PlaceOptions(**found))
    surroundings.options = options
    if options.output is not None:
        surroundings.console.form = OutputFormat(options.output)
    configure_logging(_log_level(options, surroundings.console), stream=surroundings.console.log_stream)
    return surroundings


def one_of(given: Mapping[str, Any], what: str) -> str:
    """Return the name of the only member of *given* that is set.

    Raises:
        UsageError: none is, or more than one.
    """
    chosen = [name for name, value in given.items() if value not in (None, False, "", ())]
    if not chosen:
        raise UsageError(f"{what} needs {' or '.join(given)}, and none was given")
    if len(chosen) > 1:
        raise UsageError(f"{what} takes one of {' and '.join(chosen)}, not both")
    return chosen[0]


def _log_level(options: PlaceOptions, console: Console) -> str:
    if options.verbose:
        return "debug" if options.verbose > 1 else "info"
    return "error" if console.writes_documents else "warning"
