import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.repository.keyed import NamedKey, create, names, open_it

from backup_manager.common.errors import KeyUnavailableError, ObjectMissingError, RepositoryMissingError
from backup_manager.engine.keys.local import LocalKey, generate_key_file
from backup_manager.engine.keys.plain import NoEncryption
from backup_manager.engine.repository.keyring import KeySlot, check_generation
from backup_manager.engine.repository.opening import open_secrets, read_newest_ring
from backup_manager.engine.storage.base import Storage
from backup_manager.engine.storage.faulty import LaggingStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.wrapper import StorageWrapper

Damage = Callable[[bytes], bytes]
DAMAGES = [
    pytest.param(lambda stored: stored[: len(stored) // 2], id="cut"),
    pytest.param(lambda _: b"", id="emptied"),
    pytest.param(lambda stored: stored[:60] + bytes([stored[60] ^ 1]) + stored[61:], id="flipped"),
    pytest.param(lambda stored: stored + b" ", id="longer"),
    pytest.param(lambda _: b"\x00\xff" * 300, id="overwritten"),
]


def ring_name(storage: Storage) -> str:
    (name,) = names(storage, "keys/")
    return name


def test_opening_gives_what_creating_gave() -> None:
    storage = MemoryStorage()
    created = create(storage, NamedKey("a"))
    opened = open_it(storage, NamedKey("a"))

    assert created.was_created
    assert not opened.was_created
    assert (opened.config, opened.ring, opened.slot_id) == (created.config, created.ring, created.slot_id)
    assert opened.chunker_seed == created.chunker_seed
    assert opened.vault.blob_id(b"data") == created.vault.blob_id(b"data")
    assert names(storage) == ["config", created.ring.object_name]


def test_no_secret_is_in_the_store_or_in_print(tmp_path: Path) -> None:
    generate_key_file(tmp_path / "key")
    storage = MemoryStorage()
    opened = create(storage, LocalKey(tmp_path / "key"))
    secrets = open_secrets(storage, LocalKey(tmp_path / "key")).secrets
    stored = b"".join(storage.get(name) for name in names(storage))

    for secret in (secrets.master, secrets.id_key, secrets.chunker_seed):
        assert secret not in stored
        assert secret.hex() not in stored.decode()
        assert repr(secret)[2:-1] not in repr(opened)


def test_an_unencrypted_repository_says_so() -> None:
    storage = MemoryStorage()
    opened = create(storage, NoEncryption())

    assert not opened.config.is_encrypted
    assert b'"encryption": "disabled"' in storage.get("config")
    assert [slot.provider for slot in opened.ring.slots] == ["none"]
    with pytest.raises(KeyUnavailableError, match="without encryption"):
        open_it(storage, NamedKey("a"))


def test_an_encrypted_repository_does_not_open_without_a_key() -> None:
    storage = MemoryStorage()
    create(storage, NamedKey("a"))

    with pytest.raises(KeyUnavailableError, match="is encrypted"):
        open_it(storage, NoEncryption())


def test_an_empty_store_holds_no_repository() -> None:
    storage = MemoryStorage()
    storage.put("keys/" + "a" * 32 + "-00000001", (b"left by a creator that was killed",))

    with pytest.raises(RepositoryMissingError) as caught:
        open_it(storage, NamedKey("a"))

    assert caught.value.exit_code == 3


@pytest.mark.parametrize("remains", ["packs/d/" + "a" * 32, "snapshots/" + "a" * 32, "index/" + "a" * 32])
def test_data_without_a_config_are_never_built_over(remains: str) -> None:
    storage = MemoryStorage()
    storage.put(remains, (b"data",))

    for use in (open_it, create):
        with pytest.raises(KeyUnavailableError, match="config is missing") as caught:
            use(storage, NamedKey("a"))
        assert caught.value.exit_code == 30
    assert names(storage) == [remains]


def test_a_repository_that_appears_meanwhile_opens() -> None:
    """Its creator has put config, and then data, between our two looks."""

    class Late(StorageWrapper):
        looks = 0

        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            if name == "config" and self.looks == 0:
                self.looks = 1
                raise ObjectMissingError("config")
            return super().get(name, start, length)

    storage = MemoryStorage()
    create(storage, NamedKey("a"))
    storage.put("packs/d/" + "a" * 32, (b"data",))

    assert open_it(Late(storage), NamedKey("a")).config.is_encrypted


def test_a_wrong_key_is_told_which_keys_there_are() -> None:
    storage = MemoryStorage()
    opened = create(storage, NamedKey("a"))
    opened.edit_keys().add_slot(NamedKey("b"), "in the safe")

    with pytest.raises(KeyUnavailableError) as caught:
        open_it(storage, NamedKey("c"))

    assert "opens none of the key slots" in caught.value.facts
    assert opened.slot_id in caught.value.facts
    assert "'in the safe'" in caught.value.facts


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["config", "ring"])
def test_damage_to_config_and_ring_is_key_unavailable(name: str, damage: Damage) -> None:
    storage = MemoryStorage()
    create(storage, NamedKey("a"))
    target = "config" if name == "config" else ring_name(storage)
    storage.put(target, (damage(storage.get(target)),))

    with pytest.raises(KeyUnavailableError, match=target) as caught:
        open_it(storage, NamedKey("a"))

    assert caught.value.exit_code == 30


def test_any_flipped_bit_of_the_ring_is_detected(tmp_path: Path) -> None:
    generate_key_file(tmp_path / "key")
    key = LocalKey(tmp_path / "key")
    storage = MemoryStorage()
    create(storage, key).edit_keys().add_slot(NamedKey("b"), "grüße, with an escape")
    name = ring_name(storage)
    stored = storage.get(name)
    for position in range(len(stored) * 8):
        damaged = bytearray(stored)
        damaged[position // 8] ^= 1 << position % 8
        storage.put(name, (damaged,))
        with pytest.raises(KeyUnavailableError):
            open_it(storage, key)


def test_a_missing_ring_is_told_apart() -> None:
    storage = MemoryStorage()
    create(storage, NamedKey("a"))
    storage.delete(ring_name(storage))

    with pytest.raises(KeyUnavailableError, match="is missing"):
        open_it(storage, NamedKey("a"))


def test_config_and_ring_of_two_repositories_do_not_go_together() -> None:
    one, two = MemoryStorage(), MemoryStorage()
    create(one, NamedKey("a"))
    create(two, NamedKey("a"))
    stored = two.get(ring_name(two))
    one.put(ring_name(one), (stored,))
    with pytest.raises(KeyUnavailableError, match="it says that it is"):
        open_it(one, NamedKey("a"))

    one.put("config", (two.get("config"),))
    with pytest.raises(KeyUnavailableError, match="is missing"):
        open_it(one, NamedKey("a"))


def test_slots_of_another_repository_do_not_open() -> None:
    one, two = MemoryStorage(), MemoryStorage()
    first = create(one, NamedKey("a"))
    second = create(two, NamedKey("a"))
    forged = two.get(ring_name(two)).replace(second.config.id.encode(), first.config.id.encode())
    one.put(ring_name(one), (forged,))

    with pytest.raises(KeyUnavailableError, match="does not open"):
        open_it(one, NamedKey("a"))


def test_a_ring_under_a_later_name_is_not_believed() -> None:
    storage = MemoryStorage()
    create(storage, NamedKey("a"))
    stored = storage.get(ring_name(storage))
    storage.put(ring_name(storage)[:-8] + "00000009", (stored,))

    with pytest.raises(KeyUnavailableError, match="it says that it is"):
        open_it(storage, NamedKey("a"))


def test_an_older_ring_put_back_is_noticed() -> None:
    storage = MemoryStorage()
    opened = create(storage, NamedKey("a"))
    name, stored = read_newest_ring(storage, opened.config.id)
    new = opened.edit_keys().replace_slot(opened.slot_id, NamedKey("b"))
    storage.delete(new.object_name)
    storage.put(name, (stored,))

    ring = open_it(storage, NamedKey("a")).ring

    check_generation(ring, 1)
    with pytest.raises(KeyUnavailableError, match="generation 1 is an older one") as caught:
        check_generation(ring, new.generation)
    assert caught.value.exit_code == 30


def test_a_ring_that_is_replaced_while_it_is_read_does_not_disturb() -> None:
    class Replaced(StorageWrapper):
        replaced = False

        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            if name.startswith("keys/") and not self.replaced:
                self.replaced = True
                opened.edit_keys().add_slot(NamedKey("b"))
            return super().get(name, start, length)

    storage = MemoryStorage()
    opened = create(storage, NamedKey("a"))

    assert open_it(Replaced(storage), NamedKey("a")).ring.generation == 2


def test_a_repository_opens_as_soon_as_it_was_made_where_listings_lag() -> None:
    storage = LaggingStorage(MemoryStorage(), lag_seconds=60)
    created = create(storage, NamedKey("a"))
    assert names(storage) == []
    assert open_it(storage, NamedKey("a")).ring == created.ring


def test_rings_that_are_listed_and_never_there_end_the_search() -> None:
    class Hollow(StorageWrapper):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            if name.startswith("keys/"):
                raise ObjectMissingError(name)
            return super().get(name, start, length)

    storage = MemoryStorage()
    create(storage, NamedKey("a"))

    with pytest.raises(KeyUnavailableError, match="is missing"):
        open_it(Hollow(storage), NamedKey("a"))


class Mute(NamedKey):
    """A key whose service fails for slots of its kind, some of them in passing."""

    def accepts(self, slot: KeySlot) -> bool:
        return slot.provider == self.provider

    def unwrap(self, parameters, wrapped, context):  # type: ignore[no-untyped-def]
        error = KeyUnavailableError(f"no answer about {parameters['name']}")
        if parameters["name"] == "b":
            error.retryable = True  # type: ignore[misc]
        raise error


def test_all_failures_are_named_when_several_slots_fail() -> None:
    storage = MemoryStorage()
    create(storage, NamedKey("a")).edit_keys().add_slot(NamedKey("b"))

    with pytest.raises(KeyUnavailableError) as caught:
        open_it(storage, Mute("x"))

    assert "no answer about a; no answer about b" in caught.value.facts


def test_many_may_open_at_once() -> None:
    storage, opened = MemoryStorage(), []
    create(storage, NamedKey("a"))

    def work() -> None:
        opened.append(open_it(storage, NamedKey("a")).config)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opened) == 4
    assert len(set(opened)) == 1
