"""Verification: what each check finds, what it cannot know, and what it leaves behind."""

import json
import random
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
    InterruptedRunError,
    NotFoundError,
)
from backup_manager.contract.backups import BackupType, Check, CheckOutcome
from backup_manager.contract.requests import Hooks, Progress, VerifyRequest
from backup_manager.engine.jobs.catalogue import delete_backups, describe_backup, list_backups
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import Fault, FaultyStorage
from backup_manager.engine.storage.readonly import ReadOnlyStorage
from backup_manager.engine.storage.wrapper import StorageWrapper

SEED = 7
FOREVER = 1_000_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return fill(make_place(tmp_path))


def test_a_sound_backup_passes_and_the_list_says_so(place: Place) -> None:
    assert list_backups(place.session())[0].verified is None
    result = verify_backup(place.session(), VerifyRequest("latest"), clock=place.clock)
    assert result.result == "Passed"
    assert [check.check for check in result.checks] == [Check.INTEGRITY, Check.COMPLETENESS]
    listed = list_backups(place.session())[0].verified
    assert listed is not None
    assert (listed.result, listed.time) == ("Passed", result.time)
    assert describe_backup(place.session(), "latest").verifications[0].checks == result.checks


def test_the_newest_verification_is_the_one_listed(place: Place) -> None:
    (pack,) = packs_of(place)
    with changed(place.storage, pack, None):
        verify_backup(place.session(), VerifyRequest("latest"), clock=place.clock)
        assert list_backups(place.session())[0].verified.result == "Failed"
    verify_all(place.session(), clock=place.clock)
    assert list_backups(place.session())[0].verified.result == "Passed"


def test_a_store_that_takes_no_record_changes_nothing(place: Place) -> None:
    before = objects_of(place.storage)
    result = verify_backup(place.session(ReadOnlyStorage(place.storage)), VerifyRequest("latest"))
    assert result.result == "Passed"
    assert verify_all(place.session(ReadOnlyStorage(place.storage))).result == "Passed"
    faulty = FaultyStorage(place.storage, [Fault("put", last=FOREVER)])
    assert verify_backup(place.session(faulty), VerifyRequest("latest")).result == "Passed"
    assert objects_of(place.storage) == before


@pytest.mark.parametrize(("min_bytes", "outcome"), [(400_005, "Success"), (400_006, "Failure")])
def test_a_backup_must_be_as_large_as_asked(place: Place, min_bytes: int, outcome: str) -> None:
    request = VerifyRequest("latest", checks=(Check.SIZE,), min_bytes=min_bytes)
    result = verify_backup(place.session(), request)
    assert [(check.check, check.result) for check in result.checks] == [(Check.SIZE, outcome)]


def test_only_what_was_asked_for_is_run(place: Place) -> None:
    request = VerifyRequest("latest", checks=(Check.COMPLETENESS,))
    with changed(place.storage, packs_of(place)[0], place.storage.get(packs_of(place)[0])[:-30] + bytes(30)):
        assert verify_backup(place.session(), request).result == "Passed"  # data packs are not read for it


def test_progress_counts_the_bytes_of_packs_of(place: Place) -> None:
    told: list[Progress] = []
    verify_backup(place.session(), VerifyRequest("latest"), Hooks(progress=told.append))
    size = sum(
        len(content) for name, content in objects_of(place.storage).items() if name.startswith("packs/")
    )
    assert (told[-1].bytes, told[-1].total_bytes) == (size, size)


def test_a_cancelled_verification_is_interrupted_and_leaves_no_record(place: Place) -> None:
    hooks = Hooks(cancelled=lambda: True)
    with pytest.raises(InterruptedRunError):
        verify_backup(place.session(), VerifyRequest("latest"), hooks)
    with pytest.raises(InterruptedRunError):
        verify_all(place.session(), hooks)
    assert not [name for name in objects_of(place.storage) if name.startswith("records/")]


def test_an_absent_backup_is_not_found(place: Place) -> None:
    with pytest.raises(NotFoundError) as caught:
        verify_backup(place.session(), VerifyRequest("nothing"))
    assert caught.value.operation == "Backup verification failed"


def test_a_sample_reads_its_share_and_says_which(place: Place) -> None:
    for number in range(9):
        (place.source / f"more{number}").write_bytes(random.Random(number).randbytes(300_000))
        place.back_up()
    request = VerifyRequest("latest", sample_percent=30)
    found = check_of(place, Check.INTEGRITY, request)
    assert "a sample of 30 % of the data packs, seed 7" in found.details
    read, needed = [int(word) for word in found.details.split() if word.isdigit()][:2]
    metadata = needed - 10
    assert read - metadata == 3
    assert check_of(place, Check.INTEGRITY, request).details == found.details


def test_a_sample_misses_damage_in_what_it_does_not_read_but_never_a_lost_pack(place: Place) -> None:
    for number in range(5):
        (place.source / f"more{number}").write_bytes(random.Random(number).randbytes(300_000))
        place.back_up()
    request = VerifyRequest("latest", sample_percent=1)
    outcomes = {flipped: [], lost: []}
    for pack in packs_of(place):
        content = place.storage.get(pack)
        for damage in outcomes:
            with changed(place.storage, pack, damage(content)):
                outcomes[damage].append(check_of(place, Check.INTEGRITY, request).result)
    assert sorted(outcomes[flipped]) == [CheckOutcome.FAILURE] + [CheckOutcome.SUCCESS] * 5
    assert set(outcomes[lost]) == {CheckOutcome.FAILURE}


def lost(content: bytes) -> bytes | None:
    return None


def test_what_no_backup_needs_is_named(place: Place) -> None:
    first = place.back_up(BackupType.FULL)
    (place.source / "large").write_bytes(random.Random(8).randbytes(500_000))
    place.back_up()
    for backup in list_backups(place.session())[1:]:
        delete_backups(place.session(), [backup.id])
    assert first.id not in [backup.id for backup in list_backups(place.session())]
    place.storage.put("packs/strange", (b"?",))
    result = verify_all(place.session())
    old = [name for name in result.unneeded if name.startswith("packs/d/")]
    assert len(old) == 0 or set(old) < set(packs_of(place))
    assert "packs/strange" in result.unneeded
    assert result.result == "Passed"
    sizes = {name: len(content) for name, content in objects_of(place.storage).items()}
    assert result.unneeded_bytes == sum(sizes[name] for name in result.unneeded) - 1
    json.dumps(result.document())


def test_every_byte_of_a_data_pack_is_fetched_once_for_all_backups(place: Place) -> None:
    for _ in range(3):
        place.back_up(BackupType.FULL)
    counting = CountingStorage(place.storage)
    verify_all(place.session(counting))
    (pack,) = packs_of(place)
    assert counting.read[pack] == place.storage.size(pack)


class CountingStorage(StorageWrapper):
    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self.read: dict[str, int] = {}

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        data = super().get(name, start, length)
        self.read[name] = self.read.get(name, 0) + len(data)
        return data
