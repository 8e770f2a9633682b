"""The rows of the benchmark: what is done, in which order, and what is kept of it.

Programs alternate within each round, so that a noisy minute of the machine meets all of them; of *n* rounds the best
counts. A row is told as it is measured, as the whole run takes the better part of an hour.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.peers import Home, Program, S3Place, fresh_home, stored_bytes
from tests.benchmarks.process import CommandFailedError, Measured, generate, run


@dataclass
class Figure:
    """What one program needed for one row; bytes are None where they say nothing."""

    row: str
    program: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    added_bytes: int | None = None


@dataclass
class Results:
    """All figures, the best of each row and program, and notes about what could not be measured."""

    figures: dict[tuple[str, str], Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tell: Callable[[str], None] = print

    def add(self, row: str, program: str, measured: Measured, added: int | None = None) -> None:
        """Keep the fastest; peak memory is the worst of all rounds."""
        figure = Figure(row, program, measured.seconds, measured.cpu_seconds, measured.peak_mib, added)
        self.tell(f"{row:34} {program:18} {figure.seconds:8.2f} s {figure.peak_mib:7.0f} MiB")
        known = self.figures.get((row, program))
        if known is not None:
            best, other = (figure, known) if figure.seconds < known.seconds else (known, figure)
            best.peak_mib = max(best.peak_mib, other.peak_mib)
            figure = best
        self.figures[row, program] = figure


class Round:
    """One round over one data set: first, again, verify, restore by each program, then all with 1 % changed."""

    def __init__(self, programs: Sequence[Program], scratch: Path, results: Results) -> None:
        self._programs = programs
        self._scratch = scratch
        self._results = results

    def local(self, label: str, folder: Path, number: int) -> None:
        """All rows on the local disk."""
        homes = {}
        for program in self._programs:
            home = homes[program.name] = fresh_home(self._scratch / program.name.split()[0])
            self._create(program, home)
            self._backup(program, home, folder, f"first backup, {label}")
            self._backup(program, home, folder, f"again unchanged, {label}")
            self._restore(program, home, folder, f"restore, {label}")
            command = program.verify(home)
            if command is not None:
                self._measure(f"verify all, {label}", program, home, command)
        generate("change", folder, 100 + number)
        for program in self._programs:
            self._backup(program, homes[program.name], folder, f"again 1 % changed, {label}")
            shutil.rmtree(homes[program.name].path)

    def remote(self, label: str, folder: Path, place: Callable[[], S3Place]) -> None:
        """First backup and restore through an S3 server; *place* gives a new bucket."""
        for program in self._programs:
            if not program.has_s3:
                continue
            home = fresh_home(self._scratch / program.name.split()[0], place())
            self._create(program, home)
            self._measure(f"first backup, {label}, S3", program, home, program.backup(home, folder))
            shutil.rmtree(home.path / "cache", ignore_errors=True)
            self._restore(program, home, folder, f"restore, {label}, S3")
            shutil.rmtree(home.path)

    def _create(self, program: Program, home: Home) -> None:
        for command in program.create(home):
            run(command, program.environment(home), home.path / "log")

    def _backup(self, program: Program, home: Home, folder: Path, row: str) -> None:
        before = stored_bytes(home)
        command = program.backup(home, folder)
        measured = run(command, program.environment(home), home.path / "log")
        self._results.add(row, program.name, measured, stored_bytes(home) - before)

    def _restore(self, program: Program, home: Home, folder: Path, row: str) -> None:
        # Restored trees stay until the end of the run: ext4 takes ten times as long to create files where many were
        # deleted in the last minutes, which would punish whoever comes later.
        destination = self._scratch / "restored" / f"{len(self._results.figures)}-{time.monotonic_ns()}"
        destination.parent.mkdir(parents=True, exist_ok=True)
        self._measure(row, program, home, program.restore(home, folder, destination))
        _expect_same_size(folder, destination, program.name)

    def _measure(self, row: str, program: Program, home: Home, command: list[str]) -> None:
        self._results.add(row, program.name, run(command, program.environment(home), home.path / "log"))


def _expect_same_size(folder: Path, destination: Path, name: str) -> None:
    """Refuse to print a time for a restore that did not restore."""
    wanted = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    found = sum(path.stat().st_size for path in destination.rglob("*") if path.is_file())
    if found != wanted:
        raise CommandFailedError(f"{name} restored {found} of {wanted} bytes")
