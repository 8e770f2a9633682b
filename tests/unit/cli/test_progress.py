import io

import pytest
from rich.console import Console as RichConsole

from backup_manager.cli.output import Console
from backup_manager.cli.progress_bars import LiveProgress, live_progress
from backup_manager.common.log import configure_logging, get_log
from backup_manager.contract.requests import Progress

MIB = 1 << 20


def shown(state: LiveProgress, width: int) -> str:
    console = RichConsole(file=io.StringIO(), width=width)
    state._console = console
    with console.capture() as captured:
        console.print(state.render())
    return captured.get().rstrip()


def progress(title: str = "Restoring") -> tuple[LiveProgress, list[float]]:
    now = [0.0]
    return LiveProgress(title, RichConsole(file=io.StringIO()), clock=lambda: now[0]), now


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_progress_takes_one_line_of_any_terminal(width: int) -> None:
    state, now = progress()
    state.take(Progress(bytes=902 * MIB, total_bytes=954 * MIB, files=12_345, total_files=20_000))
    now[0] = 2.0

    line = shown(state, width)

    assert "\n" not in line
    assert len(line) <= width
    assert "902.0 MiB of 954.0 MiB" in line or width == 40


def test_files_are_not_counted_where_there_are_none() -> None:
    state, now = progress("Verifying")
    state.take(Progress(bytes=MIB, total_bytes=4 * MIB))
    now[0] = 1.0

    assert shown(state, 80).endswith("1.0 MiB of 4.0 MiB, 1.0 MiB/s, 3s left")


def test_the_next_piece_of_work_begins_at_nothing() -> None:
    state, now = progress("Backing up one")
    state.take(Progress(bytes=900 * MIB, files=3))
    now[0] = 60.0

    state.begin("Backing up tw\x1bo")

    assert shown(state, 80).endswith("Backing up tw\\x1bo 0s so far")


def test_lines_of_the_log_appear_above_the_progress() -> None:
    error = io.StringIO()
    console = Console(io.StringIO(), error)
    configure_logging("warning", stream=console.log_stream)
    said: list[str] = []

    with live_progress(error, "Backing up") as live, console.lines_above(said.append):
        get_log("backup_manager.example").warning("store was slow", seconds=3)
        assert live is not None
    get_log("backup_manager.example").warning("store was slow", seconds=4)

    assert [line.partition("WARNING ")[2] for line in said] == ["store was slow seconds=3"]
    assert error.getvalue().endswith("store was slow seconds=4\n")
