"""Every verb over a bucket of a real server."""

import os
import shutil
import time
from pathlib import Path

import pytest
from tests.integration.servers.desk import PREFIX, SMALL_BYTES, Desk, expect, ids
from tests.support.trees import compare_trees

pytestmark = pytest.mark.server


def folder_differences(desk: Desk, restored: Path) -> list[str]:
    """Return what differs, apart from the excluded file; the top's time is the destination's own affair."""
    differences = compare_trees(os.fsencode(desk.data), os.fsencode(restored))
    return [line for line in differences if "excluded.tmp" not in line]


def packs(desk: Desk) -> set[str]:
    return {name for name in desk.server.object_names() if name.startswith(f"{PREFIX}packs/")}


def test_first_run_is_full_and_later_ones_are_incremental(desk: Desk) -> None:
    backups = expect(0, "run", "-o", "json").document + expect(0, "list", "-o", "json").document[1:]

    assert [backup["type"] for backup in backups] == ["incremental", "incremental", "full"]
    assert backups[0]["addedBytes"] < SMALL_BYTES < backups[2]["addedBytes"]


def test_list_begins_with_the_newest(desk: Desk) -> None:
    backups = expect(0, "list", "-o", "json").document

    assert [backup["startedAt"] for backup in backups] == sorted(
        (backup["startedAt"] for backup in backups), reverse=True
    )
    assert {backup["status"] for backup in backups} == {"Succeeded"}


def test_info_says_where_and_nothing_secret(desk: Desk) -> None:
    ended = expect(0, "info", "latest", "-o", "json")

    assert ended.document["location"].startswith(f"s3://{desk.server.bucket}/{PREFIX}")
    assert desk.server.secret_access_key not in ended.out + ended.err
    assert desk.server.access_key_id not in ended.out + ended.err


def test_verification_of_everything_reads_each_backup(desk: Desk) -> None:
    document = expect(0, "verify", "--all", "-o", "json").document

    assert document["result"] == "Passed"
    assert sorted(each["backup"] for each in document["verifications"]) == sorted(ids())


def test_restore_test_passes_and_is_remembered(desk: Desk) -> None:
    document = expect(0, "verify", "latest", "--restore-test", "-o", "json").document

    assert ("restoreTest", "Success") in [(each["check"], each["result"]) for each in document["checks"]]
    assert expect(0, "info", "latest", "-o", "json").document["verified"]["result"] == "Passed"


def test_a_damaged_pack_is_named_with_40(desk: Desk) -> None:
    packs = (path for path in (desk.server.root / desk.server.bucket).rglob("packs/d/*") if path.is_file())
    pack = max(packs, key=lambda path: path.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)

    ended = expect(40, "verify", "--all", "-o", "json")

    assert ended.document["result"] == "Failed"
    assert ended.error["reason"] == "CorruptedData"
    assert expect(40, "restore", "latest", "--to", "out").err.startswith("Error: Failed to restore backup\n")


def test_restored_files_are_equal(desk: Desk) -> None:
    expect(0, "restore", "latest", "--to", "out")

    assert folder_differences(desk, desk.folder / "out" / desk.data.relative_to("/")) == []
    assert [each["backup"] for each in expect(0, "restores", "-o", "json").document] == ids()[:1]


def test_mirror_puts_a_changed_folder_right(desk: Desk) -> None:
    shutil.copytree(desk.data, desk.folder / "out")
    (desk.folder / "out" / "hello.txt").write_text("overwritten")
    (desk.folder / "out" / "stranger").write_text("new")
    (desk.folder / "out" / "excluded.tmp").unlink()

    expect(0, "restore", "latest", "--target", f"{desk.data}={desk.folder}/out", "--mode", "mirror")

    assert folder_differences(desk, desk.folder / "out") == []


def test_prune_frees_what_only_the_removed_backup_needed(desk: Desk) -> None:
    newest, oldest = ids()
    before = packs(desk)

    document = expect(0, "prune", "--grace", "0s", "-o", "json").document

    assert [each["id"] for each in document["removed"]] == [oldest]
    assert ids() == [newest]
    assert document["freedBytes"] > 0
    assert packs(desk) < before
    assert expect(0, "verify", "--all", "-o", "json").document["result"] == "Passed"


def test_inspection_reads_single_folders_and_files(desk: Desk) -> None:
    newest, oldest = ids()

    listed = [each["path"] for each in expect(0, "ls", "latest", str(desk.data), "-o", "json").document]
    changes = {
        (each["change"], each["path"]) for each in expect(0, "diff", oldest, newest, "-o", "json").document
    }

    assert f"{desk.data}/hello.txt" in listed
    assert f"{desk.data}/excluded.tmp" not in listed
    assert expect(0, "cat", oldest, f"{desk.data}/hello.txt").raw_out == b"hello\n"
    assert expect(0, "cat", "latest", f"{desk.data}/hello.txt").raw_out == b"hello again\n"
    assert {
        ("added", f"{desk.data}/added"),
        ("removed", f"{desk.data}/sub/small-7"),
        ("changed", f"{desk.data}/hello.txt"),
    } <= changes


def test_deleted_backup_is_gone(desk: Desk) -> None:
    newest, oldest = ids()

    expect(0, "delete", oldest, "--yes")

    assert ids() == [newest]
    assert expect(3, "info", oldest, "-o", "json").error["reason"] == "NotFound"


def test_added_key_opens_and_rotated_key_does_not(desk: Desk) -> None:
    (desk.folder / "passphrase").write_text("correct horse battery staple\n")
    url = ["--repository", desk.server.url(PREFIX)]
    expect(0, "key", "generate", "second.key")

    expect(0, "key", "add", "--new-passphrase-file", "passphrase", "--label", "offline")
    expect(0, "key", "rotate", "--new-key-file", "second.key")

    assert len(expect(0, *url, "--passphrase-file", "passphrase", "list").rows) == 2
    assert len(expect(0, *url, "--key-file", "second.key", "list").rows) == 2
    assert "Error: Failed to list backups\nCause: Key unavailable: " in expect(30, "list").err


def test_doctor_finds_nothing_wrong(desk: Desk) -> None:
    document = expect(0, "doctor", "-o", "json").document

    assert document["healthy"]
    assert {finding["subject"] for finding in document["findings"]} >= {"store", "key", "clock", "repository"}


def test_uploads_that_a_killed_run_left_are_swept(desk: Desk) -> None:
    client = desk.server.client()
    upload = {"Bucket": desk.server.bucket, "Key": f"{PREFIX}packs/d/ab/{'ab' * 16}"}
    client.create_multipart_upload(**upload)
    time.sleep(1.1)  # the server tells its time in whole seconds

    expect(0, "prune")
    assert len(client.list_multipart_uploads(Bucket=desk.server.bucket)["Uploads"]) == 1
    expect(0, "prune", "--grace", "0s")

    assert "Uploads" not in client.list_multipart_uploads(Bucket=desk.server.bucket)
