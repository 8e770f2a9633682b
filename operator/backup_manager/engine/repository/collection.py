"""The sealed documents of one kind: put under a random name, read all at once, removed."""

import os
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from backup_manager.common.errors import CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.documents import open_document, seal_document
from backup_manager.engine.repository.names import document_object, parse_document_object, random_name
from backup_manager.engine.repository.ports import Compressor, ObjectKind, Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.read_ahead import map_ahead
from backup_manager.engine.storage.base import ObjectInfo, Storage

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Parts:
    """What documents and packs are read and written with."""

    storage: Storage
    vault: Vault
    compressor: Compressor


@dataclass(frozen=True, slots=True)
class Stored(Generic[Value]):
    """A document, its random name, and when it was stored by the store's clock."""

    name: str
    modified: float
    value: Value


@dataclass(frozen=True, slots=True)
class Damaged:
    """A document that cannot be read."""

    name: str
    modified: float
    problem: Problem


@dataclass(frozen=True, slots=True)
class Collected(Generic[Value]):
    """All documents of a kind, sorted by name; what vanished while they were read is left out."""

    found: tuple[Stored[Value], ...]
    damaged: tuple[Damaged, ...]


class Collection(Generic[Value]):
    """Documents of *kind*, which are MessagePack maps of *model*."""

    def __init__(self, parts: Parts, kind: ObjectKind, model: type[Value]) -> None:
        self._parts = parts
        self._kind = kind
        self._decoder = msgspec.msgpack.Decoder(model)

    def put(self, value: Value, name: str) -> None:
        """Store *value* under *name*, which must be new."""
        plain = msgspec.msgpack.encode(value)
        sealed = seal_document(self._parts.vault, self._parts.compressor, self._kind, name, plain)
        self._parts.storage.put(document_object(self._kind, name), (sealed,))

    def put_new(self, value: Value, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
        """Store *value* and return the name that was drawn for it."""
        name = random_name(random_bytes)
        self.put(value, name)
        return name

    def get(self, name: str) -> Value:
        """Return one document.

        Raises:
            CorruptDataError: its bytes are not what was written, or are of a later format.
            ObjectMissingError: there is none of that name.
        """
        object_name = document_object(self._kind, name)
        sealed = self._parts.storage.get(object_name)
        plain = open_document(self._parts.vault, self._parts.compressor, self._kind, name, sealed)
        try:
            return self._decoder.decode(plain)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
            raise CorruptDataError(f"{object_name} cannot be decoded: {err}") from err

    def delete(self, name: str) -> None:
        """Remove one document; an absent one is no error."""
        self._parts.storage.delete(document_object(self._kind, name))

    def list(self) -> Iterator[tuple[str, ObjectInfo]]:
        """Yield the name of each document, and what the store says of it; other objects are not ours."""
        for info in self._parts.storage.list(f"{self._kind.value}/"):
            name = parse_document_object(self._kind, info.name)
            if name is not None:
                yield name, info

    def read_all(self, *, skip: Container[str] = ()) -> Collected[Value]:
        """Return all documents but those of the names in *skip*; damaged ones are kept apart, not dropped."""
        listed = sorted((item for item in self.list() if item[0] not in skip), key=lambda item: item[0])
        found: list[Stored[Value]] = []
        damaged: list[Damaged] = []
        for outcome in self._read_each(listed):
            if isinstance(outcome, Damaged):
                damaged.append(outcome)
            elif outcome is not None:
                found.append(outcome)
        return Collected(tuple(found), tuple(damaged))

    def _read_each(
        self, listed: Sequence[tuple[str, ObjectInfo]]
    ) -> Iterator[Stored[Value] | Damaged | None]:
        properties = self._parts.storage.properties
        if properties.local or len(listed) < 2:
            yield from map(self._read, listed)
            return
        connections = max(1, properties.connections)
        with ThreadPoolExecutor(connections, thread_name_prefix=self._kind.value) as pool:
            yield from map_ahead(pool, self._read, listed, ahead=4 * connections)

    def _read(self, listed: tuple[str, ObjectInfo]) -> Stored[Value] | Damaged | None:
        name, info = listed
        try:
            return Stored(name, info.modified, self.get(name))
        except ObjectMissingError:
            return None
        except CorruptDataError as err:
            return Damaged(name, info.modified, Problem(info.name, err.facts))
