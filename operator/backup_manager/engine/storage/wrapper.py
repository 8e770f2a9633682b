"""A store around a store: hands every call on, so that a wrapper states only what it changes."""

from collections.abc import Iterator, Sequence

from backup_manager.engine.storage.base import Buffer, ObjectInfo, Storage, StorageProperties


class StorageWrapper:
    """Behaves as *inner* does."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner

    @property
    def inner(self) -> Storage:
        """The store within, for whoever must not be answered by the wrapper."""
        return self._inner

    @property
    def properties(self) -> StorageProperties:
        """What the inner store can do."""
        return self._inner.properties

    def check(self) -> None:
        """See ``Storage.check``."""
        self._inner.check()

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """See ``Storage.put``."""
        self._inner.put(name, parts, if_absent=if_absent)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """See ``Storage.get``."""
        return self._inner.get(name, start, length)

    def size(self, name: str) -> int:
        """See ``Storage.size``."""
        return self._inner.size(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See ``Storage.list``."""
        return self._inner.list(prefix)

    def delete(self, name: str) -> None:
        """See ``Storage.delete``."""
        self._inner.delete(name)

    def sweep(self, older_than_seconds: float) -> int:
        """See ``Storage.sweep``."""
        return self._inner.sweep(older_than_seconds)
