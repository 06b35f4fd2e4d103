"""Which nodes rest, and why the others do not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import ActionKind, CapacityPlan, Check, lease_of
from nightshift.domain.capacity.policies import Protection
from nightshift.domain.capacity.policies_pools import DrainRules, EmptyDir, Limits, NodePool
from nightshift.domain.capacity.policies_targets import TargetKind, Tier
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.snapshots import (
    Amount,
    BudgetFacts,
    ClusterSnapshot,
    NodeFacts,
    PodFacts,
    PoolFacts,
    Role,
    VolumeFact,
)
from nightshift.domain.capacity.targets import FieldName
from nightshift.domain.leases.annotations import HOLD
from nightshift.domain.leases.records import LeaseState
from nightshift.domain.nodeterms import NodeTerm, Operator, Requirement
from tests.domain.capacity.capacity_support import (
    NOW,
    WINDOW,
    deployment,
    node,
    pod,
    policy,
    pool,
    pool_facts,
    snapshot,
    stateful_set,
    tier,
    workload,
)

FREE = Limits(max_nodes_removed=100, max_nodes_removed_pct=100, min_ready_nodes=0, headroom_pct=0)
SCAN = {"app.kubernetes.io/part-of": "nightshift"}


def cluster(
    pods: Sequence[PodFacts] = (),
    names: Sequence[str] = ("n1", "n2", "n3"),
    *,
    facts: PoolFacts | None = None,
    nodes: Sequence[NodeFacts] = (),
    zones: Mapping[str, str] | None = None,
    budgets: Sequence[BudgetFacts] = (),
    targets: Sequence[object] = (),
) -> ClusterSnapshot:
    made = nodes or [node(one, pods=pods, zone=(zones or {}).get(one, "")) for one in names]
    return snapshot(
        *targets,  # type: ignore[arg-type]  # LiveTargets
        nodes=made,
        pods=pods,
        pools=[facts or pool_facts(nodes=len(made))],
        budgets=budgets,
    )


def plan(
    facts: ClusterSnapshot,
    *tiers: Tier,
    limits: Limits = FREE,
    pools: Sequence[NodePool] = (),
    protect: Protection | None = None,
) -> CapacityPlan:
    asked = policy(*tiers, pools=pools or [pool()], limits=limits)
    return plan_scale_down(replace(asked, protect=protect or Protection()), facts, WINDOW)


def resting(found: CapacityPlan) -> list[str]:
    return [one.target.name for one in found.actions if one.kind is ActionKind.REST_NODE]


def why(found: CapacityPlan, ref: str) -> tuple[Check, str]:
    (skip,) = [skip for skip in found.skips if skip.ref == ref]
    return skip.check, skip.reason


def test_the_cheapest_nodes_to_empty_rest_first() -> None:
    pods = [pod("a", "n1"), pod("b", "n1"), pod("c", "n2")]
    found = plan(cluster(pods))
    assert resting(found) == ["n3", "n2"]
    assert [one.evictions for one in found.actions if one.pool and one.remove] == [0, 1]
    assert found.risk.nodes_removed == 2
    assert found.risk.ready_nodes == 3


def test_what_a_pool_warns_of_is_in_the_plan() -> None:
    world = cluster()
    facts = world.pools["general"]
    assert facts.target is not None
    told = replace(facts, target=replace(facts.target, warnings=("beware",)))
    found = plan(replace(world, pools={"general": told}))
    assert found.actions[0].warnings == ("beware",)


def test_the_bounds_of_a_pool_come_before_its_nodes_and_leave_room_for_those_that_stay() -> None:
    big = pool(least=1, most=1, target=1)
    held = node("n2", annotations={HOLD: "true"})
    found = plan(cluster(nodes=[node("n1"), held, node("n3")]), pools=[big])
    bounds, *nodes = found.actions
    assert bounds.kind is ActionKind.BOUNDS
    assert dict(bounds.applied) == {FieldName.MIN_NODES: 1, FieldName.MAX_NODES: 1}
    kept_by_limit = plan(cluster(), pools=[big], limits=replace(FREE, max_nodes_removed=1)).actions[
        0
    ]
    assert kept_by_limit.applied[FieldName.MAX_NODES] == 2
    assert all(one.order > bounds.order for one in nodes)


@pytest.mark.parametrize("most", [3, 10], ids=["as many as there are", "more than there are"])
def test_a_pool_that_nobody_fills_is_lowered_by_its_size(most: int) -> None:
    """Whatever the policy's maximum is: without a lease nobody would bring the nodes back."""
    facts = pool_facts(fields={FieldName.TARGET_NODES: 4})  # one of the four is not ready
    found = plan(cluster(facts=facts), pools=[pool(least=1, most=most, target=1)])
    bounds, *nodes = found.actions
    assert bounds.kind is ActionKind.BOUNDS
    assert dict(bounds.before) == {FieldName.TARGET_NODES: 4}
    assert dict(bounds.applied) == {FieldName.TARGET_NODES: 2}
    assert [one.remove for one in nodes] == [True, True]


def test_a_size_is_left_where_no_node_goes_or_the_driver_removes_none() -> None:
    size = {FieldName.TARGET_NODES: 4}
    stays = plan(cluster(facts=pool_facts(fields=size)), pools=[pool(least=1, target=3)])
    assert stays.actions == ()
    cannot = plan(cluster(facts=pool_facts(fields=size, removes=False)), pools=[pool(target=1)])
    assert [one.kind for one in cannot.actions] == [ActionKind.REST_NODE] * 2


def test_a_pool_that_wants_no_fewer_is_kept_and_says_so() -> None:
    found = plan(cluster(), pools=[pool(target=3)])
    assert resting(found) == []
    assert why(found, "NodePool/general") == (Check.KEPT, "3 ready nodes, and 3 are to stay")


def test_a_pool_that_must_not_be_empty_keeps_one_node() -> None:
    none = pool(least=0, target=0)
    assert len(resting(plan(cluster(), pools=[none]))) == 2
    empty = cluster(facts=pool_facts(zero_ok=True))
    assert len(resting(plan(empty, pools=[none]))) == 3


@pytest.mark.parametrize(
    ("special", "check", "said"),
    [
        pytest.param(
            {"roles": frozenset({Role.DNS})}, Check.SELF_PRESERVATION, "it runs DNS", id="DNS"
        ),
        pytest.param(
            {"roles": frozenset({Role.SELF})}, Check.SELF_PRESERVATION, "this task", id="ourselves"
        ),
        pytest.param(
            {"annotations": {"karpenter.sh/do-not-disrupt": "true"}},
            Check.DO_NOT_EVICT,
            "karpenter.sh/do-not-disrupt is true",
            id="do-not-disrupt",
        ),
        pytest.param({"of": ""}, Check.DO_NOT_EVICT, "no controller", id="bare pod"),
        pytest.param({"empty_dirs": ("",)}, Check.DO_NOT_EVICT, "emptyDir", id="emptyDir"),
        pytest.param(
            {"namespace": "kube-system"}, Check.DO_NOT_EVICT, "is protected", id="protected"
        ),
        pytest.param(
            {"volumes": (VolumeFact("app/data", local=True),)},
            Check.VOLUMES,
            "on this node's disk",
            id="local volume",
        ),
    ],
)
def test_a_pod_keeps_its_node(special: dict[str, object], check: Check, said: str) -> None:
    pods = [pod("x", "n1", **special)]  # type: ignore[arg-type]  # as pod()
    found = plan(cluster(pods), pools=[pool(target=0)])
    assert "n1" not in resting(found)
    # the pool keeps one node anyway: ask for all of them, so that n1 is asked for
    found = plan(cluster(pods, facts=pool_facts(zero_ok=True)), pools=[pool(target=0)])
    assert sorted(resting(found)) == ["n2", "n3"]
    found_check, reason = why(found, "Node/n1")
    assert found_check is check
    assert said in reason


@pytest.mark.parametrize("of", ["DaemonSet/logs", "Node/n1"])
def test_pods_that_every_node_has_do_not_keep_it(of: str) -> None:
    pods = [pod("x", "n1", of=of, namespace="kube-system", roles=frozenset({Role.NETWORK}))]
    found = plan(cluster(pods, facts=pool_facts(zero_ok=True)), pools=[pool(target=0)])
    assert "n1" in resting(found)


def test_a_scan_is_waited_for_and_keeps_no_node_from_the_plan() -> None:
    scan = pod("scan", "n1", of="", labels=SCAN)
    found = plan(cluster([scan], facts=pool_facts(zero_ok=True)), pools=[pool(target=0)])
    (action,) = [one for one in found.actions if one.target.name == "n1"]
    assert action.evictions == 0
    assert "1 waited for" in action.reason


@pytest.mark.parametrize(
    ("facts", "check"),
    [
        pytest.param(node("n1", unschedulable=True), Check.HELD, id="cordoned by a person"),
        pytest.param(node("n1", ready=False), Check.HEALTH, id="not ready"),
        pytest.param(node("n1", annotations={HOLD: "yes"}), Check.HELD, id="held"),
        pytest.param(
            node("n1", labels={"node-role.kubernetes.io/control-plane": ""}),
            Check.SELF_PRESERVATION,
            id="control plane",
        ),
        pytest.param(
            node(
                "n1",
                annotations={"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"},
            ),
            Check.DO_NOT_EVICT,
            id="scale-down disabled",
        ),
    ],
)
def test_a_node_that_others_keep_is_no_victim(facts: NodeFacts, check: Check) -> None:
    found = plan(cluster(nodes=[facts, node("n2"), node("n3")]))
    assert "n1" not in resting(found)
    assert why(found, "Node/n1")[0] is check


def test_pods_that_end_with_their_workload_need_no_place() -> None:
    # 3 nodes of 4 cores, 3 pods of 3 cores: without the workload's end none would fit elsewhere
    pods = [pod(f"api-{n}", f"n{n}", millis=3000) for n in (1, 2, 3)]
    full = cluster(pods, targets=[deployment("api", 3)])
    assert resting(plan(full)) == []
    assert why(plan(full), "Node/n1")[0] is Check.FIT
    found = plan(full, tier("api", workload(TargetKind.DEPLOYMENT, "api", 1)))
    assert len(resting(found)) == 2
    assert sum(one.evictions for one in found.actions) <= 1


def test_headroom_is_kept_free_on_the_nodes_that_stay() -> None:
    pods = [pod(f"api-{n}", f"n{n}", millis=1200) for n in (1, 2, 3)]
    assert len(resting(plan(cluster(pods)))) == 2
    found = plan(cluster(pods), limits=replace(FREE, headroom_pct=20))
    assert len(resting(found)) == 1
    assert "must be free" in [skip.reason for skip in found.skips][-1]


def test_a_lowered_set_ends_its_highest_ordinals() -> None:
    pods = [pod(f"store-{n}", f"n{n + 1}", of="StatefulSet/store", millis=3000) for n in range(3)]
    full = cluster(pods, targets=[stateful_set("store", 3)])
    found = plan(full, tier("storage", workload(TargetKind.STATEFUL_SET, "store", 1)))
    assert sorted(resting(found)) == ["n2", "n3"]


def test_zones_keep_what_the_policy_says() -> None:
    zones = {"n1": "a", "n2": "a", "n3": "b", "n4": "b"}
    names = tuple(zones)
    found = plan(cluster(names=names, zones=zones), pools=[replace(pool(target=1), per_zone_min=1)])
    assert sorted(zones[name] for name in resting(found)) == ["a", "b"]
    assert [skip.check for skip in found.skips] == [Check.MINIMUM, Check.MINIMUM]


def test_nodes_are_taken_from_the_fullest_zone() -> None:
    zones = {"n1": "a", "n2": "a", "n3": "a", "n4": "b"}
    found = plan(cluster(names=tuple(zones), zones=zones), pools=[pool(target=2)])
    assert {zones[name] for name in resting(found)} == {"a"}


def test_a_zones_last_node_stays_for_a_volume_there() -> None:
    zones = {"n1": "a", "n2": "b", "n3": "b"}
    term = NodeTerm((Requirement("topology.kubernetes.io/zone", Operator.IN, ("a",)),))
    store = pod("store-0", "n1", of="StatefulSet/store", volumes=(VolumeFact("app/data", (term,)),))
    found = plan(
        cluster([store], zones=zones, facts=pool_facts(zero_ok=True)), pools=[pool(target=0)]
    )
    assert sorted(resting(found)) == ["n2", "n3"]
    assert why(found, "Node/n1")[0] is Check.VOLUMES


def budget(name: str, **more: object) -> BudgetFacts:
    return BudgetFacts("app", name, parse_label_selector("app=api"), **more)  # type: ignore[arg-type]  # the fields of BudgetFacts


def test_a_budget_that_never_allows_keeps_the_node_and_names_the_fix() -> None:
    pods = [pod("api-1", "n1"), pod("api-2", "n2")]
    tight = budget("api", min_available=Amount(2))
    all_of_it = pool(target=0)
    facts = cluster(pods, budgets=[tight], facts=pool_facts(zero_ok=True))
    found = plan(facts, pools=[all_of_it])
    check, reason = why(found, "Node/n1")
    assert check is Check.PDB
    assert (
        "app/api lets app/api-1 never go: 2 of 2 ready at weekend replicas, 2 must stay" in reason
    )
    assert "maxUnavailable: 1" in reason
    assert resting(found) == ["n3"]


def test_a_budget_is_asked_at_weekend_replicas() -> None:
    pods = [pod(f"api-{n}", f"n{n}") for n in (1, 2, 3)]
    roomy = budget("api", min_available=Amount(1))
    facts = cluster(pods, budgets=[roomy], targets=[deployment("api", 3)])
    assert len(resting(plan(facts))) == 2
    found = plan(facts, tier("api", workload(TargetKind.DEPLOYMENT, "api", 1)))
    # one pod is left, and one must stay: its node stays too, and the others' pods end
    assert len(resting(found)) == 2
    tight = plan(
        replace(facts, pools={"general": pool_facts(zero_ok=True)}),
        tier("api", workload(TargetKind.DEPLOYMENT, "api", 1)),
        pools=[pool(target=0)],
    )
    assert len(resting(tight)) == 2
    assert {skip.check for skip in tight.skips} == {Check.PDB}


def test_no_member_of_a_quorum_set_is_moved_without_a_spare() -> None:
    pods = [pod(f"store-{n}", f"n{n + 1}", of="StatefulSet/store") for n in range(3)]
    facts = cluster(pods, targets=[stateful_set("store", 3)], facts=pool_facts(zero_ok=True))
    spare = plan(facts, tier("storage", workload(TargetKind.STATEFUL_SET, "store", 3, quorum=2)))
    assert len(resting(spare)) == 2
    none = plan(facts, tier("storage", workload(TargetKind.STATEFUL_SET, "store", 3, quorum=3)))
    assert resting(none) == []
    assert {skip.check for skip in none.skips if skip.ref.startswith("Node/")} == {Check.QUORUM}


@pytest.mark.parametrize(
    ("limits", "check", "count"),
    [
        pytest.param(replace(FREE, max_nodes_removed=1), Check.LIMIT, 1, id="maxNodesRemoved"),
        pytest.param(replace(FREE, max_nodes_removed_pct=34), Check.LIMIT, 1, id="pct"),
        pytest.param(replace(FREE, max_nodes_removed_pct=33), Check.LIMIT, 0, id="rounded down"),
        pytest.param(replace(FREE, min_ready_nodes=2), Check.MINIMUM, 1, id="minReadyNodes"),
    ],
)
def test_limits_hold(limits: Limits, check: Check, count: int) -> None:
    found = plan(cluster(), limits=limits)
    assert len(resting(found)) == count
    assert why(found, "NodePool/general")[0] is check


def test_evictions_are_limited_over_all_nodes() -> None:
    pods = [pod(f"{n}-{i}", n, millis=100) for n in ("n1", "n2", "n3") for i in range(2)]
    found = plan(cluster(pods), limits=replace(FREE, max_evictions=3))
    assert resting(found) == ["n1"]
    assert why(found, "Node/n2")[0] is Check.LIMIT


def test_nodes_of_two_pools_and_of_protected_ones_are_left() -> None:
    other = replace(pool("other"), nodes=parse_label_selector("pool"))
    facts = replace(cluster(), pools={one: pool_facts(one) for one in ("general", "other")})
    found = plan(facts, pools=[pool(), other])
    assert resting(found) == []
    assert why(found, "Node/n1")[0] is Check.DOUBLE
    closed = plan(cluster(), protect=Protection(node_pools=frozenset({"general"})))
    assert closed.actions == ()
    assert why(closed, "NodePool/general")[0] is Check.PROTECTED


def test_a_pool_that_was_not_read_or_is_held_is_left_whole() -> None:
    unread = plan(replace(cluster(), pools={}))
    assert unread.actions == ()
    assert why(unread, "NodePool/general")[0] is Check.UNREAD
    held = plan(cluster(facts=pool_facts(annotations={HOLD: "true"})))
    assert held.actions == ()
    assert why(held, "NodePool/general")[0] is Check.HELD


def test_a_driver_that_removes_no_node_of_our_choice_says_what_that_costs() -> None:
    found = plan(cluster(facts=pool_facts(removes=False)))
    rest = [one for one in found.actions if one.kind is ActionKind.REST_NODE]
    assert not any(one.remove for one in rest)
    assert all("costs money" in one.warnings[0] for one in rest)


def test_a_second_plan_counts_the_nodes_that_rest_and_finds_their_pods_a_place() -> None:
    limits = replace(FREE, max_nodes_removed=2)
    first = plan(cluster(names=("n1", "n2", "n3", "n4")), limits=limits)
    assert resting(first) == ["n1", "n2"]
    lease = replace(lease_of(first, first.actions[1], "test", NOW), state=LeaseState.APPLIED)
    leaving = pod("api-1", "n1", millis=3000)
    names = ("n2", "n3", "n4")
    nodes = [node("n1", unschedulable=True, pods=[leaving]), *(node(one) for one in names)]
    asked = policy(pools=[pool()], limits=limits)
    again = plan_scale_down(asked, cluster([leaving], nodes=nodes), WINDOW, Ledger((lease,)))
    assert resting(again) == ["n2"]
    assert why(again, "Node/n1")[0] is Check.LEASED
    assert why(again, "NodePool/general")[0] is Check.LIMIT


def test_an_uncordoned_node_is_not_asked_again_in_its_window() -> None:
    first = plan(cluster())
    rest = [one for one in first.actions if one.kind is ActionKind.REST_NODE]
    ledger = Ledger(closed=frozenset(one.lease_id for one in rest))
    again = plan_scale_down(policy(pools=[pool()], limits=FREE), cluster(), WINDOW, ledger)
    assert {one.target.name for one in rest}.isdisjoint(resting(again))


def test_the_policys_drain_rules_count() -> None:
    pods = [pod("x", "n1", empty_dirs=("",))]
    lossy = replace(pool(target=0), drain=DrainRules(empty_dir=EmptyDir.ALWAYS))
    facts = cluster(pods, facts=pool_facts(zero_ok=True))
    # its pod has no place once every node goes, so two of three is all that can rest
    assert len(resting(plan(facts, pools=[lossy]))) == 2
    assert why(plan(facts, pools=[lossy]), "Node/n1")[0] is Check.FIT
