"""The protocol ``Storage`` in executable form: what every store must do, and every wrapper must keep."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from backup_manager.common.errors import ObjectExistsError, ObjectMissingError, UsageError
from backup_manager.engine.storage.base import Buffer, Storage

TEN = b"0123456789"
NOISE = bytes(range(256)) * 4096  # 1 MiB with every byte in it
BAD_NAMES = ("", "/", "a/", "/a", "a//b", "../a", "a/../b", ".a", "a/.b", "A", "a b", "a\n", "é", "a" * 201)
GOOD_NAMES = ("a", "0", "packs/d/0123456789abcdef0123456789abcdef", "a.b_c-d", "a" * 200, "a/b/c/d/e/f")
RANGES = [
    pytest.param(0, None, TEN, id="all"),
    pytest.param(0, 4, b"0123", id="beginning"),
    pytest.param(3, 4, b"3456", id="middle"),
    pytest.param(3, None, b"3456789", id="rest"),
    pytest.param(9, 1, b"9", id="last byte"),
    pytest.param(8, 9, b"89", id="past the end"),
    pytest.param(10, 5, b"", id="from the end"),
    pytest.param(99, 5, b"", id="beyond the end"),
    pytest.param(99, None, b"", id="rest beyond the end"),
    pytest.param(2, 0, b"", id="nothing"),
    pytest.param(-3, None, b"789", id="tail"),
    pytest.param(-3, 2, b"78", id="beginning of the tail"),
    pytest.param(-10, None, TEN, id="tail of full length"),
    pytest.param(-99, None, TEN, id="tail longer than the object"),
    pytest.param(-99, 4, b"0123", id="beginning of a tail longer than the object"),
]
CONTENTS = [
    pytest.param((), id="no part"),
    pytest.param((b"",), id="an empty part"),
    pytest.param((b"x",), id="a byte"),
    pytest.param((b"ab", b"", b"c"), id="an empty part between"),
    pytest.param((bytearray(b"ab"), memoryview(b"cdef")[1:3]), id="other buffers"),
    pytest.param((NOISE, NOISE[::-1], b"end"), id="more than 2 MiB"),
    pytest.param(tuple(bytes([number % 251]) * 7 for number in range(3000)), id="3000 parts"),
]


class StorageReading:
    """Reads and listings; a subclass gives ``storage``, and ``writer`` if that one cannot be written."""

    listed_objects = 40  # a store that lists in pages should set it above the size of two pages

    @pytest.fixture
    def storage(self) -> Storage:
        """Return the store to be tested, empty; a subclass must say which."""
        raise NotImplementedError("a subclass defines the fixture 'storage'")

    @pytest.fixture
    def writer(self, storage: Storage) -> Storage:
        """Return what objects are put with: the store itself, unless it cannot be written."""
        return storage

    def test_check_can_be_called_twice(self, storage: Storage) -> None:
        """A check leaves no trace and changes nothing that a caller relies on."""
        storage.check()
        first = storage.properties
        storage.check()
        assert storage.properties.conditional_put == first.conditional_put
        assert storage.properties.connections >= 1
        assert storage.properties.location.isprintable()
        assert list(storage.list("")) == []

    @pytest.mark.parametrize(("start", "length", "expected"), RANGES)
    def test_range_is_cut_at_the_ends(
        self, storage: Storage, writer: Storage, start: int, length: int | None, expected: bytes
    ) -> None:
        """Ranges that reach past an end give what there is."""
        writer.put("ten", [TEN])
        assert storage.get("ten", start, length) == expected

    def test_any_range_of_an_empty_object_is_empty(self, storage: Storage, writer: Storage) -> None:
        """An object without bytes is an object all the same."""
        writer.put("empty", [])
        assert storage.size("empty") == 0
        assert [storage.get("empty", *span) for span in ((0, None), (0, 5), (-5, None), (3, 1))] == [b""] * 4

    @pytest.mark.parametrize(("start", "length"), [(0, None), (0, 3), (5, None), (-3, None), (2, 0)])
    def test_reading_what_is_missing_says_so(self, storage: Storage, start: int, length: int | None) -> None:
        """Whatever the range."""
        with pytest.raises(ObjectMissingError):
            storage.get("folder/missing", start, length)

    def test_size_of_what_is_missing_says_so(self, storage: Storage) -> None:
        """A size is never guessed."""
        with pytest.raises(ObjectMissingError):
            storage.size("missing")

    def test_a_name_of_names_is_no_object(self, storage: Storage, writer: Storage) -> None:
        """What looks like a folder cannot be read."""
        writer.put("folder/a", [TEN])
        with pytest.raises(ObjectMissingError):
            storage.get("folder")
        with pytest.raises(ObjectMissingError):
            storage.size("folder")

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_name_is_refused_by_reads(self, storage: Storage, name: str) -> None:
        """No name leads out of the store, or to another object on a file system that folds case."""
        with pytest.raises(UsageError):
            storage.get(name)
        with pytest.raises(UsageError):
            storage.size(name)

    def test_list_finds_every_object_once(self, storage: Storage, writer: Storage) -> None:
        """With its size, however many pages the store cuts a listing into."""
        names = [f"many/{number:05d}" for number in range(self.listed_objects)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: writer.put(name, [name.encode()]), names))
        found = list(storage.list("many/"))
        assert sorted(each.name for each in found) == names
        assert {each.size for each in found} == {10}

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", ["ab/cc", "ab/cd/e", "abc", "b"]),
            ("a", ["ab/cc", "ab/cd/e", "abc"]),
            ("ab", ["ab/cc", "ab/cd/e", "abc"]),
            ("ab/", ["ab/cc", "ab/cd/e"]),
            ("ab/c", ["ab/cc", "ab/cd/e"]),
            ("ab/cd/", ["ab/cd/e"]),
            ("abc", ["abc"]),
            ("x/y/", []),
        ],
    )
    def test_prefix_is_text_not_a_folder(
        self, storage: Storage, writer: Storage, prefix: str, expected: Sequence[str]
    ) -> None:
        """A prefix may end in the middle of a word."""
        for name in ("ab/cc", "ab/cd/e", "abc", "b"):
            writer.put(name, [b"x"])
        assert sorted(found.name for found in storage.list(prefix)) == expected

    def test_modified_is_the_time_of_the_put(self, storage: Storage, writer: Storage) -> None:
        """By the store's clock, which a day's difference would make useless."""
        writer.put("a", [b"x"])
        (found,) = storage.list("a")
        assert abs(found.modified - time.time()) < 86_400


class StorageConformance(StorageReading):
    """All that a store must do; a subclass gives ``storage``."""

    @pytest.mark.parametrize("parts", CONTENTS)
    def test_what_was_put_is_got(self, storage: Storage, parts: Sequence[Buffer]) -> None:
        """Bit for bit, whatever the parts."""
        storage.put("folder/object", parts)
        expected = b"".join(parts)
        assert storage.get("folder/object") == expected
        assert storage.size("folder/object") == len(expected)

    def test_put_takes_a_copy(self, storage: Storage) -> None:
        """The caller may use its buffer again."""
        part = bytearray(b"before")
        storage.put("object", [part])
        part[:] = b"after!"
        assert storage.get("object") == b"before"

    def test_put_replaces(self, storage: Storage) -> None:
        """By something shorter too."""
        storage.put("object", [TEN])
        storage.put("object", [b"x"])
        assert storage.get("object") == b"x"
        assert [found.size for found in storage.list("object")] == [1]

    @pytest.mark.parametrize("name", GOOD_NAMES)
    def test_good_name_is_taken(self, storage: Storage, name: str) -> None:
        """All characters, the greatest length, several slashes."""
        storage.put(name, [TEN])
        assert storage.get(name) == TEN
        assert [found.name for found in storage.list(name)] == [name]

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_bad_name_is_refused_by_writes(self, storage: Storage, name: str) -> None:
        """Before anything happens."""
        with pytest.raises(UsageError):
            storage.put(name, [b"x"])
        with pytest.raises(UsageError):
            storage.delete(name)
        assert list(storage.list("")) == []

    def test_conditional_put_stores_what_is_absent(self, storage: Storage) -> None:
        """Or refuses as a whole on a store that cannot decide."""
        storage.check()
        if not storage.properties.conditional_put:
            with pytest.raises(UsageError):
                storage.put("object", [TEN], if_absent=True)
            return
        storage.put("folder/object", [TEN], if_absent=True)
        assert storage.get("folder/object") == TEN

    def test_conditional_put_leaves_what_is_there(self, storage: Storage) -> None:
        """The first bytes stay, and nothing else is left behind."""
        storage.check()
        storage.put("object", [TEN])
        with pytest.raises((ObjectExistsError, UsageError)):
            storage.put("object", [b"other"], if_absent=True)
        assert storage.get("object") == TEN
        assert [found.name for found in storage.list("")] == ["object"]

    def test_one_of_many_conditional_puts_wins(self, storage: Storage) -> None:
        """At the same time, from several threads; what is stored is the winner's."""
        storage.check()
        if not storage.properties.conditional_put:
            return

        def attempt(number: int) -> int | None:
            try:
                storage.put("folder/object", [b"%d" % number] * 1000, if_absent=True)
            except ObjectExistsError:
                return None
            return number

        with ThreadPoolExecutor(8) as pool:
            winners = [number for number in pool.map(attempt, range(8)) if number is not None]
        assert len(winners) == 1
        assert storage.get("folder/object") == b"%d" % winners[0] * 1000

    def test_delete_removes(self, storage: Storage) -> None:
        """From reads and from listings, and its neighbours stay."""
        storage.put("folder/a", [TEN])
        storage.put("folder/b", [TEN])
        storage.delete("folder/a")
        with pytest.raises(ObjectMissingError):
            storage.get("folder/a")
        assert [found.name for found in storage.list("folder/")] == ["folder/b"]

    def test_deleting_what_is_absent_is_no_error(self, storage: Storage) -> None:
        """Also in a folder that never was."""
        storage.put("folder/a", [TEN])
        storage.delete("folder/b")
        storage.delete("missing/b")
        assert storage.get("folder/a") == TEN

    def test_name_can_be_used_again_after_delete(self, storage: Storage) -> None:
        """The engine does not, but leaves no trap for who does."""
        storage.put("folder/a", [b"first"])
        storage.delete("folder/a")
        storage.put("folder/a", [b"second"])
        assert storage.get("folder/a") == b"second"

    def test_sweep_keeps_objects(self, storage: Storage) -> None:
        """Whatever their age."""
        storage.put("folder/a", [TEN])
        assert storage.sweep(0) >= 0
        assert storage.sweep(0) == 0
        assert storage.get("folder/a") == TEN

    def test_threads_do_not_disturb_each_other(self, storage: Storage) -> None:
        """Puts, gets, listings and deletions of many threads, each on objects of its own."""

        def work(number: int) -> bytes:
            name = f"thread/{number}"
            storage.put(name, [NOISE, b"%d" % number])
            content = storage.get(name, -8)
            assert any(found.name == name for found in storage.list("thread/"))
            storage.delete(name)
            return content

        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(work, range(16)))
        assert ends == [(NOISE + b"%d" % number)[-8:] for number in range(16)]
        assert list(storage.list("thread/")) == []
