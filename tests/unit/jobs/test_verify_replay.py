"""Older selves of ``config`` and key ring put back after a rotation: authentic objects that must be refused."""

from pathlib import Path

import pytest
from tests.unit.jobs.repositories import Place, exit_code, make_place, new_key, objects_of, open_on

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.contract.requests import KeyProviderName, KeySpec, VerifyRequest
from backup_manager.engine.jobs.keys import rotate
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.keys.local import LocalKey


@pytest.fixture
def rotated(tmp_path: Path) -> tuple[Place, LocalKey, dict[str, bytes]]:
    """A repository whose key was rotated, its new key, and its objects before that."""
    place = make_place(tmp_path)
    (place.source / "file").write_bytes(b"content")
    place.back_up()
    before = objects_of(place.storage)
    key = new_key(tmp_path / "second")
    rotate(place.session(), KeySpec(KeyProviderName.LOCAL, str(tmp_path / "second")))
    return place, key, before


def rings(objects: dict[str, bytes]) -> list[str]:
    return sorted(name for name in objects if name.startswith("keys/"))


def test_a_rotated_repository_is_sound_by_its_new_key_alone(rotated) -> None:
    place, key, _ = rotated
    session = open_on(place.storage, key)
    assert exit_code(lambda: verify_backup(session, VerifyRequest("latest"))) == 0
    assert exit_code(lambda: verify_all(session)) == 0
    with pytest.raises(KeyUnavailableError):
        place.session()


def test_an_older_key_ring_put_back_is_refused_though_the_old_key_opens_it(rotated) -> None:
    place, key, before = rotated
    (new,), (old,) = rings(objects_of(place.storage)), rings(before)
    assert new != old
    place.storage.delete(new)
    place.storage.put(old, (before[old],))
    assert exit_code(lambda: verify_backup(place.session(), VerifyRequest("latest"))) == 30
    assert exit_code(lambda: verify_all(place.session())) == 30
    assert exit_code(lambda: verify_all(open_on(place.storage, key))) == 30


def test_an_older_key_ring_under_the_name_of_the_newer_is_refused(rotated) -> None:
    place, key, before = rotated
    (new,), (old,) = rings(objects_of(place.storage)), rings(before)
    place.storage.put(new, (before[old],))
    for provider in (place.key, key):
        assert exit_code(lambda: verify_all(open_on(place.storage, provider))) == 30  # noqa: B023


def test_an_older_key_ring_is_noticed_by_a_snapshot_when_the_record_of_the_change_is_gone(rotated) -> None:
    place, key, before = rotated
    Place(place.source, key, place.storage, place.clock).back_up()
    (new,), (old,) = rings(objects_of(place.storage)), rings(before)
    place.storage.delete(new)
    place.storage.put(old, (before[old],))
    for info in list(place.storage.list("records/")):
        place.storage.delete(info.name)
    assert exit_code(lambda: verify_backup(place.session(), VerifyRequest("latest"))) == 30


def test_an_older_key_ring_beside_the_newer_changes_nothing_and_is_named(rotated) -> None:
    place, key, before = rotated
    (old,) = rings(before)
    place.storage.put(old, (before[old],))
    result = verify_all(open_on(place.storage, key))
    assert result.result == "Passed"
    assert result.unneeded == (old,)


def test_config_has_no_older_self(rotated) -> None:
    """It is written once: what a rotation changes is the ring."""
    place, _, before = rotated
    assert place.storage.get("config") == before["config"]


def test_config_of_another_repository_is_refused(rotated, tmp_path: Path) -> None:
    place, key, _ = rotated
    (tmp_path / "other").mkdir()
    other = make_place(tmp_path / "other")
    session = open_on(place.storage, key)
    place.storage.put("config", (other.storage.get("config"),))
    assert exit_code(lambda: verify_all(session)) == 30  # swapped after the repository was opened
    assert exit_code(lambda: verify_all(open_on(place.storage, key))) == 30
    for info in list(other.storage.list("keys/")):
        place.storage.put(info.name, (other.storage.get(info.name),))
    assert exit_code(lambda: verify_backup(open_on(place.storage, other.key), VerifyRequest("latest"))) == 40
