"""Proving that a pack is whole: every byte of the object, not only those that somebody reads."""

from collections.abc import Collection, Iterator
from itertools import islice
from operator import gt

from backup_manager.common.errors import CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.blobs import decode_blob
from backup_manager.engine.repository.documents import HEADER_BYTES
from backup_manager.engine.repository.index import Location
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import MEMBER, PACK_HEADER, parse_pack
from backup_manager.engine.repository.ports import Compressor, ObjectKind, Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.storage.base import Storage


def verify_pack(
    storage: Storage,
    vault: Vault,
    compressor: Compressor,
    kind: PackKind,
    name: str,
    ids: Collection[bytes] | None = None,
) -> Iterator[Problem]:
    """Yield everything that is wrong with a pack; holds the whole object in memory meanwhile.

    Header, footer and trailer with its padding, each segment, each blob's id and each member's hash are
    checked. With *ids*, a pack without one of these blobs is a problem too. *storage* must be the store
    itself, not a cache of it.
    """
    object_name = pack_object(name, kind)
    try:
        data = storage.get(object_name)
        if data[:HEADER_BYTES] != PACK_HEADER:
            yield Problem(object_name, f"{object_name} does not begin with the header of a pack")
            data = PACK_HEADER + data[HEADER_BYTES:]  # what else is wrong?
        contents = parse_pack(data, vault, kind, name)
    except (CorruptDataError, ObjectMissingError) as err:
        yield Problem(object_name, err.facts)
        return
    members = _Members(contents.member_records)
    for number, blob in enumerate(contents.blobs):
        sealed = memoryview(data)[blob.offset : blob.offset + blob.stored_bytes]
        sizes = (blob.offset, blob.stored_bytes, blob.plain_bytes)
        place = Location(name, kind, *sizes, blob.algorithm, number)
        try:
            plain = decode_blob(vault, compressor, blob.id, place, sealed)
            _check_members(vault, object_name, plain, members.of_blob(number))
        except CorruptDataError as err:
            yield Problem(object_name, err.facts, blob.id)
    vault.forget(ObjectKind.PACK, name)
    for blob_id in sorted(set(ids or ()) - {blob.id for blob in contents.blobs}):
        yield Problem(object_name, f"blob {blob_id.hex()} is not in {object_name}", blob_id)


class _Members:
    """The members of one blob after another, left packed: a pack of tiny files may have a million of them."""

    def __init__(self, records: bytes) -> None:
        owners = [owner for _, owner, _, _ in MEMBER.iter_unpack(records)]
        if any(map(gt, owners, islice(owners, 1, None))):  # writers give them in the order of their blobs
            size = MEMBER.size
            order = sorted(range(len(owners)), key=owners.__getitem__)
            records = b"".join([records[place * size : place * size + size] for place in order])
        self._records = records
        self._at = 0

    def of_blob(self, number: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield hash, offset and length of each member of blob *number*; numbers may only grow."""
        while self._at < len(self._records):
            member_hash, owner, offset, length = MEMBER.unpack_from(self._records, self._at)
            if owner > number:
                return
            self._at += MEMBER.size
            if owner == number:
                yield member_hash, offset, length


def _check_members(
    vault: Vault, object_name: str, plain: bytes, members: Iterator[tuple[bytes, int, int]]
) -> None:
    view = memoryview(plain)
    for member_hash, offset, length in members:
        content = view[offset : offset + length]
        if len(content) != length or vault.blob_id(content)[: len(member_hash)] != member_hash:
            raise CorruptDataError(f"{object_name} has a file in a frame that is not what its record says")
