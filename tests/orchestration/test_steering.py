"""What the levels are worth on a cluster where the scheduler scores only some of the nodes."""

from collections.abc import Callable
from typing import Any

import pytest

from nightshift.domain.placement.steering import SteeringChoice
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


def test_without_a_nomination_some_pods_miss_their_node_as_predicted(world: World) -> None:
    world.write_registry({"anna": [f"r{number}" for number in range(REPOSITORIES)]})
    batch, items = plan_night(world, SteeringChoice.SOFT)
    run_pods(world, batch, items)
    outcome = world.summary(batch).placement
    assert outcome.level == "soft"
    assert outcome.predicted_rate == pytest.approx(100 / NODES)
    assert outcome.actual_rate is not None
    assert 0.3 < outcome.actual_rate < 0.95
