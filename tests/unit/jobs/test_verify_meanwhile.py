"""Damage with a sound copy elsewhere, stores that change or fail on the way, and caches."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.jobs.repositories import (
    Place,
    changed,
    check_of,
    fill,
    flipped,
    make_place,
    objects_of,
    packs_of,
)

from backup_manager.common.errors import (
    AccessDeniedError,
    NotFoundError,
    StorageUnreachableError,
)
from backup_manager.contract.backups import Check, CheckOutcome
from backup_manager.contract.requests import VerifyRequest
from backup_manager.engine.jobs.catalogue import list_backups
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.jobs.wiring import Session
from backup_manager.engine.repository.blobs import BlobStore
from backup_manager.engine.repository.cache import CachingStorage
from backup_manager.engine.repository.index import load_index
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import EncodedBlob
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.ports import Algorithm
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import Fault, FaultyStorage
from backup_manager.engine.storage.wrapper import StorageWrapper

SEED = 7
FOREVER = 1_000_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return fill(make_place(tmp_path))


def test_damage_to_a_pack_whose_data_are_elsewhere_too_is_told_and_is_no_failure(place: Place) -> None:
    session = place.session()
    (pack,) = packs_of(place)
    copy_blobs(session, pack)
    with changed(place.storage, pack, flipped(place.storage.get(pack))):
        found = check_of(place, Check.INTEGRITY, VerifyRequest("latest"))
        assert found.result is CheckOutcome.SUCCESS
        both = [name for name in packs_of(place) if name != pack]
        with changed(place.storage, both[0], flipped(place.storage.get(both[0]))):
            assert check_of(place, Check.INTEGRITY, VerifyRequest("latest")).result is CheckOutcome.FAILURE
        everything = verify_all(place.session(), clock=place.clock)
        assert everything.damaged == (pack,)
        assert everything.result == "Failed"
        assert [verification.result for verification in everything.verifications] == ["Passed"]


def copy_blobs(session: Session, pack: str) -> None:
    """Store all blobs of a pack once more, as repacking does."""
    index = load_index(session.storage, session.repository.vault)
    name = pack.rpartition("/")[2]
    blobs = BlobStore(session.storage, session.repository.vault, session.repository.compressor, index)
    plains = [(blob.id, blobs.fetch(blob.id)) for blob in index.blobs_of([name])[name]]
    index.condemn([name])
    with PackWriter(session.storage, session.repository.vault, index) as writer:
        for blob_id, plain in plains:
            assert writer.put(EncodedBlob(blob_id, Algorithm.STORED, len(plain), plain), PackKind.DATA)


class MovingStorage(StorageWrapper):
    """A store whose maintenance moves a pack's data elsewhere when that pack is first read."""

    def __init__(self, inner: Storage, pack: str, copy: dict[str, bytes]) -> None:
        super().__init__(inner)
        self._pack, self._copy = pack, copy

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if name == self._pack and start == 0 and length is None:
            for copied, content in self._copy.items():
                self.inner.put(copied, (content,))
            self.inner.delete(self._pack)
        return super().get(name, start, length)


@pytest.mark.parametrize("everything", [False, True])
def test_maintenance_that_moves_data_meanwhile_is_no_damage(place: Place, everything: bool) -> None:
    (pack,) = packs_of(place)
    before = objects_of(place.storage)
    copy_blobs(place.session(), pack)
    copy = {name: content for name, content in objects_of(place.storage).items() if name not in before}
    for name in copy:
        place.storage.delete(name)
    session = place.session(MovingStorage(place.storage, pack, copy))
    if everything:
        result = verify_all(session)
        assert (result.result, result.damaged) == ("Passed", ())
    else:
        assert verify_backup(session, VerifyRequest("latest")).result == "Passed"
    assert pack not in objects_of(place.storage)


class RemovingStorage(StorageWrapper):
    """A store from which somebody removes a backup and all of its packs while it is verified."""

    def list(self, prefix: str):
        if prefix == "packs/":
            for name in [info.name for info in self.inner.list("")]:
                if name.startswith(("packs/", "snapshots/")):
                    self.inner.delete(name)
        return super().list(prefix)


def test_a_backup_removed_meanwhile_is_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError, match="removed while it was verified"):
        verify_backup(place.session(RemovingStorage(place.storage)), VerifyRequest("latest"))


def test_a_backup_removed_meanwhile_is_left_out_of_everything(place: Place) -> None:
    result = verify_all(place.session(RemovingStorage(place.storage)))
    assert (result.verifications, result.damaged) == ((), ())


@pytest.mark.parametrize("error", [StorageUnreachableError, AccessDeniedError])
def test_a_store_that_fails_on_the_way_leaves_it_inconclusive(place: Place, error) -> None:
    def fail() -> Exception:
        return error("the line was cut")

    faulty = FaultyStorage(place.storage, [Fault("get", last=FOREVER, prefix="packs/d/", error=fail)])
    session = place.session(faulty)
    integrity, completeness = verify_backup(session, VerifyRequest("latest")).checks
    assert integrity.result is CheckOutcome.INCONCLUSIVE
    assert "the line was cut" in (integrity.error or "")
    assert completeness.result is CheckOutcome.INCONCLUSIVE
    everything = verify_all(place.session(faulty))
    assert everything.result == "Inconclusive"
    assert everything.unneeded == ()
    assert "the line was cut" in everything.inconclusive[0]


def test_damage_that_was_seen_before_the_store_failed_is_a_failure(place: Place) -> None:
    (data,), metadata = packs_of(place), packs_of(place, "m")
    faults = [Fault("get", last=FOREVER, prefix=data)]
    with changed(place.storage, metadata[0], flipped_at_the_end(place.storage.get(metadata[0]))):
        faulty = FaultyStorage(place.storage, faults)
        found = check_of(place, Check.INTEGRITY, VerifyRequest("latest"), faulty)
    assert found.result in (CheckOutcome.FAILURE, CheckOutcome.INCONCLUSIVE)  # as threads have it


def flipped_at_the_end(content: bytes) -> bytes:
    return content[:-12] + bytes([content[-12] ^ 1]) + content[-11:]


def test_a_cache_proves_nothing_about_the_store(place: Place, tmp_path: Path) -> None:
    session = place.session()
    cached = CachingStorage(
        place.storage, tmp_path / "cache", session.repository_id, session.repository.vault
    )
    session = replace(session, storage=cached, repository=replace(session.repository, storage=cached))
    assert verify_backup(session, VerifyRequest("latest")).result == "Passed"
    list_backups(session)
    for name in (*packs_of(place, "m"), f"snapshots/{list_backups(session)[0].snapshot_id}"):
        with changed(place.storage, name, flipped(place.storage.get(name))):
            assert verify_all(session).damaged == (name,)
