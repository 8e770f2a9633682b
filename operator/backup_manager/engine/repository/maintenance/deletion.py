"""Carrying out plans: what of them may be deleted, by what was read, and the deletion itself."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backup_manager.engine.repository.collection import Parts, Stored
from backup_manager.engine.repository.intents import split_names
from backup_manager.engine.repository.maintenance.reading import View
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions
from backup_manager.engine.repository.names import document_object, pack_object
from backup_manager.engine.repository.plans import Plan, plan_collection
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.storage.base import Storage


@dataclass(frozen=True, slots=True)
class Deletion:
    """What may be deleted now on behalf of *plans*, which are closed afterwards; *spared* packs stay."""

    plans: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    freed_bytes: int = 0

    def joined(self, other: "Deletion") -> "Deletion":
        """Return both as one."""
        return Deletion(
            self.plans + other.plans,
            self.packs + other.packs,
            self.spared + other.spared,
            self.shards + other.shards,
            self.freed_bytes + other.freed_bytes,
        )


def plan_deletion(view: View, plans: Sequence[Stored[Plan]]) -> Deletion:
    """Return what may be deleted of *plans*, by what *view* has found since they were put.

    Nothing may be as long as the view is doubtful.
    """
    if view.is_doubtful or not plans:
        return Deletion()
    named = {pack for stored in plans for pack in split_names(stored.value.packs) if pack in view.packs}
    trusted = view.packs.keys() - view.board.planned_packs()
    spared = {pack for pack in named if pack in view.spared}
    spared |= find_needed(view, named - spared, trusted)
    packs = tuple(sorted(named - spared))
    return Deletion(
        plans=tuple(stored.name for stored in plans),
        packs=packs,
        spared=tuple(sorted(spared)),
        shards=tuple(sorted({shard for stored in plans for shard in split_names(stored.value.shards)})),
        freed_bytes=sum(view.packs[pack].size for pack in packs),
    )


def find_needed(view: View, packs: Collection[str], trusted: Collection[str]) -> set[str]:
    """Return those of *packs* that hold a live blob which no *trusted* pack holds."""
    needed: set[str] = set()
    if not packs:
        return needed
    for blob_id, place in view.index.entries():
        if place.pack not in packs or place.pack in needed or blob_id not in view.live:
            continue
        if not any(other.pack in trusted for other in view.index.locations(blob_id)):
            needed.add(place.pack)
    return needed


def carry_out(parts: Parts, view: View, deletion: Deletion, options: MaintenanceOptions) -> bool:
    """Delete, then close the plans, and return True; False when *view* became too old on the way.

    What was not deleted by then is to be decided again, by a new view.
    """
    names = [pack_object(pack, view.packs[pack].kind) for pack in deletion.packs]
    names += [document_object(ObjectKind.INDEX, shard) for shard in deletion.shards]
    for some in _portions(names, parts.storage):
        if view.watch.seconds >= options.acts_within_seconds:
            return False
        _delete_at_once(parts.storage, some)
    plans = plan_collection(parts)
    for name in deletion.plans:
        plans.put_new(Plan(closes=name), options.random_bytes)
    return True


def _portions(names: Sequence[str], storage: Storage) -> Iterator[Sequence[str]]:
    count = max(1, storage.properties.connections)
    return (names[at : at + count] for at in range(0, len(names), count))


def _delete_at_once(storage: Storage, names: Sequence[str]) -> None:
    if len(names) == 1 or storage.properties.local:
        for name in names:
            storage.delete(name)
        return
    with ThreadPoolExecutor(len(names), thread_name_prefix="delete") as pool:
        for deletion in [pool.submit(storage.delete, name) for name in names]:
            deletion.result()
