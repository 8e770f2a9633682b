"""How errors look: three lines, or one document; and which exit code they end with."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from tests.support.program import COMMAND, ENVIRONMENT, program, sirsinexus

from backup_manager.cli.application import VERBS
from backup_manager.cli.call import Surroundings
from backup_manager.cli.main import run_program
from backup_manager.cli.output import Console
from backup_manager.cli.stopping import Stopping

GOLDEN = [
    pytest.param(
        ["explain", "nope"], 3,
        "Error: Failed to explain policy\n"
        "Cause: Not found: policy 'nope' is not in the configuration\n"
        "Solution: Use one of: files.\n",
        id="no such policy",
    ),
    pytest.param(
        ["delete", "latest"], 50,
        "Error: Failed to delete backup\n"
        "Cause: Confirmation missing: this cannot be undone, and there is no terminal to ask at\n"
        "Solution: Repeat the command with --yes.\n",
        id="not confirmed",
    ),
    pytest.param(
        ["serve"], 2,
        "Error: Failed to serve schedules\n"
        "Cause: Not available: this version does not run schedules by itself\n"
        "Solution: Start `sirsinexus backup run` from cron or a systemd timer at the scheduled times.\n",
        id="serve",
    ),
    pytest.param(
        ["lst"], 2,
        "Error: The command could not be completed\n"
        "Cause: Invalid argument: there is no command 'lst'; did you mean 'list'?\n"
        "Solution: `sirsinexus backup --help` says what is accepted.\n",
        id="mistyped verb",
    ),
    pytest.param(
        ["restore", "latest"], 2,
        "Error: Failed to restore backup\n"
        "Cause: Invalid argument: `restore` needs --to or --target, and none was given\n"
        "Solution: Correct the command; --help lists what it accepts.\n",
        id="no destination",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("args", "code", "text"), GOLDEN)
def test_an_error_is_three_lines(args: list[str], code: int, text: str, folder: Path) -> None:
    ended = sirsinexus(*args)

    assert (ended.code, ended.out, ended.err) == (code, "", text)


@pytest.mark.parametrize(("args", "code", "text"), GOLDEN)
def test_with_json_the_same_error_is_one_document(
    args: list[str], code: int, text: str, folder: Path
) -> None:
    ended = sirsinexus(*args, "-o", "json")

    error, cause, solution = (line.partition(": ")[2] for line in text.splitlines())
    assert (ended.code, ended.out) == (code, "")
    assert list(ended.error) == ["error", "cause", "solution", "reason", "retryable"]
    assert [ended.error[key] for key in ("error", "cause", "solution")] == [error, cause, solution]


@pytest.mark.parametrize("form", [["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]])
def test_an_option_that_is_not_known_is_a_document_too(form: list[str], folder: Path) -> None:
    ended = sirsinexus("run", "--bogus", *form)

    assert ended.code == 2
    assert "--bogus" in ended.error["cause"]
    assert ended.error["error"] == "Failed to create backup"


@pytest.mark.parametrize(
    "args",
    [
        ["run", "--type", "differential"],
        ["verify"],
        ["verify", "latest", "--all"],
        ["verify", "latest", "--check", "colour"],
        ["verify", "latest", "--min-bytes", "much"],
        ["verify", "--all", "--restore-test"],
        ["verify", "latest", "--destination", "x"],
        ["restore", "--to", "x"],
        ["restore", "latest", "--to", "x", "--target", "a=b"],
        ["restore", "latest", "--target", "nothing"],
        ["restore", "latest", "--target", "a=postgresql://host/db"],
        ["restore", "latest", "--to", "x", "--mode", "replace"],
        ["restore", "latest", "--to", "x", "--parallel", "0"],
        ["restore", "--policy", "files", "--to", "x", "--point-in-time", "noon"],
        ["prune", "--grace", "soon"],
        ["cat", "latest", "/x", "-o", "json"],
        ["key", "add"],
        ["key", "add", "--new-key-file", "a", "--new-kms-key", "b"],
        ["info"],
        ["list", "surplus"],
        ["-o", "xml", "list"],
        ["-f", "absent.yaml", "list"],
        ["--repository", "x", "run"],
        ["--repository", "x", "quickstart"],
        ["--repository", "x", "explain", "files"],
        ["--repository", "x", "prune", "--policy", "files"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_writes_nothing(args: list[str], folder: Path) -> None:
    before = sorted(folder.rglob("*"))

    ended = sirsinexus(*args)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err
    assert sorted(folder.rglob("*")) == before


def test_a_manifest_is_refused_as_not_available(folder: Path) -> None:
    for documents in (1, 2):
        (folder / "policy.yaml").write_text("---\napiVersion: v1\nkind: BackupPolicy\n" * documents)

        ended = sirsinexus("-f", "policy.yaml", "list", "-o", "json")

        assert (ended.code, ended.error["reason"]) == (2, "NotAvailable")


def test_a_refused_file_is_named(folder: Path) -> None:
    (folder / "sub").mkdir()
    for place in (folder, folder / "sub"):
        (place / "backup.yaml").write_text("policies: [\n")

    assert "Cause: Invalid configuration: backup.yaml: the file is not YAML, line 2" in sirsinexus("list").err
    assert (
        f"configuration: {folder}/sub/backup.yaml: "
        in sirsinexus("-f", f"{folder}/sub/backup.yaml", "list").err
    )


@pytest.mark.parametrize(
    "verb", [["list"], ["info", "latest"], ["verify", "--all"], ["ls", "latest"], ["prune"]]
)
def test_a_repository_that_is_absent_ends_with_3(verb: list[str], folder: Path) -> None:
    ended = sirsinexus(*verb)

    assert ended.code == 3
    assert not (folder / "repository").exists()


def test_a_defect_ends_with_70_and_hides_the_traceback(folder: Path) -> None:
    class Broken(Stopping):
        def polled(self) -> None:  # type: ignore[override]
            raise RuntimeError("boom\x1b[31m")

    for flag, has_traceback in ((), False), (("-v",), True):
        error = io.StringIO()
        console = Console(io.TextIOWrapper(io.BytesIO()), error)
        code = run_program(["backup", *flag, "run"], Surroundings(console, {}, Broken()))
        assert code == 70
        assert "Cause: Defect: RuntimeError in progress.py" in error.getvalue()
        assert "boom\\x1b[31m" in error.getvalue()
        assert ("Traceback" in error.getvalue()) is has_traceback


def test_an_interruption_ends_with_60(folder: Path) -> None:
    class Interrupted(Stopping):
        def polled(self) -> None:  # type: ignore[override]
            raise KeyboardInterrupt

    error = io.StringIO()
    console = Console(io.TextIOWrapper(io.BytesIO()), error)

    code = run_program(["backup", "run", "-ojson"], Surroundings(console, {}, Interrupted()))

    assert code == 60
    assert json.loads(error.getvalue())["reason"] == "Interrupted"


def test_a_full_disk_behind_standard_output_is_an_error(backed_up: Path) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*COMMAND, "list"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE)

    assert ended.returncode == 50
    assert b"cannot write to standard output: No space left on device" in ended.stderr


def test_help_fits_a_terminal_and_begins_with_what_is_particular(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for args in ([], *([verb] for verb in VERBS), *(["key", verb] for verb in ("add", "rotate", "remove"))):
        assert sirsinexus(*args, "--help").code == 0
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= 80
        assert "..." not in shown.partition("\n")[2].replace("]...", "")  # no sentence is cut short
        sections = [line.split(" (")[0] for line in shown.splitlines() if line[:1].isupper()]
        order = [
            "Usage",
            "Commands:",
            "Arguments:",
            "Options:",
            "Common options",
            "Common options:",
            "Exit codes:",
        ]
        places = [order.index(name) for name in sections if name in order]
        assert places == sorted(places)
        assert "Common options" in shown


def test_arguments_and_exit_codes_are_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [sirsinexus("restore", "--help").code, sirsinexus("--help").code, program("--help").code] == [
        0
    ] * 3

    shown = capsys.readouterr().out
    assert "BACKUP  An id" in shown
    assert "  40  verification failed: corrupt or missing data\n" in shown
