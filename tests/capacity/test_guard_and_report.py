"""The guard freezes for a limited time and says why; the report is measured from what was seen."""

import datetime as dt
from dataclasses import replace

from nightshift.cluster.capacity_snapshots import read_capacity_snapshot
from nightshift.cluster.freezes import list_freezes
from nightshift.domain.capacity.budgets import ConnectionBudget, Consumer, Reserve
from nightshift.domain.capacity.plan_documents import dump_plan
from nightshift.domain.capacity.policies_rules import Cost, Guard
from nightshift.domain.leases.records import StepState
from nightshift.store.capacity_records import NodeSeen, StepRecord
from nightshift.store.capacity_runs import find_run, save_plan
from nightshift.store.engines import transaction
from nightshift.store.node_intervals import observe_nodes
from nightshift.weekend.guarding import audit, judge, keep_guard
from nightshift.weekend.reports import plot_reports, report_lines, save_window_report
from tests.capacity.capacity_support import FRIDAY, MONDAY, NS, set_ready
from tests.capacity.weekend_support import API, World


def guard(world: World) -> list[str]:
    snapshot = read_capacity_snapshot(world.cluster, world.hand.now)
    verdict = judge(world.policy, snapshot)
    return list(keep_guard(world.cluster, world.policy, snapshot, verdict, world.hand.now))


def select_policy(world: World) -> object:
    path = f"/apis/autoscaling/v2/namespaces/{NS}/horizontalpodautoscalers/api"
    behavior = world.cluster.get(path)["spec"].get("behavior") or {}
    return (behavior.get("scaleUp") or {}).get("selectPolicy")


def break_pods(world: World, *, ready: bool) -> None:
    for name in ("worker-1", "worker-2"):
        set_ready(world.cluster, name, ready=ready)


def test_a_runaway_is_frozen_and_thawed_after_clean_looks(world: World) -> None:
    assert guard(world) == []
    break_pods(world, ready=False)
    (line,) = guard(world)
    assert "HorizontalPodAutoscaler/app/api is frozen until 18:30Z" in line
    assert "100 % of the pods are not ready" in line
    assert select_policy(world) == "Disabled"
    assert guard(world) == [], "it is said once"
    break_pods(world, ready=True)
    assert guard(world) == []
    (thawed,) = guard(world)
    assert "may scale up again: 2 windows were clean" in thawed
    assert select_policy(world) in {None, "Max"}
    assert list_freezes(world.cluster) == []


def test_a_freeze_ends_when_its_time_is_over_whatever_the_cause(world: World) -> None:
    break_pods(world, ready=False)
    guard(world)
    world.hand.now += dt.timedelta(minutes=31)
    (line,) = guard(world)
    assert "may scale up again: it has lasted for" in line
    assert select_policy(world) in {None, "Max"}


def test_a_freeze_of_a_person_is_left_alone(world: World) -> None:
    world.edit(API, {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}})
    break_pods(world, ready=False)
    assert guard(world) == []
    break_pods(world, ready=True)
    guard(world)
    guard(world)
    assert select_policy(world) == "Disabled"


def test_a_full_cluster_is_a_reason_too(world: World) -> None:
    world.policy = replace(world.policy, guard=Guard(node_cap=3))
    (line,) = guard(world)
    assert "the cluster has 3 nodes, and the policy's cap is 3" in line


def test_a_maximum_that_the_database_cannot_bear_is_told_with_the_right_one(world: World) -> None:
    consumer = Consumer(NS, "api", processes=2, pool=10, overflow=5)
    reserve = Reserve(superuser=3, replication=5, admin=5, others=60)
    budget = ConnectionBudget("pg", "pg_main", (consumer,), reserve)
    world.policy = replace(world.policy, budgets={"pg": budget})
    snapshot = read_capacity_snapshot(world.cluster, world.hand.now)
    (found,) = audit(world.policy, snapshot, lambda _: 300)
    assert found.allowed == 5
    assert "its maximum is 9" in str(found)
    assert "set maxReplicas to 5" in str(found)
    assert audit(world.policy, snapshot, lambda _: 3000) == []
    assert audit(world.policy, snapshot, lambda _: None) == []


def test_a_window_is_measured_from_what_was_seen_and_kept(world: World) -> None:
    world.policy = replace(world.policy, cost=Cost("EUR", {"*": 0.5}))
    plan = world.plan()
    world.apply(plan)
    hour = dt.timedelta(hours=1)
    long_ago = FRIDAY - 50 * hour
    three = [NodeSeen(f"u{n}", f"n{n}", "general", "x", long_ago) for n in (1, 2, 3)]
    with transaction(world.engine) as connection:
        observe_nodes(connection, "test", three, FRIDAY)
        observe_nodes(connection, "test", three[:2], FRIDAY + hour)
        observe_nodes(connection, "test", three[:2], MONDAY)
    blocked = StepRecord(99, "rest_node", "Node/n2", StepState.BLOCKED, reason="app/x pdb (app/x)")
    world.journal().save_step(blocked)
    world.hand.now = MONDAY + hour
    world.restore()
    window = world.window()
    with transaction(world.engine) as connection:
        row = find_run(connection, "run-1")
        assert row is not None
        save_plan(connection, row.id, plan.hash, dump_plan(plan))
    report = save_window_report(world.engine, world.policy, window, world.hand.now)
    length = (MONDAY - FRIDAY) / hour
    assert report["baseline"]["hours"] == 3 * length
    assert report["realised"] == {
        "hours": length - 1, "money": round((length - 1) / 2, 2), "unpriced": 0.0
    }  # fmt: skip
    assert [one["node"] for one in report["blocked"]] == ["n2"]
    assert report["readyAt"] is not None
    lines = report_lines([report])
    assert any("blocked: n2" in line and "app/x pdb" in line for line in lines)
    assert plot_reports([report]).startswith("<svg")
    assert "EUR" in plot_reports([report])
