import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.doubles import DoubleCompressor, DoubleVault

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.documents import build_header, open_document, seal_document
from backup_manager.engine.repository.ports import ObjectKind

VAULT = DoubleVault()
COMPRESSOR = DoubleCompressor()
NAME = "00" * 16


@given(plain=st.binary(max_size=300), kind=st.sampled_from(ObjectKind), compressed=st.booleans())
def test_a_document_opens_as_what_was_sealed(plain: bytes, kind: ObjectKind, compressed: bool) -> None:
    compressor = COMPRESSOR if compressed else None
    sealed = seal_document(VAULT, compressor, kind, NAME, plain)
    assert open_document(VAULT, COMPRESSOR, kind, NAME, sealed) == plain


def test_the_header_is_that_of_the_format() -> None:
    assert build_header(ObjectKind.INDEX) == b"BMGR\x01\x02" + bytes(10)
    assert seal_document(VAULT, None, ObjectKind.RECORD, NAME, b"x")[:16] == b"BMGR\x01\x06" + bytes(10)


@pytest.mark.parametrize("plain", [b"", b"abc" * 9], ids=["stored", "compressed"])
def test_any_flipped_or_missing_or_added_byte_is_found(plain: bytes) -> None:
    sealed = seal_document(VAULT, COMPRESSOR, ObjectKind.SNAPSHOT, NAME, plain)
    damaged = [sealed[:length] for length in range(len(sealed))] + [sealed + b"\0"]
    damaged += [sealed[:n] + bytes([sealed[n] ^ 1 << n % 8]) + sealed[n + 1 :] for n in range(len(sealed))]
    for data in damaged:
        with pytest.raises(CorruptDataError):
            open_document(VAULT, COMPRESSOR, ObjectKind.SNAPSHOT, NAME, data)


@pytest.mark.parametrize(
    ("kind", "name"), [(ObjectKind.INTENT, NAME), (ObjectKind.SNAPSHOT, "11" * 16)], ids=["kind", "name"]
)
def test_no_document_stands_for_another(kind: ObjectKind, name: str) -> None:
    sealed = seal_document(VAULT, None, ObjectKind.SNAPSHOT, NAME, b"plain")
    with pytest.raises(CorruptDataError):
        open_document(VAULT, None, kind, name, sealed)
    with pytest.raises(CorruptDataError):
        open_document(VAULT, None, kind, name, build_header(kind) + sealed[16:])


def test_a_compressed_document_needs_a_compressor() -> None:
    sealed = seal_document(VAULT, COMPRESSOR, ObjectKind.SNAPSHOT, NAME, b"a" * 100)
    with pytest.raises(CorruptDataError):
        open_document(VAULT, None, ObjectKind.SNAPSHOT, NAME, sealed)
