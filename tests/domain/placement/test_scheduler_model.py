import pytest

from nightshift.domain.nodes import Node, Taint, TaintEffect
from nightshift.domain.nodeterms import NodeTerm, Operator, Requirement
from nightshift.domain.placement.scheduler_model import (
    GATED,
    NO_NODES,
    SchedulerModel,
)
from nightshift.domain.placement.scores import ScoringStrategy
from nightshift.domain.pods import HostPort, PodRequest
from nightshift.domain.resources import Resources
from tests.domain.placement.builders import GIB, cluster, node, pod
from tests.property.strategies_placement import named_term


def only(*names: str) -> tuple[NodeTerm, ...]:
    return tuple(
        NodeTerm(fields=(Requirement("metadata.name", Operator.IN, (name,)),)) for name in names
    )


def test_a_preferred_node_wins_and_the_totals_are_shown() -> None:
    decision = cluster(3).schedule(pod(preferred=(named_term("n2", 100),)))
    assert decision.node == "n2"
    # taints 300, fit floor((75 + 93) / 2), balance 50 + floor((50 + 90 - 100) / 2), affinity 200
    assert decision.totals == {"n0": 454, "n1": 454, "n2": 654}
    assert decision.scored == 3
    assert decision.reason == "best of 3 scored nodes with 654"


def test_a_pod_counts_on_its_node_at_once() -> None:
    model = cluster(2)
    assert [model.schedule(pod(f"p{i}", 3_000)).node for i in range(3)] == ["n0", "n1", None]


def test_a_pod_that_failed_to_bind_gives_its_room_back() -> None:
    model = cluster(1)
    assert model.schedule(pod("a", 4_000)).node == "n0"
    model.remove_pod("a")
    assert model.schedule(pod("b", 4_000)).node == "n0"


def test_telling_of_a_bound_pod_again_counts_it_once() -> None:
    model = cluster(1)
    model.schedule(pod("a", 2_000))
    model.add_pod(pod("a", 2_000, node="n0"))
    assert model.schedule(pod("b", 2_000)).node == "n0"


def test_an_ended_pod_takes_no_room() -> None:
    model = cluster(1)
    model.schedule(pod("a", 4_000))
    model.add_pod(pod("a", 4_000, node="n0", ended=True))
    assert model.schedule(pod("b", 4_000)).node == "n0"


def test_a_single_feasible_node_is_taken_unscored() -> None:
    model = SchedulerModel([node("n0", unschedulable=True), node("n1")])
    decision = model.schedule(pod())
    assert (decision.node, decision.scored, dict(decision.totals)) == ("n1", 0, {})
    assert decision.refusals == {"n0": ("node(s) were unschedulable",)}


def test_a_tie_goes_to_the_top_of_gos_heap() -> None:
    model = SchedulerModel([node("full", requested=Resources(3_000)), node("a"), node("b")])
    assert model.schedule(pod(cpu=500)).node == "a"


@pytest.mark.parametrize(
    ("scoring", "winner"),
    [(ScoringStrategy.LEAST_ALLOCATED, "empty"), (ScoringStrategy.MOST_ALLOCATED, "used")],
)
def test_the_scoring_strategy_decides_between_empty_and_used(
    scoring: ScoringStrategy, winner: str
) -> None:
    used = node("used", requested=Resources(2_000, 8 * GIB))
    assert SchedulerModel([used, node("empty")], scoring=scoring).schedule(pod()).node == winner


FULL = Resources(4_000, 16 * GIB)
SOFT, HARD = TaintEffect.PREFER_NO_SCHEDULE, TaintEffect.NO_SCHEDULE


@pytest.mark.parametrize(
    ("nodes", "asking", "text"),
    [
        pytest.param(
            [node("a", requested=FULL), *(node(n, unschedulable=True) for n in "bcd")],
            pod(memory=0),
            "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) were unschedulable.",
            id="the text of the design",
        ),
        pytest.param(
            [node("a", requested=FULL, pods=110)],
            pod(),
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods.",
            id="every shortage of a node",
        ),
        pytest.param(
            [node("a", taints=(Taint("x", HARD),)), node("b", taints=(Taint("x", SOFT),))],
            pod(node_selector={"disk": "ssd"}),
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "1 node(s) had untolerated taint(s).",
            id="taints come before selectors",
        ),
        pytest.param(
            [node("a"), node("b")],
            pod(required=()),
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            id="required terms without an alternative",
        ),
        pytest.param(
            [node("a"), node("b"), node("c", requested=FULL)],
            pod(required=only("c"), memory=0),
            "0/3 nodes are available: 1 Insufficient cpu, "
            "2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
            id="required names restrict the walk",
        ),
        pytest.param(
            [node("a")],
            pod(need=Resources(0, 0, {"nvidia.com/gpu": 1})),
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
            id="an extended resource that nobody has",
        ),
        pytest.param(
            [node("a")],
            pod(unsupported="resource claims are not supported by this scheduler"),
            "0/1 nodes are available: resource claims are not supported by this scheduler.",
            id="what the model does not do",
        ),
        pytest.param(
            [node("a")],
            pod(required=(NodeTerm(fields=(*only("a")[0].fields, *only("b")[0].fields)),)),
            "0/1 nodes are available: pod affinity terms conflict.",
            id="names that exclude each other",
        ),
        pytest.param(
            [node("a")],
            pod(node="b"),
            "0/1 nodes are available: 1 node(s) didn't match the requested node name.",
            id="another node is asked for",
        ),
        pytest.param([], pod(), NO_NODES, id="no nodes"),
        pytest.param([node("a")], pod(gated=True), GATED, id="gated"),
    ],
)
def test_the_event_says_why_no_node_fits(nodes: list[Node], asking: PodRequest, text: str) -> None:
    decision = SchedulerModel(nodes).schedule(asking)
    assert (decision.node, decision.reason) == (None, text)


def test_the_scheduler_does_not_look_at_readiness() -> None:
    assert cluster(1, ready=False).schedule(pod()).node == "n0"


def test_host_ports_are_taken_once_a_node() -> None:
    model = cluster(2)
    first, second, third = (
        model.schedule(pod(f"p{i}", host_ports=(HostPort(8080),))) for i in range(3)
    )
    assert {first.node, second.node} == {"n0", "n1"}
    assert "2 node(s) didn't have free ports for the requested pod ports" in third.reason


def test_extended_resources_are_counted() -> None:
    model = SchedulerModel([node("a", allocatable=Resources(4_000, GIB, {"x.com/gpu": 1}))])
    gpu = Resources(0, 0, {"x.com/gpu": 1})
    assert model.schedule(pod("p1", need=gpu)).node == "a"
    assert model.schedule(pod("p2", need=gpu)).node is None


def test_the_nominated_node_wins_unscored() -> None:
    decision = cluster(3).schedule(pod(nominated="n1", preferred=(named_term("n0", 100),)))
    assert (decision.node, decision.scored) == ("n1", 0)


def test_a_full_nominated_node_is_passed_over() -> None:
    model = SchedulerModel([node("a"), node("b", requested=FULL), node("c")])
    decision = model.schedule(pod(nominated="b", preferred=(named_term("c", 1),)))
    assert (decision.node, decision.scored) == ("c", 2)


@pytest.mark.parametrize(
    ("priority", "place"),
    [
        pytest.param(0, None, id="equal priority must leave the room"),
        pytest.param(-1, None, id="lower priority too"),
        pytest.param(1, "n0", id="higher priority takes it"),
    ],
)
def test_a_nomination_reserves_room(priority: int, place: str | None) -> None:
    model = cluster(1)
    model.add_pod(pod("waiting", 3_000, nominated="n0"))
    assert model.schedule(pod("rival", 2_000, priority=priority)).node == place


def test_a_nominated_pod_does_not_stand_in_its_own_way() -> None:
    model = cluster(1)
    waiting = pod("waiting", 3_000, nominated="n0")
    model.add_pod(waiting)
    assert model.schedule(waiting).node == "n0"
    assert model.schedule(pod("later", 1_000)).node == "n0"


def test_a_nomination_also_reserves_ports_slots_and_devices() -> None:
    model = SchedulerModel([node("a", pod_slots=1)])
    model.add_pod(pod("w", need=Resources(), nominated="a", host_ports=(HostPort(1),)))
    assert "Too many pods" in model.schedule(pod("x")).reason
    assert "free ports" in model.schedule(pod("y", host_ports=(HostPort(1),))).reason


def test_refusals_and_totals_can_be_asked_for_without_placing_anything() -> None:
    model = SchedulerModel([node("n0", unschedulable=True), *(node(f"n{i}") for i in range(1, 4))])
    wanted = pod(preferred=(named_term("n2", 100), named_term("n3", 50)))
    assert model.refusals(wanted) == {"n0": ("node(s) were unschedulable",)}
    # affinity is scaled by the largest among those that are asked about: 2 * 100, or 2 * 50
    assert model.totals(wanted, ["n3", "n1"]) == {"n3": 654, "n1": 454}
    assert model.totals(wanted, ["n2", "n3"]) == {"n2": 654, "n3": 554}
    assert model.schedule(wanted).totals == {"n1": 454, "n2": 654, "n3": 554}
