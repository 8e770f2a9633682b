"""Work in a process of its own, that can be killed, stopped and woken by real signals."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backup_manager.common.errors import BackupManagerError

DEFECT = 70


class Child:
    """A process of *work*; its exit code is 0, that of the error, or 70 for any other exception."""

    def __init__(self, work: Callable[[], object]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(work)
        self._code: int | None = None

    @staticmethod
    def _run(work: Callable[[], object]) -> None:
        code = DEFECT
        try:
            work()
            code = 0
        except BackupManagerError as err:
            sys.stderr.write(f"{err}\n")
            code = err.exit_code
        except BaseException:  # noqa: BLE001  # a process ends here, and its parent is told
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended and was waited for."""
        if self._code is None:
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether it is over; does not wait."""
        return self._wait(os.WNOHANG) is not None

    def has_stopped(self) -> bool:
        """Wait until it has stopped or ended; whether it has stopped."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        self._code = os.waitstatus_to_exitcode(status)
        return False

    def wait(self) -> int:
        """Wait for the end; return the exit code, or the number of the signal that killed it, negative."""
        code = self._wait(0)
        assert code is not None
        return code

    def _wait(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


@contextmanager
def children(*works: Callable[[], object]) -> Iterator[tuple[Child, ...]]:
    """Run all works at once; what is still running at the end of the block is killed."""
    running = tuple(Child(work) for work in works)
    try:
        yield running
    finally:
        for child in running:
            if not child.has_ended():
                child.signal(signal.SIGCONT)
                child.signal(signal.SIGKILL)
            child.wait()


def wait_until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Return as soon as *condition* is true; fails after so many *seconds*."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.002)
