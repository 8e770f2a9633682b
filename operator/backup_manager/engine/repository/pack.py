"""Packs: many sealed blobs in one object, with a sealed trailer that says what they are."""

import struct
from dataclasses import dataclass

import msgspec

from backup_manager.common.errors import BackupManagerError, CorruptDataError
from backup_manager.engine.repository.documents import HEADER_BYTES, TAG_BYTES, build_header, check_header
from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.ports import Algorithm, Buffer, ObjectKind, Vault
from backup_manager.engine.storage.base import Storage

BLOB = struct.Struct("<32sIIIB3s")
MEMBER = struct.Struct("<16sIII")
PACK_HEADER = build_header(ObjectKind.PACK)
TRAILER_NUMBER = 2**32 - 1
CLOSED_AT_BYTES = {PackKind.DATA: 16 * 2**20, PackKind.METADATA: 4 * 2**20}

_COUNTS = struct.Struct("<II")
_FOOTER = struct.Struct("<I4s")
_FOOTER_MAGIC = b"RGMB"
_TAIL_BYTES = 64 * 1024  # enough for most metadata packs; the padding of a data pack may take a second read
_ZERO = b"\0\0\0"
_LIMIT = 2**31  # offsets are u32; AES-GCM of OpenSSL takes less than 2 GiB at once


class Member(msgspec.Struct, frozen=True, gc=False):
    """One small file within the plain bytes of a frame. A msgspec record, as there may be millions."""

    hash: bytes
    offset: int
    length: int


class BlobRecord(msgspec.Struct, frozen=True, gc=False):
    """Where a blob's segment lies in its pack; ``stored_bytes`` counts the tag."""

    id: bytes
    offset: int
    stored_bytes: int
    plain_bytes: int
    algorithm: int


class MemberRecord(msgspec.Struct, frozen=True, gc=False):
    """Where a small file lies: *offset* counts in the plain bytes of its pack's blob *blob_number*."""

    hash: bytes
    blob_number: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class EncodedBlob:
    """A blob ready to be sealed: *payload* is *plain_bytes* bytes encoded by *algorithm*."""

    id: bytes
    algorithm: Algorithm
    plain_bytes: int
    payload: Buffer
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class PackContents:
    """What a pack's trailer says; records are kept packed, as a pack may have 100,000 members."""

    name: str
    kind: PackKind
    blob_records: bytes
    member_records: bytes

    @property
    def blobs(self) -> tuple[BlobRecord, ...]:
        """The blobs in the order of their segments: a blob's place here is its segment's number."""
        return tuple(BlobRecord(*fields[:5]) for fields in BLOB.iter_unpack(self.blob_records))

    @property
    def members(self) -> tuple[MemberRecord, ...]:
        """The small files in the order of their frames."""
        return tuple(MemberRecord(*fields) for fields in MEMBER.iter_unpack(self.member_records))

    @property
    def record_bytes(self) -> int:
        """The size of all records."""
        return len(self.blob_records) + len(self.member_records)


@dataclass(frozen=True, slots=True)
class SealedPack:
    """A finished pack: the object's bytes in *parts*, and what they hold."""

    contents: PackContents
    parts: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """The random name."""
        return self.contents.name

    @property
    def kind(self) -> PackKind:
        """Data or metadata."""
        return self.contents.kind

    @property
    def blobs(self) -> tuple[BlobRecord, ...]:
        """As :attr:`PackContents.blobs`."""
        return self.contents.blobs

    @property
    def members(self) -> tuple[MemberRecord, ...]:
        """As :attr:`PackContents.members`."""
        return self.contents.members

    @property
    def stored_bytes(self) -> int:
        """The object's size."""
        return sum(len(part) for part in self.parts)


class PackBuilder:
    """Seals blobs into one pack.

    Only :meth:`seal` may be called from several threads at once; for the others the caller holds a lock.
    """

    def __init__(self, vault: Vault, kind: PackKind, name: str) -> None:
        self.kind = kind
        self.name = name
        self._vault = vault
        self._segments: list[bytes | None] = []
        self._end = HEADER_BYTES
        self._blobs = bytearray()
        self._members = bytearray()

    @property
    def blob_count(self) -> int:
        """How many blobs were added or reserved."""
        return len(self._segments)

    @property
    def bytes_so_far(self) -> int:
        """The size that the object would have if it were finished now, without padding."""
        return self._end + _trailer_bytes(len(self._blobs), len(self._members)) + _FOOTER.size

    def add(self, blob: EncodedBlob) -> None:
        """Seal *blob* and append it."""
        self.seal(self.reserve(blob), blob.payload)

    def reserve(self, blob: EncodedBlob) -> int:
        """Enter *blob* into the records and return the number that :meth:`seal` is to be given."""
        number = len(self._segments)
        stored_bytes = len(blob.payload) + TAG_BYTES
        if self.bytes_so_far + stored_bytes + BLOB.size + MEMBER.size * len(blob.members) >= _LIMIT:
            raise BackupManagerError(f"a blob of {stored_bytes} bytes does not fit into pack {self.name}")
        self._blobs += BLOB.pack(blob.id, self._end, stored_bytes, blob.plain_bytes, blob.algorithm, _ZERO)
        for member in blob.members:
            self._members += MEMBER.pack(member.hash, number, member.offset, member.length)
        self._segments.append(None)
        self._end += stored_bytes
        return number

    def seal(self, number: int, payload: Buffer) -> None:
        """Seal the payload of a reserved blob; several threads may do so at once."""
        self._segments[number] = self._vault.seal(ObjectKind.PACK, self.name, number, payload, PACK_HEADER)

    def finish(self) -> SealedPack:
        """Seal the trailer and return the pack; every reserved blob must have been sealed."""
        segments = [segment for segment in self._segments if segment is not None]
        if len(segments) != len(self._segments):
            raise BackupManagerError(f"pack {self.name} was finished before all of its blobs were sealed")
        contents = PackContents(self.name, self.kind, bytes(self._blobs), bytes(self._members))
        padding = bytes(pack_padding(self.bytes_so_far))
        counts = _COUNTS.pack(len(segments), len(self._members) // MEMBER.size)
        plain = b"".join((counts, self._blobs, self._members, padding))
        trailer = self._vault.seal(ObjectKind.PACK, self.name, TRAILER_NUMBER, plain, PACK_HEADER)
        self._vault.forget(ObjectKind.PACK, self.name)
        footer = _FOOTER.pack(len(trailer), _FOOTER_MAGIC)
        return SealedPack(contents, (PACK_HEADER, *segments, trailer, footer))


def pack_padding(size: int) -> int:
    """Return how many bytes bring *size* up to the next Padmé size (Nikitin et al., 2019).

    It is at most 12 % of *size*, and less than 4 % from 64 KiB on.
    """
    exponent = size.bit_length() - 1
    if exponent < 1:
        return 0
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return -size & mask


def read_trailer(storage: Storage, vault: Vault, kind: PackKind, name: str) -> PackContents:
    """Return what the pack holds from its last bytes, in one ranged read, or two if the trailer is long.

    Raises:
        CorruptDataError: footer or trailer are damaged.
        ObjectMissingError: there is no such pack.
    """
    object_name = pack_object(name, kind)
    tail = storage.get(object_name, -_TAIL_BYTES)
    wanted = _trailer_length(object_name, tail) + _FOOTER.size
    if wanted > len(tail) >= _TAIL_BYTES:
        tail = storage.get(object_name, -wanted)
    if wanted > len(tail):
        raise CorruptDataError(f"{object_name} is shorter than its trailer")
    return _open_trailer(vault, kind, name, memoryview(tail)[-wanted : -_FOOTER.size])


def parse_pack(data: Buffer, vault: Vault, kind: PackKind, name: str) -> PackContents:
    """Return what the whole object *data* holds, its segments unopened; raises ``CorruptDataError``."""
    object_name = pack_object(name, kind)
    check_header(ObjectKind.PACK, object_name, data)
    view = memoryview(data)
    start = len(view) - _FOOTER.size - _trailer_length(object_name, view)
    if start < HEADER_BYTES:
        raise CorruptDataError(f"{object_name} is shorter than its trailer")
    contents = _open_trailer(vault, kind, name, view[start : -_FOOTER.size])
    if _end_of_segments(contents.blob_records) != start:
        raise CorruptDataError(f"{object_name} has {len(view)} bytes, which is not what its trailer says")
    return contents


def _trailer_bytes(blob_bytes: int, member_bytes: int) -> int:
    return _COUNTS.size + blob_bytes + member_bytes + TAG_BYTES


def _end_of_segments(blob_records: bytes) -> int:
    if not blob_records:
        return HEADER_BYTES
    _, offset, stored_bytes, *_ = BLOB.unpack_from(blob_records, len(blob_records) - BLOB.size)
    return int(offset + stored_bytes)


def _trailer_length(object_name: str, tail: Buffer) -> int:
    if len(tail) < _FOOTER.size:
        raise CorruptDataError(f"{object_name} is too short: {len(tail)} bytes")
    length, magic = _FOOTER.unpack_from(tail, len(tail) - _FOOTER.size)
    if magic != _FOOTER_MAGIC or length < _trailer_bytes(0, 0):
        raise CorruptDataError(f"{object_name} does not end with a pack's footer")
    return int(length)


def _open_trailer(vault: Vault, kind: PackKind, name: str, sealed: memoryview) -> PackContents:
    plain = vault.open(ObjectKind.PACK, name, TRAILER_NUMBER, sealed, PACK_HEADER)
    blob_count, member_count = _COUNTS.unpack_from(plain)
    members_at = _COUNTS.size + BLOB.size * blob_count
    end = members_at + MEMBER.size * member_count
    contents = PackContents(name, kind, plain[_COUNTS.size : members_at], plain[members_at:end])
    claim = f"the trailer of {pack_object(name, kind)}"
    if end > len(plain):
        raise CorruptDataError(f"{claim} ends within its records")
    _check_records(contents, claim)
    size = _end_of_segments(contents.blob_records) + end + TAG_BYTES + _FOOTER.size
    if plain[end:] != bytes(pack_padding(size)):
        raise CorruptDataError(f"{claim} is not padded as it must be")
    return contents


def _check_records(contents: PackContents, claim: str) -> None:
    end = HEADER_BYTES
    for _, offset, stored_bytes, _, algorithm, zero in BLOB.iter_unpack(contents.blob_records):
        if offset != end or stored_bytes < TAG_BYTES or algorithm > Algorithm.ZSTD or zero != _ZERO:
            raise CorruptDataError(f"{claim} has a blob record that fits nothing, at offset {offset}")
        end += stored_bytes
    blob_count = len(contents.blob_records) // BLOB.size
    if any(number >= blob_count for _, number, _, _ in MEMBER.iter_unpack(contents.member_records)):
        raise CorruptDataError(f"{claim} has a member of a blob that is not in the pack")
