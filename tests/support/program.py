"""The command line, called in this process: arguments in, both streams and the exit code out."""

import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backup_manager
from backup_manager.cli.call import Surroundings
from backup_manager.cli.main import run_program
from backup_manager.cli.output import Console
from backup_manager.cli.stopping import Stopping

COMMAND = [sys.executable, "-m", "backup_manager.cli.main", "backup"]
ENVIRONMENT = {"PYTHONPATH": str(Path(backup_manager.__file__).parents[1]), "PATH": os.environ["PATH"]}


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    raw_out: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw_out.decode()

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]


def sirsinexus(
    *args: str,
    environment: Mapping[str, str] | None = None,
    stdout_is_terminal: bool = False,
    stdin_is_terminal: bool = False,
) -> Ended:
    """Run ``sirsinexus backup ARGS`` in the working directory."""
    return program("backup", *args, environment=environment, stdout_is_terminal=stdout_is_terminal,
                   stdin_is_terminal=stdin_is_terminal)  # fmt: skip


def program(
    *args: str,
    environment: Mapping[str, str] | None = None,
    stdout_is_terminal: bool = False,
    stdin_is_terminal: bool = False,
) -> Ended:
    """Run ``sirsinexus ARGS``."""
    out, err = io.BytesIO(), io.BytesIO()
    kind = Terminal if stdout_is_terminal else io.TextIOWrapper
    console = Console(kind(out, errors="backslashreplace"), io.TextIOWrapper(err, errors="backslashreplace"))
    surroundings = Surroundings(console, environment or {}, Stopping(), stdin_is_terminal)
    code = run_program(args, surroundings)
    return Ended(int(code), out.getvalue(), err.getvalue().decode())
