"""What the levels are worth on a cluster where the scheduler scores only some of the nodes."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from nightshift.clock import utc_now
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.orchestration.steps.watching import Memory, look
from tests.orchestration.conftest import World
from tests.orchestration.steering_support import (
    PRIORITY_CLASS,
    cluster_of,
    make_pods,
    make_priority_class,
    plan_night,
    record_end,
    set_environment,
    stored_placement,
    stored_shards,
    wait_until_bound,
)

NODES, REPOSITORIES = 150, 45
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
LATER = dt.timedelta(seconds=90)


@pytest.fixture
def node_options() -> list[str]:
    return [f"n{number:03d}=4,8Gi" for number in range(NODES)]


@pytest.fixture
def world(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(
        NIGHTSHIFT_PRIORITY_CLASS=PRIORITY_CLASS,
        NIGHTSHIFT_SHARD_TARGET_SECONDS="30",
        NIGHTSHIFT_MAX_PODS="200",
        NIGHTSHIFT_BRAKE_PODS="500",
    )
    make_priority_class(made)
    set_environment(monkeypatch, made.settings)
    return made


def run_pods(world: World, batch: int, items: list[dict[str, Any]]) -> None:
    names = make_pods(world, items)
    wait_until_bound(world, names)
    with cluster_of(world) as cluster:
        for name in names:
            record_end(cluster, name)


@pytest.mark.parametrize("strategy", ["spread", "pack"])
def test_every_nominated_pod_meets_its_node(world: World, strategy: str) -> None:
    world.write_registry({"anna": [f"r{number}" for number in range(REPOSITORIES)]})
    batch, items = plan_night(world, SteeringChoice.AUTO, strategy)
    assert len(items) >= 40
    assert stored_placement(world, batch)["steering"]["level"] == "pool+nominate"
    run_pods(world, batch, items)
    outcome = world.summary(batch).placement
    assert (outcome.measured, outcome.hits) == (len(items), len(items))
    assert (outcome.predicted_rate, outcome.actual_rate) == (1.0, 1.0)
    shards = stored_shards(world, batch).values()
    assert {plan.plan["outcome"]["steering"] for plan in shards} == {"pool+nominate"}


def test_without_any_right_every_pod_meets_its_node_by_a_list_of_hosts(world: World) -> None:
    world.write_registry({"anna": [f"r{number}" for number in range(REPOSITORIES)]})
    batch, items = plan_night(world, SteeringChoice.NAMES, "pack")
    run_pods(world, batch, items)
    outcome = world.summary(batch).placement
    assert (outcome.level, outcome.measured, outcome.hits) == ("names", len(items), len(items))
    assert (outcome.predicted_rate, outcome.actual_rate) == (1.0, 1.0)
    shards = stored_shards(world, batch).values()
    assert {plan.plan["outcome"]["steering"] for plan in shards} == {"names"}
    with cluster_of(world) as cluster:
        pods = list(cluster.iterate(cluster.path("pods"), labelSelector="task_id=scan"))
    assert not any("nightshift/nominated" in pod["metadata"]["annotations"] for pod in pods)


def test_a_pod_whose_listed_hosts_are_all_closed_gets_no_list_at_its_next_try(
    world: World,
) -> None:
    world.write_registry({"anna": ["one"]})
    batch, items = plan_night(world, SteeringChoice.NAMES, "pack")
    shard = items[0]["labels"]["nightshift/shard"]
    before = stored_shards(world, batch)[shard].plan
    affinity = items[0]["affinity"]["nodeAffinity"]
    (rule,) = affinity[REQUIRED]["nodeSelectorTerms"][0]["matchExpressions"]
    with cluster_of(world) as cluster:
        for host in rule["values"]:
            cluster.patch(f"/api/v1/nodes/{host}", {"spec": {"unschedulable": True}})
        (name,) = make_pods(world, items[:1])
        seen = look(world.settings, batch, Memory(), lambda: utc_now() + LATER)
        assert (seen.late, seen.replanned, seen.moved) == (1, 1, 0)
        after = stored_shards(world, batch)[shard].plan
        assert after["placement"].get("spare") is None
        assert after["placement"]["primary"] == before["placement"]["primary"], "as it was told"
        assert after["predicted"] == before["predicted"] == 1.0
        cluster.delete(cluster.path("pods", name), grace_seconds=0)
    again = make_pods(world, items[:1])
    wait_until_bound(world, again)


def test_without_a_nomination_some_pods_miss_their_node_as_predicted(world: World) -> None:
    world.write_registry({"anna": [f"r{number}" for number in range(REPOSITORIES)]})
    batch, items = plan_night(world, SteeringChoice.SOFT)
    run_pods(world, batch, items)
    outcome = world.summary(batch).placement
    assert outcome.level == "soft"
    assert outcome.predicted_rate == pytest.approx(100 / NODES)
    assert outcome.actual_rate is not None
    assert 0.3 < outcome.actual_rate < 0.95
