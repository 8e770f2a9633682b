"""Writing and deleting at once, without locks: what writers and maintainers do, in which order.

Words
    L is the life of an intent (24 h, the same for everybody), G the grace period of maintenance. An intent is
    *expired* when it is older than L by the store's clock. A pack is *planned* as long as a plan in the store
    names it, closed or not.

A writer (:class:`Committer`)
    1. Lists packs and reads the plans. What only planned packs hold is stored again; index entries of packs
       that are not listed count for nothing. An incremental run also builds upon its *bases*, older snapshots
       whose catalogue pages it takes over unread.
    2. Stores packs, then index shards. A run that lasts puts an intent from time to time (:meth:`announce`).
    3. Puts an intent that names all packs that it relies on or has written, and the roots of its bases.
    4. Reads the plans, *then* lists the packs, then the snapshots. What is in a planned pack, it copies to new
       packs; then again from 3. What is gone and nowhere else, or a base that is gone: the run has failed.
    5. If more than L/2 has passed since 3: again from 3. A machine may have slept.
    6. Puts the snapshot.
    7. Lists the snapshots: a base that is gone means that the run has failed. If the snapshot is more than L/2
       younger than the intent, by the store's clock or by its own, it also repeats 4: a pack that is planned
       or gone means that the run has failed. A run that has failed removes its snapshot.
    8. Removes its intent, if it can.

A maintainer (``maintenance``)
    1. Learns the store's time from an object that it has just put.
    2. Reads in this order: intents, snapshots, snapshots once more, plans, packs, index. It marks every blob
       that can be reached from a snapshot or from the roots in an intent that is not expired. A snapshot whose
       catalogue cannot be read ends the run: nothing is deleted.
    3. Carries out each open plan that is at least G old, whoever made it: deletes those of its packs that no
       unexpired intent names, and of which each marked blob is also in a listed pack that is not planned. If L/2
       has passed since 2 began, it begins again with 2. Then it puts a mark that closes the plan. Nobody acts
       on a plan that is closed.
    4. Chooses what else is to go: packs, at least G old and not planned, without a marked blob, and packs largely
       without, whose marked blobs it first copies to new packs. Of several places of a blob, all maintainers
       prefer the same. Then it puts a plan. Index shards go the same way, once others say the same. If G is 0,
       it goes on with 2 and 3: what was read before a plan was put never serves to carry it out.
    5. Removes plans whose closing mark is at least L old, then the marks; intents that are expired.

Why nothing is lost
    *A pack that a timely snapshot refers to.* The maintainer that deletes it has read the intents before the
    intent was put, or after it was removed. In the second case it reads the snapshots later, and finds the
    snapshot. In the first case its plan was put before the intent, so the writer has found the plan in 4, unless
    it was removed by then: L after it was closed, so that all who acted on it have ended, and the writer has
    found the pack missing.
    *A late snapshot.* It is only kept after a look at the plans and the packs from after its put. A plan that
    is put later is carried out by somebody who finds the snapshot; one that was there was seen; one that was
    removed has no one left who acts on it.
    *What is reached through a base.* The base is there until after the put. Whoever lists the snapshots twice
    has found one of the two, even if the base is deleted between the pages of a listing.
    *Two copies of one blob.* Each is deleted only while the other is in no plan. Of two maintainers with a plan
    for one copy each, the later one to read finds the other's plan, or the other's copy gone.
    None of this depends on G. It spares those who would have to begin anew: runs that have not yet put an
    intent, and readers. With G = 0 the caller promises that there are none.

What is assumed
    What is put or deleted is seen by every listing that begins later (a lag of less than L/4 does no harm
    where G is longer than it). A request takes effect within L/2 after it was issued. Clocks of writers and
    the store run at nearly one pace; they need not agree.
    A writer that slept for more than L/2 between 5 and 6 *and* is killed between 6 and 7 leaves a snapshot that
    nobody has promised to be whole; verification tells.

``tests/unit/repository/test_protocol_model.py`` explores all interleavings of an abstract model of this.
"""

import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from backup_manager.common.errors import BackupManagerError, InterruptedRunError, ObjectMissingError
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.copying import copy_blobs
from backup_manager.engine.repository.index import Index, load_index
from backup_manager.engine.repository.index_loading import list_packs
from backup_manager.engine.repository.intents import (
    INTENT_LIFE_SECONDS,
    Intent,
    intent_collection,
    join_names,
)
from backup_manager.engine.repository.names import PackKind, document_object, pack_object
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.plans import read_planned_packs
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.snapshots import Snapshot, snapshot_collection

MOST_ROUNDS = 10  # each further one means that maintenance planned more of our packs, or that we slept


def running_clock() -> float:
    """Return seconds since the machine was started, those it was suspended for included where it tells."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class ProtocolOptions:
    """Time and randomness, as arguments for tests.

    The *clocks* only measure how much time has passed; whichever says most is believed. A virtual machine
    that was paused may notice by its wall clock alone.
    """

    life_seconds: float = INTENT_LIFE_SECONDS
    clocks: tuple[Callable[[], float], ...] = (running_clock, time.time)
    random_bytes: Callable[[int], bytes] = os.urandom


class Stopwatch:
    """How much time has passed since it was made."""

    def __init__(self, clocks: tuple[Callable[[], float], ...]) -> None:
        self._clocks = clocks
        self._begun = [clock() for clock in clocks]

    @property
    def seconds(self) -> float:
        """The most that any of the clocks says."""
        return max(clock() - begun for clock, begun in zip(self._clocks, self._begun, strict=True))


DEFAULT_OPTIONS = ProtocolOptions()


class Committer:
    """A writer's side of the protocol; for one thread.

    To be made right after *index* was loaded and before the first blob is looked for in it: packs that are
    planned are condemned in it. *bases* are the snapshots whose catalogue the run builds upon.
    """

    def __init__(
        self,
        parts: Parts,
        index: Index,
        bases: Collection[Snapshot] = (),
        options: ProtocolOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._parts = parts
        self._index = index
        self._bases = tuple(bases)
        self._options = options
        self._intents = intent_collection(parts)
        self._snapshots = snapshot_collection(parts)
        self._found = frozenset(index.packs())
        self._packs_named: frozenset[str] = frozenset()
        self._intent = ""
        self._watch = Stopwatch(options.clocks)
        index.condemn(read_planned_packs(parts))

    def announce(self) -> None:
        """Put an intent if the last one is getting old, so that maintenance spares the packs of a long run.

        The protocol is safe without; but packs that were deleted meanwhile would end the run at its commit.
        """
        if self._watch.seconds >= self._options.life_seconds / 4:
            self._put_intent(self._packs())

    def commit(self, snapshot: Snapshot) -> Snapshot:
        """Store *snapshot*, all of whose packs and index shards are durable, and return it as it was stored.

        Raises:
            InterruptedRunError: something that it needs was deleted meanwhile; the next run stores it again.
        """
        try:
            self._settle_packs()
            stored = replace(snapshot, intent=self._intent)
            self._put(stored)
        finally:
            self._remove_intent()
        return stored

    def _packs(self) -> frozenset[str]:
        """The packs that this run relies on, and those that it has written."""
        return self._index.relied_on() | (self._index.packs().keys() - self._found)

    def _settle_packs(self) -> None:
        """Steps 3 to 5: return when a timely intent names packs that are all there and not planned."""
        packs = self._packs()
        for _ in range(MOST_ROUNDS):
            self._put_intent(packs)
            planned, lost = self._find_lost(packs)
            self._check_bases()
            if lost:
                with suppress(
                    ObjectMissingError
                ):  # deleted while it was copied: the next round looks elsewhere
                    packs = (packs - lost) | self._replace(lost, planned)
            elif not self._is_late():
                return
        raise InterruptedRunError(
            f"packs of this run were planned for deletion {MOST_ROUNDS} times while it was to be committed",
            solution="Run it again when maintenance has ended.",
        )

    def _find_lost(self, packs: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the packs that are planned, and those of *packs* that are planned or gone, in this order."""
        planned = read_planned_packs(self._parts)
        listed = list_packs(self._parts.storage)
        unlisted = packs - listed.keys()
        known = self._index.packs()
        gone = {
            pack for pack in unlisted if pack not in known or not self._exists(pack_object(pack, known[pack]))
        }
        return planned, (packs & planned) | gone

    def _exists(self, object_name: str) -> bool:
        """Whether there is an object that was not listed: listings of some stores lag."""
        try:
            self._parts.storage.size(object_name)
        except ObjectMissingError:
            return False
        return True

    def _put_intent(self, packs: frozenset[str]) -> None:
        self._watch = Stopwatch(self._options.clocks)
        self._packs_named = packs
        roots = tuple(root for base in self._bases for root in base.roots)
        intent = Intent(packs=join_names(packs), roots=roots, host=socket.gethostname())
        earlier = self._intent
        self._intent = self._intents.put_new(intent, self._options.random_bytes)
        if earlier:
            self._intents.delete(earlier)

    def _replace(self, lost: frozenset[str], planned: frozenset[str]) -> frozenset[str]:
        """Return packs that hold what the *lost* ones held: others, and new ones for what only planned ones hold.

        From here on the index is the one that was loaded now: it knows all of these packs.
        """
        index = load_index(self._parts.storage, self._parts.vault, condemned=planned, with_members=False)
        found = frozenset(index.packs())
        sources: dict[str, PackKind] = {}
        wanted: set[bytes] = set()
        for blob_id in self._blobs_of(lost):
            if index.holds(blob_id):
                continue
            place = next(iter(index.locations(blob_id)), None)
            if place is None:
                raise InterruptedRunError(f"blob {blob_id.hex()} of this run was deleted meanwhile")
            sources[place.pack] = place.kind
            wanted.add(blob_id)
        random_bytes = self._options.random_bytes
        with PackWriter(self._parts.storage, self._parts.vault, index, random_bytes=random_bytes) as writer:
            copy_blobs(self._parts, sources, wanted.__contains__, writer)
        self._index = index
        return index.relied_on() | (index.packs().keys() - found)

    def _blobs_of(self, packs: frozenset[str]) -> Iterator[bytes]:
        for pack in packs:
            if not self._index.covers(pack):
                raise InterruptedRunError(f"pack {pack} of this run was deleted meanwhile")
        for blobs in self._index.blobs_of(packs).values():
            yield from (blob.id for blob in blobs)

    def _put(self, snapshot: Snapshot) -> None:
        try:
            self._snapshots.put(snapshot, snapshot.name)
            self._check_put(snapshot)
        except BackupManagerError:
            with suppress(BackupManagerError):
                self._snapshots.delete(snapshot.name)
            raise

    def _check_put(self, snapshot: Snapshot) -> None:
        """Step 7."""
        stored_at = self._check_bases().get(snapshot.name)
        intents = {name: info.modified for name, info in self._intents.list()}
        intended_at = intents.get(snapshot.intent)
        half = self._options.life_seconds / 2
        is_timely = stored_at is not None and intended_at is not None and stored_at - intended_at <= half
        if is_timely and not self._is_late():
            return
        _, lost = self._find_lost(self._packs_named)
        if lost:
            raise InterruptedRunError(
                f"the run was suspended while it was committed, and {len(lost)} packs were deleted meanwhile"
            )

    def _check_bases(self) -> dict[str, float]:
        """Return when each snapshot was stored, by the store's clock; the bases must be there."""
        stored = {name: info.modified for name, info in self._snapshots.list()}
        for base in self._bases:
            if base.name not in stored and not self._exists(document_object(ObjectKind.SNAPSHOT, base.name)):
                raise InterruptedRunError(
                    f"backup {base.backup_id}, which this run builds upon, was deleted meanwhile"
                )
        return stored

    def _is_late(self) -> bool:
        return self._watch.seconds > self._options.life_seconds / 2

    def _remove_intent(self) -> None:
        if self._intent:
            with suppress(BackupManagerError):  # else it expires by itself
                self._intents.delete(self._intent)
        self._intent = ""
