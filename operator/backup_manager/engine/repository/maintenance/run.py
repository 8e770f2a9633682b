"""One maintenance run: decide, carry out old plans, make a new one, clean up."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from backup_manager.common.errors import InterruptedRunError, ObjectMissingError
from backup_manager.engine.repository.collection import Parts, Stored
from backup_manager.engine.repository.copying import copy_blobs
from backup_manager.engine.repository.intents import join_names
from backup_manager.engine.repository.maintenance.choice import Choice, PackUse, choose_packs, measure_use
from backup_manager.engine.repository.maintenance.deletion import Deletion, carry_out, plan_deletion
from backup_manager.engine.repository.maintenance.leftovers import close_damaged_plans, remove_leftovers
from backup_manager.engine.repository.maintenance.reading import View, read_view
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions
from backup_manager.engine.repository.maintenance.shards import ShardChoice, choose_shards, write_merged
from backup_manager.engine.repository.names import document_object
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.plans import Plan, plan_collection
from backup_manager.engine.repository.ports import ObjectKind
from backup_manager.engine.repository.protocol import Stopwatch

_MOST_VIEWS = 3
_MOST_RUNS = 3
DEFAULT_OPTIONS = MaintenanceOptions()


@dataclass(frozen=True, slots=True)
class MaintenancePlan:
    """What a run is going to do.

    *deletion* is due now; *choice* and *shards* enter a new plan. *pending_bytes* are those of packs that
    are, or will be, planned and not yet deleted.
    """

    deletion: Deletion
    choice: Choice
    shards: ShardChoice
    freed_bytes: int
    pending_bytes: int

    @property
    def rewritten_bytes(self) -> int:
        """What is copied out of sparse packs."""
        return self.choice.rewritten_bytes


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What a run has done. *freed_bytes* are the sizes of deleted packs, *rewritten_bytes* were copied first.

    *pending_bytes* are planned: a run after the grace period frees them.
    """

    freed_bytes: int
    pending_bytes: int
    rewritten_bytes: int
    deleted_packs: int
    planned_packs: int
    leftovers: int


def plan_maintenance(parts: Parts, options: MaintenanceOptions = DEFAULT_OPTIONS) -> MaintenancePlan:
    """Return what :func:`run_maintenance` would do now; writes nothing.

    Raises:
        CorruptDataError: as there.
    """
    view = read_view(parts, options, options.clock(), Stopwatch(options.clocks))
    return decide(view, options)


def run_maintenance(parts: Parts, options: MaintenanceOptions = DEFAULT_OPTIONS) -> MaintenanceReport:
    """Free what nothing needs, as the protocol has it; any number of runs at once, and writers, do no harm.

    Raises:
        CorruptDataError: something that a backup needs cannot be read or is missing: nothing was deleted.
        InterruptedRunError: other maintenance is in the way.
    """
    for _ in range(_MOST_RUNS):
        try:
            return _run_once(parts, options)
        except ObjectMissingError as err:
            missing = err
    raise InterruptedRunError(
        f"{missing.facts}: something else deletes packs at the same time",
        solution="Run maintenance again when the other run has ended.",
    ) from missing


def decide(view: View, options: MaintenanceOptions) -> MaintenancePlan:
    """Return what follows from *view*; reads and writes nothing."""
    ripe = [stored for stored in view.board.open_plans if view.now - stored.modified >= options.grace_seconds]
    deletion = plan_deletion(view, ripe)
    remaining = {name: pack.size for name, pack in view.packs.items() if name not in set(deletion.packs)}
    planned = view.board.planned_packs()
    uses = measure_use(view.index, view.live, remaining, planned)
    choice = choose_packs(
        (use for use in uses if _is_eligible(view, use, planned, options)), options.max_rewrite_bytes
    )
    staying = remaining.keys() - planned - set(choice.packs)
    young = {name for name in staying if view.now - view.packs[name].modified < options.grace_seconds}
    shards = tuple(shard for shard in view.shards if shard.name not in set(deletion.shards))
    open_bytes = sum(remaining[pack] for pack in _still_planned(view, deletion) if pack in remaining)
    is_immediate = options.grace_seconds <= 0 and not view.is_doubtful
    return MaintenancePlan(
        deletion=deletion,
        choice=choice,
        shards=choose_shards(shards, staying, young),
        freed_bytes=deletion.freed_bytes + (choice.stored_bytes if is_immediate else 0),
        pending_bytes=open_bytes + (0 if is_immediate else choice.stored_bytes),
    )


def read_store_time(parts: Parts, options: MaintenanceOptions) -> float:
    """Return the store's time, from an object that is put, listed and removed: a plan of nothing."""
    plans = plan_collection(parts)
    name = plans.put_new(Plan(), options.random_bytes)
    object_name = document_object(ObjectKind.PLAN, name)
    times = [info.modified for info in parts.storage.list(object_name)]
    plans.delete(name)
    return min(times, default=0.0)  # a store that does not list it yet: then nothing is old enough


def _run_once(parts: Parts, options: MaintenanceOptions) -> MaintenanceReport:
    view, plan, is_done = _carry_out_old_plans(parts, options)
    close_damaged_plans(parts, view, options)
    new = _make_plan(parts, view, plan, options)
    freed_bytes = plan.deletion.freed_bytes if is_done else 0
    pending_bytes = plan.pending_bytes + (0 if is_done else plan.deletion.freed_bytes)
    deleted = len(plan.deletion.packs) if is_done else 0
    if new is not None and options.grace_seconds <= 0:
        written = view.index.packs().keys() - view.packs.keys()
        deletion = plan_deletion(view, (new,), written)
        carry_out(parts, view, deletion, options)
        freed_bytes += deletion.freed_bytes
        deleted += len(deletion.packs)
    return MaintenanceReport(
        freed_bytes=freed_bytes,
        pending_bytes=pending_bytes,
        rewritten_bytes=plan.rewritten_bytes,
        deleted_packs=deleted,
        planned_packs=len(plan.choice.packs),
        leftovers=remove_leftovers(parts, view, options),
    )


def _carry_out_old_plans(parts: Parts, options: MaintenanceOptions) -> tuple[View, MaintenancePlan, bool]:
    for _ in range(_MOST_VIEWS):
        now = read_store_time(parts, options)
        view = read_view(parts, options, now, Stopwatch(options.clocks))
        plan = decide(view, options)
        if carry_out(parts, view, plan.deletion, options):
            return view, plan, True
    return view, plan, False


def _is_eligible(view: View, use: PackUse, planned: Collection[str], options: MaintenanceOptions) -> bool:
    """Whether a pack may be planned: young ones may belong to a run that has yet to commit."""
    is_old = view.now - view.packs[use.name].modified >= options.grace_seconds
    return is_old and use.name not in planned and use.name not in view.spared


def _still_planned(view: View, deletion: Deletion) -> frozenset[str]:
    done = set(deletion.plans)
    waiting = tuple(stored for stored in view.board.open_plans if stored.name not in done)
    return replace(view.board, plans=waiting).planned_packs()


def _make_plan(
    parts: Parts, view: View, plan: MaintenancePlan, options: MaintenanceOptions
) -> Stored[Plan] | None:
    """Copy what sparse packs are used for, merge shards, then put a plan; ``None`` if nothing is to go."""
    gone = set(plan.deletion.packs)
    view.index.condemn(view.board.planned_packs() | gone | set(plan.choice.packs))
    if plan.choice.sparse:
        with PackWriter(parts.storage, parts.vault, view.index, random_bytes=options.random_bytes) as writer:
            sparse = {use.name: use.kind for use in plan.choice.sparse}
            copy_blobs(parts, sparse, view.live.__contains__, writer)
    if plan.shards.merged or plan.shards.uncovered:
        leaving = gone | set(plan.choice.packs) | view.board.planned_packs()
        staying = {name: pack.kind for name, pack in view.packs.items() if name not in leaving}
        write_merged(parts, plan.shards, staying, options)
    if not (plan.choice.packs or plan.shards.removed):
        return None
    value = Plan(packs=join_names(plan.choice.packs), shards=join_names(plan.shards.removed))
    return Stored(plan_collection(parts).put_new(value, options.random_bytes), view.now, value)
