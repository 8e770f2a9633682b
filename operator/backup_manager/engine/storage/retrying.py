"""Trying again: the one owner of retries of calls to a store."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol, TypeVar

from backup_manager.common.errors import (
    BackupManagerError,
    InsufficientStorageError,
    ObjectExistsError,
    ObjectMissingError,
)
from backup_manager.engine.storage.base import Buffer, ObjectInfo, Storage, byte_views
from backup_manager.engine.storage.wrapper import StorageWrapper

Result = TypeVar("Result")
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 30.0


class RetryListener(Protocol):
    """Told of every retry: the error, how many tries there were, and the seconds until the next."""

    def __call__(self, error: BackupManagerError, tries: int, delay_seconds: float) -> None:
        """Take note; must not raise."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """How time passes between tries, as arguments for tests.

    *clock* is monotonic; *fraction* draws from 0 to 1, the jitter; *listener* may be used for progress.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    fraction: Callable[[], float] = random.random  # no secret: it spreads the load of many writers
    listener: RetryListener | None = None


class RetryingStorage(StorageWrapper):
    """Repeats calls whose errors say that repeating can help.

    Waits are exponential with full jitter, and at least what the store asks for. Until :meth:`check` has
    passed once, no try begins later than *opening_seconds* after the call (a person is waiting for an
    answer); from then on, *open_seconds* after its first failure (a long run should outlive a short
    outage). A full store gets *opening_seconds* too: it rarely empties by itself.
    """

    def __init__(
        self,
        inner: Storage,
        *,
        opening_seconds: float = 60,
        open_seconds: float = 900,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(inner)
        self._opening_seconds = opening_seconds
        self._open_seconds = open_seconds
        self._waiting = waiting or Waiting()
        self._is_open = threading.Event()

    def check(self) -> None:
        """Check the inner store; from then on the longer limit holds."""
        self._repeat(lambda _tries: self._inner.check())
        self._is_open.set()

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Store, again if need be; a refusal after a lost answer is settled by reading back."""

        def attempt(tries: int) -> None:
            try:
                self._inner.put(name, parts, if_absent=if_absent)
            except ObjectExistsError:
                if tries == 0 or not self._holds(name, parts):
                    raise

        self._repeat(attempt)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Read, again if need be."""
        return self._repeat(lambda _tries: self._inner.get(name, start, length))

    def size(self, name: str) -> int:
        """Ask, again if need be."""
        return self._repeat(lambda _tries: self._inner.size(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List; after an error from the beginning, without what was yielded already."""
        seen: set[str] = set()
        listing: Iterator[ObjectInfo] | None = None

        def step(tries: int) -> ObjectInfo | None:
            nonlocal listing
            if tries or listing is None:
                listing = self._inner.list(prefix)
            return next((found for found in listing if found.name not in seen), None)

        while (found := self._repeat(step)) is not None:
            seen.add(found.name)
            yield found

    def delete(self, name: str) -> None:
        """Delete, again if need be."""
        self._repeat(lambda _tries: self._inner.delete(name))

    def sweep(self, older_than_seconds: float) -> int:
        """Clean, again if need be; the count is the last try's."""
        return self._repeat(lambda _tries: self._inner.sweep(older_than_seconds))

    def _repeat(self, attempt: Callable[[int], Result]) -> Result:
        began = self._waiting.clock()
        for tries in count():
            try:
                return attempt(tries)
            except BackupManagerError as err:
                if not err.retryable:
                    raise
                now = self._waiting.clock()
                if tries == 0 and self._is_open.is_set():
                    began = now
                delay = self._delay(err, tries, now - began)
                if delay is None:
                    err.facts += f" ({tries + 1} tries in {now - began:.0f} s)"
                    raise
                if self._waiting.listener:
                    self._waiting.listener(err, tries + 1, delay)
            self._waiting.sleep(delay)
        raise AssertionError("count() does not end")

    def _delay(self, err: BackupManagerError, tries: int, elapsed: float) -> float | None:
        """Return the seconds until the next try, or None when time is up."""
        full = isinstance(err, InsufficientStorageError)
        limit = self._open_seconds if self._is_open.is_set() and not full else self._opening_seconds
        left = limit - elapsed
        asked: float = getattr(err, "retry_after_seconds", None) or 0.0
        if left <= 0 or asked > left:
            return None
        longest = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(tries, 20))
        return min(left, asked + self._waiting.fraction() * longest)

    def _holds(self, name: str, parts: Sequence[Buffer]) -> bool:
        """Return whether the object is, byte for byte, what we wanted to store."""
        try:
            stored = memoryview(self._inner.get(name))
        except ObjectMissingError:
            return False
        position = 0
        for view in byte_views(parts):
            if stored[position : position + view.nbytes] != view:
                return False
            position += view.nbytes
        return position == stored.nbytes
