"""What people are shown and told beside the result itself."""

import os
from pathlib import Path

from tests.support.program import sirsinexus
from tests.unit.cli.conftest import CONFIGURATION, HOSTILE


def test_a_person_is_told_when_there_is_nothing(folder: Path) -> None:
    sirsinexus("run")
    assert sirsinexus("delete", "latest", "--yes").code == 0

    for verb, words in (("restores", "Nothing was restored"), ("list", "There are no backups")):
        shown = sirsinexus(verb, stdout_is_terminal=True)
        assert (shown.code, shown.out) == (0, "")
        assert words in shown.err
        assert sirsinexus(verb).err == ""


def test_a_person_sees_the_first_paths_of_a_plan_and_what_it_comes_to(backed_up: Path) -> None:
    for number in range(30):
        (backed_up / "data" / f"more-{number}").touch()
    sirsinexus("run")

    shown = sirsinexus("restore", "latest", "--to", "out", "--dry-run", stdout_is_terminal=True)

    assert len(shown.out.splitlines()) < 20
    assert "more" in shown.out.splitlines()[-1]
    assert "Nothing was changed." in shown.err
    assert len(sirsinexus("restore", "latest", "--to", "out", "--dry-run").rows) > 30


def test_an_include_that_matches_nothing_is_a_warning(backed_up: Path) -> None:
    ended = sirsinexus("restore", "latest", "--to", "out", "--include", "*.nothing")

    assert "matches --include *.nothing" in ended.err
    assert sirsinexus("restore", "latest", "--to", "other", "--include", "hello*").err == ""


def test_findings_of_the_doctor_fit_a_terminal(backed_up: Path) -> None:
    (backed_up / "backup.key").chmod(0o644)

    shown = sirsinexus("doctor", stdout_is_terminal=True).out

    assert shown.splitlines()[0].split() == ["\x1b[1mLEVEL", "SUBJECT", "FINDING\x1b[0m"]
    assert "0644" in shown
    assert [len(row) for row in sirsinexus("doctor").rows] == [4] * len(sirsinexus("doctor").rows)


def test_a_terminal_gets_a_table(backed_up: Path) -> None:
    shown = sirsinexus("list", stdout_is_terminal=True).out

    assert shown.startswith("\x1b[1mID ")


def test_names_reach_people_escaped_and_programs_exactly(backed_up: Path) -> None:
    data = str(backed_up / "data")

    plain = sirsinexus("ls", "latest", data)
    document = sirsinexus("ls", "latest", data, "-o", "json").document

    assert "\x1b" not in plain.out
    assert any("bad\\xff\\x1b[31m" in row[-1] for row in plain.rows)
    assert os.path.join(os.fsencode(data), HOSTILE) in [os.fsencode(entry["path"]) for entry in document]
    assert sirsinexus("ls", "latest", data, "-o", "yaml").code == 0
    assert "\x1b" not in sirsinexus("ls", "latest", data, stdout_is_terminal=True).out


def test_missing_encryption_is_said_in_every_listing(folder: Path) -> None:
    text = CONFIGURATION.replace("{provider: local, key_file: ./backup.key}", "{enabled: false}")
    (folder / "backup.yaml").write_text(text)

    for args in (["run"], ["list"], ["list", "-o", "json"], ["info", "latest"], ["restores"]):
        assert "Encryption is disabled" in sirsinexus(*args).err


def test_verbose_says_which_place_was_chosen(backed_up: Path) -> None:
    assert f"using the configuration file {backed_up / 'backup.yaml'} (the working directory)" in (
        sirsinexus("list", "-v").err
    )


def test_keys_of_later_versions_are_named_when_they_matter(folder: Path) -> None:
    (folder / "backup.yaml").write_text(CONFIGURATION + '    schedule: {full: "0 0 * * *"}\n')

    assert "Warning: policies.files.schedule: " in sirsinexus("run").err
    assert sirsinexus("list").err == ""
    assert "policies.files.schedule" in sirsinexus("list", "-v").err
