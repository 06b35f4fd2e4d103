"""The task that looks after scan pods: how it is handed over, how it ends; and the brake."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from nightshift.clock import utc_now
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.steering.brake import PendingBrake
from nightshift.orchestration.params import nightly_params
from nightshift.orchestration.steps.ranking import PlacementWish
from nightshift.orchestration.steps.steering import LONGEST_BRAKE_SECONDS, hold_brake
from nightshift.orchestration.watching import MOST_SPELLS, PlacementTrigger, WatchPlacement
from nightshift.settings import Settings
from tests.orchestration.conftest import World
from tests.orchestration.steering_support import (
    cluster_of,
    make_pods,
    plan_night,
    set_environment,
    stored_shards,
)


@pytest.fixture
def world(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> World:
    made = make_world(NIGHTSHIFT_SHARD_TARGET_SECONDS="30", NIGHTSHIFT_WATCH_SECONDS="1")
    set_environment(monkeypatch, made.settings)
    made.write_registry({"anna": ["one"], "ben": ["one"]})
    return made


def watch_task() -> WatchPlacement:
    return WatchPlacement(task_id="watch", batch=7, watched_task_id="scan")


def test_it_goes_to_the_triggerer_at_once() -> None:
    with pytest.raises(TaskDeferred) as deferred:
        watch_task().execute({"run_id": "run-1"})
    trigger = deferred.value.trigger
    assert isinstance(trigger, PlacementTrigger)
    path, arguments = trigger.serialize()
    assert path == "nightshift.orchestration.watching.PlacementTrigger"
    assert arguments["batch"] == 7
    assert (arguments["run_id"], arguments["task_id"]) == ("run-1", "scan")
    assert PlacementTrigger(**arguments).serialize() == trigger.serialize()


def test_a_night_does_not_wait_for_a_triggerer_that_is_dead() -> None:
    with pytest.raises(TaskDeferred) as deferred:
        watch_task().execute({"run_id": "run-1"})
    assert deferred.value.timeout is not None
    assert deferred.value.timeout < dt.timedelta(hours=1)


def test_it_hands_over_again_until_the_scans_have_ended() -> None:
    event = {"summary": "180 looks", "ended": False}
    with pytest.raises(TaskDeferred) as deferred:
        watch_task().complete({"run_id": "run-1"}, event, spell=3)
    assert deferred.value.kwargs == {"spell": 4}
    watch_task().complete({"run_id": "run-1"}, event, spell=MOST_SPELLS)
    watch_task().complete({"run_id": "run-1"}, {**event, "ended": True}, spell=1)


def run_trigger(batch: int) -> dict[str, Any]:
    async def first() -> Any:
        trigger = PlacementTrigger(batch, "nightly_scan", "run-1", "scan")
        return await anext(trigger.run())

    event: dict[str, Any] = asyncio.run(first()).payload
    return event


def count_instances(monkeypatch: pytest.MonkeyPatch, answers: Iterator[int]) -> None:
    """Answer Airflow's question how many instances there are, in any state and ended."""
    monkeypatch.setattr(
        RuntimeTaskInstance, "get_ti_count", staticmethod(lambda **_: next(answers))
    )


def test_it_looks_until_every_instance_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, _ = plan_night(world, SteeringChoice.SOFT)
    count_instances(monkeypatch, iter([3, 1, 3, 3]))
    assert run_trigger(batch)["looks"] == 2


def test_an_unmapped_task_has_not_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, _ = plan_night(world, SteeringChoice.SOFT)
    count_instances(monkeypatch, iter([0, 1, 1]))
    assert run_trigger(batch)["looks"] == 2


def test_a_look_that_fails_is_followed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, _ = plan_night(world, SteeringChoice.SOFT)
    world.kube.call(lambda local: local.faults.add("GET", "/pods", 503, times=1))
    count_instances(monkeypatch, iter([1, 0, 1, 1]))
    assert run_trigger(batch)["looks"] == 1


def test_the_form_offers_every_level_and_order_and_the_settings_are_its_defaults() -> None:
    settings = Settings.from_env({
        "NIGHTSHIFT_STEERING": "pool",
        "NIGHTSHIFT_WAVE_ORDER": "longest",
    })
    params = nightly_params(settings)
    assert params["steering"].schema["enum"] == [choice.value for choice in SteeringChoice]
    assert params["order"].schema["enum"] == [order.value for order in WaveOrder]
    values = {name: param.value for name, param in params.items()}
    wish = PlacementWish.from_params(values)
    assert wish == PlacementWish(settings.strategy, SteeringChoice.POOL, WaveOrder.LONGEST)


@pytest.mark.parametrize("order", list(WaveOrder))
def test_items_are_in_the_order_in_which_pods_are_to_start(world: World, order: WaveOrder) -> None:
    batch, items = plan_night(world, SteeringChoice.SOFT, order=order)
    positions = {name: plan.plan["position"] for name, plan in stored_shards(world, batch).items()}
    assert [positions[item["labels"]["nightshift/shard"]] for item in items] == [0, 1]
    accounts = [item["labels"]["nightshift/account"] for item in items]
    assert sorted(accounts) == ["anna", "ben"], "accounts take turns"


def cordon_all(world: World) -> None:
    with cluster_of(world) as cluster:
        for name in ("big", "small", "tiny"):
            cluster.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})


def test_the_brake_waits_until_half_of_the_pods_are_gone(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.SOFT)
    cordon_all(world)
    names = make_pods(world, items)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            with cluster_of(world) as cluster:
                cluster.delete(cluster.path("pods", names[0]), grace_seconds=0)

    with cluster_of(world) as cluster:
        waited = hold_brake(cluster, batch, PendingBrake(most=2), utc_now, sleep)
    assert waited == sum(slept)
    assert len(slept) == 3


def test_the_brake_lets_go_in_the_end(world: World) -> None:
    batch, items = plan_night(world, SteeringChoice.SOFT)
    cordon_all(world)
    make_pods(world, items)
    later = utc_now() + dt.timedelta(minutes=6)
    with cluster_of(world) as cluster:
        waited = hold_brake(cluster, batch, PendingBrake(), lambda: later, lambda _: None)
    assert waited == LONGEST_BRAKE_SECONDS, "pods wait for five minutes and nothing gets better"


def test_the_brake_is_free_when_nothing_waits(world: World) -> None:
    batch, _ = plan_night(world, SteeringChoice.SOFT)
    with cluster_of(world) as cluster:
        assert hold_brake(cluster, batch, PendingBrake(), utc_now, lambda _: None) == 0.0
