"""What a packed plan says and asks for, case by case; its laws are in tests/property."""

import json
from dataclasses import replace
from typing import Any

import pytest

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, Taint, TaintEffect, Toleration
from nightshift.domain.placement.affinity import HOSTNAME_LABEL, PoolValue, check_affinity
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.pack_exact import Effort
from nightshift.domain.placement.plans import Packing, PlacementPlan, ShardDemand
from nightshift.domain.placement.replans import replan
from nightshift.domain.placement.steering import Rights, SteeringChoice, SteeringImpossible
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.resources import Resources

GIB = 1024**3
ALL_RIGHTS = Rights((1, 36), patch_pod_status=True, patch_nodes=True)
SHY = Taint("spot", TaintEffect.PREFER_NO_SCHEDULE)


def node(name: str, cpu: int = 4, memory: int = 16, **more: Any) -> Node:
    base = Node(
        NodeName(name), Resources(cpu * 1000, memory * GIB), labels={HOSTNAME_LABEL: f"h-{name}"}
    )
    return replace(base, **more)


def nodes(count: int, cpu: int = 4, **more: Any) -> list[Node]:
    return [node(f"n{i:03d}", cpu, **more) for i in range(count)]


def pods(count: int, cpu: int, memory: int, first: int = 0, **more: Any) -> list[ShardDemand]:
    request = Resources(cpu * 1000, memory * GIB)
    made = [ShardDemand(ShardName(f"s{first + i:03d}"), request) for i in range(count)]
    return [replace(one, **more) for one in made]


def packed(plan: PlacementPlan) -> Packing:
    assert plan.packing is not None
    return plan.packing


def on(plan: PlacementPlan) -> dict[str, list[str]]:
    """List the pods of each node."""
    found: dict[str, list[str]] = {}
    for shard in plan.shards:
        found.setdefault(str(shard.primary), []).append(str(shard.shard))
    return found


def test_a_batch_goes_to_the_busy_node_first_and_then_to_one_idle_node() -> None:
    cluster = [node("a"), node("b", busy=True, requested=Resources(2000, 8 * GIB)), node("c")]
    plan = PackStrategy().plan(cluster, pods(6, 1, 4))
    assert {name: len(there) for name, there in on(plan).items()} == {"b": 2, "a": 4}
    assert packed(plan).opened == ("a",)
    assert packed(plan).reserve == ("c",)
    assert (packed(plan).bound, packed(plan).gap, packed(plan).cut_off) == (1, 0.0, "")
    assert [ranked.name for ranked in plan.ranking] == ["b", "a", "c"]
    assert [ranked.reason.split(";")[0] for ranked in plan.ranking] == [
        "in use anyway, takes 2 pods", "opened for 4 pods", "next to be opened",
    ]  # fmt: skip
    reasons = {shard.primary: shard.reason for shard in plan.shards}
    assert reasons[NodeName("a")].startswith("a is one of 1 idle nodes to open: 4 pods")
    assert reasons[NodeName("b")].startswith("b is in use anyway: 2 pods")


def test_opposite_pods_share_nodes_where_the_ratio_sees_a_common_batch() -> None:
    """Half CPU-heavy, half memory-heavy is a ratio of 1; only together do they fill a node."""
    batch = [*pods(6, 3, 2), *pods(6, 1, 14, first=6)]
    plan = PackStrategy().plan(nodes(12), batch)
    assert len(packed(plan).opened) == packed(plan).bound == 6
    assert all(len(there) == 2 for there in on(plan).values())


def test_where_rules_fail_the_patterns_find_the_optimum() -> None:
    """Nine pods of 7 GiB and 9 of 4 and 9 of 5 fill nine nodes of 16 to the brim."""
    batch = [*pods(9, 1, 7), *pods(9, 1, 5, first=9), *pods(9, 1, 4, first=18)]
    plan = PackStrategy().plan(nodes(20, cpu=64), batch)
    assert len(packed(plan).opened) == packed(plan).bound == 9


def test_the_first_of_the_batch_do_not_wait_for_later_ones_that_fit_better() -> None:
    batch = [*pods(2, 1, 9), *pods(8, 1, 4, first=2)]
    plan = PackStrategy().plan(nodes(2), batch)
    waits = [str(shard.shard) for shard in plan.shards if shard.waits]
    assert waits == ["s004", "s005", "s006", "s007", "s008", "s009"]
    assert packed(plan).unplaced == 6
    assert packed(plan).bound is None
    assert packed(plan).gap is None
    assert "6 of the pods wait for room" in plan.reason
    assert "no node has room" in plan.shards[-1].reason


@pytest.mark.parametrize(
    ("order", "waits"),
    [
        pytest.param(WaveOrder.FIFO, [False, True], id="as they stand"),
        pytest.param(WaveOrder.LONGEST, [True, False], id="the longest first"),
    ],
)
def test_the_order_decides_who_waits(order: WaveOrder, waits: list[bool]) -> None:
    batch = [
        *pods(1, 3, 8, expected_seconds=10.0),
        *pods(1, 3, 9, first=1, expected_seconds=400.0),
    ]
    plan = PackStrategy(order=order).plan(nodes(1), batch)
    assert [shard.waits for shard in plan.shards] == waits


def test_of_equal_pods_too_the_order_decides_who_waits() -> None:
    batch = [replace(one, expected_seconds=float(i)) for i, one in enumerate(pods(3, 3, 8))]
    plan = PackStrategy(order=WaveOrder.LONGEST).plan(nodes(2), batch)
    assert [shard.waits for shard in plan.shards] == [True, False, False]


def test_a_node_that_would_rather_not_is_used_only_when_nothing_else_has_room() -> None:
    cluster = [node("a", taints=(SHY,), busy=True), node("b")]
    assert set(on(PackStrategy().plan(cluster, pods(4, 1, 4)))) == {"b"}
    assert set(on(PackStrategy().plan(cluster, pods(5, 1, 4)))) == {"a", "b"}
    assert packed(PackStrategy().plan(cluster, pods(4, 1, 4))).bound == 0  # a could take them all


def test_tolerations_and_selectors_are_respected() -> None:
    closed, covers = Taint("db", TaintEffect.NO_SCHEDULE), (Toleration("db", "Exists"),)
    cluster = [node("a", taints=(closed,)), node("b", labels={"disk": "ssd"}), node("c")]
    batch = [
        *pods(
            1,
            1,
            4,
            tolerations=covers,
            node_selector={HOSTNAME_LABEL: "h-a"},
        ),
        *pods(1, 1, 4, first=1, node_selector={"disk": "ssd"}),
        *pods(4, 1, 4, first=2),
    ]
    placed = on(PackStrategy().plan(cluster, batch))
    assert placed["a"] == ["s000"]
    assert "s001" in placed["b"]
    assert set(placed) == {"a", "b", "c"}


def test_a_bound_that_could_not_be_made_tight_is_not_passed_off_as_the_best() -> None:
    """No two of these fit together, which adding up volumes cannot see."""
    batch = [*pods(4, 1, 9), *pods(4, 1, 10, first=4)]
    proven = packed(PackStrategy().plan(nodes(20), batch))
    assert (len(proven.opened), proven.bound, proven.bound_by, proven.cut_off) == (
        8, 8, "relaxation", "",
    )  # fmt: skip
    hasty = packed(PackStrategy(effort=Effort(cells=0)).plan(nodes(20), batch))
    assert (len(hasty.opened), hasty.bound, hasty.bound_by, hasty.cut_off) == (
        8,
        5,
        "volume",
        "size",
    )
    assert hasty.gap == pytest.approx(3 / 8)


def tiers(plan: PlacementPlan) -> list[tuple[int, list[str]]]:
    """Read what the first pod's affinity says: weights and values."""
    affinity = plan.shards[0].affinity()
    check_affinity(affinity)
    preferred = affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    return [
        (term["weight"], next(iter(term["preference"].values()))[0]["values"]) for term in preferred
    ]


def test_soft_names_the_primary_the_other_opened_nodes_and_the_reserve() -> None:
    plan = PackStrategy().plan(nodes(6), pods(3, 1, 16))
    assert tiers(plan) == [(100, ["n000"]), (25, ["h-n001", "h-n002"]), (6, ["h-n003"])]
    assert plan.shards[0].nominated is None
    assert plan.shards[0].pool == ()


def test_lists_of_names_stay_short_and_differ_from_pod_to_pod() -> None:
    plan = PackStrategy(SteeringChoice.SOFT).plan(nodes(700), pods(300, 1, 16))
    listed = [[len(tier.to_json()["hosts"]) for tier in shard.tiers] for shard in plan.shards]
    assert {tuple(one) for one in listed} == {(40, 24)}
    named = {host for shard in plan.shards for host in shard.tiers[0].to_json()["hosts"]}
    assert len(named) == 300
    assert all(f"h-{s.primary}" not in s.tiers[0].to_json()["hosts"] for s in plan.shards)


def required(plan: PlacementPlan, shard: int = 0) -> list[str]:
    """Read the hosts that a pod is confined to."""
    affinity = plan.shards[shard].affinity()
    check_affinity(affinity)
    hard = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (rule,) = hard["nodeSelectorTerms"][0]["matchExpressions"]
    assert rule["key"] == HOSTNAME_LABEL
    return list(rule["values"])


def test_names_confines_pods_to_their_node_others_of_the_plan_and_empty_ones() -> None:
    plan = PackStrategy().plan(nodes(700), pods(300, 1, 16))
    assert packed(plan).steering.level == "names"
    opened = {f"h-{name}" for name in packed(plan).opened}
    for number, shard in enumerate(plan.shards):
        listed = required(plan, number)
        assert listed[0] == f"h-{shard.primary}"
        assert len(set(listed)) == 64
        assert len(opened.intersection(listed)) == 33
    assert len({host for n in range(300) for host in required(plan, n)}) > 600


def test_names_lists_only_nodes_that_take_such_a_pod() -> None:
    large = [node(f"l{i:03d}", 16, 64) for i in range(40)]
    plan = PackStrategy().plan([*nodes(100), *large], [*pods(30, 12, 40), *pods(60, 1, 4, 30)])
    assert {host[:3] for host in required(plan)} == {"h-l"}
    assert "h-n" in {host[:3] for n in range(30, 90) for host in required(plan, n)}


@pytest.mark.parametrize("count", [120, 110, 90])
def test_where_few_nodes_stay_empty_a_list_has_more_of_the_plans(count: int) -> None:
    plan = PackStrategy().plan(nodes(120), pods(count, 1, 16))
    for number in range(count):
        assert len(set(required(plan, number))) == 64


def test_too_few_hosts_confine_nobody() -> None:
    few = [node(f"l{i:03d}", 16, 64) for i in range(12)]
    plan = PackStrategy().plan([*nodes(100), *few], pods(6, 12, 40))
    assert packed(plan).steering.level == "names"
    assert all(not shard.spare and shard.tiers for shard in plan.shards)


def test_a_pod_that_waits_may_go_anywhere() -> None:
    plan = PackStrategy().plan(nodes(100), pods(102, 1, 16))
    assert [shard.waits for shard in plan.shards].count(True) == 2
    assert all(bool(shard.spare) != shard.waits for shard in plan.shards)


def test_a_node_without_a_hostname_label_is_named_as_a_primary_only() -> None:
    plan = PackStrategy().plan(nodes(4, labels={}), pods(3, 1, 16))
    assert tiers(plan) == [(100, ["n000"])]
    large = PackStrategy().plan(nodes(200, labels={}), pods(3, 1, 16))
    assert packed(large).steering.level == "names"
    assert [shard.spare for shard in large.shards] == [(), (), ()]
    assert packed(large).steering.hit_rate == 0.5
    assert "predicted hit rate 50%" in packed(large).steering.reason


def test_nominate_names_the_node_for_the_scheduler() -> None:
    rights = Rights((1, 36), patch_pod_status=True)
    plan = PackStrategy(rights=rights).plan(nodes(120), pods(3, 1, 16))
    assert packed(plan).steering.level == "nominate"
    assert packed(plan).steering.hit_rate == 1.0
    assert [shard.nominated for shard in plan.shards] == [shard.primary for shard in plan.shards]


def test_pool_labels_nodes_and_requires_the_label() -> None:
    plan = PackStrategy(SteeringChoice.POOL_NOMINATE, ALL_RIGHTS).plan(nodes(6), pods(3, 1, 16))
    assert packed(plan).pool_labels == {
        "n000": PoolValue.OPEN, "n001": PoolValue.OPEN, "n002": PoolValue.OPEN,
        "n003": PoolValue.RESERVE,
    }  # fmt: skip
    assert tiers(plan) == [(100, ["n000"]), (25, ["open"]), (6, ["reserve"])]
    assert plan.shards[0].pool == (PoolValue.OPEN, PoolValue.RESERVE)


def test_a_pod_that_waits_is_not_kept_in_the_pool() -> None:
    plan = PackStrategy(SteeringChoice.POOL, ALL_RIGHTS).plan(nodes(1), pods(2, 1, 16))
    assert [shard.pool == () for shard in plan.shards] == [False, True]
    assert plan.shards[1].tiers


def test_a_level_without_the_right_to_it_is_refused() -> None:
    with pytest.raises(SteeringImpossible, match="needs patch on nodes"):
        PackStrategy(SteeringChoice.POOL).plan(nodes(2), pods(1, 1, 1))


def test_headroom_costs_nodes_but_not_the_truth_of_the_bound() -> None:
    batch = pods(8, 1, 4)
    plan = PackStrategy(headroom_percent=10).plan(nodes(6), batch)
    assert len(packed(plan).opened) == 3
    assert packed(plan).bound == 2
    assert packed(plan).headroom_percent == 10


def test_the_packing_is_json() -> None:
    plan = PackStrategy(SteeringChoice.POOL, ALL_RIGHTS).plan(nodes(3), pods(2, 1, 16))
    read = json.loads(json.dumps(plan.to_json()))
    assert read["packing"]["opened"] == ["n000", "n001"]
    assert (read["packing"]["bound"], read["packing"]["gap"]) == (2, 0.0)
    assert read["packing"]["pool_labels"]["n002"] == "reserve"
    assert read["shards"][0]["tiers"] == [
        {"pool": "open", "weight": 25}, {"pool": "reserve", "weight": 6},
    ]  # fmt: skip


def test_a_lost_node_moves_its_pods_and_no_others() -> None:
    cluster = nodes(6)
    batch = pods(12, 1, 4)
    before = PackStrategy().plan(cluster, batch)
    placements = {shard.shard: shard for shard in before.shards}
    lost = before.shards[0].primary
    fresh = [replace(n, ready=False, busy=True) if n.name == lost else n for n in cluster]
    new = replan(PackStrategy(), placements, batch, fresh)
    assert {str(shard) for shard in new.moved} == set(on(before)[str(lost)])
    assert all("not ready" in reason for reason in new.moved.values())
    assert all(shard.primary not in {lost, None} for shard in new.plan.shards)
    assert len(packed(new.plan).opened) == 3


def test_nodes_that_hold_our_pods_cost_nothing_more() -> None:
    cluster = nodes(4)
    batch = pods(4, 1, 4)
    before = PackStrategy().plan(cluster, batch)
    placements = {shard.shard: shard for shard in before.shards}
    fresh = [
        replace(cluster[0], unschedulable=True),
        replace(cluster[1], requested=Resources(1000, 4 * GIB), pods=1),
        *cluster[2:],
    ]
    new = replan(PackStrategy(), placements, batch[1:], fresh, frozenset({NodeName("n001")}))
    assert set(on(new.plan)) == {"n001"}
    assert packed(new.plan).opened == ()


def test_all_is_packed_anew_when_that_opens_fewer_nodes() -> None:
    """Three pods were planned apart; two nodes are freed in the meantime and hold them all."""
    batch = pods(4, 1, 8)
    before = PackStrategy().plan(
        [node("a", memory=8), node("b", memory=8), node("c", memory=8), node("d", memory=8)], batch
    )
    placements = {shard.shard: shard for shard in before.shards}
    grown = [node("a", memory=32), *(node(name, memory=8) for name in "bc")]
    new = replan(PackStrategy(), placements, batch, grown)
    assert set(on(new.plan)) == {"a"}
    assert len(new.moved) == 3
    assert "packed anew, which opens fewer idle nodes" in new.moved.values()
