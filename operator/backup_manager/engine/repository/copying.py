"""Copying blobs from pack to pack as they are encoded: opened and sealed again, never decompressed."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import (
    PACK_HEADER,
    EncodedBlob,
    Member,
    PackContents,
    parse_pack,
)
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.ports import Algorithm, ObjectKind
from backup_manager.engine.repository.read_ahead import map_ahead

PACKS_AHEAD = 2  # of 16 MiB and more in memory, beside what the writer holds


def copy_blobs(
    parts: Parts, packs: Mapping[str, PackKind], is_wanted: Callable[[bytes], bool], writer: PackWriter
) -> None:
    """Put the blobs of *packs* that are wanted, and that the writer's index does not hold, with their members.

    The packs have to be condemned in the writer's index, or it holds all that they have. Each is read as a
    whole, in the order of names.

    Raises:
        CorruptDataError: a pack is damaged.
        ObjectMissingError: a pack is gone.
    """

    def read(item: tuple[str, PackKind]) -> tuple[PackContents, bytes]:
        name, kind = item
        data = parts.storage.get(pack_object(name, kind))
        return parse_pack(data, parts.vault, kind, name), data

    with ThreadPoolExecutor(PACKS_AHEAD, thread_name_prefix="copy") as pool:
        for contents, data in map_ahead(pool, read, sorted(packs.items()), ahead=PACKS_AHEAD):
            _copy_pack(parts, contents, data, is_wanted, writer)


def _copy_pack(
    parts: Parts, contents: PackContents, data: bytes, is_wanted: Callable[[bytes], bool], writer: PackWriter
) -> None:
    members: dict[int, list[Member]] = {}
    for record in contents.members:
        member = Member(record.hash, record.offset, record.length)
        members.setdefault(record.blob_number, []).append(member)
    view = memoryview(data)
    for number, blob in enumerate(contents.blobs):
        if not is_wanted(blob.id) or writer.holds(blob.id):
            continue
        segment = view[blob.offset : blob.offset + blob.stored_bytes]
        payload = parts.vault.open(ObjectKind.PACK, contents.name, number, segment, PACK_HEADER)
        encoded = EncodedBlob(
            blob.id, Algorithm(blob.algorithm), blob.plain_bytes, payload, tuple(members.get(number, ()))
        )
        writer.put(encoded, contents.kind)
    parts.vault.forget(ObjectKind.PACK, contents.name)
