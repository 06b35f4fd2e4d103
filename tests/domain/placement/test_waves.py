import math
from dataclasses import replace
from typing import Any

import pytest

from nightshift.domain.ids import NodeName, RepositoryName, ScannerName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.waves import (
    AGED_SECONDS,
    PastScan,
    WaveOrder,
    dominant_share,
    makespan_bound,
    order_batch,
    predict_durations,
    predict_seconds,
    usable_capacity,
)
from nightshift.domain.resources import Resources

GIB = 1024**3
ROOM = Resources(10_000, 100 * GIB)


def pod(name: str, seconds: float = 60.0, cpu: int = 1000, **more: Any) -> ShardDemand:
    made = ShardDemand(ShardName(name), Resources(cpu, GIB), expected_seconds=seconds)
    return replace(made, **more)


def ordered(batch: list[ShardDemand], order: WaveOrder = WaveOrder.FIFO) -> str:
    return "".join(batch[i].shard for i in order_batch(batch, ROOM, order))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(WaveOrder.FIFO, "abcd", id="as they stand"),
        pytest.param(WaveOrder.LONGEST, "badc", id="the most seconds first"),
        pytest.param(WaveOrder.SHORTEST, "dcab", id="the least seconds times share first"),
    ],
)
def test_the_orders(order: WaveOrder, expected: str) -> None:
    batch = [pod("a", 100), pod("b", 300), pod("c", 20), pod("d", 30, cpu=100)]
    assert ordered(batch, order) == expected


def test_what_has_waited_for_a_night_goes_first_in_every_order() -> None:
    old = AGED_SECONDS
    batch = [pod("a", 100), pod("b", 10)]
    batch += [pod("c", 5000, waited_seconds=old), pod("d", 1, waited_seconds=old)]
    for order in WaveOrder:
        assert ordered(batch, order)[:2] == "cd"


def test_accounts_take_turns_by_their_dominant_share() -> None:
    """One account's pods are twice as large, so the other starts two for each of them."""
    batch = [pod(f"{i}", cpu=2000, account="big") for i in range(3)]
    batch += [pod(name, account="small") for name in "abcdef"]
    assert ordered(batch) == "0a" + "b" + "1" + "cd2ef"


def test_a_share_lasts_as_long_as_its_pods_do() -> None:
    """One account's pods take twice as long, so the other starts two for each of them."""
    batch = [pod(f"{i}", 120, account="long") for i in range(2)]
    batch += [pod(name, account="short") for name in "abcd"]
    assert ordered(batch) == "0ab1cd"


def test_twice_the_weight_is_twice_the_share() -> None:
    batch = [pod(f"{i}", account="light") for i in range(2)]
    batch += [pod(name, account="x") for name in "abcd"]
    order = order_batch(batch, ROOM, weights={"x": 2.0})
    assert "".join(batch[i].shard for i in order) == "0ab1cd"


def test_one_account_is_not_held_up_by_fairness() -> None:
    batch = [pod("a", account="x"), pod("b", account="x")]
    assert ordered(batch) == "ab"


def test_a_share_counts_the_scarcest_resource() -> None:
    assert dominant_share(Resources(1000, 50 * GIB), ROOM) == 0.5
    assert dominant_share(Resources(), ROOM) == 0.0
    assert dominant_share(Resources(0, 0, {"gpu": 1}), ROOM) == math.inf


def test_no_order_beats_the_busiest_resource_or_the_longest_pod() -> None:
    batch = [pod("a", 100, cpu=5000)] * 4
    assert makespan_bound(batch, ROOM) == 200
    assert makespan_bound([pod("a", 100)], ROOM) == 100
    assert makespan_bound([pod("a", request=Resources(0, 0, {"gpu": 1}))], ROOM) == math.inf
    assert makespan_bound([], ROOM) == 0


def test_durations_are_predicted_by_the_median_of_earlier_ones() -> None:
    assert predict_seconds([30, 500, 40], 60) == 40
    assert predict_seconds([], 60) == 60


def test_each_scanner_on_each_repository_has_its_own_prediction() -> None:
    a, b = RepositoryName("a"), RepositoryName("b")
    ruff, semgrep = ScannerName("ruff"), ScannerName("semgrep")
    history = [PastScan(a, ruff, s) for s in (1, 9, 2)] + [PastScan(a, semgrep, 60)]
    predicted = predict_durations([*history, PastScan(b, ruff, 5)])
    assert predicted == {(a, ruff): 2, (a, semgrep): 60, (b, ruff): 5}


def test_capacity_is_what_is_free_on_nodes_that_take_pods() -> None:
    node = Node(NodeName("a"), ROOM, requested=Resources(1000, 0, {"gpu": 2}))
    closed = [replace(node, unschedulable=True), replace(node, ready=False)]
    assert usable_capacity([node, *closed]) == Resources(9000, 100 * GIB, {"gpu": 0})
