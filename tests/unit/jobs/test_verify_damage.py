"""Every object of a repository damaged in every way: nothing goes unseen, and nothing wrong is restored."""

import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.jobs.repositories import (
    Place,
    changed,
    create_on,
    exit_code,
    make_place,
    new_key,
    objects_of,
)

from backup_manager.common.errors import BackupManagerError
from backup_manager.contract.requests import RestoreRequest, VerifyRequest
from backup_manager.engine.jobs.catalogue import list_backups
from backup_manager.engine.jobs.restore import run_restore
from backup_manager.engine.jobs.verify import verify_all, verify_backup
from backup_manager.engine.repository.checks.catalogue_walk import CatalogueWalk
from backup_manager.engine.repository.checks.needs import Needs
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.intents import Intent, intent_collection
from backup_manager.engine.repository.plans import Plan, plan_collection
from backup_manager.engine.repository.snapshots import read_snapshots
from backup_manager.engine.storage.memory import MemoryStorage

SEED = 20260601
NEEDED = ("packs/d/", "packs/m/")
KEPT_BESIDE = ("intents/", "maintenance/", "records/")
KINDS = ("config", "keys/", *NEEDED, "index/", "snapshots/", *KEPT_BESIDE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A full and an incremental backup, so that there are two objects of each kind."""
    place = make_place(tmp_path_factory.mktemp("damage"))
    noise = random.Random(SEED)
    (place.source / "text").write_text("the same again and again\n" * 2_000)
    (place.source / "small").write_bytes(noise.randbytes(900))
    (place.source / "large").write_bytes(noise.randbytes(300_000))
    place.back_up()
    (place.source / "large2").write_bytes(noise.randbytes(280_000))
    (place.source / "small2").write_bytes(noise.randbytes(800))
    place.back_up()
    session = place.session()
    parts = Parts(session.storage, session.repository.vault, session.repository.compressor)
    for number in range(2):
        intent_collection(parts).put_new(Intent(packs=bytes([number]) * 16))
        plan_collection(parts).put_new(Plan(packs=bytes([number]) * 16))
        verify_backup(session, VerifyRequest("latest"), clock=place.clock)
    return place


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The objects of another repository, for what there is only one of."""
    storage = MemoryStorage()
    create_on(storage, new_key(tmp_path_factory.mktemp("stranger") / "key"))
    return objects_of(storage)


@pytest.fixture(scope="module")
def needed(place: Place) -> dict[str, frozenset[str]]:
    """The packs that each backup needs."""
    session = place.session()
    found: dict[str, frozenset[str]] = {}
    for snapshot in read_snapshots(session.storage, session.repository.vault, session.repository.compressor):
        blobs = session.read_blobs()
        needs = Needs(blobs.index)
        CatalogueWalk(blobs, needs).walk(snapshot.sources[0].catalogue)
        found[snapshot.backup_id] = frozenset(f"packs/{kind}/{name}" for name, kind in needs.packs.items())
    return found


def damages(name: str, content: bytes, others: list[bytes]) -> Iterator[tuple[str, bytes | None]]:
    """Yield ways to damage an object, each with what is then stored in its place."""
    size = len(content)
    noise = random.Random(f"{SEED} {name}")
    places = {0, 4, 5, 15, 16, size // 2, size - 24, size - 9, size - 8, size - 5, size - 1}
    places |= {noise.randrange(size) for _ in range(6)}
    for at in sorted(place for place in places if 0 <= place < size):
        flipped = bytearray(content)
        flipped[at] ^= 1 << noise.randrange(8)
        yield f"bit flipped at {at}", bytes(flipped)
    for left in sorted({size - 1, size - 16, size // 2, 20, 1}):
        if 0 < left < size:
            yield f"cut to {left}", content[:left]
    yield "first byte lost", content[1:]
    yield "byte added", content + b"\0"
    yield "zeroed", bytes(size)
    yield "emptied", b""
    for number, other in enumerate(others):
        yield f"swapped with {number}", other
    yield "dropped", None


def expected_code(name: str, damage: str, backup: str, snapshot: str, needed: frozenset[str]) -> int:
    """Return what verifying *backup* has to end with when *name* is damaged."""
    if name == "config" or name.startswith("keys/"):
        return 30
    if name.startswith("snapshots/"):
        if name != f"snapshots/{snapshot}":
            return 0
        return 3 if damage == "dropped" else 40
    if name.startswith("index/"):
        return 0 if damage == "dropped" else 40
    return 40 if name in needed else 0


def expected_code_of_all(name: str, damage: str, needed: dict[str, frozenset[str]]) -> int:
    if name == "config" or name.startswith("keys/"):
        return 30
    if damage == "dropped":  # what nobody refers to is not missed
        return 40 if any(name in packs for packs in needed.values()) else 0
    return 40


@pytest.mark.parametrize("kind", KINDS)
def test_every_damage_is_seen(
    kind: str,
    place: Place,
    stranger: dict[str, bytes],
    needed: dict[str, frozenset[str]],
    tmp_path: Path,
) -> None:
    objects = objects_of(place.storage)
    backups = list_backups(place.session())
    tried = 0
    for name, content in objects.items():
        if not name.startswith(kind):
            continue
        others = [other for known, other in objects.items() if known.startswith(kind) and known != name]
        others += [other for known, other in stranger.items() if known.startswith(kind)]
        for damage, stored in damages(name, content, others):
            tried += 1
            with changed(place.storage, name, stored):
                for backup in backups:
                    code = exit_code(lambda: verify(place, backup.id))  # noqa: B023
                    wanted = expected_code(
                        name, damage, backup.id, backup.snapshot_id or "", needed[backup.id]
                    )
                    assert code == wanted, (name, damage, backup.id)
                    restored_wrongly(place, backup.id, tmp_path / "restored", wanted)
                code = exit_code(lambda: verify_all(place.session(), clock=place.clock))
                assert code == expected_code_of_all(name, damage, needed), (name, damage)
            drop_new_records(place, objects)
    sys.stdout.write(
        f"{tried} damages to {kind}, each verified three times and restored twice; seed {SEED}\n"
    )
    assert tried >= 20


def verify(place: Place, backup: str):
    return verify_backup(place.session(), VerifyRequest(backup), clock=place.clock)


def drop_new_records(place: Place, objects: dict[str, bytes]) -> None:
    for info in list(place.storage.list("records/")):
        if info.name not in objects:
            place.storage.delete(info.name)


def restored_wrongly(place: Place, backup: str, destination: Path, wanted: int) -> None:
    """Make sure that a restore either fails or brings back what was backed up."""
    try:
        session = place.session()
        result = run_restore(session, RestoreRequest(backup, to=str(destination), verify=False))
    except BackupManagerError:
        assert wanted, "the restore of an undamaged backup failed"
        return
    finally:
        found = contents(destination / str(place.source)[1:])
        shutil.rmtree(destination, ignore_errors=True)
    original = contents(place.source)
    assert result.files == len(found)
    assert found == {name: original[name] for name in found}
    assert len(found) in (3, 5)


def contents(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
