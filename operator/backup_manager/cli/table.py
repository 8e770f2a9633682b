"""Rows for people and for pipes.

The tables are drawn here and not by ``rich``, whose import alone takes longer than most listings.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backup_manager.cli.printable import printable
from backup_manager.common.units import format_duration, format_size, format_time

GAP = "  "
LEAST_WRAPPED = 24  # columns of a terminal below which a text is not broken into lines any more


class Size(int):
    """A number of bytes: ``1.5 GiB`` for a person, digits in a pipe."""


class Seconds(float):
    """A duration: ``1m30s`` for a person, seconds in a pipe."""


Cell = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under *columns*; without columns, each row is a name and its value.

    *spare* are the columns that a narrow terminal does without, the most dispensable first; documents and
    pipes have them all.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    spare: tuple[str, ...] = ()


def plain_row(row: Sequence[Cell]) -> str:
    """Return *row* for a pipe: cells between tabs, sizes in bytes, durations in seconds."""
    return "\t".join(_plain(cell) for cell in row)


def table_lines(table: Table, *, bold: bool = False, width: int | None = None) -> Iterator[str]:
    """Yield the lines of *table* in aligned columns; numbers stand to the right.

    *bold* emphasises the head by an escape, for a terminal. Where a terminal's *width* does not suffice, the
    spare columns are left out, then the last column is broken into lines between words.
    """
    fitting = _fit(table, width)
    cells = [[_readable(cell) for cell in row] for row in fitting.rows]
    head = [column.upper() for column in fitting.columns]
    widths = _widths(head, cells)
    right = [bool(head) and _holds_numbers(column) for column in zip(*fitting.rows, strict=True)]
    if head:
        line = _line(head, widths, right or [False] * len(head))
        yield f"\x1b[1m{line}\x1b[0m" if bold else line
    room = _room_for_last(widths, width)
    for texts in cells:
        first, *rest = _wrapped(texts[-1], room)
        yield _line([*texts[:-1], first], widths, right)
        for piece in rest:
            yield _line([*("" for _ in texts[:-1]), piece], widths, right)


def text_width(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _fit(table: Table, width: int | None) -> Table:
    """Return *table* with as many of its columns as the terminal has room for."""
    for name in table.spare:
        if width is None or _total_width(table) <= width:
            break
        left_out = table.columns.index(name)
        kept = [number for number in range(len(table.columns)) if number != left_out]
        columns = tuple(table.columns[number] for number in kept)
        table = replace(table, columns=columns, rows=[[row[number] for number in kept] for row in table.rows])
    return table


def _total_width(table: Table) -> int:
    cells = [[_readable(cell) for cell in row] for row in table.rows]
    widths = _widths(list(table.columns), cells)
    return sum(widths) + len(GAP) * max(0, len(widths) - 1)


def _widths(head: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(text_width, column)) for column in zip(*([head] if head else []), *cells, strict=True)]


def _room_for_last(widths: Sequence[int], width: int | None) -> int | None:
    """Return the columns that are left for the last cell of a row; None: it is not to be broken."""
    if width is None or not widths:
        return None
    room = width - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    return room if LEAST_WRAPPED <= room < widths[-1] else None


def _wrapped(text: str, room: int | None) -> list[str]:
    """Return *text* in lines of at most *room* columns, but for words that are longer."""
    if room is None or text_width(text) <= room:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if text_width(joined) <= room or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [
        " " * (width - text_width(text)) + text if is_right else text + " " * (width - text_width(text))
        for text, width, is_right in zip(texts, widths, right, strict=True)
    ]
    return GAP.join(padded).rstrip()


def _holds_numbers(column: Iterable[Cell]) -> bool:
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
