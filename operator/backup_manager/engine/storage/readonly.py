"""A store that cannot be changed through this object: for commands that only look."""

from collections.abc import Sequence
from dataclasses import replace

from backup_manager.common.errors import AccessDeniedError
from backup_manager.engine.storage.base import Buffer, StorageProperties
from backup_manager.engine.storage.wrapper import StorageWrapper


class ReadOnlyStorage(StorageWrapper):
    """Hands reads on to the inner store and refuses everything else."""

    @property
    def properties(self) -> StorageProperties:
        """What the inner store can do, writing aside."""
        return replace(self._inner.properties, writable=False)

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:  # noqa: ARG002
        """Refuse."""
        raise self._refusal(f"store {name!r} in")

    def delete(self, name: str) -> None:
        """Refuse."""
        raise self._refusal(f"delete {name!r} in")

    def sweep(self, older_than_seconds: float) -> int:  # noqa: ARG002
        """Refuse."""
        raise self._refusal("clean")

    def _refusal(self, doing: str) -> AccessDeniedError:
        return AccessDeniedError(
            f"cannot {doing} {self._inner.properties.location}: it was opened for reading only",
            solution="Open the repository for writing; no command that only reads needs that.",
        )
