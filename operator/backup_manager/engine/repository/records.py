"""Records: what happened to a backup after it was stored, such as verifications, restores and holds."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from backup_manager.common.errors import AccessDeniedError, InsufficientStorageError
from backup_manager.engine.repository.collection import Collection, Parts
from backup_manager.engine.repository.ports import Compressor, ObjectKind, Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.storage.base import Storage


class RecordKind(StrEnum):
    """What a record tells of."""

    VERIFICATION = "verification"
    RESTORE = "restore"
    HOLD = "hold"
    KEYS = "keys"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One event. *kind* is a :class:`RecordKind`, or one of a later version.

    *snapshot* is the name of the snapshot's object, as ids may be given twice; *at* is in seconds since 1970;
    *payload* holds what JSON can hold.
    """

    kind: str
    at: float
    backup_id: str = ""
    snapshot: str = ""
    payload: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordList:
    """All records, the oldest first, and what is wrong with those that cannot be read."""

    records: tuple[Record, ...]
    problems: tuple[Problem, ...] = ()


def write_record(
    storage: Storage,
    vault: Vault,
    compressor: Compressor,
    record: Record,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bool:
    """Store *record* and return True; False if the store cannot be written or is full.

    A record is worth less than what it tells of: a verification on a read-only store counts without one.
    """
    if not storage.properties.writable:
        return False
    try:
        _collection(Parts(storage, vault, compressor)).put_new(record, random_bytes)
    except (AccessDeniedError, InsufficientStorageError):
        return False
    return True


def keep_newest(
    storage: Storage,
    vault: Vault,
    compressor: Compressor,
    count: int,
    is_meant: Callable[[Record], bool],
) -> None:
    """Remove the records that are meant, but for the newest *count* of them."""
    collection = _collection(Parts(storage, vault, compressor))
    meant = [stored for stored in collection.read_all().found if is_meant(stored.value)]
    meant.sort(key=lambda stored: stored.value.at, reverse=True)
    for stored in meant[count:]:
        collection.delete(stored.name)


def read_records(storage: Storage, vault: Vault, compressor: Compressor) -> RecordList:
    """Return all records; damaged ones are named among the problems."""
    collected = _collection(Parts(storage, vault, compressor)).read_all()
    records = sorted((stored.value for stored in collected.found), key=lambda record: record.at)
    return RecordList(tuple(records), tuple(damaged.problem for damaged in collected.damaged))


def _collection(parts: Parts) -> Collection[Record]:
    return Collection(parts, ObjectKind.RECORD, Record)
