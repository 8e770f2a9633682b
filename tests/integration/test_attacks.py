"""What once hung, or lost data without a word: each test stands for a defect that was found by attack."""

import errno
import os
import threading
from collections.abc import Callable

import pytest
from tests.integration.workbench import Workbench, files_source, read, write

from backup_manager.contract.requests import Hooks
from backup_manager.engine.sources.filesystem import large

MIB = 1 << 20


def within_seconds(seconds: float, work: Callable[[], object]) -> None:
    """Fail, rather than wait for ever, when *work* hangs."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as err:  # noqa: BLE001  # raised below, in the thread of the test
            failures.append(err)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"
    if failures:
        raise failures[0]


def test_large_files_on_a_damaged_disk_do_not_use_up_the_buffers_of_the_others(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = bench.place + b"/tree"
    for number in range(large.BLOCKS + 1):
        write(tree + b"/bad-%d" % number, os.urandom(MIB))
    write(tree + b"/good", content := os.urandom(MIB))
    preadv = os.preadv

    def fail_for_bad(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        if b"/bad-" in os.readlink(b"/proc/self/fd/%d" % descriptor):
            raise OSError(errno.EIO, "Input/output error")
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", fail_for_bad)
    source = files_source(tree, allow_unreadable=True)
    within_seconds(20, lambda: bench.back_up(source))
    bench.bring_back(tree, target := bench.place + b"/back")
    assert read(target + b"/good") == content


def test_a_file_written_just_before_a_long_reading_is_read_again_by_the_next_run(bench: Workbench) -> None:
    path = bench.place + b"/tree/large"
    write(path, os.urandom(30 * MIB))
    bench.clock.ahead = 0.5

    def read_slowly(_progress: object) -> None:
        bench.clock.ahead += 10

    bench.back_up(bench.place + b"/tree", hooks=Hooks(progress=read_slowly))
    entry, _ = bench.entries()[path]
    assert entry.racy, "it may have been written again within the same tick of the clock, before it was read"
