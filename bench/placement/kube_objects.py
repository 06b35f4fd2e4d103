"""The benchmark's objects in a cluster: fake nodes, what others use of them, and a batch's pods."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nightshift.cluster.client import Cluster
from nightshift.domain.nodes import Node, format_amount
from nightshift.domain.placement.affinity import POOL_LABEL
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.resources import Resources
from nightshift.errors import NotFound

NAMESPACE = "bench-placement"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
BATCH = "batch=yes"
_CLASS = "bench-placement"
_GATE = "nightshift/placement"
_THREADS = 8


def prepare(cluster: Cluster) -> None:
    """Make the namespace and the priority class.

    :raises SystemExit: if the cluster has nodes that are not ours.
    """
    others = [
        node["metadata"]["name"]
        for node in cluster.iterate("/api/v1/nodes")
        if (node["metadata"].get("labels") or {}).get("bench") != NAMESPACE
    ]
    if others:
        sys.exit(f"{cluster.server} has nodes of its own ({others[0]}, ..): take an empty cluster")
    clear(cluster)
    _ensure(cluster, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    _ensure(cluster, accounts, {"metadata": {"name": "default"}})
    _ensure(
        cluster,
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        {"metadata": {"name": _CLASS}, "value": 0, "preemptionPolicy": "Never"},
    )


def create_nodes(cluster: Cluster, nodes: Iterable[Node]) -> None:
    """Create nodes that are Ready, each with one pod that asks for what others use of it."""
    _each(lambda node: _create_node(cluster, node), nodes)


def start_pods(
    cluster: Cluster,
    demands: Iterable[ShardDemand],
    placements: Mapping[Any, ShardPlacement],
    profile: str,
) -> tuple[int, int]:
    """Create pods in their order, several at a time; those that the plan nominates are gated first.

    :return: calls to the API server, and bytes of the affinity of all of them as JSON.
    """
    pods = [build_pod(one, placements.get(one.shard), profile) for one in demands]
    calls = sum(3 if pod["spec"].get("schedulingGates") else 1 for pod in pods)
    _each(lambda pod: _start(cluster, pod), pods)
    return calls, sum(len(json.dumps(pod["spec"].get("affinity", {}))) for pod in pods)


def build_pod(
    demand: ShardDemand, placement: ShardPlacement | None, profile: str
) -> dict[str, Any]:
    """Write the pod's manifest; ``nominated`` beside it is the node to nominate, or None."""
    nominated = placement.nominated if placement is not None else None
    spec: dict[str, Any] = {"schedulerName": profile, "priorityClassName": _CLASS}
    if placement is not None:
        spec["affinity"] = placement.affinity()
    if nominated is not None:
        spec["schedulingGates"] = [{"name": _GATE}]
    pod = _pod(str(demand.shard), demand.request, spec)
    pod["metadata"]["labels"] = {"batch": "yes"}
    return {**pod, "nominated": nominated}


def set_pool_labels(cluster: Cluster, labels: Mapping[Any, str]) -> int:
    """Give nodes, by name, their value of the pool's label; the others lose it.

    :return: how many nodes were changed.
    """
    held = {
        node["metadata"]["name"]: (node["metadata"].get("labels") or {}).get(POOL_LABEL)
        for node in cluster.iterate("/api/v1/nodes")
    }
    changed = [name for name, value in held.items() if labels.get(name) != value]
    _each(
        lambda name: cluster.patch(
            f"/api/v1/nodes/{name}", {"metadata": {"labels": {POOL_LABEL: labels.get(name)}}}
        ),
        changed,
    )
    return len(changed)


def clear(cluster: Cluster) -> None:
    """Delete all of the benchmark's pods and nodes."""
    delete_pods(cluster)
    nodes = cluster.iterate("/api/v1/nodes", labelSelector=f"bench={NAMESPACE}")
    _each(lambda node: cluster.delete(f"/api/v1/nodes/{node['metadata']['name']}"), list(nodes))


def delete_pods(cluster: Cluster, selector: str = "") -> None:
    """Delete all pods, or those of the batch, and wait until they are gone."""
    query = {"labelSelector": selector} if selector else {}
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    while any(True for _ in cluster.iterate(PODS, **query)):
        cluster.call("DELETE", PODS, query=query, body=body)


def remove_pods(cluster: Cluster, names: Sequence[str]) -> None:
    """Delete pods that have no node, at once."""
    _each(lambda name: cluster.delete(f"{PODS}/{name}"), names)


def _start(cluster: Cluster, pod: dict[str, Any]) -> None:
    nominated = pod.pop("nominated")
    cluster.create(PODS, pod)
    if nominated:
        path = f"{PODS}/{pod['metadata']['name']}"
        cluster.patch(f"{path}/status", {"status": {"nominatedNodeName": nominated}})
        cluster.patch(path, {"spec": {"schedulingGates": None}})


def _create_node(cluster: Cluster, node: Node) -> None:
    room = {**_quantities(node.allocatable), "pods": str(node.pod_slots)}
    labels = {**node.labels, "bench": NAMESPACE}
    cluster.create(
        "/api/v1/nodes",
        {
            "metadata": {"name": node.name, "labels": labels},
            "status": {"capacity": room, "allocatable": room},
        },
    )
    path = f"/api/v1/nodes/{node.name}"
    cluster.patch(path, {"spec": {"taints": None}})  # admission adds not-ready to every new node
    ready = {"type": "Ready", "status": "True", "reason": "Fake", "message": "no machine"}
    cluster.patch(f"{path}/status", {"status": {"conditions": [ready]}})
    cluster.create(PODS, _pod(f"others-{node.name}", node.requested, {"nodeName": node.name}))


def _pod(name: str, request: Resources, spec: dict[str, Any]) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"requests": _quantities(request)}}
    shared = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **shared, **spec}}


def _quantities(amounts: Resources) -> dict[str, str]:
    return {name: format_amount(name, amount) for name, amount in amounts.items()}


def _ensure(cluster: Cluster, path: str, body: dict[str, Any]) -> None:
    try:
        cluster.get(f"{path}/{body['metadata']['name']}")
    except NotFound:
        cluster.create(path, body)


def _each(function: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Call for each item, several at a time, begun in order; the first error is raised."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(function, items):
            pass
