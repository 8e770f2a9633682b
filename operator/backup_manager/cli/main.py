"""The program ``sirsinexus``: a command in, an exit code of the contract out.

This is where every error ends, ours and those that should not have happened.
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from backup_manager.cli.application import sirsinexus
from backup_manager.cli.call import Surroundings
from backup_manager.cli.completion import PROGRAM, VARIABLE
from backup_manager.cli.output import Console, OutputClosedError, OutputFormat
from backup_manager.cli.stopping import Stopping
from backup_manager.common.allocator import keep_freed_memory
from backup_manager.common.errors import BackupManagerError, InterruptedRunError, UsageError
from backup_manager.contract.exit_codes import ExitCode
from backup_manager.contract.results import ErrorReport

FORMATS = tuple(form.value for form in OutputFormat if form is not OutputFormat.AUTO)
SHOWN_CHARACTERS = 300  # of an exception that is a defect of ours


def main() -> None:
    """Run the command of this process and end it with its exit code."""
    keep_freed_memory()
    _prepare_streams()
    if VARIABLE in os.environ:
        sirsinexus.main(prog_name=PROGRAM)
    stopping = Stopping()
    stopping.listen()
    surroundings = Surroundings(
        Console(sys.stdout, sys.stderr), os.environ, stopping, stdin_is_terminal=sys.stdin.isatty()
    )
    code = run_program(sys.argv[1:], surroundings)
    if not _flush() or stopping.requested():
        os._exit(code)  # threads that wait for a dead network, or a closed pipe, would spoil the end
    sys.exit(code)


def _prepare_streams() -> None:
    """Make sure that all three streams exist and can write whatever a name may hold."""
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  # for the life of the process
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run_program(args: Sequence[str], surroundings: Surroundings) -> int:
    """Run one command and return its exit code; no error leaves this function."""
    console = surroundings.console
    console.form = _wanted_form(args)
    try:
        code = _run_command(args, surroundings)
        console.flush()
        console.release_remarks()
    except OutputClosedError:
        return ExitCode.DONE  # `list | head -1` is nobody's error
    except KeyboardInterrupt:
        return _report(InterruptedRunError("a signal asked to stop"), surroundings)
    except BackupManagerError as err:
        if surroundings.options.verbose:
            console.say_block(traceback.format_exc())
        return _report(err, surroundings)
    except Exception as err:  # noqa: BLE001  # the last line of defence
        if _is_verbose(args, surroundings):
            console.say_block(traceback.format_exc())
        return _report(_build_defect(err), surroundings)
    return code


def _run_command(args: Sequence[str], surroundings: Surroundings) -> int:
    try:
        with sirsinexus.make_context(PROGRAM, list(args), obj=surroundings) as context:
            code: ExitCode | None = sirsinexus.invoke(context)
            return code or ExitCode.DONE
    except click.exceptions.Exit as err:
        return err.exit_code
    except click.exceptions.Abort as err:
        raise KeyboardInterrupt from err
    except click.exceptions.NoArgsIsHelpError as err:
        surroundings.console.say_text(err.format_message())
        return ExitCode.CONFIGURATION
    except click.ClickException as err:
        raise _translate_usage(err) from None


def _translate_usage(err: click.ClickException) -> UsageError:
    message = " ".join(err.format_message().split()).rstrip(".")
    context = err.ctx if isinstance(err, click.UsageError) else None
    path = context.command_path if context else PROGRAM
    return UsageError(message[:1].lower() + message[1:], solution=f"`{path} --help` says what is accepted.")


def _report(err: BackupManagerError, surroundings: Surroundings) -> int:
    err.operation = err.operation or surroundings.operation
    surroundings.console.report(ErrorReport.of(err))
    return err.exit_code


def _build_defect(err: Exception) -> BackupManagerError:
    frames = traceback.extract_tb(err.__traceback__)
    ours = [frame for frame in frames if "backup_manager" in frame.filename] or list(frames)
    place = f"{os.path.basename(ours[-1].filename)}, line {ours[-1].lineno}" if ours else "an unknown place"
    text = str(err)[:SHOWN_CHARACTERS]
    return BackupManagerError(
        f"{type(err).__name__} in {place}" + (f": {text}" if text else ""),
        solution="This is a defect of Backup Manager: please report it with what `-v` prints. "
        "Backups that were complete before are not touched by it.",
    )


def _wanted_form(args: Sequence[str]) -> OutputFormat:
    """Return the form of the output before the options are understood, for errors in them."""
    for number, arg in enumerate(args):
        following = args[number + 1] if number + 1 < len(args) else ""
        value = following if arg in ("-o", "--output") else arg.removeprefix("--output=").removeprefix("-o")
        if value in FORMATS and arg.startswith("-"):
            return OutputFormat(value.removeprefix("="))
    return OutputFormat.AUTO


def _is_verbose(args: Sequence[str], surroundings: Surroundings) -> bool:
    return bool(surroundings.options.verbose) or any(arg in ("-v", "-vv", "--verbose") for arg in args)


def _flush() -> bool:
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
