"""What the repository needs from the layers above it, declared where it is needed.

The repository moves sealed bytes; how they are hashed, compressed and encrypted is the business of
``processors``, which implements these protocols and is handed in when a repository is opened.
"""

from enum import IntEnum, StrEnum
from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Algorithm(IntEnum):
    """How a payload is encoded; the numbers are part of the format."""

    STORED = 0
    ZSTD = 1


class ObjectKind(StrEnum):
    """The first part of a sealed object's name, which enters its key and its associated data."""

    PACK = "packs"
    INDEX = "index"
    SNAPSHOT = "snapshots"
    INTENT = "intents"
    PLAN = "maintenance"
    RECORD = "records"


class Vault(Protocol):
    """Ids and sealing under the repository's secrets; safe to use from several threads."""

    def blob_id(self, plain: Buffer) -> bytes:
        """Return the 32 bytes of keyed BLAKE3 over *plain*."""
        ...

    def seal(self, kind: ObjectKind, name: str, number: int, plain: Buffer, header: bytes) -> bytes:
        """Return ciphertext and tag of segment *number* of the object *kind*/*name*."""
        ...

    def open(self, kind: ObjectKind, name: str, number: int, sealed: Buffer, header: bytes) -> bytes:
        """Return the plain bytes; raises ``CorruptDataError`` when a single bit differs."""
        ...

    def forget(self, kind: ObjectKind, name: str) -> None:
        """Drop the cached subkey of an object that is complete."""
        ...


class Compressor(Protocol):
    """Compression by the algorithm that the repository names; safe to use from several threads."""

    def compress(self, plain: Buffer) -> tuple[Algorithm, Buffer]:
        """Return the shorter of *plain* and its compressed form, and which it is."""
        ...

    def decompress(self, algorithm: int, payload: Buffer, plain_bytes: int) -> bytes:
        """Return exactly *plain_bytes* bytes; raises ``CorruptDataError`` for anything else."""
        ...
