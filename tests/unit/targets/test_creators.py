"""The number of threads follows what is measured; failures come through."""

import random
import threading
from collections.abc import Callable

import pytest

from backup_manager.engine.targets.filesystem.creators import Creators, Width


def simulate(speed: Callable[[int], float], *, noise: float, periods: int = 2_000) -> tuple[float, int]:
    """Return the share of the best speed that was reached, and where the width settled."""
    wavering = random.Random(5)
    width = Width(8)
    done = 0.0
    for _ in range(periods):
        rate = speed(width.now)
        done += rate
        width.measured(rate * wavering.uniform(1 - noise, 1 + noise))
    return done / periods / max(speed(count) for count in range(1, 9)), width.now


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(
    ("speed", "share", "widths"),
    [
        pytest.param(lambda count: 1 / count, 0.98, {1, 2}, id="contention"),
        pytest.param(lambda count: 1.0, 0.98, {1, 2}, id="flat"),
        pytest.param(lambda count: float(min(count, 4)), 0.8, {3, 4, 5}, id="latency"),
    ],
)
def test_width_finds_what_is_fast(
    speed: Callable[[int], float], share: float, widths: set[int], noise: float
) -> None:
    reached, settled = simulate(speed, noise=noise)
    assert reached >= share
    assert settled in widths


def test_width_comes_down_again_when_the_store_changes() -> None:
    width = Width(4)
    for _ in range(300):
        width.measured(float(width.now))
    assert width.now >= 3
    for _ in range(3_000):
        width.measured(1 / width.now)
    assert width.now == 1


def test_one_thread_stays_one() -> None:
    width = Width(1)
    for _ in range(100):
        width.measured(1.0)
        assert width.now == 1


@pytest.mark.parametrize("count", [1, 3])
def test_tasks_run_in_as_many_threads_as_asked_and_are_counted(count: int) -> None:
    told: list[tuple[int, int]] = []
    threads: set[int] = set()
    creators = Creators(Width(count, first=count), lambda size, files: told.append((size, files)))

    def task() -> tuple[int, int]:
        threads.add(threading.get_ident())
        return 10, 1

    for _ in range(20):
        creators.do(task)
    creators.wait()
    creators.close()
    assert (sum(size for size, _ in told), len(told)) == (200, 20)
    assert (threads == {threading.get_ident()}) == (count == 1)


@pytest.mark.parametrize("count", [1, 2])
def test_a_failure_comes_through(count: int) -> None:
    creators = Creators(Width(count, first=count), lambda size, files: None)

    def task() -> tuple[int, int]:
        raise OSError(5, "broken")

    with pytest.raises(OSError, match="broken"):
        _do_and_wait(creators, task)
    creators.close()


def _do_and_wait(creators: Creators, task: Callable[[], tuple[int, int]]) -> None:
    creators.do(task)
    creators.wait()
