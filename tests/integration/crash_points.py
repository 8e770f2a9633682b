"""A process that is killed at each single call to its store, before the call takes effect and after it did."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import CallingStorage, CrashingStorage, SimulatedCrash
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage

Act = Callable[[Storage], object]


class StorageOfTheDead(CallingStorage):
    """Kills the process before its first *method* on an object whose name starts with *prefix*."""

    def __init__(self, inner: Storage, method: str, prefix: str) -> None:
        super().__init__(inner)
        self._condition = method, prefix
        self._is_dead = False

    @contextmanager
    def _call(self, method: str, name: str) -> Iterator[None]:
        wanted, prefix = self._condition
        if self._is_dead or (method == wanted and name.startswith(prefix)):
            self._is_dead = True
            raise SimulatedCrash(f"before {method} {name}")
        yield


class Shelf(Protocol):
    """A store whose content is prepared once and copied for each crash."""

    storage: Storage

    def copy(self) -> Storage:
        """Return another store with the same objects and times; it may take the place of the last copy."""
        ...

    def age(self, storage: Storage, seconds: float) -> None:
        """Let all objects of *storage*, this one's or a copy, become older: its clock moves forward."""
        ...


class MemoryShelf:
    """In memory."""

    def __init__(self) -> None:
        self.storage: Storage = MemoryStorage()

    def copy(self) -> Storage:
        """See ``Shelf.copy``."""
        other = MemoryStorage()
        other._objects = dict(self.storage._objects)  # type: ignore[attr-defined]
        return other

    def age(self, storage: Storage, seconds: float) -> None:
        """See ``Shelf.age``."""
        objects = storage._objects  # type: ignore[attr-defined]
        for name, (content, modified) in list(objects.items()):
            objects[name] = (content, modified - seconds)


class FolderShelf:
    """In a folder; the last copy is overwritten by the next."""

    def __init__(self, folder: Path) -> None:
        self._first, self._second = folder / "prepared", folder / "copied"
        self.storage: Storage = LocalStorage(self._first, create=True)

    def copy(self) -> Storage:
        """See ``Shelf.copy``."""
        shutil.rmtree(self._second, ignore_errors=True)
        if self._first.exists():
            shutil.copytree(self._first, self._second)
        return LocalStorage(self._second, create=True)

    def age(self, storage: Storage, seconds: float) -> None:
        """See ``Shelf.age``."""
        for path in Path(storage.properties.location).rglob("*"):
            modified = path.stat().st_mtime - seconds
            os.utime(path, (modified, modified))


EVERY, SOME, FEW = 1, 13, 29
STORES = [
    pytest.param("memory", SOME, id="memory"),
    pytest.param("folder", FEW, id="folder"),
    pytest.param("memory", EVERY, id="memory-every", marks=pytest.mark.slow),
    pytest.param("folder", EVERY, id="folder-every", marks=pytest.mark.slow),
]


def make_shelf(store: str, folder: Path) -> Shelf:
    """Return an empty shelf of the kind that :data:`STORES` names."""
    return MemoryShelf() if store == "memory" else FolderShelf(folder / "store")


def tell(record_property: Callable[[str, object], None], points: int, facts: str) -> None:
    """Put the number of crash points on record, and among the captured output."""
    record_property("crash points", points)
    sys.stdout.write(f"{points} crash points: {facts}\n")


def killed_everywhere(shelf: Shelf, act: Act, *, step: int = 1) -> Iterator[Storage]:
    """Yield a store for each crash point: as *act*, killed there, leaves a copy of what was prepared.

    There are two points for each call to the store. Of all of them every one that *step* divides is tried. The
    number of calls differs a little between runs of several threads: it ends when a run was not killed.
    """
    for point in count(step - 1, step):
        call, is_after = divmod(point, 2)
        storage = shelf.copy()
        crashing = CrashingStorage(storage, call + 1, after=bool(is_after))
        try:
            act(crashing)
        except SimulatedCrash:
            yield storage
        else:
            if crashing.calls <= call:
                return
            yield storage
