"""Packs and stores for tests of what reads them."""

import random
from collections.abc import Sequence

from tests.unit.repository.doubles import DoubleCompressor, DoubleVault

from backup_manager.engine.repository.documents import seal_document
from backup_manager.engine.repository.index_shard import encode_shard
from backup_manager.engine.repository.names import PackKind, document_object, pack_object
from backup_manager.engine.repository.pack import EncodedBlob, Member, PackBuilder, PackContents, SealedPack
from backup_manager.engine.repository.ports import ObjectKind, Vault
from backup_manager.engine.storage.base import Storage

VAULT = DoubleVault()
COMPRESSOR = DoubleCompressor()


def encode(plain: bytes, members: Sequence[Member] = (), vault: Vault = VAULT) -> EncodedBlob:
    algorithm, payload = COMPRESSOR.compress(plain)
    return EncodedBlob(vault.blob_id(plain), algorithm, len(plain), payload, tuple(members))


def encode_frame(files: Sequence[bytes]) -> EncodedBlob:
    """A frame of small files, each with its member's hash."""
    plain = b"".join(files)
    ends = [sum(map(len, files[: number + 1])) for number in range(len(files))]
    members = [
        Member(VAULT.blob_id(file)[:16], end - len(file), len(file))
        for file, end in zip(files, ends, strict=True)
    ]
    return encode(plain, members)


def build_pack(
    blobs: Sequence[EncodedBlob], name: str | int = 1, kind: PackKind = PackKind.DATA
) -> SealedPack:
    builder = PackBuilder(VAULT, kind, name if isinstance(name, str) else f"{name:032x}")
    for blob in blobs:
        builder.add(blob)
    return builder.finish()


def store_pack(storage: Storage, pack: SealedPack) -> PackContents:
    storage.put(pack_object(pack.name, pack.kind), pack.parts)
    return pack.contents


def store_shard(storage: Storage, packs: Sequence[PackContents], name: str | int = 1) -> str:
    name = name if isinstance(name, str) else f"{name:032x}"
    sealed = seal_document(VAULT, None, ObjectKind.INDEX, name, encode_shard(packs))
    storage.put(document_object(ObjectKind.INDEX, name), [sealed])
    return document_object(ObjectKind.INDEX, name)


def random_plains(seed: int, count: int, size: int = 200) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(size) for _ in range(count)]
