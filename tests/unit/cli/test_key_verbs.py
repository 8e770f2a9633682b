"""The verbs that change who can open a repository."""

from pathlib import Path

from tests.support.program import sirsinexus


def test_without_its_key_an_encrypted_repository_ends_with_30(backed_up: Path) -> None:
    ended = sirsinexus("--repository", "repository", "list")

    assert ended.code == 30
    assert "--key-file" in ended.err


def test_keys_are_added_rotated_and_removed(backed_up: Path) -> None:
    for name in ("second.key", "third.key"):
        sirsinexus("key", "generate", name)
    assert sirsinexus("key", "generate", "second.key").code == 2

    added = sirsinexus("key", "add", "--new-key-file", "second.key", "--label", "offline", "-o", "json")
    assert added.document["label"] == "offline"
    direct = ("--repository", "repository", "--key-file")
    assert sirsinexus(*direct, "second.key", "list").code == 0
    assert sirsinexus(*direct, "second.key", "key", "rotate", "--new-key-file", "third.key").code == 0
    assert sirsinexus(*direct, "second.key", "list").code == 30
    assert sirsinexus(*direct, "third.key", "list").code == 0
    assert sirsinexus("key", "remove", added.document["id"]).code == 2
    slots = sirsinexus("key", "list", "-o", "json").document
    other = next(slot["id"] for slot in slots if not slot["current"])
    assert sirsinexus("key", "remove", other).code == 0
    assert len(sirsinexus("key", "list").rows) == 1


def test_a_rotation_says_that_the_configuration_must_follow(backed_up: Path) -> None:
    sirsinexus("key", "generate", "second.key")

    ended = sirsinexus("key", "rotate", "--new-key-file", "second.key")

    assert (ended.code, "Change `encryption` in the configuration now" in ended.err) == (0, True)
    failed = sirsinexus("key", "rotate", "--new-key-file", "second.key")
    assert (failed.code, failed.err.splitlines()[0]) == (30, "Error: Failed to rotate key")
    direct = (
        "--repository",
        "repository",
        "--key-file",
        "second.key",
        "key",
        "rotate",
        "--new-key-file",
        "backup.key",
    )
    assert sirsinexus(*direct).err == ""
