"""Rows for people and for pipes.

The tables are drawn here and not by ``rich``, whose import alone takes longer than most listings.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup_manager.cli.printable import printable
from backup_manager.common.units import format_duration, format_size, format_time

GAP = "  "


class Size(int):
    """A number of bytes: ``1.5 GiB`` for a person, digits in a pipe."""


class Seconds(float):
    """A duration: ``1m30s`` for a person, seconds in a pipe."""


Cell = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under *columns*; without columns, each row is a name and its value."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


def plain_row(row: Sequence[Cell]) -> str:
    """Return *row* for a pipe: cells between tabs, sizes in bytes, durations in seconds."""
    return "\t".join(_plain(cell) for cell in row)


def table_lines(table: Table, *, bold: bool = False) -> Iterable[str]:
    """Yield the lines of *table* in aligned columns; numbers stand to the right.

    *bold* emphasises the head by an escape, for a terminal.
    """
    cells = [[_readable(cell) for cell in row] for row in table.rows]
    head = [column.upper() for column in table.columns]
    widths = [max(map(text_width, column)) for column in zip(*([head] if head else []), *cells, strict=True)]
    right = [bool(head) and _holds_numbers(column) for column in zip(*table.rows, strict=True)]
    if head:
        line = _line(head, widths, right or [False] * len(head))
        yield f"\x1b[1m{line}\x1b[0m" if bold else line
    for texts in cells:
        yield _line(texts, widths, right)


def text_width(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        " " * (width - text_width(text)) + text if is_right else text + " " * (width - text_width(text))
        for text, width, is_right in zip(texts, widths, right, strict=True)
    ]
    return GAP.join(padded).rstrip()


def _holds_numbers(column: Sequence[Cell]) -> bool:
    found = [cell for cell in column if cell is not None]
    return bool(found) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in found)


def _readable(cell: Cell) -> str:
    if isinstance(cell, Size):
        return format_size(cell)
    if isinstance(cell, Seconds):
        return format_duration(cell)
    return _plain(cell) or "-"


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return format_time(cell)
    if isinstance(cell, float):
        return str(round(cell, 3))
    return printable(cell) if isinstance(cell, str) else str(int(cell))
