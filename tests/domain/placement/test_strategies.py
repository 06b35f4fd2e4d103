import json
from dataclasses import replace

import pytest

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, Taint, TaintEffect, Toleration
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand
from nightshift.domain.placement.strategies import strategy_by_name
from nightshift.domain.resources import Resources
from nightshift.errors import CapacityImpossible

GIB = 1024**3
AVOID = Taint("spot", TaintEffect.PREFER_NO_SCHEDULE)


def node(name: str, cpu: int, memory: int, **more: object) -> Node:
    """Build an empty node of so many free cores and GiB."""
    return replace(Node(NodeName(name), Resources(cpu * 1000, memory * GIB)), **more)  # type: ignore[arg-type]  # test shorthand


def shards(
    count: int, cpu: int, memory: int, tolerations: tuple[Toleration, ...] = ()
) -> list[ShardDemand]:
    request = Resources(cpu * 1000, memory * GIB)
    return [ShardDemand(ShardName(f"s{i:03d}"), request, tolerations) for i in range(count)]


NODES = [node("cpu", 32, 32), node("even", 16, 64), node("mem", 8, 128)]


def plan(name: str, nodes: list[Node], demands: list[ShardDemand]) -> PlacementPlan:
    return strategy_by_name(name).plan(nodes, demands)


def primaries(made: PlacementPlan) -> list[str | None]:
    return [shard.primary for shard in made.shards]


@pytest.mark.parametrize(
    ("cpu", "memory", "order"),
    [
        pytest.param(1, 8, ["mem", "even", "cpu"], id="memory-heavy: free memory"),
        pytest.param(4, 4, ["cpu", "even", "mem"], id="cpu-heavy: free cpu"),
        pytest.param(0, 0, ["cpu", "even", "mem"], id="nothing asked: free cpu"),
    ],
)
def test_ratio_ranks_by_the_heavy_resource(cpu: int, memory: int, order: list[str]) -> None:
    made = plan("ratio", NODES, shards(1, cpu, memory))
    assert [ranked.name for ranked in made.ranking] == order
    assert [term.node for term in made.shards[0].terms] == order
    assert [term.weight for term in made.shards[0].terms] == [100, 15, 14]


def test_a_tie_goes_to_the_other_resource_and_then_to_the_name() -> None:
    nodes = [node("c", 8, 64), node("b", 8, 64), node("a", 16, 64)]
    made = plan("ratio", nodes, shards(1, 1, 8))
    assert [ranked.name for ranked in made.ranking] == ["a", "b", "c"]


def test_what_is_free_counts_not_what_is_there() -> None:
    used = replace(NODES[2], requested=Resources(0, 100 * GIB))
    made = plan("ratio", [NODES[1], used], shards(1, 1, 8))
    assert made.shards[0].primary == "even"


def test_static_prefers_the_same_nodes_for_every_shard() -> None:
    assert primaries(plan("ratio", NODES, shards(4, 1, 20))) == ["mem"] * 4


def test_walk_ranks_again_after_each_shard() -> None:
    made = plan("ratio-walk", NODES, shards(6, 1, 20))
    assert primaries(made) == ["mem", "mem", "mem", "mem", "even", "mem"]
    assert made.shards[4].backups == ("mem", "cpu")


def test_walk_stops_at_pod_slots() -> None:
    one_slot = replace(NODES[2], pod_slots=5, pods=4)
    made = plan("ratio-walk", [NODES[1], one_slot], shards(2, 1, 8))
    assert primaries(made) == ["mem", "even"]


def test_spread_takes_the_least_used_node_each_time() -> None:
    nodes = [node("a", 10, 10), node("b", 10, 10), node("c", 10, 10, requested=Resources(2000))]
    assert primaries(plan("spread", nodes, shards(5, 1, 1))) == ["a", "b", "a", "b", "c"]


def test_spread_looks_at_the_resource_that_is_used_most() -> None:
    nodes = [
        node("a", 10, 10, requested=Resources(0, 5 * GIB)),
        node("b", 10, 10, requested=Resources(4000, 4 * GIB)),
    ]
    assert primaries(plan("spread", nodes, shards(1, 1, 1))) == ["b"]


def test_none_ranks_but_prefers_nothing() -> None:
    made = plan("none", NODES, shards(2, 1, 8))
    assert [shard.affinity() for shard in made.shards] == [{}, {}]
    assert [ranked.name for ranked in made.ranking] == ["mem", "even", "cpu"]


def test_fifteen_backups_are_the_most() -> None:
    nodes = [node(f"n{i:02d}", 4, 16 + i) for i in range(40)]
    made = plan("ratio", nodes, shards(1, 1, 8))
    assert made.shards[0].primary == "n39"
    assert made.shards[0].backups == tuple(f"n{i}" for i in range(38, 23, -1))
    assert len(made.ranking) == 40


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param({"unschedulable": True}, "node(s) were unschedulable", id="cordoned"),
        pytest.param(
            {"ready": False, "not_ready_reason": "MemoryPressure"}, "MemoryPressure", id="pressure"
        ),
        pytest.param(
            {"taints": (Taint("db", TaintEffect.NO_SCHEDULE),)}, "db:NoSchedule", id="tainted"
        ),
        pytest.param({"pods": 110}, "Too many pods", id="no slots"),
        pytest.param({"requested": Resources(0, 127 * GIB)}, "Insufficient memory", id="full"),
        pytest.param({"allocatable": Resources(9000, GIB)}, "too_large", id="too small"),
    ],
)
@pytest.mark.parametrize("strategy", list(StrategyName))
def test_a_node_that_takes_no_shard_is_shown_last_with_its_reason(
    strategy: str, bad: dict[str, object], reason: str
) -> None:
    refused = replace(NODES[2], **bad)  # type: ignore[arg-type]  # test shorthand
    made = plan(strategy, [refused, *NODES[:2]], shards(2, 1, 8))
    assert [ranked.candidate for ranked in made.ranking] == [True, True, False]
    assert made.ranking[-1].name == "mem"
    assert reason in made.ranking[-1].reason
    assert all("mem" not in [t.node for t in shard.terms] for shard in made.shards)


def test_a_tolerated_taint_is_no_obstacle() -> None:
    tainted = replace(NODES[2], taints=(Taint("db", TaintEffect.NO_SCHEDULE),))
    demands = shards(1, 1, 8, (Toleration("db", "Exists"),))
    assert primaries(plan("ratio", [tainted, NODES[0]], demands)) == ["mem"]


def test_prefer_no_schedule_ranks_last_but_stays_a_candidate() -> None:
    made = plan("ratio", [replace(NODES[2], taints=(AVOID,)), *NODES[:2]], shards(1, 1, 8))
    assert [ranked.name for ranked in made.ranking] == ["even", "cpu", "mem"]
    assert made.shards[0].backups == ("cpu", "mem")
    assert "PreferNoSchedule" in made.ranking[-1].reason
    assert made.ranking[-1].candidate


def test_tolerating_prefer_no_schedule_restores_the_rank() -> None:
    demands = shards(1, 1, 8, (Toleration("spot", "Exists"),))
    made = plan("ratio", [replace(NODES[2], taints=(AVOID,)), *NODES[:2]], demands)
    assert made.shards[0].primary == made.ranking[0].name == "mem"


def test_each_shard_only_prefers_nodes_where_it_fits() -> None:
    demands = [*shards(1, 1, 100), replace(shards(1, 12, 8)[0], shard=ShardName("s001"))]
    made = plan("ratio", NODES, demands)
    assert primaries(made) == ["mem", "even"]


def test_a_shard_that_fits_nowhere_now_gets_no_terms_and_a_reason() -> None:
    full = [replace(n, requested=n.allocatable) for n in NODES]
    (shard,) = plan("ratio", full, shards(1, 1, 8)).shards
    assert shard.primary is None
    assert shard.affinity() == {}
    assert "no node has room for cpu 1, memory 8Gi now" in shard.reason


@pytest.mark.parametrize("strategy", list(StrategyName))
def test_a_shard_that_fits_no_empty_node_is_refused_by_name(strategy: str) -> None:
    with pytest.raises(CapacityImpossible) as refusal:
        plan(strategy, NODES, [*shards(1, 1, 1), ShardDemand(ShardName("s007"), Resources(64_000))])
    assert "shard s007 asks cpu 64" in str(refusal.value)
    assert "the largest, cpu, offers cpu 32" in str(refusal.value)


def test_a_cordoned_node_may_come_back_so_its_size_counts() -> None:
    cordoned = [replace(n, unschedulable=True) for n in NODES]
    assert primaries(plan("ratio", cordoned, shards(1, 1, 100))) == [None]


def test_a_cluster_without_nodes_is_refused() -> None:
    with pytest.raises(CapacityImpossible, match="no nodes"):
        plan("ratio", [], shards(1, 1, 1))


def test_an_empty_batch_is_an_empty_plan() -> None:
    made = plan("ratio", NODES, [])
    assert made.shards == ()
    assert made.reason.startswith("no_requests")
    assert all(ranked.candidate for ranked in made.ranking)


@pytest.mark.parametrize(
    ("nodes", "demands", "fault"),
    [
        pytest.param([NODES[0], NODES[0]], shards(1, 1, 1), "node cpu is there twice", id="node"),
        pytest.param(NODES, shards(1, 1, 1) * 2, "shard s000 is there twice", id="shard"),
    ],
)
def test_names_must_be_unique(nodes: list[Node], demands: list[ShardDemand], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        plan("ratio", nodes, demands)


def test_the_plan_is_json() -> None:
    made = plan("ratio", NODES, shards(1, 2, 14))
    read = json.loads(json.dumps(made.to_json()))
    assert read["strategy"] == "ratio"
    assert read["demand"] == {"cpu": "2", "memory": "14Gi"}
    assert (read["ratio"], read["ratio_exact"]) == ("0.5321843284", "1953125/3670016")
    assert read["heaviness"] == "memory-heavy"
    assert read["ranking"][0] == {
        "node": "mem",
        "candidate": True,
        "reason": "free: cpu 8, memory 128Gi, 110 pods",
        "free": {"cpu": "8", "memory": "128Gi"},
        "free_slots": 110,
    }
    assert read["shards"] == [
        {
            "shard": "s000",
            "primary": "mem",
            "backups": ["even", "cpu"],
            "terms": [
                {"node": "mem", "weight": 100},
                {"node": "even", "weight": 15},
                {"node": "cpu", "weight": 14},
            ],
            "reason": "mem ranks first where it fits: cpu 8, memory 128Gi free",
        }
    ]


def test_cpu_without_memory_has_no_ratio_in_json() -> None:
    read = plan("ratio", NODES, [ShardDemand(ShardName("s000"), Resources(1000))]).to_json()
    assert (read["ratio"], read["heaviness"]) == (None, "cpu-heavy")


def test_every_name_has_a_strategy_and_another_is_refused_with_the_list() -> None:
    for name in StrategyName:
        assert plan(name, NODES, []).strategy == name
    with pytest.raises(ValueError, match="'best'; there are pack, ratio, ratio-walk, spread"):
        strategy_by_name("best")
