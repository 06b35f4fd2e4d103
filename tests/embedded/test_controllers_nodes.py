"""Nodes: taints by state, evictions by taint, and silence."""

import datetime as dt
from typing import Any

import pytest

from nightshift.embedded.kube.controllers import nodes
from nightshift.embedded.kube.controllers.nodes import wanted_taints
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import START, World, conditions, node, pod

PREFIX = "node.kubernetes.io"
OTHER = {"key": "team", "value": "a", "effect": "NoSchedule"}


@pytest.fixture
def world() -> World:
    return World((nodes.CONTROLLER,))


def with_ready(status: str, **spec: Any) -> Object:
    made = node(**spec)
    made["status"]["conditions"] = [{"type": "Ready", "status": status}]
    return made


def keys(taints: list[Object]) -> list[tuple[str, str]]:
    return [(t["key"].removeprefix(f"{PREFIX}/"), t["effect"]) for t in taints]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (with_ready("True"), []),
        (with_ready("False"), [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")]),
        (with_ready("Unknown"), [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]),
        (with_ready("True", unschedulable=True), [("unschedulable", "NoSchedule")]),
        (with_ready("True", taints=[OTHER]), [("team", "NoSchedule")]),
    ],
    ids=["ready", "not ready", "silent", "cordoned", "another's taint"],
)
def test_taints_follow_the_state(given: Object, expected: list[tuple[str, str]]) -> None:
    assert keys(wanted_taints(given, START)) == expected


def test_memory_pressure_is_a_taint() -> None:
    made = node()
    made["status"]["conditions"].append({"type": "MemoryPressure", "status": "True"})
    assert keys(wanted_taints(made, START)) == [("memory-pressure", "NoSchedule")]


def test_uncordoning_takes_the_taint_away_and_leaves_others(world: World) -> None:
    world.create("nodes", node(unschedulable=True, taints=[OTHER]))
    world.settle()
    assert len(world.get("nodes", "n1")["spec"]["taints"]) == 2
    world.edit("nodes", "n1", lambda o: o["spec"].pop("unschedulable"))
    world.settle()
    assert world.get("nodes", "n1")["spec"]["taints"] == [OTHER]


def expel(world: World, **taint: Any) -> None:
    added = {"key": "maintenance", "effect": "NoExecute", **taint}
    world.edit("nodes", "n1", lambda o: o["spec"].update(taints=[added]))
    world.settle()


def going(world: World) -> list[str]:
    return [p["metadata"]["name"] for p in world.pods() if "deletionTimestamp" in p["metadata"]]


def test_a_no_execute_taint_evicts_who_does_not_tolerate_it(world: World) -> None:
    world.create("nodes", node())
    tolerant = [{"key": "maintenance", "operator": "Exists"}]
    patient = [{**tolerant[0], "effect": "NoExecute", "tolerationSeconds": 60}]
    world.create("pods", pod("a-strict"))
    world.create("pods", pod("b-patient", tolerations=patient))
    world.create("pods", pod("c-tolerant", tolerations=tolerant))
    world.create("pods", pod("d-ended"))
    world.run_pods()
    world.finish("d-ended", "Succeeded")
    expel(world, timeAdded="2027-03-05T20:00:00Z")
    assert going(world) == ["a-strict"]
    assert conditions(world.get("pods", "a-strict"))["DisruptionTarget"] == "True"
    assert "TaintManagerEviction" in world.reasons()
    world.advance(59)
    assert going(world) == ["a-strict"]
    world.advance(2)
    assert going(world) == ["a-strict", "b-patient"]


def test_a_no_schedule_taint_evicts_nobody(world: World) -> None:
    world.create("nodes", node())
    world.create("pods", pod())
    world.run_pods()
    expel(world, effect="NoSchedule")
    assert going(world) == []


def lease(world: World, renewed: dt.datetime) -> None:
    spec = {"renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}
    kind, namespace = "leases.coordination.k8s.io", "kube-node-lease"
    if world.store.find(kind, "n1", namespace) is None:
        metadata = {"name": "n1", "namespace": namespace}
        world.store.create(kind, {"metadata": metadata, "spec": spec})
    world.store.mutate(kind, "n1", namespace, lambda o: o.update(spec=spec))
    world.settle()


def test_a_node_that_falls_silent_is_unknown_and_loses_its_pods_after_300_s(world: World) -> None:
    world.create("nodes", node())
    world.create("pods", pod())
    world.run_pods()
    lease(world, world.now)
    world.advance(49)
    assert conditions(world.get("nodes", "n1"))["Ready"] == "True"
    world.advance(2)
    assert conditions(world.get("nodes", "n1"))["Ready"] == "Unknown"
    assert ("unreachable", "NoExecute") in keys(world.get("nodes", "n1")["spec"]["taints"])
    assert going(world) == []
    world.advance(301)
    assert going(world) == ["p"]


def test_a_node_without_a_lease_is_taken_at_its_word(world: World) -> None:
    world.create("nodes", node())
    world.advance(3600)
    assert conditions(world.get("nodes", "n1"))["Ready"] == "True"
