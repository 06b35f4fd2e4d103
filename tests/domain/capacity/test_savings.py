"""What a weekend saved, from when nodes were there."""

import datetime as dt
from dataclasses import replace

import pytest

from nightshift.domain.capacity.policies_rules import Cost
from nightshift.domain.capacity.savings import (
    Amount,
    BlockedNode,
    NodeInterval,
    Savings,
    measure_savings,
)
from nightshift.domain.windows.spans import Window

DOWN = dt.datetime(2027, 5, 14, 18, tzinfo=dt.UTC)
UP = dt.datetime(2027, 5, 17, 4, tzinfo=dt.UTC)  # 58 hours later
HOUR = dt.timedelta(hours=1)
WINDOW = Window(DOWN, UP, ready_by=UP + 2 * HOUR)
COST = Cost("EUR", {"m6i.xlarge": 0.25})
BEFORE = DOWN - 100 * HOUR


def interval(node: str, start: dt.datetime, end: dt.datetime | None = None) -> NodeInterval:
    return NodeInterval(node, "general", "m6i.xlarge", start, end)


STAYED = interval("n1", BEFORE)
WENT = interval("n2", BEFORE, DOWN + HOUR)
NEW = interval("n3", UP - HOUR)


def measure(
    *intervals: NodeInterval,
    ready_at: dt.datetime | None = UP + HOUR,
    now: dt.datetime = UP + 5 * HOUR,
    blocked: tuple[BlockedNode, ...] = (),
    cost: Cost | None = COST,
) -> Savings:
    return measure_savings(WINDOW, intervals, blocked, cost, now=now, ready_at=ready_at)


def test_what_was_not_there_was_saved() -> None:
    found = measure(STAYED, WENT, NEW)
    assert found.baseline == Amount(116.0, 29.0)
    assert found.actual == Amount(60.0, 15.0)
    assert found.realised == Amount(56.0, 14.0)
    assert found.net == found.realised
    assert found.currency == "EUR"


def test_nothing_done_is_nothing_saved() -> None:
    assert measure(STAYED).realised == Amount()
    assert measure().realised == Amount()


def test_a_window_with_more_nodes_than_its_begin_has_cost() -> None:
    found = measure(STAYED, interval("n9", DOWN + 8 * HOUR))
    assert found.realised.money == -12.5


def test_nodes_above_the_baseline_until_all_is_back_are_overhead() -> None:
    found = measure(STAYED, WENT, NEW, interval("n4", UP + HOUR / 2))
    # two were there before; n3 replaces n2, and n4 is one too many for half an hour
    assert found.overhead == Amount(0.5, 0.125)
    assert found.net.money == found.realised.money - 0.125


def test_what_was_blocked_is_named_with_its_cost_the_dearest_first() -> None:
    blocked = (
        BlockedNode("n1", "general", "m6i.xlarge", UP - 4 * HOUR, "app/api (PDB app/api)"),
        BlockedNode("n5", "general", "m6i.xlarge", DOWN, "app/db: emptyDir"),
    )
    found = measure(STAYED, blocked=blocked)
    assert [(one.node, one.amount.money) for one in found.blocked] == [("n5", 14.5), ("n1", 1.0)]
    assert found.blocked_total == Amount(62.0, 15.5)


@pytest.mark.parametrize(
    ("ready_at", "now", "after", "late"),
    [
        pytest.param(UP + HOUR, UP + 5 * HOUR, HOUR, 0 * HOUR, id="in time"),
        pytest.param(UP + 3 * HOUR, UP + 5 * HOUR, 3 * HOUR, HOUR, id="late"),
        pytest.param(UP - HOUR, UP + HOUR, 0 * HOUR, 0 * HOUR, id="before the end"),
        pytest.param(None, UP + HOUR, None, None, id="not yet, and there is time"),
        pytest.param(None, UP + 3 * HOUR, None, HOUR, id="not yet, and late"),
    ],
)
def test_the_time_to_ready_is_measured_against_ready_by(
    ready_at: dt.datetime | None,
    now: dt.datetime,
    after: dt.timedelta | None,
    late: dt.timedelta | None,
) -> None:
    found = measure(STAYED, ready_at=ready_at, now=now).ready
    assert (found.after, found.late) == (after, late)


def test_without_ready_by_nothing_is_late() -> None:
    open_end = replace(WINDOW, ready_by=None)
    found = measure_savings(open_end, [STAYED], [], COST, now=UP + 9 * HOUR)
    assert found.ready.late is None


def test_a_window_that_is_not_over_counts_up_to_now() -> None:
    found = measure(STAYED, WENT, now=DOWN + 11 * HOUR, ready_at=None)
    assert found.realised.hours == 10.0
    assert measure(STAYED, now=DOWN - HOUR, ready_at=None).baseline.hours == 0.0


def test_hours_without_a_price_are_said_and_not_guessed() -> None:
    strange = replace(WENT, instance_type="metal")
    found = measure(STAYED, strange)
    assert found.realised == Amount(57.0, 0.0, 57.0)
    free = measure(STAYED, WENT, cost=None)
    assert free.currency == ""
    assert free.realised.money == 0.0
    assert free.realised.unpriced == free.realised.hours == 57.0


def test_a_node_that_comes_and_goes_has_several_intervals() -> None:
    twice = (interval("n1", BEFORE, DOWN + HOUR), interval("n1", DOWN + 3 * HOUR))
    assert measure(*twice).realised.hours == 2.0
