"""The header of every sealed object, and sealed documents: objects of one segment."""

import struct

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.names import document_object
from backup_manager.engine.repository.ports import Algorithm, Buffer, Compressor, ObjectKind, Vault

HEADER_BYTES = 16
TAG_BYTES = 16
FORMAT = 1

_HEADER = struct.Struct("<4sBBHII")
_PREFIX = struct.Struct("<BQ")
_MAGIC = b"BMGR"
_KIND_NUMBERS = {
    ObjectKind.PACK: 1,
    ObjectKind.INDEX: 2,
    ObjectKind.SNAPSHOT: 3,
    ObjectKind.INTENT: 4,
    ObjectKind.PLAN: 5,
    ObjectKind.RECORD: 6,
}


def build_header(kind: ObjectKind) -> bytes:
    """Return the 16 bytes that every object of *kind* begins with in format 1, epoch 0."""
    return _HEADER.pack(_MAGIC, FORMAT, _KIND_NUMBERS[kind], 0, 0, 0)


def check_header(kind: ObjectKind, object_name: str, data: Buffer) -> None:
    """Make sure that *data* begins with the header of *kind*; raises ``CorruptDataError``."""
    if bytes(data[:HEADER_BYTES]) != build_header(kind):
        raise CorruptDataError(f"{object_name} does not begin with the header of its kind")


def seal_document(
    vault: Vault, compressor: Compressor | None, kind: ObjectKind, name: str, plain: Buffer
) -> bytes:
    """Return the object *kind*/*name* that holds *plain*; without a *compressor* it is stored as it is.

    To be called once for each *name*: a second, different document under one name would use its key and
    nonce twice.
    """
    algorithm, payload = compressor.compress(plain) if compressor else (Algorithm.STORED, plain)
    header = build_header(kind)
    sealed = vault.seal(kind, name, 0, b"".join((_PREFIX.pack(algorithm, len(plain)), payload)), header)
    vault.forget(kind, name)
    return header + sealed


def open_document(
    vault: Vault, compressor: Compressor | None, kind: ObjectKind, name: str, sealed: Buffer
) -> bytes:
    """Return what :func:`seal_document` was given.

    Raises:
        CorruptDataError: a byte differs, is missing or was added, or it is another object; or it is
            compressed and there is no *compressor*.
    """
    object_name = document_object(kind, name)
    if len(sealed) < HEADER_BYTES + _PREFIX.size + TAG_BYTES:
        raise CorruptDataError(f"{object_name} is too short: {len(sealed)} bytes")
    check_header(kind, object_name, sealed)
    view = memoryview(sealed)
    plain = vault.open(kind, name, 0, view[HEADER_BYTES:], build_header(kind))
    vault.forget(kind, name)
    if len(plain) < _PREFIX.size:
        raise CorruptDataError(f"{object_name} ends within its prefix")
    algorithm, plain_bytes = _PREFIX.unpack_from(plain)
    payload = memoryview(plain)[_PREFIX.size :]
    if algorithm == Algorithm.STORED and len(payload) == plain_bytes:
        return bytes(payload)
    if algorithm == Algorithm.ZSTD and compressor is not None:
        return compressor.decompress(algorithm, payload, plain_bytes)
    raise CorruptDataError(
        f"{object_name} has {len(payload)} bytes of algorithm {algorithm} for {plain_bytes}"
    )
