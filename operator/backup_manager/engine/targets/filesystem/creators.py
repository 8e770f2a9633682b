"""How many threads create files at once: as many as are measured to be faster than fewer.

Creating files in one file system from several threads is often slower than from one, because the kernel's
locks are handed to and fro (measured on ext4 with two cores: 100,000 files in 3.6 s by one thread, 17 s by
two); on network file systems it is many times faster. So it is tried out while restoring.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

PERIOD_SECONDS = 0.15
FIRST_PERIODS = 6  # before a second thread is tried, so that a short restore tries nothing
FEWEST_PERIODS, MOST_PERIODS = 16, 256  # between two trials, doubled after each that changed nothing
MORE_GAIN = 1.2  # what another thread must bring in each round: other work on the machine makes rates waver
FEWER_GAIN = 0.95  # what is enough to do with one thread less
ROUNDS = 2
UNIT_BYTES = 65_536  # the work of creating a file, in bytes written


class Width:
    """The number of threads, climbed step by step: pure arithmetic over measured rates.

    *first* is the fewest there may be. Now and then one thread more, or one less, is tried: rounds of a
    period as before and a period with the other number, next to each other, and the other number must be
    better in all of them.
    """

    def __init__(self, most: int, *, first: int = 1) -> None:
        self.most = max(1, most)
        self._fewest = first
        self._settled = first
        self._candidate = first
        self._before = 0.0
        self._rounds = 0
        self._until_trial = FIRST_PERIODS
        self._pause = FEWEST_PERIODS
        self.now = first

    def measured(self, rate: float) -> None:
        """Take the *rate* of work done with ``now`` threads in one period, and decide on the next."""
        if self.now != self._settled:
            self._judge(rate)
            return
        self._before = rate
        self._until_trial -= 1
        if self._until_trial <= 0:
            if not self._rounds:
                self._candidate = self._other()
            self.now = self._candidate

    def _other(self) -> int:
        """Return which number to try: fewer after more and more after fewer, where there are any."""
        tried_more = self._candidate > self._settled
        if self._settled > self._fewest and (tried_more or self._settled == self.most):
            return self._settled - 1
        return min(self._settled + 1, self.most)

    def _judge(self, rate: float) -> None:
        gain = MORE_GAIN if self.now > self._settled else FEWER_GAIN
        self._rounds += 1
        if rate > self._before * gain and self._rounds < ROUNDS:
            self.now, self._until_trial = self._settled, 1
            return
        if rate > self._before * gain:
            self._settled, self._pause = self.now, FEWEST_PERIODS
        else:
            self._pause = min(MOST_PERIODS, self._pause * 2)
        self.now, self._rounds, self._until_trial = self._settled, 0, self._pause


Task = Callable[[], tuple[int, int]]
"""Work on one blob; returns the bytes and files done."""


class Creators:
    """Runs tasks by the calling thread alone, or by as many others as pays."""

    def __init__(
        self,
        width: Width,
        done: Callable[[int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._width = width
        self._done = done
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._running: set[Future[tuple[int, int]]] = set()
        self._units = 0.0
        self._begun: float | None = None

    def do(self, task: Task) -> None:
        """Carry out *task*, now or soon; the failure of an earlier one is raised."""
        if self._begun is None:
            self._begun = self._clock()
        if self._width.now == 1:
            self._account(*task())
        else:
            self._submit(task)
        self._measure(self._begun)

    def wait(self) -> None:
        """Return when all tasks are done; raises the failure of one that failed."""
        self._settle(0)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _submit(self, task: Task) -> None:
        self._settle(self._width.now - 1)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._width.most, thread_name_prefix="restore-creator")
        self._running.add(self._pool.submit(task))

    def _settle(self, most: int) -> None:
        """Wait until at most *most* tasks are running."""
        while len(self._running) > most:
            ended, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in ended:
                self._account(*future.result())

    def _account(self, written: int, files: int) -> None:
        self._units += files + written / UNIT_BYTES
        self._done(written, files)

    def _measure(self, begun: float) -> None:
        """Close the period when it is long enough."""
        seconds = self._clock() - begun
        if seconds < PERIOD_SECONDS:
            return
        width = self._width.now
        self._width.measured(self._units / seconds)
        if self._width.now != width:
            self._settle(0)
        self._units = 0.0
        self._begun = self._clock()
