"""What the engine asks of a store: bytes by name, and nothing else.

A store is *flat*: names are opaque, relative, lower-case ASCII (see :func:`check_name`); a ``/`` in a
name means nothing to the engine but lets a person find their way. Every implementation passes
``backup_manager.testing``, which is the definition of this protocol in executable form.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from backup_manager.common.errors import StorageUnreachableError, UsageError

Buffer = bytes | bytearray | memoryview
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*")
MAX_NAME_CHARACTERS = 200  # S3 allows 1,024 bytes with the prefix, a local file system 255 for each part


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One stored object; *modified* is by the store's own clock, in seconds since 1970 (whole ones on S3)."""

    name: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class StorageProperties:
    """What a caller may rely on.

    *location* is printable and free of secrets. *conditional_put*: ``if_absent`` is decided by the store in
    one step; without it ``put(if_absent=True)`` raises ``UsageError``. *connections*: calls that may
    usefully run at once. *local*: reads cost next to nothing, so that no read-ahead is needed. *writable*:
    false where it is known that puts will be refused. *clock_skew_seconds*: how far the store's clock is
    ahead of ours, as far as was seen; a warning's matter, nothing is decided by it.
    """

    location: str
    conditional_put: bool = True
    connections: int = 4
    local: bool = False
    writable: bool = True
    clock_skew_seconds: float = 0.0


class StorageMisuseError(StorageUnreachableError):
    """The store answered, and will answer so for ever: a wrong region, a wrong clock, a refused request."""

    retryable = False
    default_solution = "Correct the settings of the store; trying again does not help."


class StorageBusyError(StorageUnreachableError):
    """The store asks to be left alone for a while; *retry_after_seconds* is what it said, if it did."""

    def __init__(self, facts: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(
            facts,
            solution="No action needed: the run is retried. If it lasts for an hour, lower options.parallel.",
        )
        self.retry_after_seconds = retry_after_seconds


class Storage(Protocol):
    """Bytes by name. Every method may be called from several threads at once."""

    @property
    def properties(self) -> StorageProperties:
        """What this store can do; constant after :meth:`check`."""
        ...

    def check(self) -> None:
        """Prove that the store can be reached and used, and tell apart why it cannot.

        Raises:
            BucketMissingError: the bucket or folder does not exist.
            AccessDeniedError: credentials or rights are refused.
            StorageUnreachableError: no answer, a wrong region, a server's fault.
        """
        ...

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Store the concatenation of *parts* under *name*, durably, as a whole or not at all.

        An existing object is replaced, unless *if_absent*. When the call raises, the object may still
        have been stored (an answer can be lost), never in part.

        Raises:
            ObjectExistsError: *if_absent*, and there is such an object.
            InsufficientStorageError: no room.
        """
        ...

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return *length* bytes from *start*, or all from there; a negative *start* counts from the end.

        A range that reaches past the end gives what there is; a negative *start* beyond the object's
        size gives the object from its beginning.

        Raises:
            ObjectMissingError: no such object.
        """
        ...

    def size(self, name: str) -> int:
        """Return the object's size in bytes; raises ``ObjectMissingError``."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object whose name starts with *prefix*, once, in no particular order."""
        ...

    def delete(self, name: str) -> None:
        """Remove the object; an absent one is no error."""
        ...

    def sweep(self, older_than_seconds: float) -> int:
        """Remove left-overs of interrupted puts older than that by the store's clock; return how many.

        They are temporary files and multipart uploads, never objects.
        """
        ...


def byte_views(parts: Sequence[Buffer]) -> tuple[memoryview, ...]:
    """Return *parts* as flat views of bytes, the empty ones left out; nothing is copied."""
    views = (memoryview(part).cast("B") for part in parts if len(part))
    return tuple(view for view in views if view.nbytes)


def check_name(name: str) -> None:
    """Refuse a name that some store or file system could mistake for another one.

    Lower case, because some file systems fold case; no leading dot, because temporary files have one.
    """
    if len(name) > MAX_NAME_CHARACTERS or not NAME.fullmatch(name):
        raise UsageError(
            f"object name {name!r} is not lower-case ASCII words joined by '/', at most 200 characters"
        )
