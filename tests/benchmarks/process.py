"""One command as a whole process: its seconds, its peak memory, its output."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SETTLE_SECONDS = 3.0  # a file changed less than 2 s before it is read is not trusted by anybody's next run


@dataclass(frozen=True)
class Measured:
    """Wall and processor seconds, and the peak resident set in MiB of the process and its children."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


class CommandFailedError(Exception):
    """A program of the benchmark ended with an error; the message is the end of what it said."""


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Measured:
    """Run *command* to its end and measure it; output goes to *log*.

    What earlier commands have written is on the disk before: else a program that syncs its files pays for theirs.
    """
    os.sync()
    with log.open("wb") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise CommandFailedError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def generate(kind: str, folder: Path, amount: int, *sizes: int) -> None:
    """Make data in another process: the peak memory of a child begins with what its parent holds."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.data",
        kind,
        str(folder),
        str(amount),
        *map(str, sizes),
    ]
    subprocess.run(command, check=True)
    time.sleep(SETTLE_SECONDS)
