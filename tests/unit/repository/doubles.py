"""Small stand-ins for what the repository is given from outside, with real authentication."""

import hashlib
import random
import threading
import zlib
from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backup_manager.common.errors import CorruptDataError, ObjectExistsError, ObjectMissingError
from backup_manager.engine.repository.ports import Algorithm, Buffer, ObjectKind
from backup_manager.engine.storage.base import ObjectInfo, StorageProperties


class DoubleVault:
    """A vault with one key for each object name, derived by a plain hash."""

    def __init__(self, key: bytes = b"k" * 32) -> None:
        self._key = key

    def blob_id(self, plain: Buffer) -> bytes:
        return hashlib.blake2b(plain, key=self._key, digest_size=32).digest()

    def seal(self, kind: ObjectKind, name: str, number: int, plain: Buffer, header: bytes) -> bytes:
        cipher, associated = self._cipher(kind, name, header)
        return cipher.encrypt(number.to_bytes(12, "big"), bytes(plain), associated)

    def open(self, kind: ObjectKind, name: str, number: int, sealed: Buffer, header: bytes) -> bytes:
        cipher, associated = self._cipher(kind, name, header)
        try:
            return cipher.decrypt(number.to_bytes(12, "big"), bytes(sealed), associated)
        except InvalidTag as err:
            raise CorruptDataError(f"{kind}/{name} does not authenticate") from err

    def forget(self, kind: ObjectKind, name: str) -> None:
        pass

    def _cipher(self, kind: ObjectKind, name: str, header: bytes) -> tuple[AESGCM, bytes]:
        title = f"{kind.value}/{name}".encode()
        return AESGCM(hashlib.blake2b(title, key=self._key, digest_size=32).digest()), header + title


class DoubleCompressor:
    """zlib in the place of zstd."""

    def compress(self, plain: Buffer) -> tuple[Algorithm, Buffer]:
        packed = zlib.compress(plain, 1)
        return (Algorithm.ZSTD, packed) if len(packed) < len(plain) else (Algorithm.STORED, plain)

    def decompress(self, algorithm: int, payload: Buffer, plain_bytes: int) -> bytes:
        try:
            plain = bytes(payload) if algorithm == Algorithm.STORED else zlib.decompress(payload)
        except zlib.error as err:
            raise CorruptDataError("not compressed data") from err
        if len(plain) != plain_bytes:
            raise CorruptDataError(f"{len(plain)} bytes instead of {plain_bytes}")
        return plain


class DoubleStorage:
    """Objects in a dict; every call is counted by its method's name."""

    def __init__(self, *, connections: int = 4, local: bool = False) -> None:
        self.properties = StorageProperties("double:", connections=connections, local=local)
        self.objects: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def check(self) -> None:
        pass

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        data = b"".join(parts)
        with self._lock:
            self.calls.append(("put", name))
            if if_absent and name in self.objects:
                raise ObjectExistsError(name)
            self.objects[name] = data

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with self._lock:
            self.calls.append(("get", name))
            if name not in self.objects:
                raise ObjectMissingError(name)
            data = self.objects[name]
        start = max(0, len(data) + start) if start < 0 else start
        return data[start:] if length is None else data[start : start + length]

    def size(self, name: str) -> int:
        return len(self.get(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._lock:
            self.calls.append(("list", prefix))
            found = [ObjectInfo(n, len(d), 0.0) for n, d in self.objects.items() if n.startswith(prefix)]
        yield from found

    def delete(self, name: str) -> None:
        with self._lock:
            self.objects.pop(name, None)

    def sweep(self, older_than_seconds: float) -> int:
        return 0


def seeded_bytes(seed: int) -> random.Random:
    """A source of repeatable randomness; its ``randbytes`` fits wherever ``os.urandom`` does."""
    return random.Random(seed)
