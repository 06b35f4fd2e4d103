"""Connections and the replicas that they allow."""

from dataclasses import replace

import pytest

from nightshift.domain.capacity.budgets import (
    BouncerPool,
    ConnectionBudget,
    Consumer,
    PgBouncer,
    Reserve,
    Surge,
    bound_max,
    max_replicas,
    server_budget,
    why_overdrawn,
)

STORE = Consumer("app", "store", processes=2, pool=10, overflow=5)
OTHER = Consumer("app", "api", processes=1, pool=5)
BUDGET = ConnectionBudget(
    "pg", "pg_main", (STORE, OTHER), Reserve(superuser=3, replication=5, admin=5, others=60)
)


def test_the_example_of_the_design() -> None:
    assert server_budget(BUDGET, 300) == 227
    assert max_replicas(BUDGET, STORE, 300) == 5
    assert STORE.connections(20) == 750


@pytest.mark.parametrize("replicas", range(1, 12))
def test_the_most_replicas_fit_and_one_more_does_not(replicas: int) -> None:
    others = {"app/api": replicas}
    most = max_replicas(BUDGET, STORE, 300, others)
    asked = {**others, "app/store": most}
    assert why_overdrawn(BUDGET, 300, asked) is None
    assert why_overdrawn(BUDGET, 300, {**asked, "app/store": most + 1}) is not None


def test_a_database_that_is_full_allows_none() -> None:
    assert max_replicas(BUDGET, STORE, 70) == 0
    assert max_replicas(BUDGET, STORE, 300, {"app/api": 500}) == 0


def test_a_rollout_and_pods_that_end_keep_connections() -> None:
    consumer = replace(STORE, surge=Surge(pods=1), terminating=2)
    assert consumer.connections(1) == 4 * 30
    assert consumer.connections(0) == 0


def test_pgbouncer_bounds_both_sides() -> None:
    pools = (BouncerPool("app", "a", 60), BouncerPool("app", "b", 60), BouncerPool("log", "a", 10))
    bouncer = PgBouncer(instances=2, max_client_conn=500, pools=pools, max_db_connections=80)
    assert bouncer.server_connections == 2 * (80 + 10)
    behind = replace(BUDGET, bouncer=bouncer)
    assert max_replicas(behind, STORE, 300) == 26
    assert why_overdrawn(behind, 300, {"app/store": 26}) is None
    why = why_overdrawn(replace(BUDGET, bouncer=replace(bouncer, instances=3)), 300, {})
    assert why is not None
    assert "PgBouncer's pools can open 270 connections" in why


def test_the_lowest_bound_is_named() -> None:
    assert bound_max({"policy": 20, "connections": 5, "quota": 5}).bound_by == "connections"
    with pytest.raises(ValueError, match="at least one bound"):
        bound_max({"policy": None})
