"""The protocol explored completely, and proof that the model would notice if a rule were missing.

An actor that dies is one that never goes on, so each state after each death is among those explored.
"""

from dataclasses import replace

import pytest
from tests.unit.repository.protocol_actors import Rules
from tests.unit.repository.protocol_model import Cast, explore

ONE_EACH = Cast(writers=1, maintainers=1, plans=1)
TWO_MAINTAINERS = Cast(writers=0, maintainers=2, plans=2)
COARSE = Rules(half_life=0, grace=1, has_copies=False)
FINE = Rules(has_copies=False)
WITH_BASES = Rules(has_bases=True)


@pytest.mark.parametrize(
    ("rules", "cast"),
    [
        pytest.param(
            COARSE, Cast(writers=2, maintainers=2, plans=1, runs=1), id="two-writers-two-maintainers"
        ),
        pytest.param(FINE, Cast(writers=1, maintainers=2, plans=2, runs=1), id="one-writer-two-maintainers"),
        pytest.param(Rules(), TWO_MAINTAINERS, id="two-maintainers-that-copy"),
        pytest.param(WITH_BASES, ONE_EACH, id="a-writer-with-a-base"),
        pytest.param(replace(WITH_BASES, grace=0), ONE_EACH, id="no-grace"),
        pytest.param(replace(COARSE, grace=0), Cast(1, 2, 2), id="no-grace-two-maintainers"),
    ],
)
def test_no_order_of_steps_loses_anything(
    rules: Rules, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    states, violation = explore(rules, cast)
    with capsys.disabled():
        print(f" [{states:,} states]", end="")  # noqa: T201  # how much was proved
    assert violation is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "cast"),
    [
        pytest.param(FINE, Cast(writers=2, maintainers=1, plans=1), id="two-writers"),
        pytest.param(FINE, Cast(writers=2, maintainers=2, plans=1, runs=1), id="two-of-each"),
        pytest.param(COARSE, Cast(writers=2, maintainers=2, plans=1), id="two-of-each-without-end"),
        pytest.param(
            Rules(), Cast(writers=1, maintainers=2, plans=2, runs=1), id="two-maintainers-that-copy"
        ),
        pytest.param(WITH_BASES, Cast(writers=1, maintainers=1, plans=2), id="a-base-and-two-plans"),
    ],
)
def test_no_order_of_more_steps_loses_anything(rules: Rules, cast: Cast) -> None:
    states, violation = explore(rules, cast)
    print(f"{states:,} states")  # noqa: T201  # how much was proved
    assert violation is None


@pytest.mark.parametrize(
    ("mutant", "cast"),
    [
        pytest.param(replace(FINE, lists_plans=False), ONE_EACH, id="writer-does-not-read-the-plans-again"),
        pytest.param(replace(FINE, lists_packs=False), ONE_EACH, id="writer-does-not-list-the-packs-again"),
        pytest.param(replace(FINE, checks_late_put=False), ONE_EACH, id="late-writer-does-not-look-again"),
        pytest.param(replace(FINE, checks_plans_after_put=False), ONE_EACH, id="late-writer-ignores-plans"),
        pytest.param(
            replace(WITH_BASES, checks_base_after_put=False), ONE_EACH, id="writer-forgets-its-base"
        ),
        pytest.param(
            replace(FINE, intents_first=False, grace=0),
            ONE_EACH,
            id="maintainer-reads-snapshots-before-intents",
        ),
        pytest.param(
            replace(WITH_BASES, lists_snapshots_twice=False), ONE_EACH, id="maintainer-lists-snapshots-once"
        ),
        pytest.param(
            replace(FINE, plans_before_reading=False, grace=0),
            ONE_EACH,
            id="maintainer-reads-before-it-plans",
        ),
        pytest.param(
            replace(FINE, plan_outlives_deletion=False), ONE_EACH, id="plan-is-removed-right-after-deletion"
        ),
        pytest.param(
            Rules(reads_again_after_sleep=False),
            TWO_MAINTAINERS,
            id="maintainer-acts-on-what-it-read-long-ago",
        ),
        pytest.param(
            Rules(distrusts_planned_copies=False),
            TWO_MAINTAINERS,
            id="maintainer-trusts-a-copy-that-is-planned",
        ),
    ],
)
def test_without_one_of_its_rules_the_protocol_loses_data(mutant: Rules, cast: Cast) -> None:
    _, violation = explore(mutant, cast)
    assert violation is not None
