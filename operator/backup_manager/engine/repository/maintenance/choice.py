"""Which packs go: those that nothing needs, and those that hold little that something needs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from backup_manager.engine.repository.index import Index, Location, Marks
from backup_manager.engine.repository.names import PackKind
from backup_manager.engine.repository.pack import CLOSED_AT_BYTES

LEAST_USED_SHARE = 0.6  # below, a pack is copied: what is freed costs at most 1.5 times as much to rewrite
SMALL_SHARE = 0.25  # of the size at which a pack is closed
SMALL_PACKS = 16  # so many small packs of a kind are worth being joined


@dataclass(frozen=True, slots=True)
class PackUse:
    """A pack with the bytes of its blobs, and of those that something needs and this pack is to keep."""

    name: str
    kind: PackKind
    size: int
    blob_bytes: int
    used_bytes: int

    @property
    def share(self) -> float:
        """The share of the pack that is used; 0 when nobody knows what is in it."""
        return self.used_bytes / self.blob_bytes if self.blob_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """*dead* packs are only deleted, what *sparse* ones are used for is copied first."""

    dead: tuple[PackUse, ...]
    sparse: tuple[PackUse, ...]

    @property
    def packs(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(use.name for use in (*self.dead, *self.sparse))

    @property
    def stored_bytes(self) -> int:
        """The size of all."""
        return sum(use.size for use in (*self.dead, *self.sparse))

    @property
    def rewritten_bytes(self) -> int:
        """What is copied."""
        return sum(use.used_bytes for use in self.sparse)


def measure_use(
    index: Index, live: Marks, sizes: dict[str, int], distrusted: Collection[str]
) -> tuple[PackUse, ...]:
    """Return the use of the packs in *sizes*, sorted by name.

    A blob counts as used in one of its packs only: in one that is not *distrusted*, then in that of which most
    is used, then in the largest (what a killed run has joined is not joined again), then by name, so that all
    who look choose the same. It reads the whole index twice, and needs two bits for each blob besides.
    """
    totals = dict.fromkeys(sizes, 0)
    needed = dict.fromkeys(sizes, 0)
    seen, twice = index.marks(), index.marks()
    for blob_id, place in index.entries():
        if place.pack not in sizes:
            continue
        totals[place.pack] += place.stored_bytes
        if blob_id in live:
            needed[place.pack] += place.stored_bytes
            if not seen.mark(blob_id):
                twice.mark(blob_id)

    def rank(place: Location) -> tuple[bool, float, int, str]:
        share = needed[place.pack] / totals[place.pack]
        return place.pack in distrusted, -share, -sizes[place.pack], place.pack

    used = dict(needed)
    for blob_id, place in index.entries():
        if place.pack in sizes and blob_id in twice:
            places = [other for other in index.locations(blob_id) if other.pack in sizes]
            if min(places, key=rank).pack != place.pack:
                used[place.pack] -= place.stored_bytes
    kinds = index.packs()
    return tuple(PackUse(name, kinds[name], sizes[name], totals[name], used[name]) for name in sorted(sizes))


def choose_packs(eligible: Iterable[PackUse], max_rewrite_bytes: int) -> Choice:
    """Return what goes; of packs to be copied, the emptiest, as far as *max_rewrite_bytes* reach."""
    uses = sorted(eligible, key=lambda use: (use.share, use.name))
    dead = tuple(use for use in uses if not use.used_bytes)
    small = {name for kind in PackKind for name in _find_small(uses, kind)}
    sparse: list[PackUse] = []
    for use in uses:
        is_worth_it = use.share < LEAST_USED_SHARE or use.name in small
        if use.used_bytes and is_worth_it and use.used_bytes <= max_rewrite_bytes:
            sparse.append(use)
            max_rewrite_bytes -= use.used_bytes
    return Choice(dead, tuple(sparse))


def _find_small(uses: Iterable[PackUse], kind: PackKind) -> list[str]:
    most = CLOSED_AT_BYTES[kind] * SMALL_SHARE
    names = [use.name for use in uses if use.kind is kind and use.used_bytes and use.size < most]
    return names if len(names) >= SMALL_PACKS else []
