"""An abstract model of the lock-free protocol, small enough to be explored completely.

One blob matters. It lies in an old pack, perhaps in the copy that a repacking maintainer makes, and in packs that
the writers make. Every snapshot needs the blob; a writer relies on a pack that it found, on its own, or on an older
snapshot. Each step of an actor is one call to the store. An actor may stop before any step, for any time: a death
is a stop without end. A maintainer may also start anew.

Time passes in ticks: the grace period and the life of an intent are two ticks each, their halves one; or, in a
coarse model, one tick and none. What a maintainer decided takes effect less than a grace period after it began to
read, which the protocol assumes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from tests.unit.repository.protocol_actors import (
    ENDLESS,
    FIRST_OWN,
    LATE,
    OLD,
    PROMISED,
    ROOTS,
    Maintainer,
    Rules,
    Store,
    Writer,
    aged_maintainer,
    aged_plans,
    aged_writer,
    steps_of_maintainer,
    steps_of_plans,
    steps_of_writer,
    union,
)


class State(NamedTuple):
    """The store and all actors; plans, writers and maintainers are numbers of the model for all of them together."""

    packs: int
    older: bool
    plans: int
    writers: int
    maintainers: int


class Numbers:
    """A number for each value, so that states are small and quickly compared."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def __getitem__(self, value: Any) -> int:
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]


@dataclass(frozen=True)
class Cast:
    """Who takes part. *plans*: how many there may be at once; *runs*: how often each maintainer may begin."""

    writers: int
    maintainers: int
    plans: int
    runs: int = ENDLESS


class Model:
    """The states under *rules*; what an actor can do is worked out once for all that it can see."""

    def __init__(self, rules: Rules, cast: Cast) -> None:
        self._rules = rules
        self._plans, self._writers, self._maintainers = Numbers(), Numbers(), Numbers()
        self._aged_plans = cache(lambda plans: self._plans[aged_plans(rules, self._plans.values[plans])])
        self._aged_writers = cache(self._work_out_aged_writers)
        self._aged_maintainers = cache(self._work_out_aged_maintainers)
        self._steps_of_plans = cache(self._work_out_plans)
        self._steps_of_writers = cache(self._work_out_writers)
        self._steps_of_maintainers = cache(self._work_out_maintainers)
        self._planned = cache(lambda plans: union(plan.pack for plan in self._plans.values[plans] if plan))
        self._held = cache(lambda some: union(actor.pack for actor in self._maintainers.values[some]))
        self._told = cache(self._work_out_told)
        self.start = State(
            OLD,
            True,
            self._plans[(None,) * cast.plans],
            self._writers[(Writer(),) * cast.writers],
            self._maintainers[(Maintainer(runs=cast.runs),) * cast.maintainers],
        )

    def successors(self, state: State) -> Iterator[State]:
        """Yield every state that one step or one tick leads to."""
        packs, older, plans, writers, maintainers = state
        aged = self._aged_plans(plans), self._aged_writers(writers), self._aged_maintainers(maintainers)
        yield State(packs, older, *aged)
        if older:
            yield State(packs, False, plans, writers, maintainers)
        for after in self._steps_of_plans(plans):
            yield State(packs, older, after, writers, maintainers)
        planned = self._planned(plans)
        named, relied, new = self._told(writers)
        free = ~(packs | planned | relied | self._held(maintainers))
        store = (packs, older, new, planned, named, free)
        for packs_after, after in self._steps_of_writers(writers, store):
            yield State(packs_after, older, plans, after, maintainers)
        for packs_after, plans_after, after in self._steps_of_maintainers(maintainers, plans, store):
            yield State(packs_after, older, plans_after, writers, after)

    def is_violated(self, state: State) -> bool:
        """Whether a snapshot lacks its blob that was there before, or whose writer has promised it."""
        return not state.packs and (
            state.older or any(writer.snapshot == PROMISED for writer in self._writers.values[state.writers])
        )

    def told(self, state: State) -> str:
        """Return the state in words."""
        return (
            f"packs {state.packs:04b}, older {state.older}, {self._plans.values[state.plans]}, "
            f"{self._writers.values[state.writers]}, {self._maintainers.values[state.maintainers]}"
        )

    def _work_out_aged_writers(self, number: int) -> int:
        return self._writers[tuple(aged_writer(self._rules, one) for one in self._writers.values[number])]

    def _work_out_aged_maintainers(self, number: int) -> int:
        aged = (aged_maintainer(self._rules, one) for one in self._maintainers.values[number])
        return self._maintainers[tuple(sorted(aged))]

    def _work_out_plans(self, number: int) -> list[int]:
        return [self._plans[after] for after in steps_of_plans(self._rules, self._plans.values[number])]

    def _work_out_told(self, number: int) -> tuple[int, int, bool]:
        """Return what unexpired intents name, the packs that writers remember, whether there is a new snapshot."""
        writers = self._writers.values[number]
        named = union(writer.pack or ROOTS for writer in writers if 0 <= writer.age < LATE)
        relied = union(writer.pack for writer in writers)
        return named, relied, any(writer.snapshot for writer in writers)

    def _work_out_writers(self, number: int, store: tuple[int, ...]) -> list[tuple[int, int]]:
        writers = self._writers.values[number]
        seen = Store(*store)  # type: ignore[arg-type]  # two of them are truth values
        return [
            (packs, self._writers[(*writers[:place], after, *writers[place + 1 :])])
            for place, writer in enumerate(writers)
            for packs, after in steps_of_writer(self._rules, writer, seen, FIRST_OWN << place)
        ]

    def _work_out_maintainers(
        self, number: int, plans: int, store: tuple[int, ...]
    ) -> list[tuple[int, int, int]]:
        maintainers = self._maintainers.values[number]
        seen = Store(*store)  # type: ignore[arg-type]  # two of them are truth values
        steps = []
        for place, maintainer in enumerate(maintainers):
            others = (*maintainers[:place], *maintainers[place + 1 :])
            for packs, plans_after, after in steps_of_maintainer(
                self._rules, maintainer, self._plans.values[plans], seen
            ):
                together = self._maintainers[tuple(sorted((*others, after)))]
                steps.append((packs, self._plans[plans_after], together))
        return steps


def explore(rules: Rules, cast: Cast) -> tuple[int, str | None]:
    """Return the number of states that can be reached, and in words the first that is violated."""
    model = Model(rules, cast)
    seen = {model.start}
    frontier = [model.start]
    while frontier:
        reached: list[State] = []
        for state in frontier:
            for after in model.successors(state):
                if after not in seen:
                    seen.add(after)
                    reached.append(after)
                    if not after.packs and model.is_violated(after):
                        return len(seen), model.told(after)
        frontier = reached
    return len(seen), None
