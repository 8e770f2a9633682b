"""Plans: what maintenance is going to delete, said a grace period before it does, so that writers avoid it."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from backup_manager.common.errors import CorruptDataError
from backup_manager.engine.repository.collection import Collected, Collection, Damaged, Parts, Stored
from backup_manager.engine.repository.intents import join_names, split_names
from backup_manager.engine.repository.ports import ObjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """*packs* and *shards* are raw names, as in an intent.

    A plan that *closes* another one names nothing else: nobody is going to delete anything for that one any
    more, and once this mark is as old as an intent can become, both are removed.
    """

    packs: bytes = b""
    shards: bytes = b""
    closes: str = ""


@dataclass(frozen=True, slots=True)
class PlanBoard:
    """All plans of the store at one time.

    *closed_at* tells for each closed plan when its oldest mark was stored, by the store's clock; *marks* are
    the names of all marks with the plans that they close.
    """

    plans: tuple[Stored[Plan], ...]
    damaged: tuple[Damaged, ...]
    closed_at: dict[str, float]
    marks: tuple[tuple[str, str], ...]

    @property
    def open_plans(self) -> tuple[Stored[Plan], ...]:
        """The plans that may still be carried out."""
        return tuple(stored for stored in self.plans if stored.name not in self.closed_at)

    def planned_packs(self) -> frozenset[str]:
        """The packs that any plan names, closed ones included: what they spare is trusted when they are gone."""
        return frozenset(name for stored in self.plans for name in split_names(stored.value.packs))


def plan_collection(parts: Parts) -> Collection[Plan]:
    """Return the collection of all plans."""
    return Collection(parts, ObjectKind.PLAN, Plan)


def read_board(parts: Parts) -> PlanBoard:
    """Return all plans, and which of them are closed."""
    collected: Collected[Plan] = plan_collection(parts).read_all()
    plans = tuple(stored for stored in collected.found if not stored.value.closes)
    marks = [stored for stored in collected.found if stored.value.closes]
    closed_at: dict[str, float] = {}
    for mark in marks:
        closes = mark.value.closes
        closed_at[closes] = min(mark.modified, closed_at.get(closes, mark.modified))
    return PlanBoard(
        plans, collected.damaged, closed_at, tuple((mark.name, mark.value.closes) for mark in marks)
    )


def read_planned_packs(parts: Parts) -> frozenset[str]:
    """Return the packs that a writer must not rely on.

    Raises:
        CorruptDataError: a plan cannot be read, so that nobody knows what it names.
    """
    board = read_board(parts)
    if board.damaged:
        problem = board.damaged[0].problem
        raise CorruptDataError(
            f"{problem.facts}; it says which packs are going to be deleted",
            solution=f"Delete {problem.object_name} while no maintenance runs: it holds no data.",
        )
    return board.planned_packs()


def plan_damaged_packs(
    parts: Parts, packs: Iterable[str], random_bytes: Callable[[int], bytes] = os.urandom
) -> bool:
    """Put a plan that names those of *packs* that no plan names yet, and return whether there are any.

    From then on writers store again what these packs hold, which mends older backups too: a blob is read
    from whichever pack has it undamaged. Maintenance prefers the new copies, and deletes a damaged pack only
    when each blob that something needs is elsewhere.

    Raises:
        CorruptDataError: a plan cannot be read, so that nobody knows what it names.
    """
    fresh = frozenset(packs) - read_planned_packs(parts)
    if fresh:
        plan_collection(parts).put_new(Plan(packs=join_names(fresh)), random_bytes)
    return bool(fresh)
