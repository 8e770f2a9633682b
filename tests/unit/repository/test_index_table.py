import random

from hypothesis import given
from hypothesis import strategies as st

from backup_manager.engine.repository.index_table import RecordTable, column, replace_column, select, split

SIZE, KEY = 8, 5
keys = st.binary(min_size=KEY, max_size=KEY)
records = st.lists(st.tuples(keys, st.binary(min_size=3, max_size=3)), max_size=60)
Records = list[tuple[bytes, bytes]]


@given(st.lists(st.tuples(st.booleans(), records), max_size=4), keys)
def test_a_table_finds_what_a_dict_would(parts: list[tuple[bool, Records]], stranger: bytes) -> None:
    table = RecordTable(SIZE, KEY)
    oracle: dict[bytes, list[bytes]] = {}
    for is_bulk, part in parts:
        for key, value in part:
            oracle.setdefault(key, []).append(key + value)
        if is_bulk:
            table.extend(b"".join(key + value for key, value in sorted(part)))
        else:
            for key, value in part:
                table.append(key + value)
    assert len(table) == sum(map(len, oracle.values()))
    for key in [*oracle, stranger]:
        assert sorted(map(bytes, table.find_all(key))) == sorted(oracle.get(key, []))
        assert (table.find(key) or None) in (oracle.get(key) or [None])
    assert sorted(table.records()) == sorted(record for found in oracle.values() for record in found)


def test_growth_by_single_records_and_by_slices_keeps_everything() -> None:
    source = random.Random(3)
    table = RecordTable(28, 16)
    expected = [source.randbytes(28) for _ in range(30_000)]
    for record in expected[:9_000]:
        table.append(record)
    table.extend(b"".join(sorted(expected[9_000:29_000])))
    table.extend(b"".join(sorted(expected[29_000:])))
    assert all(table.find(record[:16]) == record for record in expected)
    assert sorted(table.records()) == sorted(expected)


def test_a_key_that_spans_two_records_is_not_found() -> None:
    table = RecordTable(SIZE, KEY)
    table.append(b"\0\0\0\0\0abc")
    table.append(b"\0\0\0\0\0abc")
    assert table.find(b"\0\0\0\0\0") == b"\0\0\0\0\0abc"
    assert table.find(b"abc\0\0") is None
    straddling = RecordTable(SIZE, KEY)
    straddling.append(b"\0\0\0\0\1\0\0\0")
    straddling.append(b"\0\0\0\0\0abc")
    assert straddling.find(b"\0\0\0\0\0") == b"\0\0\0\0\0abc"
    assert list(straddling.find_all(b"\0\0\0\0\0")) == [b"\0\0\0\0\0abc"]


def test_numbers_are_dense_and_later_records_have_none() -> None:
    source = random.Random(4)
    table = RecordTable(SIZE, KEY)
    expected = sorted({source.randbytes(KEY): source.randbytes(3) for _ in range(5_000)}.items())
    table.extend(b"".join(key + value for key, value in expected))
    numbering = table.numbering()
    later = [source.randbytes(KEY) for _ in range(500)]
    for key in later:
        table.append(key + b"new")
    assert sorted(numbering.number(key) for key, _ in expected) == list(range(numbering.count))
    assert {numbering.number(key) for key in later} == {None}


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans()), max_size=20))
def test_columns_are_read_and_replaced(rows: list[tuple[int, int, bool]]) -> None:
    data = bytearray(b"".join(b"xy" + old.to_bytes(4, "little") + b"z" for old, _, _ in rows))
    assert list(column(data, 7, 2)) == [old for old, _, _ in rows]
    assert list(column(data, 7, 2, big_endian=True)) == [
        int.from_bytes(old.to_bytes(4, "little"), "big") for old, _, _ in rows
    ]
    replace_column(data, 7, 2, (new for _, new, _ in rows))
    expected = [b"xy" + new.to_bytes(4, "little") + b"z" for _, new, _ in rows]
    assert list(split(bytes(data), 7)) == expected
    kept = [record for record, (_, _, wanted) in zip(expected, rows, strict=True) if wanted]
    assert select(bytes(data), 7, (wanted for _, _, wanted in rows)) == b"".join(kept)
