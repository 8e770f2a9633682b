"""Packs read in full, several at once, with one pack in memory for each thread."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from backup_manager.engine.repository.index import Location
from backup_manager.engine.repository.names import PACKS_PREFIX, PackKind, parse_pack_object
from backup_manager.engine.repository.pack_check import verify_pack
from backup_manager.engine.repository.ports import Compressor, Vault
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.read_ahead import map_ahead
from backup_manager.engine.storage.base import Storage

MOST_THREADS = 4  # 4 packs of at most 20 MiB, what is decoded aside: 100 MiB


@dataclass(frozen=True, slots=True)
class StoredPack:
    """A pack as the store lists it."""

    name: str
    kind: PackKind
    size: int


@dataclass(slots=True)
class PackFaults:
    """Which packs were read, and what is wrong with some of them."""

    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    read_bytes: int = 0

    def is_sound(self, blob_id: bytes, place: Location) -> bool:
        """Whether nothing was found that concerns the blob at *place*; damage to a trailer concerns all."""
        found = self.problems.get(place.pack, ())
        return not any(problem.blob_id is None or problem.blob_id == blob_id for problem in found)

    def is_whole(self, pack: str) -> bool:
        """Whether nothing at all was found to be wrong with *pack*."""
        return pack not in self.problems


def list_stored_packs(storage: Storage) -> dict[str, StoredPack]:
    """Return every pack that the store lists, by its random name."""
    packs: dict[str, StoredPack] = {}
    for info in storage.list(PACKS_PREFIX):
        parsed = parse_pack_object(info.name)
        if parsed is not None:
            packs[parsed[0]] = StoredPack(*parsed, info.size)
    return packs


class PackChecker:
    """Reads packs and collects what is wrong with them in :attr:`faults`; no pack is read twice.

    *storage* must be the store itself, not a cache of it. *note* is told the bytes of each pack that was read,
    in the caller's thread; what it raises ends the check.
    """

    def __init__(
        self,
        storage: Storage,
        vault: Vault,
        compressor: Compressor,
        note: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        self.faults = PackFaults()
        self._storage = storage
        self._vault = vault
        self._compressor = compressor
        self._note = note

    def check(self, packs: Iterable[StoredPack]) -> None:
        """Read those of *packs* that were not read before.

        Raises:
            StorageUnreachableError: the store did not answer; what was found until then is kept.
        """
        threads = threads_for(self._storage)
        fresh = [pack for pack in packs if pack.name not in self.faults.checked]
        with ThreadPoolExecutor(threads, thread_name_prefix="verify") as pool:
            for pack, problems in map_ahead(pool, self._read, fresh, ahead=2 * threads):
                self.faults.checked.add(pack.name)
                self.faults.read_bytes += pack.size
                if problems:
                    self.faults.problems[pack.name] = problems
                self._note(pack.size)

    def _read(self, pack: StoredPack) -> tuple[StoredPack, tuple[Problem, ...]]:
        return pack, tuple(verify_pack(self._storage, self._vault, self._compressor, pack.kind, pack.name))


def threads_for(storage: Storage) -> int:
    """Return how many packs to read at once: one a core, and more when the store is far away."""
    cores = len(os.sched_getaffinity(0))
    wanted = cores if storage.properties.local else max(cores, storage.properties.connections)
    return max(2, min(MOST_THREADS, wanted))


def told_problem(problem: Problem) -> str:
    """Return the facts of *problem* with the object's name, which they may hold already."""
    if problem.object_name in problem.facts:
        return problem.facts
    return f"{problem.object_name}: {problem.facts}"
