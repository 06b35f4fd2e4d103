"""Which pods are stuck, which plans are lost, and which nominations move."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.affinity import PoolValue, WeightedNode
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.resources import Resources
from nightshift.domain.steering.drift import (
    Patience,
    add_wait,
    find_drift,
    hold_room,
    plan_moves,
    plan_widening,
    sort_waiting,
)
from nightshift.domain.steering.scanpods import GATE, MAX_NOMINATIONS, ScanPod

NOW = dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
S1, S2 = ShardName("s001"), ShardName("s002")
N1, N2, N3 = (NodeName(f"n{number}") for number in (1, 2, 3))
SMALL = Resources(500, 2**30)


def pod(name: str = "p", age: float = 0.0, **more: Any) -> ScanPod:
    values = {"shard": "s001", "created_at": NOW - dt.timedelta(seconds=age), **more}
    return ScanPod(name, **values)


def placed(shard: ShardName, node: NodeName | None, *, nominated: bool = True) -> ShardPlacement:
    terms = (WeightedNode(node, 100),) if node else ()
    return ShardPlacement(shard, "why", terms, nominated=node if nominated else None)


def test_pods_are_sorted_by_what_they_wait_for() -> None:
    pods = [
        pod("gated", 61, gates=(GATE,)),
        pod("being-gated", 59, gates=(GATE,)),
        pod("late", 31),
        pod("fresh", 29),
        pod("others-gate", 500, gates=("kueue.x-k8s.io/admission",)),
        pod("bound", 500, node="n1"),
        pod("ended", 500, phase="Failed"),
        pod("deleting", 500, deleting=True),
    ]
    waiting = sort_waiting(pods, NOW, Patience())
    assert [one.name for one in waiting.stuck] == ["gated"]
    assert [one.name for one in waiting.late] == ["late"]
    unbound = {"gated", "being-gated", "late", "fresh", "others-gate"}
    assert {one.name for one in waiting.unbound} == unbound


@pytest.mark.parametrize(
    ("late", "seconds"),
    [
        pytest.param(None, 7.0, id="no pod yet"),
        pytest.param(pod(age=40.0), 47.0, id="still waits"),
        pytest.param(
            pod(age=40.0, scheduled_at=NOW - dt.timedelta(seconds=30)), 17.0, id="got a node"
        ),
    ],
)
def test_a_pods_wait_adds_to_that_of_earlier_nights(late: ScanPod | None, seconds: float) -> None:
    demand = ShardDemand(S1, SMALL, waited_seconds=7.0)
    assert add_wait(demand, late, NOW) == replace(demand, waited_seconds=seconds)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        pytest.param(None, "n1 is gone", id="gone"),
        pytest.param(Node(N1, SMALL, unschedulable=True), "unschedulable", id="cordoned"),
        pytest.param(Node(N1, SMALL, ready=False), "not ready", id="not ready"),
        pytest.param(Node(N1, SMALL, requested=SMALL), None, id="full: its pod is not there yet"),
        pytest.param(Node(N1, SMALL), None, id="unchanged"),
    ],
)
def test_a_plan_is_lost_with_its_node(node: Node | None, why: str | None) -> None:
    demands = {S1: ShardDemand(S1, SMALL)}
    nodes = [] if node is None else [node]
    found = find_drift([], {S1: placed(S1, N1)}, demands, nodes, NOW)
    if why is None:
        assert found == ()
    else:
        (one,) = found
        assert why in one.reason


def test_room_that_others_took_is_drift_for_those_that_come_last() -> None:
    demands = {S1: ShardDemand(S1, SMALL), S2: ShardDemand(S2, SMALL)}
    plans = {S1: placed(S1, N1), S2: placed(S2, N1)}
    large = Node(N1, SMALL + SMALL)
    both = frozenset({S1, S2})
    assert find_drift([], plans, demands, [large], NOW, both) == ()
    (lost,) = find_drift([], plans, demands, [replace(large, requested=SMALL)], NOW, both)
    assert lost.shard == S2
    assert lost.reason.startswith("n1: others took the room of its ")
    assert find_drift([], plans, demands, [replace(large, requested=SMALL)], NOW, {S1}) == ()


def test_pods_on_their_way_keep_the_room_that_they_were_planned_for() -> None:
    nodes = [Node(N1, SMALL), Node(N2, SMALL)]
    held = hold_room(nodes, [(N1, SMALL), (NodeName("gone"), SMALL)])
    assert held == [replace(nodes[0], requested=SMALL, pods=1), nodes[1]]


def test_a_late_pod_is_drift_whatever_its_node_looks_like() -> None:
    demands = {S1: ShardDemand(S1, SMALL), S2: ShardDemand(S2, SMALL)}
    late = [pod(age=45, message="0/1 nodes are available: 1 Insufficient cpu.")]
    plans = {S1: placed(S1, N1), S2: placed(S2, None)}
    (one,) = find_drift(late, plans, demands, [Node(N1, SMALL)], NOW)
    assert one.shard == S1
    assert one.reason == "pending for 45 s: 0/1 nodes are available: 1 Insufficient cpu."


@pytest.mark.parametrize(
    ("nominated", "ours", "to", "moves"),
    [
        pytest.param("n1", (N1,), N2, [N2], id="moved"),
        pytest.param("n1", (N1,), N1, [], id="stays"),
        pytest.param("n1", (N1,), None, [None], id="cleared"),
        pytest.param("", (N1,), N2, [N2], id="set where it is empty"),
        pytest.param("n3", (N1,), N2, [], id="somebody else's"),
        pytest.param("", (), None, [], id="nothing to clear"),
        pytest.param("n1", (N1,) * MAX_NOMINATIONS, N2, [None], id="moved often enough"),
    ],
)
def test_only_our_nominations_move(
    nominated: str, ours: tuple[NodeName, ...], to: NodeName | None, moves: list[NodeName | None]
) -> None:
    late = [pod(age=60, nominated=nominated, ours=ours)]
    assert [move.to for move in plan_moves(late, {S1: placed(S1, to)})] == moves


def test_the_pool_only_grows() -> None:
    wanted = {N1: PoolValue.RESERVE, N2: PoolValue.OPEN}
    assert plan_widening(wanted, {N1, N3}) == {N2: PoolValue.OPEN}
