"""What ``doctor`` finds, and what it says to do."""

import os
from pathlib import Path

import pytest
from tests.unit.jobs.repositories import new_key

from backup_manager.contract.inspection import Finding, FindingLevel
from backup_manager.contract.requests import KeyProviderName, KeySpec, RepositoryAddress
from backup_manager.engine.jobs.keys import rotate
from backup_manager.engine.jobs.probe import probe
from backup_manager.engine.jobs.wiring import open_session


@pytest.fixture
def address(tmp_path: Path) -> RepositoryAddress:
    new_key(tmp_path / "key")
    return RepositoryAddress(str(tmp_path / "store"), KeySpec(KeyProviderName.LOCAL, str(tmp_path / "key")))


@pytest.fixture
def created(address: RepositoryAddress) -> RepositoryAddress:
    with open_session(address, create=True):
        return address


def levels(findings: tuple[Finding, ...], level: FindingLevel) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings if finding.level is level}


def test_a_sound_repository_has_no_errors(created: RepositoryAddress) -> None:
    findings = probe(created)
    assert not levels(findings, FindingLevel.ERROR)
    assert {"key", "store", "conditional writes", "clock", "repository", "objects"} <= set(
        levels(findings, FindingLevel.OK)
    )


def test_a_missing_folder_is_an_error_that_says_so_once(address: RepositoryAddress) -> None:
    findings = probe(address)
    errors = levels(findings, FindingLevel.ERROR)
    assert set(errors) == {"store"}
    assert errors["store"].exit_code == 3
    assert errors["store"].solution


def test_an_empty_folder_holds_no_repository_yet(address: RepositoryAddress, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    findings = probe(address)
    assert "sirsinexus backup run" in levels(findings, FindingLevel.WARNING)["repository"].solution
    assert not levels(findings, FindingLevel.ERROR)


def test_a_missing_key_file_does_not_keep_the_store_from_being_looked_at(
    created: RepositoryAddress, tmp_path: Path
) -> None:
    (tmp_path / "key").unlink()
    findings = probe(created)
    assert levels(findings, FindingLevel.ERROR)["key"].exit_code == 30
    assert "store" in levels(findings, FindingLevel.OK)


def test_another_key_is_an_error_of_the_repository(created: RepositoryAddress, tmp_path: Path) -> None:
    new_key(tmp_path / "other")
    other = RepositoryAddress(created.url, KeySpec(KeyProviderName.LOCAL, str(tmp_path / "other")))
    assert levels(probe(other), FindingLevel.ERROR)["repository"].exit_code == 30


def test_a_key_file_that_others_can_read_is_a_warning(created: RepositoryAddress, tmp_path: Path) -> None:
    os.chmod(tmp_path / "key", 0o644)
    assert "chmod 600" in levels(probe(created), FindingLevel.WARNING)["key"].facts


def test_objects_that_are_not_ours_are_named(created: RepositoryAddress, tmp_path: Path) -> None:
    ring = next((tmp_path / "store" / "keys").iterdir())
    old = ring.read_bytes()
    new_key(tmp_path / "second")
    with open_session(created) as session:
        rotate(session, KeySpec(KeyProviderName.LOCAL, str(tmp_path / "second")))
    ring.write_bytes(old)
    (tmp_path / "store" / "notes").write_text("mine")
    fresh = RepositoryAddress(created.url, KeySpec(KeyProviderName.LOCAL, str(tmp_path / "second")))
    facts = levels(probe(fresh), FindingLevel.WARNING)["left-overs"].facts
    assert f"keys/{ring.name}" in facts
    assert "notes" in facts


def test_a_cache_that_cannot_be_written_is_a_warning(created: RepositoryAddress, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = RepositoryAddress(created.url, created.key, cache_dir=str(tmp_path / "file" / "cache"))
    assert "cache" in levels(probe(broken), FindingLevel.WARNING)
    fine = RepositoryAddress(created.url, created.key, cache_dir=str(tmp_path / "new" / "cache"))
    assert "cache" in levels(probe(fine), FindingLevel.OK)


def test_a_repository_without_encryption_is_a_warning(tmp_path: Path) -> None:
    plain = RepositoryAddress(str(tmp_path / "store"), KeySpec(KeyProviderName.NONE))
    with open_session(plain, create=True):
        assert "encryption" in levels(probe(plain), FindingLevel.WARNING)
