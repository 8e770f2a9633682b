"""Live progress at a terminal: bytes, files, rate and time left; imported only where one is watching."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, RenderableType
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
SHORT_BAR_WIDTH = 10
LEAST_SECONDS = 1.0  # before that, a rate says nothing


class LiveProgress:
    """The newest state of a run; :meth:`take` is called often and from any thread, so it only notes."""

    def __init__(self, title: str, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._spinner = Spinner("dots")
        self.begin(title)

    def begin(self, title: str) -> None:
        """Show another piece of work from now on."""
        self._title = printable(title)
        self._begun = self._clock()
        self._latest = Progress()

    def take(self, progress: Progress) -> None:
        """Note how far the run is."""
        self._latest = progress

    def say(self, line: str) -> None:
        """Write a line above the progress."""
        self._console.print(Text(line))

    def render(self) -> Table:
        """Return what the terminal shows now, on one line."""
        done = self._latest
        parts = progress_parts(done, self._clock() - self._begun)
        room = self._console.width - len("x ") - len(self._title)
        bar_width, text = fit(parts, BAR_WIDTH if done.total_bytes else 0, room)
        row = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [
            self._spinner,
            Text(self._title, style="bold", no_wrap=True, overflow="ellipsis"),
        ]
        if bar_width:
            cells.append(ProgressBar(total=done.total_bytes, completed=done.bytes, width=bar_width))
        row.add_row(*cells, Text(text, no_wrap=True, overflow="ellipsis"))
        return row


def progress_parts(done: Progress, seconds: float) -> tuple[str, ...]:
    """Return the figures beside the bar: bytes and files unless there are none, rate, and time.

    >>> progress_parts(Progress(bytes=1048576, files=3, total_bytes=4194304), 2.0)
    ('1.0 MiB of 4.0 MiB', '3 files', '512.0 KiB/s', '6s left')
    """
    parts: list[str] = []
    if done.bytes or done.total_bytes:
        parts.append(_of(format_size(done.bytes), format_size(done.total_bytes) if done.total_bytes else ""))
    if done.files or done.total_files:
        parts.append(_of(f"{done.files:,}", f"{done.total_files:,}" if done.total_files else "") + " files")
    rate = done.bytes / seconds if seconds >= LEAST_SECONDS else 0.0
    if rate:
        parts.append(f"{format_size(int(rate))}/s")
    if rate and done.total_bytes > done.bytes:
        parts.append(f"{format_duration(round((done.total_bytes - done.bytes) / rate))} left")
    else:
        parts.append(f"{format_duration(round(seconds))} so far")
    return tuple(parts)


def fit(parts: Sequence[str], bar_width: int, room: int) -> tuple[int, str]:
    """Return how wide the bar is, and the text beside it, so that both have *room*.

    First the bar gets shorter, then the rate goes, then the bar, then the files.

    >>> fit(("1 GiB of 2 GiB", "3 files", "9 MiB/s", "6s left"), 30, 60)
    (10, '1 GiB of 2 GiB, 3 files, 9 MiB/s, 6s left')
    >>> fit(("1 GiB of 2 GiB", "3 files", "9 MiB/s", "6s left"), 30, 30)
    (0, '1 GiB of 2 GiB, 6s left')
    """
    without_rate = (*parts[:-2], parts[-1]) if len(parts) > 2 else tuple(parts)
    short = min(bar_width, SHORT_BAR_WIDTH)
    choices = (
        (bar_width, tuple(parts)),
        (short, tuple(parts)),
        (short, without_rate),
        (0, without_rate),
        (0, (*parts[:1], *parts[1:][-1:])),
    )
    for width, kept in choices:
        text = ", ".join(kept)
        if len(text) + 1 + (width + 1 if width else 0) <= room:
            break
    return width, text


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
