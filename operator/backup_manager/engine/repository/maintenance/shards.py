"""Index shards: which are merged, so that a reader opens a few large ones instead of one for each backup."""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.documents import seal_document
from backup_manager.engine.repository.index_loading import IndexReader, read_shard
from backup_manager.engine.repository.index_shard import SHARD_BYTES, cut_into_shards, encode_shard
from backup_manager.engine.repository.maintenance.reading import ShardInfo
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions
from backup_manager.engine.repository.names import PackKind, document_object, random_name
from backup_manager.engine.repository.pack import PackContents
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.problems import Problem

SMALL_SHARDS = 8  # so many are merged
_SMALL_BYTES = SHARD_BYTES // 2
_MOST_STALE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class ShardChoice:
    """*merged* shards are written anew, without packs that go; *useless* ones say nothing that others do not.

    *uncovered* packs stay, and no shard that stays or is merged names them.
    """

    merged: tuple[str, ...] = ()
    useless: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[str, ...]:
        """The shards that go."""
        return (*self.merged, *self.useless)


def choose_shards(
    shards: tuple[ShardInfo, ...], staying: Collection[str], young: Collection[str]
) -> ShardChoice:
    """Return what is to be done so that the *staying* packs are found in few shards.

    Shards for *young* packs may still be on their way: nobody else writes them.
    """
    useless, stale, small = [], [], []
    covered: set[str] = set()
    for shard in sorted(shards, key=lambda shard: (-len(shard.packs), shard.name)):
        useful = [pack for pack in shard.packs if pack in staying]
        if covered.issuperset(useful):
            useless.append(shard.name)
            continue
        covered.update(useful)
        if len(useful) < len(shard.packs) * (1 - _MOST_STALE_SHARE):
            stale.append(shard.name)
        elif shard.size < _SMALL_BYTES:
            small.append(shard.name)
    merged = [*stale, *small] if stale or len(small) >= SMALL_SHARDS else []
    uncovered = sorted(pack for pack in staying if pack not in covered and pack not in young)
    return ShardChoice(tuple(sorted(merged)), tuple(sorted(useless)), tuple(uncovered))


def write_merged(
    parts: Parts, choice: ShardChoice, staying: dict[str, PackKind], options: MaintenanceOptions
) -> int:
    """Write shards that say of *staying* packs what the merged ones say, and of uncovered ones; their number."""
    count = 0
    for group in cut_into_shards(_contents(parts, choice, staying)):
        name = random_name(options.random_bytes)
        sealed = seal_document(parts.vault, None, ObjectKind.INDEX, name, encode_shard(group))
        parts.storage.put(document_object(ObjectKind.INDEX, name), (sealed,))
        count += 1
    return count


def _contents(parts: Parts, choice: ShardChoice, staying: dict[str, PackKind]) -> Iterator[PackContents]:
    written: set[str] = set()
    for name in choice.merged:
        for contents in read_shard(parts.storage, parts.vault, name).packs(staying):
            if contents.name not in written:
                written.add(contents.name)
                yield contents
    problems: list[Problem] = []  # a damaged trailer: nobody can say what is in that pack
    with ThreadPoolExecutor(2, thread_name_prefix="trailers") as pool:
        uncovered = {name: staying[name] for name in choice.uncovered}
        yield from IndexReader(parts.storage, parts.vault, pool, problems).trailers(uncovered)
