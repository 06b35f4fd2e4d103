"""Scheduling: what is done to nodes

Cordons, taints and labels, each taken back at the end of its case.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.contract.access import Api, Object, condition
from tests.contract.objects import on_node, requires

KEY = "contract.nightshift/case"


@contextmanager
def patched(api: Api, node: str, body: Object, back: Object) -> Iterator[Object]:
    """Change a node for the block."""
    try:
        yield api.patch("nodes", node, body=body)
    finally:
        api.patch("nodes", node, body=back)


@contextmanager
def tainted(api: Api, node: str, effect: str) -> Iterator[None]:
    """Taint a node for the block; strategic, as taints are merged by key and effect."""
    taint = {"key": KEY, "value": "x", "effect": effect}
    api.patch("nodes", node, body={"spec": {"taints": [taint]}}, kind="strategic")
    try:
        yield
    finally:
        taints = [t for t in api.read("nodes", node)["spec"]["taints"] if t["key"] != KEY]
        api.patch("nodes", node, body={"spec": {"taints": taints or None}})


@contextmanager
def cordoned(api: Api, node: str) -> Iterator[Object]:
    """Cordon a node for the block, and wait until its taint has gone again."""
    with patched(
        api, node, {"spec": {"unschedulable": True}}, {"spec": {"unschedulable": None}}
    ) as n:
        yield n
    api.wait("nodes", node, lambda n: not n["spec"].get("taints"), "free of taints")


def is_unschedulable(pod: Object) -> bool:
    return condition(pod, "PodScheduled").get("reason") == "Unschedulable"


def pinned(api: Api, node: str, **spec: Any) -> Object:
    return api.pod("p", affinity=requires(on_node(node)), **spec)


def test_cordon_by_patch_is_shown_and_brings_its_taint(api: Api) -> None:
    node = api.nodes[0]
    with cordoned(api, node) as changed:
        assert changed["spec"]["unschedulable"] is True
        found = api.wait("nodes", node, lambda n: n["spec"].get("taints"), "tainted")
        (taint,) = found["spec"]["taints"]
        assert taint["key"] == "node.kubernetes.io/unschedulable"
        assert taint["effect"] == "NoSchedule"
        selected = api.names("nodes", fieldSelector="spec.unschedulable=true")
        assert node in selected
    assert "unschedulable" not in api.read("nodes", node)["spec"]


def test_cordon_and_note_go_in_one_patch(api: Api) -> None:
    node, note = api.nodes[0], "nightshift.example/lease"
    body = {"metadata": {"annotations": {note: "ours"}}, "spec": {"unschedulable": True}}
    back = {"metadata": {"annotations": {note: None}}, "spec": {"unschedulable": None}}
    with patched(api, node, body, back) as changed:
        assert changed["spec"]["unschedulable"] is True
        assert changed["metadata"]["annotations"][note] == "ours"
    api.wait("nodes", node, lambda n: not n["spec"].get("taints"), "free of taints")
    assert note not in api.read("nodes", node)["metadata"].get("annotations", {})


def test_cordoned_node_takes_no_pod_until_it_is_uncordoned(api: Api) -> None:
    node = api.nodes[0]
    with cordoned(api, node):
        api.create("pods", pinned(api, node))
        pod = api.wait("pods", "p", is_unschedulable, "unschedulable")
        assert "1 node(s) were unschedulable" in condition(pod, "PodScheduled")["message"]
    bound = api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")
    assert bound["spec"]["nodeName"] == node


def test_cordoned_node_takes_pods_that_tolerate_it(api: Api) -> None:
    node = api.nodes[0]
    tolerated = [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]
    with cordoned(api, node):
        api.create("pods", pinned(api, node, tolerations=tolerated))
        bound = api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")
    assert bound["spec"]["nodeName"] == node


def test_running_pod_stays_on_a_cordoned_node(api: Api) -> None:
    pod = api.start("p")
    with cordoned(api, pod["spec"]["nodeName"]):
        api.wait("nodes", pod["spec"]["nodeName"], lambda n: n["spec"].get("taints"), "tainted")
        assert api.read("pods", "p")["status"]["phase"] == "Running"


def test_tainted_node_takes_no_pod_until_the_taint_goes(api: Api) -> None:
    node = api.nodes[0]
    with tainted(api, node, "NoSchedule"):
        api.create("pods", pinned(api, node))
        pod = api.wait("pods", "p", is_unschedulable, "unschedulable")
        assert "1 node(s) had untolerated taint" in condition(pod, "PodScheduled")["message"]
    api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": KEY, "operator": "Exists"},
        {"key": KEY, "operator": "Equal", "value": "x", "effect": "NoSchedule"},
        {"operator": "Exists"},
    ],
    ids=["the key", "key, value and effect", "everything"],
)
def test_toleration_lets_a_pod_on_a_tainted_node(api: Api, toleration: Object) -> None:
    node = api.nodes[0]
    with tainted(api, node, "NoSchedule"):
        api.create("pods", pinned(api, node, tolerations=[toleration]))
        api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": KEY, "operator": "Equal", "value": "y"},
        {"key": KEY, "operator": "Exists", "effect": "NoExecute"},
    ],
    ids=["another value", "another effect"],
)
def test_toleration_of_something_else_does_not_help(api: Api, toleration: Object) -> None:
    node = api.nodes[0]
    with tainted(api, node, "NoSchedule"):
        api.create("pods", pinned(api, node, tolerations=[toleration]))
        api.wait("pods", "p", is_unschedulable, "unschedulable")


def test_softly_tainted_node_is_taken_when_it_must_be(api: Api) -> None:
    node = api.nodes[0]
    with tainted(api, node, "PreferNoSchedule"):
        api.create("pods", pinned(api, node))
        api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")


def test_softly_tainted_node_is_avoided_when_it_can_be(api: Api) -> None:
    node, other = api.nodes[:2]
    with tainted(api, node, "PreferNoSchedule"):
        affinity = requires(on_node(node), on_node(other))
        api.create("pods", api.pod("p", affinity=affinity))
        bound = api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")
    assert bound["spec"]["nodeName"] == other


def test_taint_that_executes_ends_running_pods(api: Api) -> None:
    pod = api.start("p")
    with tainted(api, pod["spec"]["nodeName"], "NoExecute"):
        api.wait_gone("pods", "p")


def test_label_by_patch_wakes_a_pod_that_waits_for_it(api: Api) -> None:
    node, label = api.nodes[1], {KEY: api.namespace}
    api.create("pods", api.pod("p", nodeSelector=label))
    api.wait("pods", "p", is_unschedulable, "unschedulable")
    with patched(api, node, {"metadata": {"labels": label}}, {"metadata": {"labels": {KEY: None}}}):
        bound = api.wait("pods", "p", lambda p: p["spec"].get("nodeName"), "bound")
    assert bound["spec"]["nodeName"] == node


def test_node_tells_what_is_allocatable_and_that_it_is_ready(api: Api) -> None:
    for name in api.nodes:
        node = api.read("nodes", name)
        assert {"cpu", "memory", "pods"} <= set(node["status"]["allocatable"])
        assert condition(node, "Ready")["status"] == "True"
        assert node["metadata"]["labels"]["kubernetes.io/hostname"]


def test_new_node_has_a_spec_and_offers_its_capacity(api: Api) -> None:
    name = f"bare-{uuid.uuid4().hex[:8]}"
    made = api.create("nodes", {"metadata": {"name": name}, "status": {"capacity": {"cpu": "2"}}})
    api.delete("nodes", name)
    assert isinstance(made["spec"], dict)
    assert made["status"]["allocatable"] == {"cpu": "2"}
