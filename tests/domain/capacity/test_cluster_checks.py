"""What would go wrong in the next window, asked of a cluster in good time."""

from nightshift.domain.capacity.budgets import ConnectionBudget, Consumer
from nightshift.domain.capacity.cluster_checks import check_cluster
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.planner import staying_in
from nightshift.domain.capacity.plans import Check, Problem
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_targets import TargetKind
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.snapshots import Amount, BudgetFacts, ClusterSnapshot
from nightshift.domain.capacity.target_plans import plan_targets
from tests.domain.capacity.capacity_support import (
    autoscaler,
    deployment,
    node,
    pod,
    policy,
    pool,
    snapshot,
    stateful_set,
    tier,
    workload,
)

PODS = [pod(f"api-{n}", f"n{n}") for n in (1, 2, 3)]
NODES = [node(f"n{n}", pods=PODS) for n in (1, 2, 3)]
REST = policy(tier("api", workload(TargetKind.DEPLOYMENT, "api", 1)), pools=[pool()])
BUDGET = BudgetFacts("app", "api", parse_label_selector("app=api"), min_available=Amount(1))


def check(asked: CapacityPolicy, facts: ClusterSnapshot, **known: int) -> list[Problem]:
    targets = plan_targets(asked, facts, Ledger(), "rest/20270514T180000Z")
    return check_cluster(asked, facts, staying_in(asked, facts, targets), known)


def test_a_budget_that_deadlocks_at_weekend_replicas_is_found_in_good_time() -> None:
    facts = snapshot(deployment("api", 3), nodes=NODES, pods=PODS, budgets=[BUDGET])
    (problem,) = check(REST, facts)
    assert problem.check is Check.PDB
    assert "1 of 1 ready at weekend replicas, 1 must stay" in problem.message
    assert check(policy(pools=[pool()]), facts) == []


def test_two_budgets_on_one_pod_are_found_in_good_time() -> None:
    other = BudgetFacts("app", "all", parse_label_selector("app"))
    facts = snapshot(deployment("api", 3), nodes=NODES, pods=PODS, budgets=[BUDGET, other])
    (problem,) = check(REST, facts)
    assert "make their selectors disjoint" in problem.message


def test_a_workload_that_ends_whole_and_nodes_of_no_pool_are_no_problem() -> None:
    facts = snapshot(deployment("api", 3), nodes=NODES, pods=PODS, budgets=[BUDGET])
    none = policy(tier("api", workload(TargetKind.DEPLOYMENT, "api", 0)), pools=[pool()])
    assert check(none, facts) == []
    assert check(policy(*REST.tiers), facts) == []
    assert check(policy(*REST.tiers, pools=[pool("other")]), facts) == []


def test_a_quorum_without_a_spare_is_found_in_good_time() -> None:
    members = [pod(f"store-{n}", f"n{n + 1}", of="StatefulSet/store") for n in range(3)]
    facts = snapshot(stateful_set("store", 3), nodes=NODES, pods=members)
    asked = policy(
        tier("storage", workload(TargetKind.STATEFUL_SET, "store", 3, quorum=3)), pools=[pool()]
    )
    (problem,) = check(asked, facts)
    assert problem.check is Check.QUORUM


def test_connections_are_counted_at_the_maximum_that_an_autoscaler_may_reach() -> None:
    consumer = Consumer("app", "api", processes=2, pool=10, overflow=5)
    asked = policy(budgets={"pg": ConnectionBudget("pg", "pg_main", (consumer,))})
    facts = snapshot(deployment("api", 3), autoscaler("api", 2, 20))
    (problem,) = check(asked, facts, pg=300)
    assert "can ask for 750 connections" in problem.message
    assert check(asked, facts, pg=800) == []
    (unknown,) = check(asked, facts)
    assert unknown.check is Check.UNREAD
