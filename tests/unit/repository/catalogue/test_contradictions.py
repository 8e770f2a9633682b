"""Blobs that decode, but contradict what their parent says of them."""

import msgspec
import pytest
from tests.unit.repository.catalogue.trees import Blobs, descriptors, stored, write_pages

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.catalogue.node import decode_node, encode_node
from backup_manager.engine.repository.catalogue.page import encode_page


def test_a_page_other_than_the_one_described_is_corrupt() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a"), stored(b"/b")], [stored(b"/c")]], blobs)
    first, second = descriptors(blobs.reader(root))
    for described in (
        msgspec.structs.replace(first, id=second.id),
        msgspec.structs.replace(first, first=b"/0"),
        msgspec.structs.replace(first, last=b"/bb"),
        msgspec.structs.replace(first, entries=3),
    ):
        with pytest.raises(CorruptDataError):
            blobs.reader(root).page(described)


def test_an_empty_page_is_corrupt() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a")]], blobs)
    described = msgspec.structs.replace(
        descriptors(blobs.reader(root))[0], id=blobs.put(encode_page([], blobs.put)), entries=0
    )

    with pytest.raises(CorruptDataError):
        blobs.reader(root).page(described)


@pytest.mark.parametrize("field", ["entries", "files", "directories", "others", "bytes"])
def test_a_root_whose_totals_are_not_those_of_its_children_is_corrupt(field: str) -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a")], [stored(b"/b")]], blobs)
    other = msgspec.structs.replace(root, **{field: getattr(root, field) + 1})

    with pytest.raises(CorruptDataError, match="add up"):
        list(blobs.reader(other).pages())


def test_a_node_of_another_level_is_corrupt() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a")], [stored(b"/b")]], blobs)

    with pytest.raises(CorruptDataError, match="level"):
        list(blobs.reader(msgspec.structs.replace(root, level=2)).pages())


def test_a_page_that_is_not_sorted_is_corrupt() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a"), stored(b"/b"), stored(b"/c"), stored(b"/d")]], blobs)
    mixed = [stored(path) for path in (b"/a", b"/c", b"/b", b"/d")]
    described = msgspec.structs.replace(
        descriptors(blobs.reader(root))[0], id=blobs.put(encode_page(mixed, blobs.put))
    )

    with pytest.raises(CorruptDataError, match="sorted"):
        blobs.reader(root).page(described)


def test_a_node_whose_children_are_not_in_order_is_corrupt() -> None:
    blobs = Blobs()
    root = write_pages([[stored(b"/a"), stored(b"/c")], [stored(b"/d")]], blobs)
    first, second = descriptors(blobs.reader(root))

    for children in ([second, first], [first, first], [first, msgspec.structs.replace(second, first=b"/b")]):
        with pytest.raises(CorruptDataError, match="order"):
            decode_node(encode_node(1, children), 1)


def test_a_node_that_stands_for_another_is_corrupt() -> None:
    blobs = Blobs()
    pages = [[stored(b"/%04d" % n)] for n in range(600)]
    root = write_pages(pages, blobs)
    children = list(decode_node(blobs.plain[root.id], root.level))
    moved = msgspec.structs.replace(children[0], first=b"/", last=children[0].last)
    forged = blobs.put(encode_node(root.level, [moved, *children[1:]]))

    with pytest.raises(CorruptDataError, match="add up"):
        list(blobs.reader(msgspec.structs.replace(root, id=forged)).pages())
