"""Upload bodies: every byte once, whatever the buffers, the part size and the reader."""

import base64
import hashlib
import zlib

from hypothesis import given
from hypothesis import strategies as st

from backup_manager.engine.storage.s3_body import PartsBody, build_body, crc32, md5, split_views

PARTS = st.lists(st.binary(min_size=1, max_size=40), max_size=12)


def views_of(parts: list[bytes]) -> list[memoryview]:
    return [memoryview(part) for part in parts]


def read_all(body: PartsBody) -> bytes:
    return b"".join(bytes(piece) for piece in iter(lambda: body.read(16), b""))


@given(PARTS, st.integers(0, 300))
def test_body_reads_on_from_any_position(parts: list[bytes], start: int) -> None:
    body = PartsBody(views_of(parts))
    joined = b"".join(parts)
    assert len(body) == len(joined) == body.seek(0, 2) == body.tell()
    body.seek(min(start, len(joined)))
    assert read_all(body) == joined[start:]
    body.seek(0)
    assert read_all(body) == joined


@given(PARTS, st.integers(1, 50))
def test_groups_have_the_part_size_and_every_byte(parts: list[bytes], part_bytes: int) -> None:
    groups = [b"".join(group) for group in split_views(views_of(parts), part_bytes)]
    assert b"".join(groups) == b"".join(parts)
    assert all(len(group) == part_bytes for group in groups[:-1])
    assert all(0 < len(group) <= part_bytes for group in groups[-1:])


@given(PARTS)
def test_checksums_are_those_of_the_joined_bytes(parts: list[bytes]) -> None:
    joined = b"".join(parts)
    assert base64.b64decode(crc32(views_of(parts))) == zlib.crc32(joined).to_bytes(4, "big")
    assert base64.b64decode(md5(views_of(parts))) == hashlib.md5(joined).digest()


def test_small_body_is_joined_and_a_large_one_is_not() -> None:
    assert build_body(views_of([b"a", b"b"])) == b"ab"
    assert isinstance(build_body(views_of([bytes(1 << 20), b"x"])), PartsBody)
