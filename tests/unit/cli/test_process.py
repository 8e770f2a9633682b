"""What only a process of its own can show: start-up, signals, closed pipes, a terminal, completion."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.program import COMMAND, ENVIRONMENT, sirsinexus

UNWANTED = (
    "boto3",
    "botocore",
    "rich",
    "typer",
    "pydantic",
    "pyfastcdc",
    "hypothesis",
    "asyncio",
    "importlib.metadata",
)
SHOW_MODULES = (
    "import sys, backup_manager.cli.main as m\ntry: m.main()\nfinally: print(*sys.modules, file=sys.stderr)"
)


def start(*args: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, *args], env=ENVIRONMENT, **options)  # type: ignore[call-overload,no-any-return]


def test_a_listing_imports_nothing_that_it_does_not_need(backed_up: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SHOW_MODULES, "backup", "list"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 0
    assert set(UNWANTED) & set(ended.stderr.split()) == set()


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import backup_manager, sys; print(*[m for m in sys.modules if m.startswith('backup_manager')])"

    ended = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)

    assert ended.stdout.split() == ["backup_manager"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_60_and_the_next_one_goes_on(number: signal.Signals, folder: Path) -> None:
    with open("data/large", "wb") as file:
        file.writelines(os.urandom(8 << 20) for _ in range(30))
    process = start("run", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not list(folder.glob("repository/packs/*/*")) and time.monotonic() < deadline:
        time.sleep(0.01)

    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 60, err
    assert b"\tFailed\t" in out
    assert b"Cause: Interrupted: " in err
    assert b"Traceback" not in err
    assert sirsinexus("list").out == ""


def test_a_closed_pipe_is_nobodys_error(backed_up: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    process = start("list", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)

    assert process.communicate(timeout=20) == (None, b"")
    assert process.returncode == 0


def test_a_terminal_sees_progress_and_a_pipe_sees_none(folder: Path) -> None:
    controller, terminal = pty.openpty()
    process = start("run", stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += (piece := os.read(controller, 65536))
        except OSError:
            break
        if not piece:
            break
    os.close(controller)

    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"\x1b" not in out
    assert b"Backing up" in shown
    assert "Backing up" not in sirsinexus("run").err


def test_the_shell_completes_verbs_policies_and_backups(backed_up: Path) -> None:
    def completed(words: str, position: int) -> list[str]:
        variables = {
            "_SIRSINEXUS_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(position),
        }
        command = [sys.executable, "-m", "backup_manager.cli.main"]
        ended = subprocess.run(command, env=ENVIRONMENT | variables, capture_output=True, text=True)
        return [line.partition(",")[2] for line in ended.stdout.splitlines()]

    newest = sirsinexus("list").rows[0][0]
    assert "restores" in completed("sirsinexus backup rest", 2)
    assert completed("sirsinexus backup run --policy fi", 4) == ["files"]
    assert newest in completed("sirsinexus backup info files-", 3)
    assert not any(completed("sirsinexus backup -f absent.yaml info files-", 5))


def test_the_shell_is_asked_for_files_and_folders(tmp_path: Path) -> None:
    def asked(words: str, position: int) -> str:
        variables = {
            "_SIRSINEXUS_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(position),
        }
        command = [sys.executable, "-m", "backup_manager.cli.main"]
        return subprocess.run(command, env=ENVIRONMENT | variables, capture_output=True, text=True).stdout

    assert asked("sirsinexus backup -f ba", 3) == "file,ba\n"
    assert asked("sirsinexus backup restore latest --to o", 5) == "dir,o\n"
    assert asked("sirsinexus backup quickstart do", 3) == "file,do\n"


def test_completion_is_shown_and_installed_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backup_manager.cli.main"]
    environment = ENVIRONMENT | {"SHELL": "/bin/zsh", "HOME": str(tmp_path)}

    shown = subprocess.run([*command, "--show-completion"], env=environment, capture_output=True, text=True)
    for _ in range(2):
        subprocess.run([*command, "--install-completion"], env=environment, check=True, capture_output=True)

    assert "compdef" in shown.stdout
    assert (tmp_path / ".zshrc").read_text().count("_SIRSINEXUS_COMPLETE=zsh_source") == 1


@pytest.mark.parametrize("role", ["operator", "worker", "crds", "unheard"])
def test_containers_are_told_that_their_role_is_not_there_yet(role: str) -> None:
    command = [sys.executable, "-m", "backup_manager.cli.container", role]

    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == ["Error", "Cause", "Solution"]


def test_streams_that_are_closed_are_no_obstacle(backed_up: Path) -> None:
    line = " ".join([*COMMAND, "list", "<&-", ">&-", "2>&-"])

    assert subprocess.run(["sh", "-c", line], env=ENVIRONMENT).returncode == 0
