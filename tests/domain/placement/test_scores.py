from types import MappingProxyType

import pytest

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node, Taint, TaintEffect, Toleration
from nightshift.domain.placement.nodestates import ImageStates, NodeState
from nightshift.domain.placement.scores import (
    ScoringStrategy,
    balance_score,
    image_score,
    total_scores,
)
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources
from tests.property.strategies_placement import named_term

GIB = 1024**3
MIB = 1024**2
LEAST, MOST = ScoringStrategy.LEAST_ALLOCATED, ScoringStrategy.MOST_ALLOCATED


def state(name: str, cpu: int, memory: int, *taints: Taint) -> NodeState:
    """Build a node of 16 cores and 64 GiB with this much requested, in cores and GiB."""
    found = NodeState(name)
    requested = Resources(cpu * 1000, memory * GIB)
    size = Resources(16_000, 64 * GIB)
    found.set_node(Node(NodeName(name), size, requested, taints=taints))
    return found


def pod(cpu: int = 0, memory: int = 0, **more: object) -> PodRequest:
    need = Resources(cpu * 1000, memory * GIB)
    return PodRequest("a/b", need, need, need, **more)  # type: ignore[arg-type]  # test shorthand


def totals(asking: PodRequest, *nodes: NodeState, by: ScoringStrategy = LEAST) -> list[int]:
    return total_scores(asking, nodes, by, {})


def test_least_allocated_favours_the_emptier_node() -> None:
    # 300 for taints; fit is floor((75 + 75) / 2) and floor((25 + 50) / 2); both keep the balance
    assert totals(pod(4, 16), state("a", 0, 0), state("b", 8, 16)) == [300 + 75 + 75, 300 + 37 + 75]


def test_most_allocated_favours_the_fuller_node() -> None:
    assert totals(pod(4, 16), state("a", 0, 0), state("b", 8, 16), by=MOST) == [
        300 + 25 + 75,
        300 + 62 + 75,
    ]


def test_each_resource_is_floored_before_the_mean() -> None:
    # cpu 16000 - 1 free: 99 of 100; memory 100: the mean of 99 and 100 is floored again
    one_milli = PodRequest("a/b", Resources(1), Resources(1), Resources(1))
    assert totals(one_milli, state("a", 0, 0)) == [300 + 99 + 74]


def test_what_is_over_the_limit_scores_zero_or_full() -> None:
    over = state("a", 20, 64)
    assert totals(pod(1, 1), over) == [300 + 0 + 75]
    assert totals(pod(1, 1), over, by=MOST) == [300 + 100 + 75]


def test_a_node_without_a_resource_is_scored_by_the_other() -> None:
    found = NodeState("a")
    found.set_node(Node(NodeName("a"), Resources(10_000)))
    assert totals(pod(5, 0), found) == [300 + 50 + 75]


def test_a_pod_without_requests_is_not_balanced_but_scored_by_assumed_ones() -> None:
    assumed = Resources(1_600, 64 * GIB // 10)
    idle = PodRequest("a/b", Resources(), assumed, assumed)
    assert totals(idle, state("a", 0, 0)) == [300 + 90]


@pytest.mark.parametrize(
    ("asking", "node", "score"),
    [
        pytest.param(pod(4, 16), state("a", 0, 0), 75, id="it keeps the balance"),
        pytest.param(pod(8, 0), state("a", 0, 32), 87, id="it mends the balance"),
        pytest.param(pod(8, 0), state("a", 0, 0), 62, id="it breaks the balance"),
        pytest.param(pod(16, 0), state("a", 0, 64), 100, id="from worst to best"),
        pytest.param(pod(16, 0), state("a", 0, 0), 50, id="from best to worst"),
        pytest.param(pod(99, 64), state("a", 0, 0), 75, id="shares are capped at one"),
    ],
)
def test_balance(asking: PodRequest, node: NodeState, score: int) -> None:
    assert balance_score(asking, node) == score


def test_prefer_no_schedule_taints_are_scaled_by_the_most_of_them() -> None:
    one, two = (Taint(key, TaintEffect.PREFER_NO_SCHEDULE) for key in ("x", "y"))
    asking = pod(4, 16)
    found = totals(asking, state("a", 0, 0), state("b", 0, 0, one), state("c", 0, 0, one, two))
    assert [total - 150 for total in found] == [300, 150, 0]


@pytest.mark.parametrize(
    ("toleration", "taint_score"),
    [
        pytest.param(Toleration("x", "Exists"), 300, id="every effect"),
        pytest.param(Toleration("x", "Exists", "", TaintEffect.PREFER_NO_SCHEDULE), 300, id="soft"),
        pytest.param(Toleration("x", "Exists", "", TaintEffect.NO_SCHEDULE), 0, id="hard only"),
    ],
)
def test_a_tolerated_taint_costs_nothing(toleration: Toleration, taint_score: int) -> None:
    soft = Taint("x", TaintEffect.PREFER_NO_SCHEDULE)
    asking = pod(4, 16, tolerations=(toleration,))
    assert totals(asking, state("a", 0, 0, soft), state("b", 0, 0))[0] - 150 == taint_score


def test_weights_of_matching_terms_add_up_and_are_scaled_by_the_highest() -> None:
    asking = pod(4, 16, preferred=(named_term("a", 100), named_term("b", 15), named_term("b", 18)))
    found = totals(asking, state("a", 0, 0), state("b", 0, 0), state("c", 0, 0))
    assert [total - 450 for total in found] == [200, 66, 0]


def test_weights_are_scaled_up_when_the_primary_is_not_among_the_feasible() -> None:
    backups = tuple(named_term(name, weight) for name, weight in (("b", 15), ("c", 14), ("d", 12)))
    asking = pod(4, 16, preferred=(named_term("a", 100), *backups))
    found = totals(asking, *(state(name, 0, 0) for name in "bcd"))
    assert [total - 450 for total in found] == [200, 186, 160]


def test_close_weights_lose_to_the_schedulers_own_spreading() -> None:
    loads = {"n1": 90, "n2": 75, "n3": 60, "n4": 40}
    nodes = []
    for name, percent in loads.items():
        found = NodeState(name)
        size = Resources(16_000, 64 * GIB)
        used = Resources(160 * percent, 64 * GIB * percent // 100)
        found.set_node(Node(NodeName(name), size, used))
        nodes.append(found)
    for weights, expected in [
        ((15, 14, 13, 12), [278, 279, 280, 288]),
        ((100, 25, 6, 1), [278, 143, 120, 130]),
    ]:
        preferred = tuple(named_term(*pair) for pair in zip(loads, weights, strict=True))
        asking = pod(1, 4, preferred=preferred)
        assert [total - 300 for total in totals(asking, *nodes)] == expected


@pytest.mark.parametrize(
    ("size", "holders", "containers", "score"),
    [
        pytest.param(1000 * MIB, 2, 1, 48, id="a large image on half of the nodes"),
        pytest.param(1000 * MIB, 4, 1, 100, id="on all of them"),
        pytest.param(5000 * MIB, 4, 1, 100, id="no more than the most"),
        pytest.param(23 * MIB, 4, 1, 0, id="small images do not count"),
        pytest.param(1000 * MIB, 4, 2, 49, id="measured against all containers"),
    ],
)
def test_image_locality(size: int, holders: int, containers: int, score: int) -> None:
    images = ImageStates()
    for i in range(holders):
        images.replace(f"n{i}", {}, {"scan:1": size})
    found = NodeState("n0")
    found.set_node(Node(NodeName("n0"), Resources(1), images=MappingProxyType({"scan:1": size})))
    asking = pod(images=("scan:1",), containers=containers)
    assert image_score(asking, found, images.scaled_sizes(asking.images, 4)) == score


def test_an_image_is_forgotten_with_its_last_holder() -> None:
    images = ImageStates()
    images.replace("a", {}, {"x": 100})
    images.replace("b", {}, {"x": 900})
    assert images.scaled_sizes(["x"], 2) == {"x": 100}
    images.replace("a", {"x": 100}, {})
    assert images.scaled_sizes(["x"], 2) == {"x": 50}
    images.replace("b", {"x": 900}, {})
    assert images.scaled_sizes(["x"], 2) == {}
