"""A store whose small sealed objects are also kept on this machine, so that a run need not fetch them again.

Index shards, snapshots and metadata packs are immutable and sealed, so a copy is as good as the object. What
exists is always the store's answer: nothing is listed, measured or deleted here alone, only :meth:`get` may
be answered from a copy. Whoever is to prove what the *store* holds must read the store itself.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.cache_files import CacheFiles
from backup_manager.engine.repository.documents import HEADER_BYTES, build_header, check_header
from backup_manager.engine.repository.names import PackKind, parse_document_object, parse_pack_object
from backup_manager.engine.repository.pack import PACK_HEADER, parse_pack
from backup_manager.engine.repository.ports import Buffer, ObjectKind, Vault
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.wrapper import StorageWrapper

MOST_BYTES = 512 * 2**20
DOCUMENTS = (ObjectKind.INDEX, ObjectKind.SNAPSHOT)
_LOCKS = 16


class CachingStorage(StorageWrapper):
    """*inner* with copies below *folder*/*repository_id*, which threads and processes may share.

    Only what authenticates becomes a copy, and a copy that a disk has changed is dropped and read again.
    Trouble with the folder never fails a call: this process then goes on without writing to it.
    """

    def __init__(
        self,
        inner: Storage,
        folder: Path,
        repository_id: str,
        vault: Vault,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(inner)
        self._vault = vault
        self._files = CacheFiles(folder / repository_id, repository_id, most_bytes=most_bytes, clock=clock)
        self._is_writable = True
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    def put(self, name: str, parts: Sequence[Buffer], *, if_absent: bool = False) -> None:
        """Store the object, then keep a copy of it."""
        super().put(name, parts, if_absent=if_absent)
        if _is_cacheable(name):
            self._keep(name, parts)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return a range from the copy; without one, the first read of an object brings all of it.

        The exception is a read that counts from the end, of a pack's trailer: it is passed on as it is.
        """
        if not _is_cacheable(name):
            return super().get(name, start, length)
        content = self._files.read(name, start, length)
        if content is not None:
            return content
        if start < 0 or not self._is_writable:
            return super().get(name, start, length)
        with self._locks[hash(name) % _LOCKS]:  # several threads want the first blobs of one pack at once
            content = self._files.read(name, start, length)
            if content is not None:
                return content
            whole = super().get(name)
            if self._is_authentic(name, whole):
                self._keep(name, (whole,))
        return whole[start:] if length is None else whole[start : start + length]

    def delete(self, name: str) -> None:
        """Remove the object and its copy."""
        super().delete(name)
        self.discard(name)

    def discard(self, name: str) -> None:
        """Drop the copy alone, so that the next read asks the store."""
        if _is_cacheable(name):
            self._files.discard(name)

    def _keep(self, name: str, parts: Sequence[Buffer]) -> None:
        if not self._is_writable:
            return
        try:
            self._files.write(name, parts)
        except OSError:  # a full or read-only disk
            self._is_writable = False

    def _is_authentic(self, object_name: str, data: bytes) -> bool:
        with suppress(CorruptDataError):
            pack = parse_pack_object(object_name)
            if pack:
                self._authenticate_pack(pack[0], pack[1], data)
            else:
                self._authenticate_document(object_name, data)
            return True
        return False

    def _authenticate_pack(self, name: str, kind: PackKind, data: bytes) -> None:
        view = memoryview(data)
        for number, blob in enumerate(parse_pack(data, self._vault, kind, name).blobs):
            segment = view[blob.offset : blob.offset + blob.stored_bytes]
            self._vault.open(ObjectKind.PACK, name, number, segment, PACK_HEADER)

    def _authenticate_document(self, object_name: str, data: bytes) -> None:
        for kind in DOCUMENTS:
            name = parse_document_object(kind, object_name)
            if name:
                check_header(kind, object_name, data)
                self._vault.open(kind, name, 0, memoryview(data)[HEADER_BYTES:], build_header(kind))


def _is_cacheable(object_name: str) -> bool:
    pack = parse_pack_object(object_name)
    if pack:
        return pack[1] is PackKind.METADATA
    return any(parse_document_object(kind, object_name) for kind in DOCUMENTS)
