"""One maintenance run: decide, carry out old plans, make a new one, clean up."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from backup_manager.common.errors import InterruptedRunError, ObjectMissingError
from backup_manager.engine.repository.collection import Parts
from backup_manager.engine.repository.copying import copy_blobs
from backup_manager.engine.repository.intents import join_names
from backup_manager.engine.repository.maintenance.choice import Choice, PackUse, choose_packs, measure_use
from backup_manager.engine.repository.maintenance.deletion import Deletion, carry_out, plan_deletion
from backup_manager.engine.repository.maintenance.leftovers import close_damaged_plans, remove_leftovers
from backup_manager.engine.repository.maintenance.reading import Beginning, View, read_view
from backup_manager.engine.repository.maintenance.settings import MaintenanceOptions
from backup_manager.engine.repository.maintenance.shards import ShardChoice, choose_shards, write_merged
from backup_manager.engine.repository.pack_writer import PackWriter
from backup_manager.engine.repository.plans import Plan, plan_collection
from backup_manager.engine.repository.protocol import Stopwatch

_MOST_VIEWS = 3
_MOST_RUNS = 3
DEFAULT_OPTIONS = MaintenanceOptions()


@dataclass(frozen=True, slots=True)
class MaintenancePlan:
    """What a run is going to do.

    *deletion* is due now; *choice* and *shards* enter a new plan, which is carried out in the same run if it
    *is_immediate*. *open_bytes* are those of packs in other plans that wait, and of packs that nothing needs
    and that are too young for a plan.
    """

    deletion: Deletion
    choice: Choice
    shards: ShardChoice
    open_bytes: int
    is_immediate: bool

    @property
    def freed_bytes(self) -> int:
        """What the run frees."""
        return self.deletion.freed_bytes + (self.choice.stored_bytes if self.is_immediate else 0)

    @property
    def pending_bytes(self) -> int:
        """What is planned then, and not yet deleted."""
        return self.open_bytes + (0 if self.is_immediate else self.choice.stored_bytes)

    @property
    def rewritten_bytes(self) -> int:
        """What is copied out of sparse packs."""
        return self.choice.rewritten_bytes


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What a run has done. *freed_bytes* are the sizes of deleted packs, *rewritten_bytes* were copied first.

    *pending_bytes* are planned, or will be when they are old enough: runs after the grace period free them.
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
    names = frozenset(name for name, _ in plan_collection(parts).list())
    view = read_view(parts, options, Beginning(options.clock(), names, Stopwatch(options.clocks)))
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
    deletion = plan_deletion(view, view.ripe_plans)
    gone = {*deletion.packs, *deletion.shards}
    remaining = {name: pack.size for name, pack in view.packs.items() if name not in gone}
    planned = view.board.planned_packs()
    uses = measure_use(view.index, view.live, remaining, planned)
    choice = choose_packs(
        (use for use in uses if _is_eligible(view, use, planned, options)), options.max_rewrite_bytes
    )
    staying = remaining.keys() - planned - set(choice.packs)
    young = {name for name in staying if view.now - view.packs[name].modified < options.grace_seconds}
    shards = tuple(shard for shard in view.shards if shard.name not in gone)
    open_bytes = sum(remaining[pack] for pack in _still_planned(view, deletion) if pack in remaining)
    open_bytes += sum(use.size for use in uses if use.name in young and not use.used_bytes)
    is_immediate = options.grace_seconds <= 0 and not view.is_doubtful
    return MaintenancePlan(
        deletion=deletion,
        choice=choice,
        shards=choose_shards(shards, staying, young),
        open_bytes=open_bytes,
        is_immediate=is_immediate,
    )


def begin_reading(parts: Parts, options: MaintenanceOptions) -> Beginning:
    """Return the store's time, from an object that is put, listed and removed, and the plans beside it."""
    watch = Stopwatch(options.clocks)
    plans = plan_collection(parts)
    own = plans.put_new(Plan(), options.random_bytes)
    times = {name: info.modified for name, info in plans.list()}
    plans.delete(own)
    now = times.get(own, 0.0)  # on a store that does not list it yet, nothing is old enough
    return Beginning(now, frozenset(times.keys() - {own}), watch)


def _run_once(parts: Parts, options: MaintenanceOptions) -> MaintenanceReport:
    view, plan, freed = _carry_out_plans(parts, options)
    close_damaged_plans(parts, view, options)
    is_made = _make_plan(parts, view, plan, options)
    if is_made and options.grace_seconds <= 0:
        del view  # its index: one at a time is enough
        view, later, freed_later = _carry_out_plans(parts, options)  # by what was read after the plan was put
        freed = freed.joined(freed_later)
        waiting_bytes = later.open_bytes
    else:
        waiting_bytes = plan.open_bytes + plan.choice.stored_bytes
    is_undone = plan.deletion.plans and not freed.plans
    return MaintenanceReport(
        freed_bytes=freed.freed_bytes,
        pending_bytes=waiting_bytes + (plan.deletion.freed_bytes if is_undone else 0),
        rewritten_bytes=plan.rewritten_bytes,
        deleted_packs=len(freed.packs),
        planned_packs=len(plan.choice.packs),
        leftovers=remove_leftovers(parts, view, options),
    )


def _carry_out_plans(parts: Parts, options: MaintenanceOptions) -> tuple[View, MaintenancePlan, Deletion]:
    """Delete what is due, and return what it was done by, and what was done: nothing if it took too long."""
    for _ in range(_MOST_VIEWS):
        view = read_view(parts, options, begin_reading(parts, options))
        plan = decide(view, options)
        if carry_out(parts, view, plan.deletion, options):
            return view, plan, plan.deletion
    return view, plan, Deletion()


def _is_eligible(view: View, use: PackUse, planned: Collection[str], options: MaintenanceOptions) -> bool:
    """Whether a pack may be planned: young ones may belong to a run that has yet to commit."""
    is_old = view.now - view.packs[use.name].modified >= options.grace_seconds
    return is_old and use.name not in planned and use.name not in view.spared


def _still_planned(view: View, deletion: Deletion) -> frozenset[str]:
    done = set(deletion.plans)
    waiting = tuple(stored for stored in view.board.open_plans if stored.name not in done)
    return replace(view.board, plans=waiting).planned_packs()


def _make_plan(parts: Parts, view: View, plan: MaintenancePlan, options: MaintenanceOptions) -> bool:
    """Copy what sparse packs are used for, merge shards, then put a plan; false if nothing is to go."""
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
        return False
    value = Plan(packs=join_names(plan.choice.packs), shards=join_names(plan.shards.removed))
    plan_collection(parts).put_new(value, options.random_bytes)
    return True
