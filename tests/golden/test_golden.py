"""Repositories written by earlier versions open, verify and restore, for ever. None of their bytes may change."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.golden.make_repository import POLICY, SOURCE_NAME, address_of, describe

from backup_manager.contract.backups import Check, VerificationOutcome
from backup_manager.contract.requests import (
    BackupRequest,
    FilesRequest,
    KeyProviderName,
    KeySpec,
    RepositoryAddress,
    RestoreRequest,
    RestoreTarget,
    VerifyRequest,
)
from backup_manager.engine.jobs.backup import run_backup
from backup_manager.engine.jobs.keys import list_slots
from backup_manager.engine.jobs.listing import list_backups
from backup_manager.engine.jobs.maintain import maintain
from backup_manager.engine.jobs.restore import list_restores, run_restore
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.jobs.wiring import open_session

GOLDENS = sorted(Path(__file__).parent.glob("format-*"))
KINDS = {"config", "index", "intents", "keys", "maintenance", "packs", "records", "snapshots"}
Expected = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Golden:
    """A copy of a golden repository, which may be written to, and what is expected of it."""

    folder: Path
    original: Path

    @property
    def address(self) -> RepositoryAddress:
        return address_of(self.folder)

    @property
    def expected(self) -> Expected:
        found: Expected = json.loads((self.original / "manifest.json").read_text(encoding="ascii"))
        return found


@pytest.fixture(params=GOLDENS, ids=lambda folder: folder.name)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Golden:
    folder = tmp_path / "golden"
    shutil.copytree(request.param, folder)
    (folder / "key").chmod(0o600)
    return Golden(folder, request.param)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def restored(address: RepositoryAddress, backup: str, destination: Path) -> dict[str, dict[str, object]]:
    """Restore one backup and return what is there now."""
    with open_session(address) as session:
        targets = (RestoreTarget(SOURCE_NAME, str(destination)),)
        run_restore(session, RestoreRequest(backup, targets=targets))
    return describe(os.fsencode(destination))


def as_this_user_sees(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return *entries* without what only root can bring back."""
    if os.geteuid() == 0:
        return entries
    kept = {}
    for path, entry in entries.items():
        if "device" not in entry:
            mode = f"{int(entry['mode'], 8) & 0o1777:04o}"
            kept[path] = {key: value for key, value in entry.items() if key != "owner"} | {"mode": mode}
    return kept


def test_there_is_a_golden_repository_of_the_present_format() -> None:
    assert [folder.name for folder in GOLDENS] == ["format-1"]


def test_it_has_objects_of_every_kind_and_is_small(golden: Golden) -> None:
    stored = contents_of(golden.folder / "repository")
    assert {name.split("/")[0] for name in stored} == KINDS
    assert sum(map(len, contents_of(golden.folder).values())) < 200_000


def test_its_backups_are_listed(golden: Golden) -> None:
    with open_session(golden.address, read_only=True) as session:
        backups = {backup.id: backup for backup in list_backups(session)}
        assert session.encrypted
        assert [slot.provider for slot in list_slots(session)] == ["local", "passphrase"]
        assert len(list_restores(session)) == 1
    assert backups.keys() == {each["id"] for each in golden.expected}
    for each in golden.expected:
        backup = backups[each["id"]]
        totals = {"files": backup.files, "directories": backup.directories, "bytes": backup.source_bytes}
        assert (backup.type.value, backup.policy, totals) == (each["type"], POLICY, each["totals"])
        assert backup.sources == (SOURCE_NAME,)
    assert [bool(backup.verified) for backup in backups.values()] == [True, False]


def test_every_backup_restores_to_what_it_was_made_of(golden: Golden, tmp_path: Path) -> None:
    for each in golden.expected:
        found = restored(golden.address, each["id"], tmp_path / each["id"])
        assert as_this_user_sees(found) == as_this_user_sees(each["entries"])


def test_it_opens_by_its_second_key_and_is_not_changed_by_a_reader(golden: Golden, tmp_path: Path) -> None:
    before = contents_of(golden.folder)
    passphrase = KeySpec(KeyProviderName.PASSPHRASE, str(golden.folder / "passphrase"))
    address = replace(golden.address, key=passphrase, options={"read_only": True})
    found = restored(address, "latest", tmp_path / "to")
    assert as_this_user_sees(found) == as_this_user_sees(golden.expected[-1]["entries"])
    assert contents_of(golden.folder) == before


def test_every_object_of_it_is_sound(golden: Golden) -> None:
    with open_session(golden.address) as session:
        result = verify_all(session)
        assert (result.result, result.damaged) == (VerificationOutcome.PASSED, ())
        for each in golden.expected:
            checks = (Check.INTEGRITY, Check.COMPLETENESS)
            verified = verify_backup(session, VerifyRequest(each["id"], checks=checks))
            assert verified.result is VerificationOutcome.PASSED


def test_a_new_backup_of_its_content_finds_all_of_it_there(golden: Golden, tmp_path: Path) -> None:
    """Ids, member hashes and cut points are what they were: else everything would be stored again."""
    restored(golden.address, "latest", tmp_path / "to")
    source = FilesRequest(SOURCE_NAME, (str(tmp_path / "to"),))
    with open_session(golden.address) as session:
        packs = sum(1 for _ in session.storage.list("packs/d/"))
        again = run_backup(session, BackupRequest("again", (source,)))
        assert again.read_bytes > 1_000_000
        assert sum(1 for _ in session.storage.list("packs/d/")) == packs


def test_it_is_maintained(golden: Golden, tmp_path: Path) -> None:
    with open_session(golden.address) as session:
        assert sum(1 for _ in session.storage.list("packs/d/")) == 3
        maintain(session, grace_seconds=0)
        assert sum(1 for _ in session.storage.list("packs/d/")) < 3
        assert verify_all(session).result is VerificationOutcome.PASSED
    found = restored(golden.address, "latest", tmp_path / "to")
    assert as_this_user_sees(found) == as_this_user_sees(golden.expected[-1]["entries"])
