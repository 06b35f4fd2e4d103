"""Laws of a Friday's plan."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.capacity.diffs import diff_lines, diff_plan
from nightshift.domain.capacity.drain_pods import PodFate, PodRules, judge_pod
from nightshift.domain.capacity.plan_documents import dump_plan, parse_plan
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import NODES_TIER, ActionKind, CapacityPlan, lease_of
from nightshift.domain.capacity.policies_targets import PoolTarget
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.capacity.targets import LiveTarget, capacity_of
from tests.domain.capacity.capacity_support import NOW, WINDOW
from tests.property.strategies_capacity import Case, cases

T = TypeVar("T")


def planned(case: Case) -> CapacityPlan:
    return plan_scale_down(case.policy, case.snapshot, WINDOW)


def objects(snapshot: ClusterSnapshot) -> dict[str, LiveTarget]:
    pools = [one.target for one in snapshot.pools.values() if one.target is not None]
    nodes = [one.target for one in snapshot.nodes]
    return {one.id.ref: one for one in (*snapshot.targets, *pools, *nodes)}


def victims(plan: CapacityPlan) -> set[str]:
    return {one.target.name for one in plan.actions if one.kind is ActionKind.REST_NODE}


@given(cases())
def test_nothing_is_ever_raised(case: Case) -> None:
    live = objects(case.snapshot)
    for action in planned(case).actions:
        kind, found = action.target.kind, live[action.target.ref]
        assert dict(action.before) == {name: found.fields[name] for name in action.before}
        for name, value in action.applied.items():
            assert capacity_of(kind, name, value) < found.capacity(name)


@given(cases())
def test_every_action_makes_a_lease(case: Case) -> None:
    plan = planned(case)
    leases = [lease_of(plan, action, "test", NOW) for action in plan.actions]
    assert len({one.id for one in leases}) == len(leases)
    assert len({one.target.ref for one in leases}) == len(leases)


@given(cases())
def test_what_is_protected_is_not_touched(case: Case) -> None:
    protect = case.policy.protect
    plan = planned(case)
    for action in plan.actions:
        assert action.target.namespace not in protect.namespaces
        assert action.pool not in protect.node_pools
    lowered = {action.target.ref for action in plan.actions}
    lowered |= {one.scales.ref for one in case.snapshot.targets if one.scales is not None}
    kept = PodRules(protected_namespaces=protect.namespaces)
    for pod in case.snapshot.pods:
        if pod.node in victims(plan) and (pod.workload is None or pod.workload.ref not in lowered):
            fate = judge_pod(pod.drain, kept).fate
            assert fate is not PodFate.REFUSE
            assert not pod.roles or fate is PodFate.SKIP


@given(cases(), st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_the_order_of_what_was_read(
    case: Case, chance: random.Random
) -> None:
    facts = case.snapshot

    def shuffle(items: Sequence[T]) -> list[T]:
        mixed = list(items)
        chance.shuffle(mixed)
        return mixed

    mixed = replace(
        facts,
        targets=shuffle(facts.targets),
        nodes=shuffle(facts.nodes),
        pods=shuffle(facts.pods),
        budgets=shuffle(facts.budgets),
    )
    other = planned(replace(case, snapshot=mixed))
    assert other.hash == planned(case).hash
    assert other == planned(case)


@given(cases())
def test_the_order_is_that_of_the_policy_and_nodes_come_last(case: Case) -> None:
    plan = planned(case)
    names = [*(tier.name for tier in case.policy.tiers), NODES_TIER]
    places = [names.index(action.tier) for action in plan.actions]
    assert places == sorted(places)
    assert [action.order for action in plan.actions] == list(range(1, len(plan.actions) + 1))


@given(cases())
def test_limits_hold(case: Case) -> None:
    plan, limits, facts = planned(case), case.policy.limits, case.snapshot
    gone = victims(plan)
    assert len(gone) <= limits.max_nodes_removed
    assert len(gone) * 100 <= limits.max_nodes_removed_pct * plan.risk.ready_nodes
    assert sum(action.evictions for action in plan.actions) <= limits.max_evictions
    staying = [
        one
        for one in facts.nodes
        if one.node.ready and not one.node.unschedulable and one.name not in gone
    ]
    assert not gone or len(staying) >= limits.min_ready_nodes
    for pool in case.policy.node_pools:
        ready = [one for one in staying if pool.nodes.matches(one.node.labels)]
        lost = [action for action in plan.actions if action.pool == pool.name and action.remove]
        assert not lost or len(ready) >= max(pool.bounds.target, 1)
        zones = Counter(one.zone for one in ready)
        for action in lost:
            (node,) = [one for one in facts.nodes if one.name == action.target.name]
            assert zones[node.zone] >= pool.per_zone_min


@given(cases())
def test_everything_that_the_policy_names_is_answered(case: Case) -> None:
    plan = planned(case)
    said = {action.target.ref for action in plan.actions} | {skip.ref for skip in plan.skips}
    for _, target in case.policy.targets():
        place = "", "scans"
        if not isinstance(target, PoolTarget):
            place = target.selection.namespace or "", target.selection.name or ""
        for live in case.snapshot.targets:
            same = str(live.id.kind) == str(target.kind)
            if same and (live.id.namespace, live.id.name) == place:
                assert live.id.ref in said
    for node in case.snapshot.nodes:
        wanted = [one for one in case.policy.node_pools if one.nodes.matches(node.node.labels)]
        if wanted and not node.node.ready and wanted[0].name not in case.policy.protect.node_pools:
            assert node.target.id.ref in said
    assert all(skip.reason for skip in plan.skips)
    assert all(action.reason for action in plan.actions)


@given(cases())
def test_what_stays_has_room_with_the_headroom(case: Case) -> None:
    plan, facts = planned(case), case.snapshot
    gone = victims(plan)
    if not gone:
        return
    keepers = [
        one
        for one in facts.nodes
        if one.name not in gone and one.node.ready and not one.node.unschedulable
    ]
    names = {one.name for one in keepers}
    lowered = {action.target.ref for action in plan.actions}
    lowered |= {one.scales.ref for one in facts.targets if one.scales is not None}
    evicted = PodRules(protected_namespaces=case.policy.protect.namespaces)
    room = sum(one.node.allocatable.cpu_millis for one in keepers)
    there = sum(
        pod.request.need.cpu_millis
        for pod in facts.pods
        if (pod.workload is None or pod.workload.ref not in lowered)
        and (
            pod.node in names
            or (pod.node in gone and judge_pod(pod.drain, evicted).fate is PodFate.EVICT)
        )
    )
    assert there * 100 <= room * (100 - case.policy.limits.headroom_pct)


@given(cases())
def test_a_plan_comes_back_from_its_document_and_reads_as_lines(case: Case) -> None:
    plan = planned(case)
    again = parse_plan(json.loads(json.dumps(dump_plan(plan))))
    assert again.hash == plan.hash
    assert diff_plan(again) == diff_plan(plan)
    lines = diff_lines(diff_plan(plan))
    assert all("\n" not in line for line in lines)
    assert sum(line.startswith("  - ") for line in lines) == len(plan.actions)


@given(cases())
def test_planning_changes_nothing(case: Case) -> None:
    before = repr(case)
    planned(case)
    assert repr(case) == before
