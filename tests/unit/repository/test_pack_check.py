import pytest
from tests.unit.repository.doubles import DoubleStorage
from tests.unit.repository.pack_factory import (
    COMPRESSOR,
    VAULT,
    build_pack,
    encode,
    encode_frame,
    store_pack,
)

from backup_manager.engine.repository.names import PackKind, pack_object
from backup_manager.engine.repository.pack import MEMBER, EncodedBlob, Member, PackBuilder
from backup_manager.engine.repository.pack_check import verify_pack
from backup_manager.engine.repository.ports import Algorithm
from backup_manager.engine.repository.problems import Problem

NAME = f"{1:032x}"
OBJECT = pack_object(NAME, PackKind.DATA)


def verify(storage: DoubleStorage, ids: list[bytes] | None = None) -> list[Problem]:
    return list(verify_pack(storage, VAULT, COMPRESSOR, PackKind.DATA, NAME, ids))


def stored(*blobs: EncodedBlob) -> DoubleStorage:
    storage = DoubleStorage()
    store_pack(storage, build_pack(blobs, 1))
    return storage


def test_a_sound_pack_has_no_problems() -> None:
    storage = stored(encode(b"one"), encode_frame([b"two", b"", b"three"]))
    assert verify(storage) == []
    assert verify(storage, [VAULT.blob_id(b"one")]) == []


def test_every_flipped_byte_and_every_cut_is_a_problem() -> None:
    storage = stored(encode(b"one"), encode_frame([b"two", b"three" * 9]))
    whole = storage.objects[OBJECT]
    damaged = [whole[:n] + bytes([whole[n] ^ 1 << n % 8]) + whole[n + 1 :] for n in range(len(whole))]
    for data in damaged + [whole[:length] for length in range(len(whole))] + [whole + b"\0"]:
        storage.objects[OBJECT] = data
        problems = verify(storage)
        assert problems
        assert {problem.object_name for problem in problems} == {OBJECT}


def test_each_damaged_blob_is_named() -> None:
    plains = [b"one", b"two", b"three"]
    storage = stored(*(encode(plain) for plain in plains))
    data = bytearray(storage.objects[OBJECT])
    for position in (5, 16, 16 + 3 + 16 + 3 + 16):
        data[position] ^= 1
    storage.objects[OBJECT] = bytes(data)
    assert [problem.blob_id for problem in verify(storage)] == [
        None,
        VAULT.blob_id(b"one"),
        VAULT.blob_id(b"three"),
    ]


def test_a_blob_that_should_be_there_and_is_not_is_a_problem() -> None:
    assert [problem.blob_id for problem in verify(stored(encode(b"one")), [b"?" * 32])] == [b"?" * 32]


@pytest.mark.parametrize(
    "member", [Member(b"?" * 16, 0, 5), Member(VAULT.blob_id(b"plain")[:16], 0, 6)], ids=["hash", "length"]
)
def test_a_member_that_is_not_what_it_says_is_a_problem(member: Member) -> None:
    storage = stored(EncodedBlob(VAULT.blob_id(b"plain"), Algorithm.STORED, 5, b"plain", (member,)))
    assert [problem.blob_id for problem in verify(storage)] == [VAULT.blob_id(b"plain")]


def test_a_missing_pack_is_a_problem() -> None:
    assert [problem.object_name for problem in verify(DoubleStorage())] == [OBJECT]


def test_members_in_another_order_than_their_blobs_are_looked_at_all_the_same() -> None:
    frames = (encode_frame([b"one", b"two"]), encode_frame([b"three"]))
    members = build_pack(frames, 1).contents.member_records
    wrong = Member(VAULT.blob_id(b"another")[:16], 0, 5)
    for last, problems in ((members[2 * MEMBER.size :], 0), (MEMBER.pack(wrong.hash, 1, 0, 5), 1)):
        reordered = PackBuilder(VAULT, PackKind.DATA, NAME)
        for frame in frames:
            reordered.add(frame)
        reordered._members = bytearray(last + members[: 2 * MEMBER.size])
        storage = DoubleStorage()
        store_pack(storage, reordered.finish())
        assert len(verify(storage)) == problems
