"""The quickstart: from nothing to a restore test, and on from there."""

import os
from pathlib import Path

import pytest

from backup_manager.common.errors import ConfigurationError, NotFoundError
from backup_manager.contract.results import BackupType, VerificationOutcome
from backup_manager.engine.jobs.catalogue import list_entries
from backup_manager.manager.access import opened
from backup_manager.manager.address import open_file
from backup_manager.manager.quickstart import QuickstartListener, run_quickstart


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("a")
    return tmp_path


def test_everything_is_done_once(home: Path) -> None:
    result = run_quickstart([], home / "demo")

    assert [run.type for run in result.runs] == [BackupType.FULL, BackupType.INCREMENTAL]
    assert result.verification is not None
    assert result.verification.result is VerificationOutcome.PASSED
    assert [check.check.value for check in result.verification.checks][-1] == "restoreTest"
    assert len(result.backups) == 2
    assert sorted(os.listdir(home / "demo")) == ["backup.key", "backup.yaml", "repository"]
    assert (home / "demo").stat().st_mode & 0o777 == 0o700
    assert (home / "demo" / "backup.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["demo", "de mo", "d*[a]!", "#demo", "\\demo", "sub/demo"])
def test_the_repository_is_never_backed_up_into_itself(home: Path, name: str) -> None:
    (home / "sub").mkdir()

    result = run_quickstart([], home / name)

    place = open_file(home / name / "backup.yaml", {})
    with opened(place.address) as session:
        held = [entry.path for entry in list_entries(session, "latest", str(home))]
    assert str(home / "a") in held
    assert str(home / name) not in held
    assert result.runs[1].files == result.runs[0].files == 1


def test_a_second_start_goes_on_with_what_is_there(home: Path) -> None:
    run_quickstart([], home / "demo")
    key = (home / "demo" / "backup.key").read_text()
    said: list[str] = []

    result = run_quickstart(["elsewhere"], home / "demo", QuickstartListener(said=said.append))

    assert (home / "demo" / "backup.key").read_text() == key
    assert [run.type for run in result.runs] == [BackupType.INCREMENTAL] * 2
    assert len(result.backups) == 4
    assert said == [
        "going on in demo",
        "elsewhere is not among the paths in demo/backup.yaml; change them there",
    ]


def test_a_second_start_with_the_same_paths_has_nothing_to_say_about_them(home: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        said.clear()
        run_quickstart(["a"], home / "demo", QuickstartListener(said=said.append))

    assert said == ["going on in demo"]


def test_each_step_is_told_when_it_has_ended(home: Path) -> None:
    told: list[str] = []

    run_quickstart(
        [],
        home / "demo",
        QuickstartListener(
            started=told.append,
            ran=lambda run: told.append(run.type.value),
            verified=lambda result: told.append(result.result.value),
        ),
    )

    assert told == [
        "Backing up", "full", "Backing up what has changed", "incremental",
        "Verifying and restoring", "Passed",
    ]  # fmt: skip


def test_a_start_that_was_killed_before_its_file_goes_on(home: Path) -> None:
    run_quickstart([], home / "demo")
    key = (home / "demo" / "backup.key").read_text()
    (home / "demo" / "backup.yaml").unlink()

    assert run_quickstart([], home / "demo").verification is not None
    assert (home / "demo" / "backup.key").read_text() == key


def test_dollars_and_quotes_in_paths_are_taken_as_they_are(home: Path) -> None:
    odd = home / 'odd ${HOME} "x" \\ ü'
    odd.mkdir()
    (odd / "file").write_text("x")

    result = run_quickstart([str(odd)], home / "demo")

    assert result.runs[0].files == 1


def test_a_folder_of_something_else_is_refused(home: Path) -> None:
    (home / "demo").mkdir()
    (home / "demo" / "thesis.tex").touch()

    with pytest.raises(ConfigurationError, match=r"thesis\.tex"):
        run_quickstart([], home / "demo")
    assert os.listdir(home / "demo") == ["thesis.tex"]


def test_a_path_that_does_not_exist_writes_nothing(home: Path) -> None:
    with pytest.raises(NotFoundError):
        run_quickstart(["nothing"], home / "demo")

    assert not (home / "demo").exists()


def test_a_failed_run_ends_it(home: Path) -> None:
    (home / "empty").mkdir()

    result = run_quickstart([str(home / "empty")], home / "demo")

    assert result.verification is None
    assert [run.error.reason for run in result.runs if run.error] == ["SourceEmpty"]
