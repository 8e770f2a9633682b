"""Stores that fail, crash, lie and lag on demand: how the engine's promises are tested."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from backup_manager.common.errors import StorageUnreachableError
from backup_manager.engine.storage.base import Buffer, ObjectInfo, Storage
from backup_manager.engine.storage.wrapper import StorageWrapper


class SimulatedCrash(BaseException):
    """The process was killed here; nothing but a test catches this."""


def unreachable() -> Exception:
    """Make the error of a store that does not answer."""
    return StorageUnreachableError("a fault was injected")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: calls *first* to *last* (from 1) of those that match.

    *method* is ``put``, ``get``, …, or empty for any; *prefix* is that of the object's name. *after*: the
    call takes effect and its answer is lost.
    """

    method: str = ""
    first: int = 1
    last: int = 1
    prefix: str = ""
    after: bool = False
    error: Callable[[], BaseException] = unreachable


class CallingStorage(StorageWrapper):
    """Runs every call inside :meth:`_call`, which subclasses make fail. Safe for several threads."""

    @contextmanager
    def _call(self, method: str, name: str) -> Iterator[None]:
        """Surround one call of *method* on *name*."""
        del method, name
        yield

    def check(self) -> None:
        """See ``Storage.check``."""
        with self._call("check", ""):
            super().check()

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """See ``Storage.put``."""
        with self._call("put", name):
            super().put(name, parts, if_absent=if_absent)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """See ``Storage.get``."""
        with self._call("get", name):
            return super().get(name, start, length)

    def size(self, name: str) -> int:
        """See ``Storage.size``."""
        with self._call("size", name):
            return super().size(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ``Storage.list``; one call, that may fail before the first object or after the last."""
        with self._call("list", prefix):
            yield from super().list(prefix)

    def delete(self, name: str) -> None:
        """See ``Storage.delete``."""
        with self._call("delete", name):
            super().delete(name)

    def sweep(self, older_than_seconds: float) -> int:
        """See ``Storage.sweep``."""
        with self._call("sweep", ""):
            return super().sweep(older_than_seconds)


class FaultyStorage(CallingStorage):
    """Raises the errors of *faults* when their turn comes; *calls* counts all calls."""

    def __init__(self, inner: Storage, faults: Sequence[Fault] = ()) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._pending = [(fault, [0]) for fault in faults]
        self.calls = 0

    @contextmanager
    def _call(self, method: str, name: str) -> Iterator[None]:
        due = self._due(method, name)
        for fault in due:
            if not fault.after:
                raise fault.error()
        yield
        for fault in due:
            raise fault.error()

    def _due(self, method: str, name: str) -> list[Fault]:
        due = []
        with self._lock:
            self.calls += 1
            for fault, met in self._pending:
                if fault.method in ("", method) and name.startswith(fault.prefix):
                    met[0] += 1
                    if fault.first <= met[0] <= fault.last:
                        due.append(fault)
        return due


class CrashingStorage(CallingStorage):
    """Kills the process at call number *crash_at* (from 1), before or *after* it takes effect.

    Every later call crashes too: a dead process does nothing more. *calls* counts, so that a run without
    a crash (``crash_at=0``) tells how many points there are.
    """

    def __init__(self, inner: Storage, crash_at: int, *, after: bool = False) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._crash_at = crash_at
        self._after = after
        self._crashed = False
        self.calls = 0

    @contextmanager
    def _call(self, method: str, name: str) -> Iterator[None]:
        with self._lock:
            self.calls += 1
            turn = self.calls == self._crash_at
            if self._crashed or (turn and not self._after):
                self._crashed = True
                raise SimulatedCrash(f"before {method} {name}")
        try:
            yield
        finally:
            self._crashed = self._crashed or turn
        if self._crashed:
            raise SimulatedCrash(f"after {method} {name}")


class LyingStorage(StorageWrapper):
    """Returns what *damage* makes of an object's bytes, for names that start with *prefix*."""

    def __init__(self, inner: Storage, damage: Callable[[bytes], bytes], *, prefix: str = "") -> None:
        super().__init__(inner)
        self._damage = damage
        self._prefix = prefix

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Damage the whole object, then cut the range out of it."""
        if not name.startswith(self._prefix):
            return super().get(name, start, length)
        content = self._damage(super().get(name))
        begin = start if start >= 0 else max(0, len(content) + start)
        return content[begin : None if length is None else begin + length]

    def size(self, name: str) -> int:
        """Tell the size of the damaged object."""
        return len(self.get(name))


class LaggingStorage(StorageWrapper):
    """Shows puts and deletions in listings only *lag_seconds* later; reads by name are up to date."""

    def __init__(
        self, inner: Storage, lag_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inner)
        self._lag_seconds = lag_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._hidden: dict[str, float] = {}
        self._ghosts: dict[str, tuple[ObjectInfo, float]] = {}

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Store the object, unlisted at first if it is new."""
        is_new = not any(found.name == name for found in super().list(name))
        super().put(name, parts, if_absent=if_absent)
        if is_new:
            with self._lock:
                self._hidden[name] = self._clock() + self._lag_seconds

    def delete(self, name: str) -> None:
        """Delete the object, which stays listed for a while."""
        listed = [found for found in self.list(name) if found.name == name]
        super().delete(name)
        with self._lock:
            until = self._clock() + self._lag_seconds
            self._ghosts.update({found.name: (found, until) for found in listed})

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what was there *lag_seconds* ago."""
        with self._lock:
            now = self._clock()
            hidden = {name for name, until in self._hidden.items() if until > now}
            ghosts = [found for found, until in self._ghosts.values() if until > now]
        listed = [found for found in super().list(prefix) if found.name not in hidden]
        names = {found.name for found in listed}
        yield from listed
        yield from (ghost for ghost in ghosts if ghost.name.startswith(prefix) and ghost.name not in names)
