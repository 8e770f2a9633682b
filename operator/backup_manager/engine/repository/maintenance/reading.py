"""What a maintainer has to know, read in the order that the protocol demands."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backup_manager.common.errors import CorruptDataError, ObjectMissingError, StorageUnreachableError
from backup_manager.engine.repository.collection import Collected, Parts, Stored
from backup_manager.engine.repository.index import Index, Marks
from backup_manager.engine.repository.index_loading import SKIPS_SHARDS, IndexReader, read_shard_if_there
from backup_manager.engine.repository.index_shard import Shard
from backup_manager.engine.repository.intents import Intent, intent_collection, split_names
from backup_manager.engine.repository.maintenance.marking import mark_live
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions
from backup_manager.engine.repository.names import (
    INDEX_PREFIX,
    PACKS_PREFIX,
    PackKind,
    parse_document_object,
    parse_pack_object,
)
from backup_manager.engine.repository.plans import Plan, PlanBoard, read_board
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.problems import Problem
from backup_manager.engine.repository.protocol import Stopwatch
from backup_manager.engine.repository.read_ahead import map_ahead
from backup_manager.engine.repository.snapshots import Snapshot, snapshot_collection


@dataclass(frozen=True, slots=True)
class PackInfo:
    """A pack as the store lists it."""

    kind: PackKind
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """An index shard and the packs that it names; none if it is damaged, or gone since it was listed."""

    name: str
    size: int
    packs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beginning:
    """The store's time before anything was read, the plans that were there by then, and a watch since then."""

    now: float
    plans: frozenset[str]
    watch: Stopwatch


@dataclass(frozen=True, slots=True)
class View:
    """The repository as one reading found it.

    *now* and *watch* are those of its beginning, *ripe_plans* may be carried out by it. *spared* are the packs that
    unexpired intents name; *is_doubtful*: one of these intents, or a plan, is damaged, so that nobody knows
    what it names. *live* are the blobs that something needs.
    """

    now: float
    watch: Stopwatch
    spared: frozenset[str]
    is_doubtful: bool
    expired_intents: tuple[str, ...]
    snapshots: tuple[Snapshot, ...]
    board: PlanBoard
    ripe_plans: tuple[Stored[Plan], ...]
    packs: dict[str, PackInfo]
    shards: tuple[ShardInfo, ...]
    index: Index
    live: Marks


def read_view(parts: Parts, options: MaintenanceOptions, begun: Beginning) -> View:
    """Read everything and mark what is needed.

    Raises:
        CorruptDataError: a snapshot, or something that it needs, cannot be read or is missing.
    """
    intents = intent_collection(parts).read_all()
    hidden = options.without_snapshots
    snapshots = tuple(found for found in read_all_snapshots(parts) if found.name not in hidden)
    board = read_board(parts)
    packs, shards, index = _read_index(parts)
    oldest = begun.now - options.life_seconds
    valid = [stored for stored in intents.found if stored.modified >= oldest]
    live = mark_live(parts, index, snapshots, [stored.value for stored in valid])
    return View(
        now=begun.now,
        watch=begun.watch,
        spared=frozenset(name for stored in valid for name in split_names(stored.value.packs)),
        is_doubtful=bool(board.damaged) or any(found.modified >= oldest for found in intents.damaged),
        expired_intents=tuple(_expired(intents, oldest)),
        snapshots=snapshots,
        board=board,
        ripe_plans=tuple(_ripe(board, options, begun)),
        packs=packs,
        shards=shards,
        index=index,
        live=live,
    )


def read_all_snapshots(parts: Parts) -> tuple[Snapshot, ...]:
    """Return the snapshots of two listings, one after the other; ``CorruptDataError`` if one is damaged.

    A snapshot that is put and another one that is deleted between the pages of one listing might both be
    missed; the second listing finds the new one.
    """
    collection = snapshot_collection(parts)
    first = collection.read_all()
    second = collection.read_all(skip={stored.name for stored in first.found})
    for damaged in (*first.damaged, *second.damaged):
        raise CorruptDataError(f"{damaged.problem.facts}; nothing is deleted as long as it is there")
    return tuple(stored.value for stored in (*first.found, *second.found))


def _ripe(board: PlanBoard, options: MaintenanceOptions, begun: Beginning) -> Iterator[Stored[Plan]]:
    """Yield open plans that are old enough, and were there before the reading began: times are whole seconds."""
    for stored in board.open_plans:
        if stored.name in begun.plans and begun.now - stored.modified >= options.grace_seconds:
            yield stored


def _expired(intents: Collected[Intent], oldest: float) -> Iterator[str]:
    yield from (intent.name for intent in intents.found if intent.modified < oldest)
    yield from (intent.name for intent in intents.damaged if intent.modified < oldest)


def _read_index(parts: Parts) -> tuple[dict[str, PackInfo], tuple[ShardInfo, ...], Index]:
    for skips_shards in SKIPS_SHARDS:
        try:
            return _read_index_once(parts, skips_shards)
        except ObjectMissingError as err:
            missing = err
    raise StorageUnreachableError(
        f"{parts.storage.properties.location} lists what it does not hold: {missing.facts}"
    ) from missing


def _read_index_once(
    parts: Parts, skips_shards: bool
) -> tuple[dict[str, PackInfo], tuple[ShardInfo, ...], Index]:
    packs: dict[str, PackInfo] = {}
    for info in parts.storage.list(PACKS_PREFIX):
        parsed = parse_pack_object(info.name)
        if parsed is not None:
            packs[parsed[0]] = PackInfo(parsed[1], info.size, info.modified)
    index = Index({name: pack.kind for name, pack in packs.items()}, with_members=False)
    threads = max(2, parts.storage.properties.connections)
    with ThreadPoolExecutor(threads, thread_name_prefix="index") as pool:
        shards = tuple(_read_shards(parts, pool, index, skips_shards))
        problems: list[Problem] = []  # damaged trailers: whatever needs them is found to be missing
        reader = IndexReader(parts.storage, parts.vault, pool, problems)
        for contents in reader.trailers(
            {name: pack.kind for name, pack in packs.items() if not index.covers(name)}
        ):
            index.add(contents)
    return packs, shards, index


def _read_shards(parts: Parts, pool: ThreadPoolExecutor, index: Index, skips: bool) -> Iterator[ShardInfo]:
    listed = sorted(
        (name, info.size)
        for info in parts.storage.list(INDEX_PREFIX)
        if (name := parse_document_object(ObjectKind.INDEX, info.name))
    )

    def read(item: tuple[str, int]) -> tuple[str, int, Shard | None]:
        name, size = item
        try:
            return name, size, read_shard_if_there(parts.storage, parts.vault, name, skips=skips)
        except CorruptDataError:
            return name, size, None

    ahead = 2 * max(2, parts.storage.properties.connections)
    for name, size, shard in map_ahead(pool, read, listed, ahead=ahead):
        if shard is not None:
            index.add_shard(shard)
        yield ShardInfo(name, size, shard.names if shard is not None else ())
