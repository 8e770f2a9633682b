"""Millions of small records in bounded memory, found by the hash that each begins with.

Records of equal size lie in buckets by the first bits of their key, unsorted, one ``bytearray`` for each
bucket; a lookup is one ``bytearray.find`` of the whole key in a few KiB. A dict of the same records would
take 200 bytes and more for each; sorted arrays would have to be merged again and again while a backup adds to
them. Measured with 1,000,000 records: members of 28 bytes take 31 each and 1.0 us a lookup, blobs of 52
bytes 55 and 1.4 us.
"""

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate, compress

_FIRST_BITS = 6
_MOST_BITS = 24
_FULL = 64  # records in the average bucket when it is time for more buckets, and then
_ROOMY = 16  # how many there are at most
_PREFIX = struct.Struct(">I")

# The buckets, and how far a key's first 32 bits are shifted to choose one of them.
State = tuple[list[bytearray], int]


class RecordTable:
    """Append-only records of *record_bytes*, whose first *key_bytes* are a hash; keys may be there twice.

    One thread at a time may add; any number may look up meanwhile.
    """

    def __init__(self, record_bytes: int, key_bytes: int) -> None:
        self.record_bytes = record_bytes
        self.key_bytes = key_bytes
        self._count = 0
        self._capacity = _FULL << _FIRST_BITS
        self._state = _empty_state(_FIRST_BITS)  # replaced as a whole: readers see the old one or the new

    def __len__(self) -> int:
        return self._count

    def append(self, record: bytes) -> None:
        """Add one record."""
        if self._count >= self._capacity:
            self._make_room(self._count + 1)
        buckets, shift = self._state
        buckets[_PREFIX.unpack_from(record)[0] >> shift] += record
        self._count += 1

    def extend(self, records: bytes | bytearray) -> None:
        """Add many records, which must be sorted by key."""
        size = self.record_bytes
        count = len(records) // size
        if self._count + count > self._capacity:
            self._make_room(self._count + count)
        self._count += count
        buckets, shift = self._state
        if count < 4 * len(buckets):  # measured: below, single records are faster than slices
            _distribute(records, size, self._state)
            return
        prefixes = column(records, size, 0, big_endian=True)
        start = 0
        for number, bucket in enumerate(buckets):
            end = bisect_left(prefixes, (number + 1) << shift, start)
            bucket += records[start * size : end * size]
            start = end

    def find(self, key: bytes) -> bytearray | None:
        """Return the first record of *key*, or ``None``."""
        buckets, shift = self._state
        bucket = buckets[_PREFIX.unpack_from(key)[0] >> shift]
        at = bucket.find(key)
        size = self.record_bytes
        while at >= 0 and at % size:  # the end of one record and the beginning of the next
            at = bucket.find(key, at + 1)
        return bucket[at : at + size] if at >= 0 else None

    def find_all(self, key: bytes) -> Iterator[bytearray]:
        """Yield every record of *key*."""
        buckets, shift = self._state
        bucket = buckets[_PREFIX.unpack_from(key)[0] >> shift]
        at = bucket.find(key)
        while at >= 0:
            if at % self.record_bytes == 0:
                yield bucket[at : at + self.record_bytes]
            at = bucket.find(key, at + 1)

    def records(self) -> Iterator[bytes]:
        """Yield all records, in no particular order; those that are added meanwhile may be missing."""
        for bucket in self._state[0]:
            yield from split(bytes(bucket), self.record_bytes)  # a copy: another thread may add meanwhile

    def numbering(self) -> "Numbering":
        """Return numbers for the records as they are now."""
        return Numbering(self._state, self.record_bytes)

    def _make_room(self, count: int) -> None:
        state = _empty_state(min(_MOST_BITS, max(_FIRST_BITS, (count // _ROOMY).bit_length())))
        for bucket in self._state[0]:
            _distribute(bucket, self.record_bytes, state)
        self._capacity = _FULL * len(state[0])
        self._state = state


class Numbering:
    """A number below :attr:`count` for each key that a table held; keys that came later have none."""

    def __init__(self, state: State, record_bytes: int) -> None:
        self._buckets, self._shift = state
        self._record_bytes = record_bytes
        self._first = array(
            "Q", accumulate((len(bucket) // record_bytes for bucket in self._buckets), initial=0)
        )
        self.count = self._first[-1]

    def number(self, key: bytes) -> int | None:
        """Return the number of the first record of *key*."""
        at = _PREFIX.unpack_from(key)[0] >> self._shift
        bucket = self._buckets[at]
        found = bucket.find(key)
        while found >= 0 and found % self._record_bytes:
            found = bucket.find(key, found + 1)
        number = self._first[at] + found // self._record_bytes
        return number if found >= 0 and number < self._first[at + 1] else None


def split(records: bytes | bytearray, size: int) -> Iterator[bytes]:
    """Yield the records of *size* bytes that *records* consists of."""
    return (record for (record,) in struct.iter_unpack(f"{size}s", records))


def column(records: bytes | bytearray, size: int, offset: int, *, big_endian: bool = False) -> "array[int]":
    """Return the u32 at *offset* of every record, gathered without a loop over the records."""
    gathered = bytearray(len(records) // size * 4)
    for byte in range(4):
        gathered[byte::4] = records[offset + byte :: size]
    numbers = array("I", bytes(gathered))
    if big_endian == (sys.byteorder == "little"):
        numbers.byteswap()
    return numbers


def replace_column(records: bytearray, size: int, offset: int, numbers: Iterable[int]) -> None:
    """Write *numbers* as the little-endian u32 at *offset* of every record, in place."""
    values = array("I", numbers)
    if sys.byteorder == "big":
        values.byteswap()
    data = values.tobytes()
    for byte in range(4):
        records[offset + byte :: size] = data[byte::4]


def select(records: bytes | bytearray, size: int, wanted: Iterable[bool]) -> bytes:
    """Return the records whose turn in *wanted* is true."""
    return b"".join(compress(split(records, size), wanted))


def _empty_state(bits: int) -> State:
    return [bytearray() for _ in range(1 << bits)], 8 * _PREFIX.size - bits


def _distribute(records: bytes | bytearray, size: int, state: State) -> None:
    buckets, shift = state
    for (prefix,), record in zip(_prefixes(size).iter_unpack(records), split(records, size), strict=True):
        buckets[prefix >> shift] += record


def _prefixes(size: int) -> struct.Struct:
    return struct.Struct(f">I{size - _PREFIX.size}x")
