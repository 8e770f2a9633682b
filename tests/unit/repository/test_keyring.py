import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.repository.keyed import NamedKey, counted_bytes

from backup_manager.common.errors import KeyUnavailableError
from backup_manager.engine.repository.keyring import (
    MAX_SLOTS,
    KeyRing,
    KeySlot,
    build_slot,
    check_ring,
    decode_ring,
    encode_ring,
)
from backup_manager.engine.repository.secrets import Secrets

SECRETS = Secrets(bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 72)))
REPOSITORY_ID = "000102030405060708090a0b0c0d0e0f"
SLOT = KeySlot("01234567", "local", "", "2025-06-24T00:00:00Z", {"salt": "ab", "n": 16}, b"wrapped")
RING = KeyRing(REPOSITORY_ID, 1, (SLOT,))
NAME = f"keys/{REPOSITORY_ID}-00000001"
GOLDEN = b"""{
 "repositoryId": "000102030405060708090a0b0c0d0e0f",
 "generation": 1,
 "epoch": 0,
 "slots": [
  {
   "id": "01234567",
   "provider": "local",
   "label": "",
   "createdAt": "2025-06-24T00:00:00Z",
   "parameters": {
    "salt": "ab",
    "n": 16
   },
   "wrapped": "d3JhcHBlZA=="
  }
 ],
 "mac": "04cda994f38742a9a05edee6284eb89f895e38642a42cbe951bf0cf99e0f1c0e"
}
"""

SLOTS = st.builds(
    KeySlot,
    id=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    provider=st.text(max_size=9),
    label=st.text(max_size=20),
    created_at=st.text(max_size=20),
    parameters=st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers(), max_size=4),
    wrapped=st.binary(max_size=120),
)


def test_the_ring_of_format_1_stays_what_it_is() -> None:
    assert encode_ring(RING, SECRETS) == GOLDEN
    assert decode_ring(NAME, GOLDEN) == RING
    check_ring(NAME, GOLDEN, SECRETS)


@given(slots=st.lists(SLOTS, min_size=1, max_size=4), generation=st.integers(1, 99_999_999))
def test_read_equals_written(slots: list[KeySlot], generation: int) -> None:
    ring = KeyRing(REPOSITORY_ID, generation, tuple(slots))
    stored = encode_ring(ring, SECRETS)

    check_ring(ring.object_name, stored, SECRETS)
    assert decode_ring(ring.object_name, stored) == ring


def test_a_ring_of_other_secrets_does_not_authenticate() -> None:
    with pytest.raises(KeyUnavailableError, match="does not authenticate"):
        check_ring(NAME, GOLDEN, Secrets(bytes(32), SECRETS.id_key, SECRETS.chunker_seed))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("slots",), []),
        (("slots",), {}),
        (("slots",), [1]),
        (("slots",), [json.loads(GOLDEN)["slots"][0]] * (MAX_SLOTS + 1)),
        (("epoch",), 1),
        (("epoch",), "0"),
        (("generation",), 2),
        (("generation",), 1.0),
        (("generation",), True),
        (("repositoryId",), "0" * 32),
        (("slots", 0, "id"), "0123456/"),
        (("slots", 0, "id"), 7),
        (("slots", 0, "wrapped"), "no base64!"),
        (("slots", 0, "wrapped"), "abc"),
        (("slots", 0, "parameters"), ["salt"]),
        (("slots", 0, "parameters"), {"n": 1.5}),
        (("slots", 0, "parameters"), {"n": None}),
        (("slots", 0, "label"), None),
    ],
)
def test_what_is_no_ring_is_damaged(path: tuple[str | int, ...], value: object) -> None:
    members = json.loads(GOLDEN)
    place = members
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    with pytest.raises(KeyUnavailableError, match="is damaged"):
        decode_ring(NAME, json.dumps(members, indent=1).encode() + b"\n")


@pytest.mark.parametrize("name", ["repositoryId", "generation", "epoch", "slots"])
def test_a_ring_that_lacks_a_member_is_damaged(name: str) -> None:
    members = json.loads(GOLDEN)
    del members[name]

    with pytest.raises(KeyUnavailableError, match="lacks something"):
        decode_ring(NAME, json.dumps(members, indent=1).encode() + b"\n")


@pytest.mark.parametrize("mac", [None, 7, "", "é" * 64, "0" * 64])
def test_a_mac_of_any_form_is_compared_safely(mac: object) -> None:
    members = json.loads(GOLDEN)
    members["mac"] = mac

    with pytest.raises(KeyUnavailableError, match="does not authenticate"):
        check_ring(NAME, json.dumps(members, indent=1).encode() + b"\n", SECRETS)


def test_members_of_a_later_version_are_authenticated_too() -> None:
    members = json.loads(GOLDEN)
    members["later"] = "added"

    with pytest.raises(KeyUnavailableError, match="does not authenticate"):
        check_ring(NAME, json.dumps(members, indent=1).encode() + b"\n", SECRETS)


def test_a_slot_shows_its_owner_and_not_its_bytes() -> None:
    slot = build_slot(
        NamedKey("a"),
        SECRETS,
        REPOSITORY_ID,
        label="in the safe",
        created_at="2025-06-24T00:00:00Z",
        random_bytes=counted_bytes(),
    )

    assert slot.description == f"{slot.id} (named, 'in the safe')"
    assert SLOT.description == "01234567 (local)"
    assert b64encode(slot.wrapped).decode() not in repr(slot)
    assert repr(slot.wrapped)[2:-1] not in repr(slot)
