from datetime import UTC, datetime

import pytest

from backup_manager.cli.table import Seconds, Size, Table, plain_row, table_lines

ROW = ("a\n", Size(1536), Seconds(90.12345), 7, None, True, datetime(2025, 6, 24, tzinfo=UTC))


def test_a_pipe_gets_bytes_seconds_and_no_control_characters() -> None:
    assert plain_row(ROW) == "a\\n\t1536\t90.123\t7\t\tyes\t2025-06-24T00:00:00Z"


def test_a_person_gets_units_in_aligned_columns() -> None:
    table = Table(
        ("name", "size", "took"), [("日本", Size(1536), Seconds(90)), ("a", Size(3), Seconds(0.25))]
    )

    assert list(table_lines(table)) == [
        "NAME     SIZE   TOOK",
        "日本  1.5 KiB  1m30s",
        "a         3 B   0.2s",
    ]


def test_a_table_without_columns_is_names_and_values() -> None:
    assert list(table_lines(Table((), [("id", "x"), ("files", 12), ("nothing", None)]))) == [
        "id       x",
        "files    12",
        "nothing  -",
    ]


def test_an_empty_table_has_its_head_only() -> None:
    assert list(table_lines(Table(("id", "size"), ()))) == ["ID  SIZE"]
    assert list(table_lines(Table((), ()))) == []


def test_only_a_terminal_sees_escapes() -> None:
    assert "\x1b" in next(iter(table_lines(Table(("id",), ()), bold=True)))
    assert "\x1b" not in "".join(table_lines(Table(("id",), [("\x1b[2J",)])))


BACKUPS = Table(
    ("id", "policy", "size", "result"), [("files-1", "files", Size(1536), "Passed")], spare=("policy", "size")
)


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (None, "ID       POLICY     SIZE  RESULT"),
        (32, "ID       POLICY     SIZE  RESULT"),
        (31, "ID          SIZE  RESULT"),
        (20, "ID       RESULT"),
        (3, "ID       RESULT"),
    ],
)
def test_a_narrow_terminal_does_without_what_is_least_needed(width: int | None, head: str) -> None:
    assert next(table_lines(BACKUPS, width=width)) == head


def test_the_last_column_is_broken_between_words() -> None:
    table = Table(
        ("level", "facts"), [("ok", "a sentence that does not fit into one line"), ("error", "x" * 60)]
    )

    assert list(table_lines(table, width=40)) == [
        "LEVEL  FACTS",
        "ok     a sentence that does not fit into",
        "       one line",
        "error  " + "x" * 60,
    ]


def test_text_in_a_very_narrow_terminal_is_left_to_the_terminal() -> None:
    table = Table(("level", "facts"), [("ok", "a sentence that does not fit into one line")])

    assert len(list(table_lines(table, width=20))) == 2
