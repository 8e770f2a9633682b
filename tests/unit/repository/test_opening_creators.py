"""Any number of creators, killed anywhere, end with one repository."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.unit.repository.keyed import AT_ONCE, NamedKey, UnconditionalStorage, create, names, open_it

from backup_manager.common.errors import (
    BackupManagerError,
    KeyUnavailableError,
    ObjectExistsError,
    ObjectMissingError,
    StorageUnreachableError,
)
from backup_manager.engine.repository.creation import Surroundings
from backup_manager.engine.repository.keyring import KeyRing
from backup_manager.engine.storage.base import ObjectInfo, Storage
from backup_manager.engine.storage.faulty import CrashingStorage, Fault, FaultyStorage, SimulatedCrash
from backup_manager.engine.storage.local import LocalStorage
from backup_manager.engine.storage.memory import MemoryStorage
from backup_manager.engine.storage.wrapper import StorageWrapper

MakeStorage = Callable[[Path], Storage]


def local(path: Path) -> Storage:
    storage = LocalStorage(path, create=True)
    storage.check()
    return storage


STORES = [
    pytest.param(lambda _: MemoryStorage(), id="memory"),
    pytest.param(local, id="local"),
    pytest.param(lambda _: UnconditionalStorage(MemoryStorage()), id="memory, unconditional"),
    pytest.param(lambda path: UnconditionalStorage(local(path)), id="local, unconditional"),
]


@pytest.mark.parametrize("make", STORES)
def test_four_creators_at_once_end_with_one_key(tmp_path: Path, make: MakeStorage) -> None:
    for turn in range(5):
        storage = make(tmp_path / str(turn))
        gate = threading.Barrier(4)
        made = []

        def work(storage: Storage = storage, gate: threading.Barrier = gate, made: list = made) -> None:
            gate.wait()
            made.append(create(storage, NamedKey("a"), Surroundings(settle_seconds=0.2)))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(made) == 4
        assert len({repository.config.id for repository in made}) == 1
        assert len({repository.chunker_seed for repository in made}) == 1
        assert sum(repository.was_created for repository in made) == 1
        assert names(storage) == ["config", made[0].ring.object_name]


def crash_points(make: Callable[[], Storage]) -> Iterator[tuple[Storage, CrashingStorage]]:
    counting = CrashingStorage(make(), crash_at=0)
    create(counting, NamedKey("a"))
    for point in range(1, counting.calls + 1):
        for after in (False, True):
            inner = make()
            yield inner, CrashingStorage(inner, point, after=after)


@pytest.mark.parametrize("make", STORES)
def test_a_creator_killed_at_any_call_leaves_room_for_the_next(tmp_path: Path, make: MakeStorage) -> None:
    folders, points = count(), 0
    for inner, crashing in crash_points(lambda: make(tmp_path / str(next(folders)))):
        points += 1
        with pytest.raises(SimulatedCrash):
            create(crashing, NamedKey("a"))

        first = create(inner, NamedKey("a"))
        second = create(inner, NamedKey("a"))

        assert first.config == second.config == open_it(inner, NamedKey("a")).config
        assert first.chunker_seed == second.chunker_seed
    assert points >= 10


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("error", [StorageUnreachableError, ObjectExistsError])
def test_a_put_of_config_whose_answer_is_lost_is_read_back(
    after: bool, error: type[BackupManagerError]
) -> None:
    inner = MemoryStorage()
    fault = Fault("put", prefix="config", after=after, error=lambda: error("what became of it?"))
    faulty = FaultyStorage(inner, [fault])
    if after:
        assert create(faulty, NamedKey("a")).was_created
    else:
        with pytest.raises(error):
            create(faulty, NamedKey("a"))
        assert len(names(inner, "keys/")) == 1, "a put may still arrive, and needs its ring then"

    assert open_it(inner, NamedKey("a")) if after else create(inner, NamedKey("a"))


def test_a_loser_removes_its_ring_and_takes_the_winners() -> None:
    storage = MemoryStorage()

    class Slow(StorageWrapper):
        """Somebody else's config arrives just before ours."""

        def put(self, name, parts, *, if_absent=False):  # type: ignore[no-untyped-def]
            if name == "config":
                winners.append(create(storage, NamedKey("a")))
            super().put(name, parts, if_absent=if_absent)

    winners: list = []
    loser = create(Slow(storage), NamedKey("a"))

    assert not loser.was_created
    assert loser.config == winners[0].config
    assert names(storage) == ["config", winners[0].ring.object_name]


def test_a_loser_with_another_key_is_told_so_and_leaves_nothing() -> None:
    storage = MemoryStorage()
    winner = create(storage, NamedKey("a"))

    with pytest.raises(KeyUnavailableError, match="opens none"):
        create(storage, NamedKey("b"))

    assert names(storage) == ["config", winner.ring.object_name]


def test_the_earliest_candidate_is_elected_though_its_creator_died() -> None:
    inner = MemoryStorage(clock=count(1.0).__next__)
    storage = UnconditionalStorage(inner)

    def die(_: float) -> None:
        raise SimulatedCrash("while it waited")

    with pytest.raises(SimulatedCrash):
        create(storage, NamedKey("a"), Surroundings(sleep=die))
    (candidate,) = names(inner, "config.")

    elected = create(storage, NamedKey("a"))

    assert not elected.was_created
    assert inner.get("config") == inner.get(candidate)
    assert names(inner, "keys/") == [elected.ring.object_name]


def test_half_a_candidate_elects_nobody() -> None:
    inner = MemoryStorage(clock=count(1.0).__next__)
    inner.put("config." + "0" * 32, (b'{"format"',))

    assert create(UnconditionalStorage(inner), NamedKey("a")).was_created


def test_a_candidate_that_disappears_makes_creators_look_again() -> None:
    class Vanishing(StorageWrapper):
        """Lists a candidate that is gone when it is read, once."""

        listed = 0

        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            if prefix == "config." and not self.listed:
                self.listed = 1
                yield ObjectInfo("config." + "0" * 32, 1, 0.0)
            yield from super().list(prefix)

    assert create(Vanishing(UnconditionalStorage(MemoryStorage())), NamedKey("a")).was_created


def test_a_store_that_never_shows_config_ends_the_election() -> None:
    class Blind(StorageWrapper):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            if name == "config":
                raise ObjectMissingError(name)
            return super().get(name, start, length)

    with pytest.raises(StorageUnreachableError, match="does not show config"):
        create(Blind(UnconditionalStorage(MemoryStorage())), NamedKey("a"))


def test_the_wait_is_long_enough_for_whole_seconds() -> None:
    waits: list[float] = []
    create(UnconditionalStorage(MemoryStorage()), NamedKey("a"), Surroundings(sleep=waits.append))

    assert waits == [5.0]


def test_a_conditional_store_waits_for_nobody() -> None:
    started = time.monotonic()
    create(MemoryStorage(), NamedKey("a"), Surroundings())

    assert time.monotonic() - started < 1


def test_a_key_that_cannot_unwrap_creates_nothing() -> None:
    class OneWay(NamedKey):
        def unwrap(self, parameters, wrapped, context):  # type: ignore[no-untyped-def]
            raise KeyUnavailableError("kms:Decrypt is denied")

    class Confused(NamedKey):
        def unwrap(self, parameters, wrapped, context):  # type: ignore[no-untyped-def]
            return b"something else"

    for key in (OneWay("a"), Confused("a")):
        storage = MemoryStorage()
        with pytest.raises(KeyUnavailableError):
            create(storage, key)
        assert names(storage) == []


def test_a_ring_has_the_name_of_its_repository_and_generation() -> None:
    assert KeyRing("ab" * 16, 12, ()).object_name == f"keys/{'ab' * 16}-00000012"
    assert AT_ONCE.now() == "2025-06-15T15:06:40Z"
