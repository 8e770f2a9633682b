"""The verbs, against a real repository in a folder."""

import json
import os
from pathlib import Path

import pytest
import yaml
from tests.support.program import sirsinexus
from tests.unit.cli.conftest import CONFIGURATION

BACKUP_KEYS = [
    "id", "policy", "type", "status", "startedAt", "completedAt", "durationSeconds", "sources", "files",
    "directories", "sourceBytes", "readBytes", "addedBytes", "storedBytes", "warnings", "verified", "snapshotId",
]  # fmt: skip


def test_the_first_run_is_full_and_the_next_incremental(folder: Path) -> None:
    first = sirsinexus("-o", "json", "run")
    second = sirsinexus("run", "-o", "json")

    assert [first.code, second.code] == [0, 0]
    assert [list(each) for each in first.document] == [BACKUP_KEYS]
    assert [first.document[0]["type"], second.document[0]["type"]] == ["full", "incremental"]
    assert first.document[0]["files"] == 3


def test_options_stand_before_or_after_the_verb(backed_up: Path) -> None:
    os.rename("backup.yaml", "other.yaml")

    assert sirsinexus("-f", "other.yaml", "list").out == sirsinexus("list", "-f", "other.yaml").out != ""
    assert (
        sirsinexus("key", "-f", "other.yaml", "list").out == sirsinexus("key", "list", "-f", "other.yaml").out
    )


def test_a_repository_is_listed_without_a_file(backed_up: Path) -> None:
    listed = sirsinexus("list", "-o", "json")
    direct = sirsinexus("--repository", "repository", "--key-file", "backup.key", "list", "-o", "json")
    variables = {"BACKUP_MANAGER_REPOSITORY": "repository", "BACKUP_MANAGER_KEY_FILE": "backup.key"}

    assert direct.document == listed.document
    assert sirsinexus("list", "-o", "json", environment=variables).document == listed.document


def test_list_is_the_same_in_every_form(backed_up: Path) -> None:
    document = sirsinexus("list", "-o", "json").document
    ids = [backup["id"] for backup in document]

    assert [row[0] for row in sirsinexus("list").rows] == ids
    assert [each["id"] for each in yaml.safe_load(sirsinexus("list", "-o", "yaml").out)] == ids
    table = sirsinexus("list", "-o", "table").out
    assert [line.split()[0] for line in table.splitlines()] == ["ID", *ids]
    assert "\x1b" not in table


def test_a_tilde_after_the_equals_sign_is_the_home(backed_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(backed_up / "home"))

    assert sirsinexus("restore", "latest", "--target", "files=~/out").code == 0
    assert (backed_up / "home" / "out" / "hello.txt").exists()


def test_info_adds_keys_to_those_of_the_list(backed_up: Path) -> None:
    (listed,) = sirsinexus("list", "-o", "json").document[:1]
    info = sirsinexus("info", "latest", "-o", "json").document

    assert {key: info[key] for key in BACKUP_KEYS} == listed
    assert info["encrypted"] is True
    assert ["id", listed["id"]] in sirsinexus("info", "latest").rows


def test_an_ambiguous_prefix_lists_the_candidates(backed_up: Path) -> None:
    ended = sirsinexus("info", "files")

    assert ended.code == 2
    assert all(backup["id"] in ended.err for backup in sirsinexus("list", "-o", "json").document)


def test_cat_writes_the_bytes_and_nothing_else(backed_up: Path) -> None:
    (backed_up / "data" / "bytes").write_bytes(bytes(range(256)))
    sirsinexus("run")

    assert sirsinexus("cat", "latest", str(backed_up / "data" / "bytes")).raw_out == bytes(range(256))
    assert sirsinexus("cat", "latest", "/nothing").code == 3


def test_diff_names_what_was_added(backed_up: Path) -> None:
    before = sirsinexus("list", "-o", "json").document[0]["id"]
    (backed_up / "data" / "new").write_text("new")
    sirsinexus("run")

    changes = sirsinexus("diff", before, "latest", "-o", "json").document

    assert (str(backed_up / "data" / "new"), "added") in [(each["path"], each["change"]) for each in changes]
    assert sirsinexus("diff", before, before, "-o", "yaml").out == "[]\n"
    assert sirsinexus("diff", before, before, "-o", "json").document == []


def test_verification_passes_and_is_listed(backed_up: Path) -> None:
    ended = sirsinexus("verify", "latest", "--restore-test", "--min-bytes", "1", "-o", "json")

    assert (ended.code, ended.document["result"]) == (0, "Passed")
    assert [check["check"] for check in ended.document["checks"]] == [
        "integrity", "completeness", "size", "restoreTest",
    ]  # fmt: skip
    assert sirsinexus("list", "-o", "json").document[0]["verified"]["result"] == "Passed"
    by_default = sirsinexus("verify", "latest", "-o", "json").document["checks"]
    assert [check["check"] for check in by_default] == ["integrity", "completeness"]
    of_size = sirsinexus("verify", "latest", "--check", "size", "-o", "json").document["checks"]
    assert [check["check"] for check in of_size] == ["size"]


def test_a_backup_that_is_too_small_fails_its_verification(backed_up: Path) -> None:
    ended = sirsinexus("verify", "latest", "--check", "size", "--min-bytes", "1GiB")

    assert ended.code == 40
    assert ended.rows[0][1:3] == ["size", "Failure"]
    assert ended.err.startswith(
        "Error: Backup verification failed\nCause: Verification failed: size of files-"
    )


def test_damage_fails_verification_with_40(backed_up: Path) -> None:
    pack = max((backed_up / "repository" / "packs" / "d").rglob("*"), key=lambda path: path.is_file())
    content = bytearray(pack.read_bytes())
    content[40] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)

    one, everything = (
        sirsinexus("verify", "latest", "-o", "json"),
        sirsinexus("verify", "--all", "-o", "json"),
    )

    assert [one.code, everything.code] == [40, 40]
    assert one.error["reason"] == everything.error["reason"] == "CorruptedData"
    assert [one.document["result"], everything.document["result"]] == ["Failed", "Failed"]


def test_restore_plans_restores_and_is_remembered(backed_up: Path) -> None:
    data = backed_up / "data"
    target = f"{data}=out"

    plan = sirsinexus("restore", "latest", "--target", target, "--dry-run", "-o", "json")
    assert (plan.code, plan.document["status"], plan.document["files"]) == (0, "Planned", 3)
    assert not (backed_up / "out").exists()

    done = sirsinexus(
        "restore", "--policy", "files", "--target", target, "--include", "hello.txt", "-o", "json"
    )
    assert (done.code, done.document["files"], done.document["verified"]) == (0, 1, True)
    assert (backed_up / "out" / "hello.txt").read_text() == "hello\n"

    again = sirsinexus("restore", "latest", "--target", target)
    assert again.code == 50
    assert again.err.startswith("Error: Failed to restore backup\nCause: Restore target unusable: ")
    assert sirsinexus("restore", "latest", "--target", target, "--mode", "mirror").code == 0
    (record, *_) = sirsinexus("restores", "-o", "json").document
    assert record["destinations"] == [str(backed_up / "out")]


def test_delete_asks_at_a_terminal_and_needs_yes_elsewhere(
    backed_up: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sirsinexus("delete", "latest").code == 50
    monkeypatch.setattr("click.confirm", lambda *_args, **_options: False)
    assert sirsinexus("delete", "latest", stdin_is_terminal=True).code == 50
    assert len(sirsinexus("list").rows) == 2

    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda question, **_options: not asked.append(question))
    newest = sirsinexus("list").rows[0][0]
    assert sirsinexus("delete", "latest", stdin_is_terminal=True).code == 0
    assert asked == [f"Remove {newest}?"]
    ended = sirsinexus("delete", "latest", "--yes", "-o", "json")
    assert (ended.code, len(ended.document["deleted"])) == (0, 1)
    assert sirsinexus("list").rows == []


def test_a_dry_run_of_prune_says_what_prune_then_does(backed_up: Path) -> None:
    (backed_up / "data" / "hello.txt").write_bytes(os.urandom(100_000))
    sirsinexus("run")
    before = sorted((backed_up / "repository").rglob("*"))

    planned = sirsinexus("prune", "--dry-run", "--grace", "0s", "-o", "json")
    assert sorted((backed_up / "repository").rglob("*")) == before
    done = sirsinexus("prune", "--grace", "0s", "-o", "json")

    assert planned.code == done.code == 0
    assert planned.document == done.document
    assert list(done.document) == ["kept", "removed", "freedBytes", "pendingBytes"]
    assert [len(done.document["kept"]), len(done.document["removed"])] == [1, 2]
    assert len(sirsinexus("list").rows) == 1


def test_without_a_file_prune_keeps_every_backup(backed_up: Path) -> None:
    ended = sirsinexus("--repository", "repository", "--key-file", "backup.key", "prune", "-o", "json")

    assert (ended.code, len(ended.document["kept"]), ended.document["removed"]) == (0, 2, [])


def test_explain_answers_without_a_key(backed_up: Path) -> None:
    known = sirsinexus("explain", "files", "-o", "json")
    os.rename("backup.key", "elsewhere")
    unknown = sirsinexus("explain", "files", "-o", "json")

    assert [known.code, unknown.code] == [0, 0]
    assert len(known.document["backups"]) == 2
    assert unknown.document["backups"] is None
    assert "backup.key does not exist" in unknown.document["unknown"][0]
    assert sirsinexus("explain", "files").code == 0


def test_manifests_are_documents(folder: Path) -> None:
    text = sirsinexus("manifests").out

    assert [each["kind"] for each in yaml.safe_load_all(text)] == ["BackupRepository", "BackupPolicy"]
    assert sirsinexus("manifests", "-o", "json").document == list(yaml.safe_load_all(text))


def test_doctor_ends_with_the_code_of_the_worst_finding(backed_up: Path) -> None:
    healthy = sirsinexus("doctor", "-o", "json")
    os.rename("backup.key", "elsewhere")
    sick = sirsinexus("doctor", "-o", "json")
    (backed_up / "backup.yaml").write_text("policies: {}\n")
    confused = sirsinexus("doctor", "-o", "json")

    assert [healthy.code, sick.code, confused.code] == [0, 30, 2]
    assert healthy.document["healthy"] is True
    assert all(found["solution"] for found in sick.document["findings"] if found["level"] == "error")


def test_a_policy_that_fails_stands_beside_one_that_succeeds(folder: Path) -> None:
    (folder / "backup.yaml").write_text(
        CONFIGURATION
        + "  empty: {sources: [{type: filesystem, paths: [./nothing]}]}\n"
        + '  database: {sources: [{type: postgresql, connection: "postgresql://user:hunter2@host/db"}]}\n'
    )

    ended = sirsinexus("run", "-o", "json")

    by_policy = {each["policy"]: each for each in ended.document}
    assert [each["policy"] for each in ended.document] == ["files", "empty", "database"]
    assert [each["status"] for each in ended.document] == ["Succeeded", "Failed", "Failed"]
    assert by_policy["database"]["error"]["reason"] == "NotAvailable"
    assert ended.code == 10
    assert ended.error == by_policy["empty"]["error"]
    assert "hunter2" not in ended.out + ended.err
    plain = sirsinexus("run")
    assert plain.err.count("Error: Failed to create backup\n") == 2


def test_all_named_policies_run_in_their_order(folder: Path) -> None:
    more = "".join(f"  {name}: {{sources: [{{type: filesystem, paths: [./data]}}]}}\n" for name in ("b", "a"))
    (folder / "backup.yaml").write_text(CONFIGURATION + more)

    named = sirsinexus("run", "--policy", "a", "--policy", "files", "--policy", "a", "-o", "json").document

    assert [each["policy"] for each in named] == ["a", "files"]
    assert sirsinexus("run", "--policy", "a", "--policy", "typo").code == 3
    assert [row[1] for row in sirsinexus("run").rows] == ["files", "b", "a"]


def test_a_run_that_failed_is_listed_and_told(backed_up: Path) -> None:
    (backed_up / "data").rename(backed_up / "elsewhere")

    (failed,) = sirsinexus("run", "-o", "json").document
    listed = sirsinexus("list", "-o", "json").document
    info = sirsinexus("info", failed["id"], "-o", "json")

    assert [each["status"] for each in listed] == ["Failed", "Succeeded", "Succeeded"]
    assert listed[0] == failed
    assert info.document["error"] == failed["error"]
    assert ["status", "Failed"] in sirsinexus("info", failed["id"]).rows
    assert sirsinexus("info", "latest", "-o", "json").document["id"] == listed[1]["id"]
    assert sirsinexus("verify", "--all").code == 0
    assert [row[1] for row in sirsinexus("prune").rows] == ["keep", "remove"]


def test_a_dry_run_writes_nothing(folder: Path) -> None:
    ended = sirsinexus("run", "--dry-run", "-o", "json")

    assert (ended.code, [each["status"] for each in ended.document]) == (0, ["Planned"])
    assert not (folder / "repository").exists()
    sirsinexus("run")
    before = sorted((folder / "repository").rglob("*"))
    assert sirsinexus("run", "--dry-run", "-o", "json").document[0]["type"] == "incremental"
    assert sorted((folder / "repository").rglob("*")) == before


def test_the_quickstart_starts_from_nothing_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a").write_text("a")

    first = sirsinexus("quickstart", "-o", "json")
    second = sirsinexus("quickstart")

    assert [first.code, second.code] == [0, 0], first.err + second.err
    assert [run["type"] for run in first.document["runs"]] == ["full", "incremental"]
    assert first.document["verification"]["result"] == "Passed"
    assert len(json.loads(first.out)["backups"]) == 2
    assert len(second.rows) == 4
    assert "What to do next:" in second.err
    assert sirsinexus("-f", "backup-demo/backup.yaml", "ls", "latest", str(tmp_path)).code == 0


def test_a_policy_that_nobody_knows_ends_with_3(backed_up: Path) -> None:
    direct = ("--repository", "repository", "--key-file", "backup.key")

    assert sirsinexus("list", "--policy", "typo").code == 3
    assert sirsinexus(*direct, "list", "--policy", "typo").out == ""


def test_with_yaml_an_error_is_three_lines(folder: Path) -> None:
    assert sirsinexus("explain", "nope", "-o", "yaml").err.startswith("Error: Failed to explain policy\n")
