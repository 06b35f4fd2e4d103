"""Disruption budgets by the numbers, and autoscalers at their bounds."""

from typing import Any

import pytest

from nightshift.embedded.kube.controllers import autoscalers, budgets, deployments, replicasets
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import NS, World, conditions, workload

DEPLOYMENTS, PDB = "deployments.apps", "poddisruptionbudgets.policy"
HPA = "horizontalpodautoscalers.autoscaling"


@pytest.fixture
def world() -> World:
    modules = (deployments, replicasets, budgets, autoscalers)
    return World(tuple(module.CONTROLLER for module in modules))


def budget(**spec: Any) -> Object:
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web", "namespace": NS}, "spec": {"selector": selector, **spec}}


def numbers(world: World) -> tuple[int, int, int, int]:
    """Give (expected, healthy, desired, allowed)."""
    status = world.get(PDB, "web")["status"]
    fields = ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed")
    return tuple(status[field] for field in fields)


def up(world: World, replicas: int, **spec: Any) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=replicas))
    world.create(PDB, budget(**spec))
    world.roll()


@pytest.mark.parametrize(
    ("replicas", "spec", "expected"),
    [
        (3, {"minAvailable": 2}, (3, 3, 2, 1)),
        (3, {"minAvailable": 3}, (3, 3, 3, 0)),
        (3, {"minAvailable": 5}, (3, 3, 5, 0)),
        (3, {"maxUnavailable": 1}, (3, 3, 2, 1)),
        (3, {"maxUnavailable": 0}, (3, 3, 3, 0)),
        (7, {"minAvailable": "50%"}, (7, 7, 4, 3)),
        (7, {"maxUnavailable": "30%"}, (7, 7, 4, 3)),
        (0, {"minAvailable": 1}, (0, 0, 1, 0)),
        (2, {}, (0, 2, 0, 0)),
    ],
    ids=["2 of 3 stay", "all stay", "more than there are", "1 may go", "none may go",
         "half rounds up", "30 % of 7 is 3", "no pods", "no bound"],
)  # fmt: skip
def test_numbers(
    world: World, replicas: int, spec: Object, expected: tuple[int, int, int, int]
) -> None:
    up(world, replicas, **spec)
    assert numbers(world) == expected
    found = world.get(PDB, "web")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    allowed = "True" if expected[3] else "False"
    assert conditions(found) == {"DisruptionAllowed": allowed}


def test_a_pod_that_is_not_ready_or_going_is_not_healthy(world: World) -> None:
    up(world, 3, minAvailable=1)
    name = world.names()[0]
    not_ready = [{"type": "Ready", "status": "False"}]
    world.edit("pods", name, lambda o: o["status"].update(conditions=not_ready))
    world.settle()
    assert numbers(world) == (3, 2, 1, 1)


def evict(world: World, name: str) -> None:
    """Do what the eviction API does to the budget."""

    def count_down(obj: Object) -> None:
        obj["status"]["disruptionsAllowed"] -= 1
        stamp = world.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        obj["status"].setdefault("disruptedPods", {})[name] = stamp

    world.edit(PDB, "web", count_down)


def test_an_announced_eviction_counts_at_once(world: World) -> None:
    up(world, 3, minAvailable=2)
    name = world.names()[0]
    evict(world, name)
    world.settle()
    assert numbers(world) == (3, 2, 2, 0)
    assert list(world.get(PDB, "web")["status"]["disruptedPods"]) == [name]


def test_an_eviction_that_happens_is_no_longer_announced(world: World) -> None:
    up(world, 3, minAvailable=2)
    name = world.names()[0]
    evict(world, name)
    going = {"deletionTimestamp": "2027-03-05T20:00:30Z", "deletionGracePeriodSeconds": 30}
    world.edit("pods", name, lambda o: o["metadata"].update(going))
    world.settle()
    assert "disruptedPods" not in world.get(PDB, "web")["status"]
    assert numbers(world)[3] == 0
    world.roll()
    assert numbers(world) == (3, 3, 2, 1)


def test_an_eviction_that_never_happens_is_forgotten_after_two_minutes(world: World) -> None:
    up(world, 3, minAvailable=2)
    evict(world, world.names()[0])
    world.settle()
    world.advance(119)
    assert numbers(world)[3] == 0
    world.advance(2)
    assert numbers(world) == (3, 3, 2, 1)


def test_the_budget_follows_the_wanted_replicas_not_the_pods(world: World) -> None:
    up(world, 4, maxUnavailable=1)
    world.edit(DEPLOYMENTS, "web", lambda o: o["spec"].update(replicas=8))
    world.settle()
    assert numbers(world) == (8, 4, 7, 0)


def scaler(low: int, high: int, name: str = "web") -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high}
    return {"metadata": {"name": "web", "namespace": NS}, "spec": spec}


@pytest.mark.parametrize(
    ("replicas", "low", "high", "after"),
    [(1, 3, 6, 3), (9, 1, 4, 4), (2, 1, 4, 2), (0, 2, 4, 0)],
    ids=["below min jumps up", "above max jumps down", "inside stays", "at 0 it is disabled"],
)
def test_bounds_hold_at_once(world: World, replicas: int, low: int, high: int, after: int) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=replicas))
    world.create(HPA, scaler(low, high))
    world.roll()
    assert world.get(DEPLOYMENTS, "web")["spec"]["replicas"] == after
    assert len(world.pods()) == after
    status = world.get(HPA, "web")["status"]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (after, after)
    told = conditions(world.get(HPA, "web"))
    assert (told["AbleToScale"], told["ScalingActive"]) == ("True", "False")
    reason = next(c["reason"] for c in status["conditions"] if c["type"] == "ScalingActive")
    assert reason == ("ScalingDisabled" if after == 0 else "FailedGetResourceMetric")
    assert world.reasons().count("SuccessfulRescale") == (replicas != after)


def test_raising_min_raises_the_target(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=2))
    world.create(HPA, scaler(1, 6))
    world.roll()
    world.edit(HPA, "web", lambda o: o["spec"].update(minReplicas=5))
    world.roll()
    assert len(world.pods()) == 5


def test_a_missing_target_is_told(world: World) -> None:
    world.create(HPA, scaler(1, 4, "nothing"))
    world.settle()
    assert conditions(world.get(HPA, "web")) == {"AbleToScale": "False"}
    assert world.reasons() == ["FailedGetScale"]
