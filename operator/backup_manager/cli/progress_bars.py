"""Live progress at a terminal: bytes, files, rate and time left; imported only where one is watching."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from backup_manager.cli.printable import printable
from backup_manager.common.units import format_duration, format_size
from backup_manager.contract.requests import Progress

REFRESHES_PER_SECOND = 8
BAR_WIDTH = 30
LEAST_SECONDS = 1.0  # before that, a rate says nothing


class LiveProgress:
    """The newest state of a run; :meth:`take` is called often and from any thread, so it only notes."""

    def __init__(self, title: str, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._console = console
        self._clock = clock
        self._begun = clock()
        self._latest = Progress()
        self._spinner = Spinner("dots")

    def take(self, progress: Progress) -> None:
        """Note how far the run is."""
        self._latest = progress

    def say(self, line: str) -> None:
        """Write a line above the progress."""
        self._console.print(Text(line))

    def render(self) -> Group:
        """Return what the terminal shows now."""
        done = self._latest
        row = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [self._spinner, Text(printable(self._title), style="bold")]
        if done.total_bytes:
            cells.append(ProgressBar(total=done.total_bytes, completed=done.bytes, width=BAR_WIDTH))
        row.add_row(*cells, Text(progress_text(done, self._clock() - self._begun)))
        return Group(row)


def progress_text(done: Progress, seconds: float) -> str:
    """Return the figures beside the bar.

    >>> progress_text(Progress(bytes=1048576, files=3, total_bytes=4194304), 2.0)
    '1.0 MiB of 4.0 MiB, 3 files, 512.0 KiB/s, 6s left'
    """
    parts = [
        _of(format_size(done.bytes), format_size(done.total_bytes) if done.total_bytes else ""),
        _of(f"{done.files:,}", f"{done.total_files:,}" if done.total_files else "") + " files",
    ]
    rate = done.bytes / seconds if seconds >= LEAST_SECONDS else 0.0
    if rate:
        parts.append(f"{format_size(int(rate))}/s")
    if rate and done.total_bytes > done.bytes:
        parts.append(f"{format_duration((done.total_bytes - done.bytes) / rate)} left")
    else:
        parts.append(f"{format_duration(round(seconds))} so far")
    return ", ".join(parts)


@contextmanager
def live_progress(stream: TextIO, title: str) -> Iterator[LiveProgress]:
    """Show progress on *stream* while the block runs; it is gone afterwards."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    state = LiveProgress(title, console)
    live = Live(
        console=console,
        get_renderable=state.render,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with live:
        yield state


def _of(done: str, total: str) -> str:
    return f"{done} of {total}" if total else done
