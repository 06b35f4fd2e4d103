"""Nodes without a machine: kwok keeps them Ready; ``without`` it they stay as created."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.kube.api import Api
from tests.kube.options import FakeNodes
from tests.kube.waits import wait_for

ANNOTATION = "kwok.x-k8s.io/node"
_READY = {"type": "Ready", "status": "True", "reason": "Fake", "message": "no machine"}
READY_SECONDS = 120.0
_LIFECYCLE = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}


def build_fake_node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "16Gi",
    pods: int = 110,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Mapping[str, str]] = (),
    allocatable: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Build a node that kwok takes for its own.

    :param cpu: a quantity; so is ``memory``.
    :param allocatable: what differs from the capacity, and extended resources.
    """
    capacity = {"cpu": cpu, "memory": memory, "pods": str(pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {ANNOTATION: "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "type": "kwok",
                **(labels or {}),
            },
        },
        "spec": {"taints": [dict(taint) for taint in taints]},
        "status": {
            "capacity": {**capacity, **(allocatable or {}), **capacity},
            "allocatable": {**capacity, **(allocatable or {})},
        },
    }


def list_fake_nodes(wanted: FakeNodes) -> Iterator[dict[str, Any]]:
    """Build the nodes that the options ask for: fake-1, fake-2 ..."""
    for number in range(1, wanted.count + 1):
        yield build_fake_node(f"fake-{number}", cpu=wanted.cpu, memory=wanted.memory)


def create_fake_nodes(api: Api, nodes: Iterable[Mapping[str, Any]], *, has_kwok: bool) -> list[str]:
    """Create nodes and wait until each is schedulable and Ready; give their names.

    :param has_kwok: whether it makes them Ready; else that is written once, here.
    :raises HarnessError: if one is refused, or not Ready in time.
    """
    names = []
    for node in nodes:
        names.append(_create(api, node, has_kwok=has_kwok))
    wanted = set(names)

    def all_ready() -> bool:
        return wanted <= {
            node["metadata"]["name"] for node in api.items("/api/v1/nodes") if is_ready(node)
        }

    if wanted:
        wait_for(f"{len(wanted)} fake nodes to be Ready", all_ready, READY_SECONDS)
    return names


def is_ready(node: Mapping[str, Any]) -> bool:
    """Tell whether a node is Ready and nothing of its life cycle keeps pods away."""
    conditions = node.get("status", {}).get("conditions", ())
    taints = node["spec"].get("taints", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) and not any(
        taint["key"] in _LIFECYCLE for taint in taints
    )


def _create(api: Api, node: Mapping[str, Any], *, has_kwok: bool) -> str:
    """Create a node and take the taint off again that admission puts on every new one.

    The node life-cycle controller would do it too, but it may be left out.
    """
    made = api.post("/api/v1/nodes", node)
    name = str(made["metadata"]["name"])
    taints = [dict(taint) for taint in node["spec"].get("taints", ())]
    api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": taints}})
    if not has_kwok:
        api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [_READY]}})
    return name
