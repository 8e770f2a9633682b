"""Key slots through the job that the command line calls."""

from pathlib import Path

import pytest
from tests.unit.jobs.repositories import Place, create_on, make_place, new_key, open_on

from backup_manager.common.errors import KeyUnavailableError, UsageError
from backup_manager.contract.requests import KeyProviderName, KeySpec, VerifyRequest
from backup_manager.engine.jobs.catalogue import list_backups
from backup_manager.engine.jobs.keys import add_slot, list_slots, remove_slot, rotate
from backup_manager.engine.jobs.verify import verify_backup
from backup_manager.engine.jobs.wiring import build_provider
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.storage.memory import MemoryStorage


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = make_place(tmp_path)
    (place.source / "file").write_bytes(b"content")
    place.back_up()
    return place


@pytest.fixture
def second(tmp_path: Path) -> KeySpec:
    new_key(tmp_path / "second")
    return KeySpec(KeyProviderName.LOCAL, str(tmp_path / "second"))


def test_the_slot_that_opened_the_repository_is_marked(place: Place, second: KeySpec) -> None:
    session = place.session()
    added = add_slot(session, second, "spare")
    slots = list_slots(session)
    assert [(slot.provider, slot.label, slot.is_current) for slot in slots] == [
        ("local", "", True),
        ("local", "spare", False),
    ]
    assert added == slots[1]
    assert set(added.document()) == {"id", "provider", "key", "label", "createdAt", "current"}


def test_an_added_key_opens_and_a_removed_one_does_not(place: Place, second: KeySpec, tmp_path: Path) -> None:
    session = place.session()
    other = new_key(tmp_path / "third")
    add_slot(session, KeySpec(KeyProviderName.LOCAL, str(tmp_path / "third")))
    by_other = open_on(place.storage, other)
    left = remove_slot(by_other, session.repository.slot_id)
    assert [slot.is_current for slot in left] == [True]
    assert [backup.policy for backup in list_backups(by_other)] == ["files"]
    with pytest.raises(KeyUnavailableError):
        place.session()


def test_nobody_locks_himself_out(place: Place, second: KeySpec) -> None:
    session = place.session()
    own = session.repository.slot_id
    with pytest.raises(UsageError, match="last one") as last:
        remove_slot(session, own)
    assert last.value.operation == "Failed to change keys"
    spare = add_slot(session, second)
    with pytest.raises(UsageError, match="only one that the given key opens"):
        remove_slot(session, own)
    assert [slot.id for slot in remove_slot(session, own, force=True)] == [spare.id]


def test_a_rotated_key_opens_nothing_any_more(place: Place, second: KeySpec, tmp_path: Path) -> None:
    session = place.session()
    new = rotate(session, second, "of June")
    assert new.label == "of June"
    with pytest.raises(KeyUnavailableError):
        place.session()
    fresh = open_on(place.storage, build_provider(second))
    assert [slot.id for slot in list_slots(fresh)] == [new.id]
    assert verify_backup(fresh, VerifyRequest("latest")).result == "Passed"


def test_a_repository_without_encryption_takes_no_key(second: KeySpec) -> None:
    storage = MemoryStorage()
    session = create_on(storage, NoEncryption())
    with pytest.raises(UsageError, match="is not encrypted"):
        add_slot(session, second)
