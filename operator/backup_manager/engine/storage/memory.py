"""A store that lives in this process: for tests, and for trying things out."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from backup_manager.common.errors import ObjectExistsError, ObjectMissingError
from backup_manager.engine.storage.base import Buffer, ObjectInfo, StorageProperties, check_name


class MemoryStorage:
    """Objects in a dictionary; *clock* is the store's clock. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.time, *, location: str = "memory://") -> None:
        self._clock = clock
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()
        self._properties = StorageProperties(location=location, local=True)

    @property
    def properties(self) -> StorageProperties:
        """What this store can do."""
        return self._properties

    def check(self) -> None:
        """Memory is always there."""

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Store a copy of *parts*."""
        check_name(name)
        content = b"".join(parts)
        with self._lock:
            if if_absent and name in self._objects:
                raise ObjectExistsError(f"{name!r} exists in {self._properties.location}")
            self._objects[name] = (content, self._clock())

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return a range of the object."""
        content = self._content(name)
        begin = start if start >= 0 else max(0, len(content) + start)
        return content[begin : None if length is None else begin + length]

    def size(self, name: str) -> int:
        """Return the object's size in bytes."""
        return len(self._content(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what was there when the listing began."""
        with self._lock:
            found = [(name, stored) for name, stored in self._objects.items() if name.startswith(prefix)]
        for name, (content, modified) in found:
            yield ObjectInfo(name, len(content), modified)

    def delete(self, name: str) -> None:
        """Remove the object if there is one."""
        check_name(name)
        with self._lock:
            self._objects.pop(name, None)

    def sweep(self, older_than_seconds: float) -> int:  # noqa: ARG002  # the protocol's name
        """Nothing is ever left over in memory."""
        return 0

    def _content(self, name: str) -> bytes:
        check_name(name)
        try:
            return self._objects[name][0]
        except KeyError as err:
            raise ObjectMissingError(f"{name!r} is not in {self._properties.location}") from err
