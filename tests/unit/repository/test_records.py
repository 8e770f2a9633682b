"""Records are kept beside snapshots, as far as the store lets itself be written."""

import pytest
from tests.unit.repository.doubles import DoubleCompressor, DoubleVault

from backup_manager.common.errors import AccessDeniedError, InsufficientStorageError, StorageUnreachableError
from backup_manager.engine.repository.records import Record, RecordKind, read_records, write_record
from backup_manager.engine.storage.faulty import Fault, FaultyStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.readonly import ReadOnlyStorage

VAULT, COMPRESSOR = DoubleVault(), DoubleCompressor()


def record(at: float) -> Record:
    payload: dict[str, object] = {
        "result": "Passed",
        "checks": [{"check": "size", "bytes": 7}],
        "error": None,
    }
    return Record(kind=RecordKind.VERIFICATION, backup_id="a-1", snapshot="0" * 32, at=at, payload=payload)


def test_records_are_listed_from_the_oldest() -> None:
    storage = MemoryStorage()
    for at in (3.0, 1.0, 2.0):
        assert write_record(storage, VAULT, COMPRESSOR, record(at))
    assert read_records(storage, VAULT, COMPRESSOR).records == (record(1.0), record(2.0), record(3.0))


def test_nothing_is_recorded_on_a_read_only_store() -> None:
    inner = MemoryStorage()
    assert not write_record(ReadOnlyStorage(inner), VAULT, COMPRESSOR, record(1.0))
    assert list(inner.list("")) == []


@pytest.mark.parametrize("error", [AccessDeniedError, InsufficientStorageError])
def test_a_refused_record_is_no_failure(error: type[Exception]) -> None:
    faulty = FaultyStorage(MemoryStorage(), [Fault("put", error=lambda: error("no"))])
    assert not write_record(faulty, VAULT, COMPRESSOR, record(1.0))


def test_a_store_that_does_not_answer_is_a_failure() -> None:
    faulty = FaultyStorage(MemoryStorage(), [Fault("put")])
    with pytest.raises(StorageUnreachableError):
        write_record(faulty, VAULT, COMPRESSOR, record(1.0))


def test_a_damaged_record_is_a_problem_of_its_own() -> None:
    storage = MemoryStorage()
    write_record(storage, VAULT, COMPRESSOR, record(1.0))
    write_record(storage, VAULT, COMPRESSOR, record(2.0))
    name = next(info.name for info in storage.list("records/"))
    storage.put(name, [storage.get(name)[:-1]])
    listed = read_records(storage, VAULT, COMPRESSOR)
    assert [problem.object_name for problem in listed.problems] == [name]
    assert len(listed.records) == 1
