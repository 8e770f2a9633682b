import pytest

from backup_manager.engine.repository.names import (
    PackKind,
    document_object,
    pack_object,
    parse_document_object,
    parse_pack_object,
    random_name,
)
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.storage.base import check_name

NAME = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("kind", PackKind)
def test_a_pack_object_is_read_back_as_its_name_and_kind(kind: PackKind) -> None:
    check_name(pack_object(NAME, kind))
    assert parse_pack_object(pack_object(NAME, kind)) == (NAME, kind)


@pytest.mark.parametrize("kind", ObjectKind)
def test_a_document_object_is_read_back_as_its_name(kind: ObjectKind) -> None:
    assert parse_document_object(kind, document_object(kind, NAME)) == NAME


@pytest.mark.parametrize(
    "object_name",
    [
        NAME,
        f"packs/{NAME}",
        f"packs/x/{NAME}",
        f"packs/d/{NAME}0",
        f"packs/d/{NAME.upper()}",
        f"a/packs/d/{NAME}",
        "",
    ],
)
def test_foreign_objects_are_no_packs(object_name: str) -> None:
    assert parse_pack_object(object_name) is None


@pytest.mark.parametrize("object_name", [NAME, "index/x", f"snapshots/{NAME}", f"index/a/{NAME}"])
def test_foreign_objects_are_no_index_shards(object_name: str) -> None:
    assert parse_document_object(ObjectKind.INDEX, object_name) is None


def test_random_names_are_the_random_bytes_in_hexadecimal() -> None:
    assert random_name(lambda count: bytes(range(count))) == "000102030405060708090a0b0c0d0e0f"
    assert random_name() != random_name()
