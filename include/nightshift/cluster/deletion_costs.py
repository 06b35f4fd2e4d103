"""Tell ReplicaSets which of their pods to end first when they are lowered.

With the pods of the nodes that will rest marked, lowering a workload already empties those nodes,
and fewer pods have to be evicted. Source: KEP 2255, ``controller.kubernetes.io/pod-deletion-cost``;
only among pods that are ready for as long does the cost decide.
"""

from collections.abc import Iterable

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import OUR_MANAGER
from nightshift.errors import Conflict, NotFound

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
OURS = "-1000"


def mark_pods(cluster: Cluster, nodes: Iterable[str]) -> int:
    """Mark the ReplicaSet pods of some nodes to go first; a cost that somebody set stays.

    :returns: how many were marked.
    """
    return _set_costs(cluster, nodes, before=None, after=OURS)


def unmark_pods(cluster: Cluster, nodes: Iterable[str]) -> int:
    """Take our marks off the pods of nodes that stay.

    :returns: how many were taken off.
    """
    return _set_costs(cluster, nodes, before=OURS, after=None)


def _set_costs(
    cluster: Cluster, nodes: Iterable[str], before: str | None, after: str | None
) -> int:
    changed = 0
    for node in nodes:
        for obj in cluster.iterate("/api/v1/pods", fieldSelector=f"spec.nodeName={node}"):
            meta = obj.get("metadata") or {}
            cost = (meta.get("annotations") or {}).get(DELETION_COST)
            owners = meta.get("ownerReferences") or []
            if cost == before and any(one.get("kind") == "ReplicaSet" for one in owners):
                changed += _set_cost(cluster, meta["namespace"], meta["name"], after)
    return changed


def _set_cost(cluster: Cluster, namespace: str, name: str, cost: str | None) -> int:
    body = {"metadata": {"annotations": {DELETION_COST: cost}}}
    try:
        cluster.patch(cluster.path("pods", name, namespace=namespace), body, manager=OUR_MANAGER)
    except (NotFound, Conflict):
        return 0  # it went, or is just changing: the mark is a wish, not a promise
    return 1
