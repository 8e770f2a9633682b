"""Proving that a pack is whole: every byte of the object, not only those that somebody reads."""

from collections.abc import Collection, Iterator

from backup_manager.common.errors import CorruptDataError, ObjectMissingError
from backup_manager.engine.repository.blobs import decode_blob
from backup_manager.engine.repository.documents import HEADER_BYTES
from backup_manager.engine.repository.index import Location
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import PACK_HEADER, MemberRecord, PackContents, parse_pack
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
    members = _members_by_blob(contents)
    for number, blob in enumerate(contents.blobs):
        sealed = memoryview(data)[blob.offset : blob.offset + blob.stored_bytes]
        sizes = (blob.offset, blob.stored_bytes, blob.plain_bytes)
        place = Location(name, kind, *sizes, blob.algorithm, number)
        try:
            plain = decode_blob(vault, compressor, blob.id, place, sealed)
            _check_members(vault, object_name, plain, members.get(number, []))
        except CorruptDataError as err:
            yield Problem(object_name, err.facts, blob.id)
    vault.forget(ObjectKind.PACK, name)
    for blob_id in sorted(set(ids or ()) - {blob.id for blob in contents.blobs}):
        yield Problem(object_name, f"blob {blob_id.hex()} is not in {object_name}", blob_id)


def _members_by_blob(contents: PackContents) -> dict[int, list[MemberRecord]]:
    members: dict[int, list[MemberRecord]] = {}
    for member in contents.members:
        members.setdefault(member.blob_number, []).append(member)
    return members


def _check_members(vault: Vault, object_name: str, plain: bytes, members: list[MemberRecord]) -> None:
    view = memoryview(plain)
    for member in members:
        content = view[member.offset : member.offset + member.length]
        if len(content) != member.length or vault.blob_id(content)[: len(member.hash)] != member.hash:
            raise CorruptDataError(f"{object_name} has a file in a frame that is not what its record says")
