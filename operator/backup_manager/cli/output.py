"""Where results and remarks go: one document on standard output, everything else on standard error."""

import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TextIO, TypeVar

from backup_manager.cli.printable import printable
from backup_manager.cli.table import Cell, Table, plain_row, table_lines
from backup_manager.common.errors import TargetUnusableError
from backup_manager.common.log import LineStream
from backup_manager.contract.results import ErrorReport, Json

Item = TypeVar("Item")


class OutputFormat(StrEnum):
    """The forms of a result; ``AUTO`` is a table at a terminal and plain lines in a pipe."""

    AUTO = "auto"
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class OutputClosedError(Exception):
    """Whoever read our standard output has gone; there is nobody to tell."""


class Console:
    """Writes to both streams in the chosen form; with JSON, remarks wait for the end of the command.

    A command that fails then leaves the error's document alone on standard error, so that a script can
    read it.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, form: OutputFormat = OutputFormat.AUTO) -> None:
        self._stdout, self._stderr, self.form = stdout, stderr, form
        self._waiting: list[str] = []
        self._say_above: Callable[[str], None] | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads standard output."""
        return self._stdout.isatty()

    @property
    def draws_tables(self) -> bool:
        """Whether the result is laid out for a person."""
        return not self.writes_documents and (self.form is OutputFormat.TABLE or self.is_terminal)

    @property
    def has_live_errors(self) -> bool:
        """Whether a person watches standard error, so that progress may be shown there."""
        return self._stderr.isatty()

    @property
    def writes_documents(self) -> bool:
        """Whether a program reads the result."""
        return self.form in (OutputFormat.JSON, OutputFormat.YAML)

    @property
    def error_stream(self) -> TextIO:
        """Standard error, for progress."""
        return self._stderr

    @property
    def log_stream(self) -> LineStream:
        """A stream for lines of the log; they appear above the progress, as remarks do."""
        return _LogStream(self._say)

    def show(self, document: Json, table: Table) -> None:
        """Write one result: *document* for a program, *table* for a person or a pipe."""
        if self.form is OutputFormat.JSON:
            self._write(json.dumps(document, indent=2) + "\n")
        elif self.form is OutputFormat.YAML:
            self._write(_yaml(document))
        elif self.draws_tables:
            for line in table_lines(table, bold=self.is_terminal, width=self._width):
                self._write(line + "\n")
        else:
            for row in table.rows:
                self._write(plain_row(row) + "\n")

    def show_each(
        self,
        items: Iterable[Item],
        document_of: Callable[[Item], Json],
        row_of: Callable[[Item], Sequence[Cell]],
    ) -> None:
        """Write a result of any length as it comes: a list of documents, or a line for each."""
        if self.form is OutputFormat.JSON:
            self._write("[")
            for number, item in enumerate(items):
                self._write((",\n  " if number else "\n  ") + json.dumps(document_of(item)))
            self._write("\n]\n")
        elif self.form is OutputFormat.YAML:
            count = 0
            for count, item in enumerate(items, start=1):  # noqa: B007  # counted for the empty list
                self._write(_yaml([document_of(item)]))
            self._write("" if count else "[]\n")
        else:
            for item in items:
                self._write(plain_row(row_of(item)) + "\n")

    def write_text(self, text: str) -> None:
        """Write *text* as it is: help, completion, manifests."""
        self._write(text)

    def write_bytes(self, chunks: Iterator[bytes]) -> None:
        """Write bytes as they are."""
        buffer = self._stdout.buffer
        for chunk in chunks:
            with_closed_output(lambda data=chunk: buffer.write(data))  # type: ignore[misc]  # bound on purpose
        self.flush()

    def remark(self, text: str) -> None:
        """Write one line for people on standard error."""
        if self.form is OutputFormat.JSON:
            self._waiting.append(text)
        else:
            self._say(printable(text))

    def release_remarks(self) -> None:
        """Write the remarks that waited; called when the run has not failed."""
        for text in self._waiting:
            self._say(printable(text))
        self._waiting.clear()

    def report(self, report: ErrorReport) -> None:
        """Write the error: three lines, or its document."""
        if self.form is OutputFormat.JSON:
            self._waiting.clear()
            self._say(json.dumps(report.document()))
            return
        for part, text in (("Error", report.error), ("Cause", report.cause), ("Solution", report.solution)):
            self._say(f"{part}: {printable(text)}")

    def say_text(self, text: str) -> None:
        """Write a text of our own, such as help, on standard error."""
        self._say(text.rstrip())

    def say_block(self, text: str) -> None:
        """Write lines that may hold anything, such as a traceback, on standard error."""
        for line in text.splitlines():
            self._say(printable(line))

    def flush(self) -> None:
        """Hand over everything written; raises like a write."""
        with_closed_output(self._stdout.flush)

    @property
    def _width(self) -> int | None:
        """The columns of the terminal that shows the result; None where there is none."""
        try:
            return os.get_terminal_size(self._stdout.fileno()).columns or None
        except OSError:  # not a terminal; UnsupportedOperation of a stream in memory is one, too
            return None

    def _write(self, text: str) -> None:
        with_closed_output(lambda: self._stdout.write(text))

    @contextmanager
    def lines_above(self, say: Callable[[str], None]) -> Iterator[None]:
        """While the block runs, lines for people go to *say*, above the progress that is drawn below."""
        self._say_above = say
        try:
            yield
        finally:
            self._say_above = None

    def _say(self, line: str) -> None:
        if self._say_above is not None:
            self._say_above(line)
            return
        try:
            self._stderr.write(line + "\n")
            self._stderr.flush()
        except OSError:
            return  # nobody is there to read errors; the exit code still tells


class _LogStream:
    """Hands over each line that is written; a handler of ``logging`` writes one at a time."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def write(self, line: str, /) -> None:
        self._say(line.rstrip("\n"))


def with_closed_output(write: Callable[[], object]) -> None:
    """Call *write*; a reader that went away and a full disk become errors of ours.

    Raises:
        OutputClosedError: the other end of the pipe is closed.
        TargetUnusableError: the bytes could not be written.
    """
    try:
        write()
    except BrokenPipeError:
        raise OutputClosedError from None
    except OSError as err:
        raise TargetUnusableError(
            f"cannot write to standard output: {err.strerror}",
            solution="Free up space where the output goes, and run the command again.",
        ) from err


def _yaml(document: Json) -> str:
    text: str = importlib.import_module("backup_manager.cli.yaml_text").render_yaml(document)
    return text
