import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backup_manager.common.errors import BackupManagerError, ConfigurationError, KeyUnavailableError
from backup_manager.engine.keys.local import LocalKey, generate_key_file
from backup_manager.engine.repository.keyring import KeySlot, wrap_context

SECRET = bytes(range(72))
CONTEXT = wrap_context("ab" * 16, "01234567")


def new_key(folder: Path, name: str = "backup.key") -> LocalKey:
    generate_key_file(folder / name)
    return LocalKey(folder / name)


def new_slot(key: LocalKey) -> KeySlot:
    made = key.wrap(SECRET, CONTEXT)
    return KeySlot("01234567", "local", "", "2025-01-01T00:00:00Z", made.parameters, made.wrapped)


def unwrap(key: LocalKey, slot: KeySlot, context: dict[str, str] = CONTEXT) -> bytes:
    return key.unwrap(slot.parameters, slot.wrapped, context)


def test_a_generated_file_is_64_hexadecimal_digits_of_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        generate_key_file(tmp_path / "backup.key")
    finally:
        os.umask(old)

    assert re.fullmatch("[0-9a-f]{64}\n", (tmp_path / "backup.key").read_text())
    assert (tmp_path / "backup.key").stat().st_mode & 0o777 == 0o600
    assert LocalKey(tmp_path / "backup.key").warnings == ()


def test_a_key_file_is_never_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "backup.key").write_text("precious")

    for name in ("backup.key", "dangling"):
        with pytest.raises(ConfigurationError, match="never written over another"):
            generate_key_file(tmp_path / name)

    assert (tmp_path / "backup.key").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_key_file_in_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot create key file"):
        generate_key_file(tmp_path / "absent" / "backup.key")


@pytest.mark.parametrize("content", ["AB" * 32, "ab" * 32, "ab" * 32 + "\n", "ab" * 32 + "\r\n"])
def test_accepted_forms_of_a_key_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "same").write_text("ab" * 32)

    slot = new_slot(LocalKey(tmp_path / "key"))

    assert unwrap(LocalKey(tmp_path / "same"), slot) == SECRET


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "ab" * 31,
        "ab" * 33,
        "ab" * 32 + "\n\n",
        " " + "ab" * 32,
        "g" * 64,
        "ab" * 32 + "\nmore",
        "a" * 9999,
    ],
)
def test_other_contents_are_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)

    with pytest.raises(ConfigurationError) as caught:
        LocalKey(tmp_path / "key")

    assert "abab" not in "".join(caught.value.lines())
    assert str(tmp_path / "key") in caught.value.facts


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["absent", "a folder"])
def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path, make) -> None:
    make(tmp_path / "key")

    with pytest.raises(KeyUnavailableError, match=str(tmp_path / "key")) as caught:
        LocalKey(tmp_path / "key")

    assert caught.value.exit_code == 30


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o610])
def test_a_wide_mode_is_a_warning(tmp_path: Path, mode: int) -> None:
    generate_key_file(tmp_path / "key")
    (tmp_path / "key").chmod(mode)

    (warning,) = LocalKey(tmp_path / "key").warnings

    assert f"{mode:04o}" in warning


def test_what_was_wrapped_unwraps(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    slot = new_slot(key)

    assert unwrap(LocalKey(tmp_path / "backup.key"), slot) == SECRET
    assert key.accepts(slot)
    assert SECRET not in slot.wrapped


def test_wrapping_twice_looks_different(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    one, two = new_slot(key), new_slot(key)

    assert one.wrapped != two.wrapped
    assert not set(one.parameters.values()) & set(two.parameters.values())


def test_another_key_is_told_apart_from_a_damaged_slot(tmp_path: Path) -> None:
    key, other = new_key(tmp_path), new_key(tmp_path, "other.key")
    slot = new_slot(key)
    damaged = replace(slot, wrapped=slot.wrapped[:-1] + bytes([slot.wrapped[-1] ^ 1]))

    assert not other.accepts(slot)
    with pytest.raises(KeyUnavailableError, match="not the one of key slot 01234567"):
        unwrap(other, slot)
    with pytest.raises(KeyUnavailableError, match="damaged"):
        unwrap(key, damaged)


def test_a_slot_of_another_place_does_not_open(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    slot = new_slot(key)

    for context in (wrap_context("cd" * 16, "01234567"), wrap_context("ab" * 16, "76543210")):
        with pytest.raises(KeyUnavailableError):
            unwrap(key, slot, context)


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(12), bytes(28), bytes(100)])
def test_any_wrapped_bytes_are_an_error_of_ours(tmp_path: Path, wrapped: bytes) -> None:
    key = new_key(tmp_path)
    with pytest.raises(KeyUnavailableError):
        unwrap(key, replace(new_slot(key), wrapped=wrapped))


@pytest.mark.parametrize(
    "parameters", [{}, {"salt": "no hex", "check": "x"}, {"salt": 7, "check": 9}, {"salt": "é", "check": "é"}]
)
def test_any_parameters_are_an_error_of_ours(tmp_path: Path, parameters: dict[str, str | int]) -> None:
    key = new_key(tmp_path)
    slot = replace(new_slot(key), parameters=parameters)

    assert not key.accepts(slot)
    with pytest.raises(BackupManagerError):
        unwrap(key, slot)


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    key = new_key(tmp_path)

    assert (tmp_path / "backup.key").read_text().strip() not in repr(key) + str(vars(key)["key_file"])
    assert repr(SECRET)[2:20] not in repr(key.wrap(SECRET, CONTEXT))


def test_the_slot_of_format_1_opens_for_ever(tmp_path: Path) -> None:
    (tmp_path / "golden.key").write_text("0123456789abcdef" * 4)
    drawn = iter([bytes(range(16)), bytes(range(12))])
    key = LocalKey(tmp_path / "golden.key", random_bytes=lambda count: next(drawn)[:count])

    made = key.wrap(SECRET, CONTEXT)

    assert made.parameters == {"salt": bytes(range(16)).hex(), "check": "34653f9253b0e2a5"}
    assert (
        made.wrapped.hex()
        == "000102030405060708090a0bcdb9c8b3c45dc2e19329de510b2ab860d68852ac38b6bcc8a7041068"
        "26ca03afdcbe89247be65e860513f282c7e91122512ef148dfa670665cc56908116d19a86bca5b43"
        "9f2273d6c07d655633ee6b93228d23bb839a9e33"
    )
