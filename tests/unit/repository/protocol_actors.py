"""What each actor of the protocol's model may do next, given what it can see."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import reduce
from operator import or_
from typing import NamedTuple

BASE, OLD, COPY, FIRST_OWN = 0, 1, 2, 4  # packs are bits; each writer's own pack follows
ROOTS = 1 << 10  # among the packs that intents name: the roots of a base
NO_SNAPSHOT, UNCHECKED, PROMISED = range(3)  # unchecked: its writer has yet to look once more
LATE = ENDLESS = 9


class W(IntEnum):
    """What a writer does next; *START* also stands for writing again whatever is planned or gone."""

    START, PLANS, PACKS, PUT, AGAIN_BASE, AGAIN_PLANS, AGAIN_PACKS, REMOVE, FINISH, OVER = range(10)


class M(IntEnum):
    """What a maintainer does next. Of snapshots, it meets new ones before the older one, which is bad order."""

    IDLE, INTENTS, NEW, OLDER, NEW_AGAIN, OLDER_AGAIN, PLANS, PACKS, DELETE, PLAN = range(10)


class Plan(NamedTuple):
    """A plan for one pack; *closed* is the age of the mark that closes it, or -1."""

    pack: int
    age: int = 0
    closed: int = -1


class Writer(NamedTuple):
    """*age* is that of the writer's intent, -1 without one; it relies on *pack*."""

    step: int = W.START
    pack: int = 0
    age: int = -1
    snapshot: int = NO_SNAPSHOT


class Maintainer(NamedTuple):
    """It carries out a plan for *pack*; *age* is that of what it has read. *runs*: how often it may yet begin."""

    step: int = M.IDLE
    pack: int = 0
    needed: bool = False
    planned: int = 0
    age: int = 0
    runs: int = ENDLESS


class Store(NamedTuple):
    """What can be seen. *older* is a snapshot that was there before, *new*: there is a writer's.

    *planned* packs are in some plan, *named* ones in an unexpired intent; nobody remembers the *free* ones.
    """

    packs: int
    older: bool
    new: bool
    planned: int
    named: int
    free: int


Plans = tuple[Plan | None, ...]


@dataclass(frozen=True)
class Rules:
    """The protocol, or a mutant of it with one rule left out, and how much of the world there is."""

    lists_plans: bool = True
    lists_packs: bool = True
    intents_first: bool = True
    plan_outlives_deletion: bool = True
    checks_late_put: bool = True
    checks_plans_after_put: bool = True
    checks_base_after_put: bool = True
    lists_snapshots_twice: bool = True
    reads_again_after_sleep: bool = True
    distrusts_planned_copies: bool = True
    plans_before_reading: bool = True
    grace: int = 2
    half_life: int = 1
    has_copies: bool = True
    has_bases: bool = False

    @property
    def life(self) -> int:
        return 2 * self.half_life or 1

    def reading_order(self) -> list[M]:
        """What a maintainer reads before it needs to know the plans."""
        snapshots = [M.NEW]
        if self.has_bases:
            snapshots = [M.NEW, M.OLDER, M.NEW_AGAIN, M.OLDER_AGAIN]
            snapshots = snapshots if self.lists_snapshots_twice else snapshots[:2]
        return [M.INTENTS, *snapshots] if self.intents_first else [*snapshots, M.INTENTS]


def steps_of_writer(rules: Rules, writer: Writer, store: Store, own: int) -> list[tuple[int, Writer]]:
    """Return the packs and the writer after each step that it may take."""
    if writer.step != W.START:
        after = _next_of_writer(rules, writer, store)
        return [] if after is None else [(store.packs, after)]
    first = W.PLANS if rules.lists_plans else W.PACKS if rules.lists_packs else W.PUT
    steps = [(store.packs, Writer(first, pack, 0)) for pack in _bits(store.packs)]
    if store.free & own:
        steps.append((store.packs | own, writer))
    if store.older and rules.has_bases:
        steps.append((store.packs, Writer(W.PACKS, BASE, 0)))
    return steps


def _next_of_writer(rules: Rules, writer: Writer, store: Store) -> Writer | None:
    pack = writer.pack
    is_there = bool(store.packs & pack) or (pack == BASE and store.older)
    bad = Writer(W.REMOVE, snapshot=UNCHECKED)
    match writer.step:
        case W.PLANS:
            clear = writer._replace(step=W.PACKS if rules.lists_packs else W.PUT)
            return Writer() if store.planned & pack else clear
        case W.PACKS:
            return writer._replace(step=W.PUT) if is_there else Writer()
        case W.PUT if pack == BASE and rules.checks_base_after_put:
            return writer._replace(step=W.AGAIN_BASE, snapshot=UNCHECKED)
        case W.PUT if pack != BASE and writer.age == LATE and rules.checks_late_put:
            first = W.AGAIN_PLANS if rules.checks_plans_after_put else W.AGAIN_PACKS
            return Writer(first, pack, snapshot=UNCHECKED)
        case W.PUT:
            return Writer(W.FINISH, pack, 0, PROMISED)
        case W.AGAIN_PLANS:
            return bad if store.planned & pack else writer._replace(step=W.AGAIN_PACKS)
        case W.AGAIN_PACKS | W.AGAIN_BASE:
            return Writer(W.OVER, snapshot=PROMISED) if is_there else bad
        case W.REMOVE:
            return Writer(W.OVER)
        case W.FINISH:
            return Writer(W.OVER, snapshot=PROMISED)
    return None


def aged_writer(rules: Rules, writer: Writer) -> Writer:
    """Return the writer one tick later: the intent of a late one counts as expired, which is the worst case."""
    if writer.age < 0 or writer.step == W.FINISH:
        return writer
    if writer.age < rules.half_life:
        return writer._replace(age=writer.age + 1)
    return writer._replace(age=LATE) if writer.step >= W.PUT else Writer()


def steps_of_maintainer(
    rules: Rules, maintainer: Maintainer, plans: Plans, store: Store
) -> list[tuple[int, Plans, Maintainer]]:
    """Return packs, plans and the maintainer after each step that it may take; it may always start anew."""
    packs = store.packs
    if maintainer.step == M.IDLE:
        return _beginnings(rules, maintainer, plans, store)
    anew = (packs, plans, idle(maintainer))
    if maintainer.step == M.DELETE:
        return [(packs & ~maintainer.pack, plans, idle(maintainer)), anew]
    if maintainer.step == M.PLAN and None in plans:
        planned = exchange(plans, None, Plan(maintainer.pack))
        return [(packs, planned, maintainer._replace(step=M.NEW)), anew]
    return [(packs, plans, _next_of_maintainer(rules, maintainer, plans, store)), anew]


def _beginnings(
    rules: Rules, maintainer: Maintainer, plans: Plans, store: Store
) -> list[tuple[int, Plans, Maintainer]]:
    steps = []
    if rules.has_copies and store.packs and store.free & COPY:
        steps.append((store.packs | COPY, plans, maintainer))
    if None in plans and rules.plans_before_reading:
        steps += [(store.packs, exchange(plans, None, Plan(pack)), maintainer) for pack in _bits(store.packs)]
    elif None in plans:
        unnamed = (pack for pack in _bits(store.packs) if not pack & store.named)
        steps += [(store.packs, plans, maintainer._replace(step=M.PLAN, pack=pack)) for pack in unnamed]
    runs = maintainer.runs if maintainer.runs == ENDLESS else maintainer.runs - 1
    for plan in set(plans) - {None} if maintainer.runs else ():
        if plan.closed < 0 and plan.age >= rules.grace:
            begun = Maintainer(rules.reading_order()[0], plan.pack, runs=runs)
            steps.append((store.packs, plans, begun))
    return steps


def _next_of_maintainer(rules: Rules, maintainer: Maintainer, plans: Plans, store: Store) -> Maintainer:
    needed = maintainer.needed
    match maintainer.step:
        case M.PLANS:
            if not any(plan and plan.closed < 0 and plan.pack == maintainer.pack for plan in plans):
                return idle(maintainer)
            planned = store.planned if rules.distrusts_planned_copies else maintainer.pack
            return maintainer._replace(step=M.PACKS, planned=planned)
        case M.PACKS:
            is_safe = store.packs & ~maintainer.planned
            return maintainer._replace(step=M.DELETE, planned=0) if is_safe else idle(maintainer)
        case M.PLAN:
            return idle(maintainer)
        case M.INTENTS if store.named & maintainer.pack:
            return idle(maintainer)
        case M.INTENTS:
            needed |= bool(store.named & ROOTS)
        case M.NEW | M.NEW_AGAIN:
            needed |= store.new or (store.older and not rules.has_bases)
        case _:
            needed |= store.older
    order = rules.reading_order()
    place = order.index(M(maintainer.step)) + 1
    if place < len(order):
        return maintainer._replace(step=order[place], needed=needed)
    return maintainer._replace(step=M.PLANS if needed else M.DELETE, needed=False)  # no need of a copy


def aged_maintainer(rules: Rules, maintainer: Maintainer) -> Maintainer:
    """Return the maintainer one tick later: it begins anew when what it has read is too old."""
    if maintainer.step == M.IDLE or not rules.reads_again_after_sleep:
        return maintainer
    is_over = maintainer.age + 1 >= rules.life
    return idle(maintainer) if is_over else maintainer._replace(age=maintainer.age + 1)


def idle(maintainer: Maintainer) -> Maintainer:
    """Return the maintainer without anything that it has read."""
    return Maintainer(runs=maintainer.runs)


def steps_of_plans(rules: Rules, plans: Plans) -> list[Plans]:
    """Plans are closed at any time once they may be carried out, and removed when they were so for long enough."""
    steps = []
    for plan in set(plans) - {None}:
        if plan.closed < 0 and plan.age >= rules.grace:
            steps.append(exchange(plans, plan, Plan(plan.pack, rules.grace, 0)))
        if plan.closed >= (rules.life if rules.plan_outlives_deletion else 0):
            steps.append(exchange(plans, plan, None))
    return steps


def aged_plans(rules: Rules, plans: Plans) -> Plans:
    """Return the plans one tick later."""
    return sorted_plans(plan and _aged_plan(rules, plan) for plan in plans)


def _aged_plan(rules: Rules, plan: Plan) -> Plan:
    closed = plan.closed if plan.closed < 0 else min(plan.closed + 1, rules.life)
    return Plan(plan.pack, min(plan.age + 1, rules.grace), closed)


def exchange(plans: Plans, before: Plan | None, after: Plan | None) -> Plans:
    """Return *plans* with one of them replaced."""
    place = plans.index(before)
    return sorted_plans((*plans[:place], after, *plans[place + 1 :]))


def sorted_plans(plans: Iterable[Plan | None]) -> Plans:
    """Return plans in the one order that stands for all."""
    return tuple(sorted(plans, key=lambda plan: plan or ()))


def union(packs: Iterable[int]) -> int:
    """Return all of these packs."""
    return reduce(or_, packs, 0)


def _bits(packs: int) -> tuple[int, ...]:
    return tuple(1 << number for number in range(packs.bit_length()) if packs >> number & 1)
