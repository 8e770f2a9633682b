import pytest

from backup_manager.cli.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text.txt", "plain text.txt"),
        ("naïve 日本", "naïve 日本"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("new\nline\ttab\r", "new\\nline\\ttab\\r"),
        ("caf\udce9", "caf\\xe9"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\u009b"),
        ("right\u202eleft", "right\\u202eleft"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
        ("", ""),
    ],
)
def test_what_is_not_printable_is_shown_by_its_number(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_code_point_becomes_printable_and_encodable() -> None:
    shown = printable("".join(map(chr, range(0x3000))) + "".join(map(chr, range(0xD800, 0xE000))))

    assert shown.isprintable()
    assert shown.encode()
