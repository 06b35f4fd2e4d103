from dataclasses import replace

import pytest

from nightshift.domain.nodes import Node
from nightshift.domain.placement.scheduler_model import SchedulerModel, nodes_to_score
from tests.domain.placement.builders import cluster, node, pod
from tests.property.strategies_placement import ZONE, named_term


@pytest.mark.parametrize(
    ("nodes", "percentage", "scored"),
    [
        (0, 0, 0), (99, 0, 99), (100, 0, 100), (200, 0, 100), (500, 0, 230), (1_000, 0, 420),
        (1_523, 0, 578), (3_000, 0, 780), (5_000, 0, 500), (10_000, 0, 500),
        (500, 100, 500), (500, 10, 100), (1_000, 30, 300), (99, 1, 99),
    ],
)  # fmt: skip
def test_how_many_nodes_are_scored(nodes: int, percentage: int, scored: int) -> None:
    assert nodes_to_score(nodes, percentage) == scored


def test_a_large_cluster_is_sampled_from_a_start_that_rotates() -> None:
    model = cluster(250)
    seen = [list(model.schedule(pod(f"p{i}")).totals) for i in range(4)]
    assert [len(names) for names in seen] == [120, 120, 120, 120]
    assert [(names[0], names[-1]) for names in seen] == [
        ("n0", "n119"),
        ("n120", "n239"),
        ("n240", "n109"),
        ("n110", "n229"),
    ]


def test_rejected_nodes_move_the_start_too() -> None:
    model = SchedulerModel([node(f"n{i}", unschedulable=i < 50) for i in range(250)])
    assert next(iter(model.schedule(pod("a")).totals)) == "n50"
    assert next(iter(model.schedule(pod("b")).totals)) == "n170"


def test_a_preferred_node_outside_the_sample_gets_nothing() -> None:
    decision = cluster(250).schedule(pod(preferred=(named_term("n200", 100),)))
    assert decision.node != "n200"
    assert len(set(decision.totals.values())) == 1


def test_the_percentage_widens_the_sample() -> None:
    model = SchedulerModel([node(f"n{i}") for i in range(250)], percentage=100)
    assert model.schedule(pod(preferred=(named_term("n200", 100),))).node == "n200"


def zoned(name: str, zone: str) -> Node:
    return node(name, labels={ZONE: zone} if zone else {})


def order_of(model: SchedulerModel) -> list[str]:
    return list(model.schedule(pod("probe")).totals)


def test_nodes_are_taken_from_each_zone_in_turn() -> None:
    names = ["a1", "a2", "a3", "b1", "c1", "c2"]
    model = SchedulerModel([zoned(name, name[0]) for name in names])
    assert order_of(model) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_regions_tell_equal_zones_apart() -> None:
    region = "topology.kubernetes.io/region"
    nodes = [node(n, labels={ZONE: "z", region: n[0]}) for n in ("a1", "a2", "b1")]
    assert order_of(SchedulerModel(nodes)) == ["a1", "b1", "a2"]


def test_a_node_that_changes_its_zone_goes_to_the_end_of_the_new_one() -> None:
    model = SchedulerModel([zoned("x", "a"), zoned("y", "a"), zoned("z", "b")])
    model.update_node(zoned("x", "b"))
    assert order_of(model) == ["y", "z", "x"]


def test_a_node_keeps_its_place_and_its_pods_when_other_facts_change() -> None:
    model = SchedulerModel([zoned("x", "a"), zoned("y", "a")])
    model.schedule(pod("p", 3_000, preferred=(named_term("x", 100),)))
    model.update_node(replace(zoned("x", "a"), unschedulable=True))
    model.update_node(replace(zoned("x", "a"), labels={ZONE: "a", "new": "1"}))
    assert model.schedule(pod("q", 3_000)).node == "y"
    assert model.schedule(pod("r", 1_000, node_selector={"new": "1"})).node == "x"


def test_a_removed_node_is_not_used_and_remembers_its_pods_when_it_comes_back() -> None:
    model = cluster(2)
    model.schedule(pod("p", 3_000, preferred=(named_term("n0", 100),)))
    model.remove_node("n0")
    model.remove_node("n0")
    assert "0/1 nodes" in model.schedule(pod("q", 5_000)).reason
    model.update_node(node("n0"))
    assert model.schedule(pod("r", 2_000)).node == "n1"


def test_a_pod_may_be_told_of_before_its_node() -> None:
    model = SchedulerModel()
    model.add_pod(pod("p", 3_000, node="n0"))
    model.update_node(node("n0"))
    assert model.schedule(pod("q", 2_000)).node is None
    model.remove_pod("p")
    assert model.schedule(pod("q", 2_000)).node == "n0"


def test_images_on_nodes_are_a_reason_to_go_there() -> None:
    images = {"scan:1": 800 * 1024**2}
    model = SchedulerModel([node("a"), node("b", images=images)])
    assert model.schedule(pod("p", images=("scan:1",))).node == "b"
    model.update_node(node("b"))
    model.update_node(node("a", images=images))
    assert model.schedule(pod("q", images=("scan:1",))).node == "a"
