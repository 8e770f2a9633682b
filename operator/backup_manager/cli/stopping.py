"""SIGINT and SIGTERM: a run that asks whether to go on ends by itself; anything else is interrupted at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

FORCED_AFTER_SECONDS = 5  # how long a run may take to notice; a call to a dead network would take minutes


class Stopping:
    """Whether somebody asked us to stop."""

    def __init__(self) -> None:
        self._is_requested = False
        self._is_polled = False

    def requested(self) -> bool:
        """Whether to stop; long runs ask this often, from any thread."""
        return self._is_requested

    def listen(self) -> None:
        """Take over the signals; only the main thread may call this."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_alarm)

    @contextmanager
    def polled(self) -> Iterator[None]:
        """Let the block end by itself at the first signal; a second one, or five seconds, interrupt it."""
        self._is_polled = True
        try:
            yield
        finally:
            self._is_polled = False
            signal.alarm(0)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        is_first = not self._is_requested
        self._is_requested = True
        if self._is_polled and is_first:
            signal.alarm(FORCED_AFTER_SECONDS)
            return
        raise KeyboardInterrupt

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_polled:
            raise KeyboardInterrupt
