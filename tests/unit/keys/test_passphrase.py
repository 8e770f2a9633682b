import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backup_manager.common.errors import ConfigurationError, KeyUnavailableError
from backup_manager.engine.keys.passphrase import Passphrase, ScryptCost, read_passphrase
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.repository.keyring import KeySlot, Parameter, wrap_context

SECRET = bytes(range(72))
CONTEXT = wrap_context("ab" * 16, "01234567")
CHEAP = ScryptCost(n=16)


def new_slot(key: Passphrase) -> KeySlot:
    made = key.wrap(SECRET, CONTEXT)
    return KeySlot("01234567", "passphrase", "", "2025-01-01T00:00:00Z", made.parameters, made.wrapped)


def unwrap(key: Passphrase, slot: KeySlot, **changes: Parameter) -> bytes:
    return key.unwrap({**slot.parameters, **changes}, slot.wrapped, CONTEXT)


def test_what_was_wrapped_unwraps_whatever_cost_is_the_default() -> None:
    slot = new_slot(Passphrase("correct horse", cost=CHEAP))

    assert unwrap(Passphrase("correct horse"), slot) == SECRET
    assert Passphrase("anything").accepts(slot)
    assert not NoEncryption().accepts(slot)


def test_the_default_cost_is_128_mebibytes() -> None:
    made = Passphrase("correct horse").wrap(SECRET, CONTEXT)

    assert {name: made.parameters[name] for name in "nrp"} == {"n": 131072, "r": 8, "p": 1}


def test_a_phrase_typed_on_another_system_is_the_same() -> None:
    composed, decomposed = (unicodedata.normalize(form, "grüße") for form in ("NFC", "NFD"))

    assert composed != decomposed
    assert unwrap(Passphrase(decomposed), new_slot(Passphrase(composed, cost=CHEAP))) == SECRET


def test_another_phrase_is_told_apart_from_a_damaged_slot() -> None:
    key = Passphrase("correct horse", cost=CHEAP)
    slot = new_slot(key)

    with pytest.raises(KeyUnavailableError, match="not the one"):
        unwrap(Passphrase("wrong horse"), slot)
    with pytest.raises(KeyUnavailableError, match="damaged"):
        unwrap(key, replace(slot, wrapped=bytes(100)))


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param({"n": 1 << 40}, id="a terabyte"),
        pytest.param({"r": 1 << 30}, id="wide blocks"),
        pytest.param({"p": 1 << 30}, id="a year"),
        pytest.param({"n": 1 << 19}, id="more memory than we give"),
        pytest.param({"n": 0}, id="nothing"),
        pytest.param({"n": -16}, id="negative"),
        pytest.param({"n": 17}, id="no power of two"),
        pytest.param({"r": 0}, id="no block"),
        pytest.param({"p": -1}, id="no lane"),
        pytest.param({"n": "many"}, id="no number"),
        pytest.param({"scryptSalt": "xyz"}, id="no salt"),
    ],
)
def test_hostile_parameters_are_refused_without_work(hostile: Mapping[str, Parameter]) -> None:
    key = Passphrase("correct horse", cost=CHEAP)

    with pytest.raises(KeyUnavailableError, match="01234567"):
        unwrap(key, new_slot(key), **hostile)


def test_missing_parameters_are_an_error_of_ours() -> None:
    with pytest.raises(KeyUnavailableError, match="incomplete"):
        Passphrase("correct horse").unwrap({}, b"", CONTEXT)


def test_one_slot_is_stretched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Passphrase("correct horse", cost=CHEAP)
    slot = new_slot(key)
    monkeypatch.setattr("hashlib.scrypt", None)

    assert unwrap(key, slot) == SECRET


def test_an_empty_phrase_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        Passphrase("")
    assert repr(Passphrase("correct horse")) == "Passphrase()"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"correct horse", "correct horse"),
        (b"correct horse\n", "correct horse"),
        (b"correct horse\r\n", "correct horse"),
        (b" spaces count ", " spaces count "),
    ],
)
def test_a_passphrase_file_holds_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "phrase").write_bytes(content)

    assert read_passphrase(tmp_path / "phrase") == expected


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 5000])
def test_other_passphrase_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "phrase").write_bytes(content)

    with pytest.raises(ConfigurationError, match="passphrase file"):
        read_passphrase(tmp_path / "phrase")


def test_an_absent_passphrase_file_is_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="phrase"):
        read_passphrase(tmp_path / "phrase")


def test_no_encryption_keeps_the_secret_as_it_is() -> None:
    made = NoEncryption().wrap(SECRET, CONTEXT)

    assert (made.wrapped, dict(made.parameters)) == (SECRET, {})
    assert NoEncryption().unwrap(made.parameters, made.wrapped, CONTEXT) == SECRET
    assert NoEncryption().accepts(KeySlot("01234567", "none", "", "", {}, SECRET))
