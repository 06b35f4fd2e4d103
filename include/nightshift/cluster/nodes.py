"""One snapshot of nodes and of the pods on them: facts read once, for the planner."""

from collections.abc import Container, Iterator
from contextlib import suppress

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.nodes import Node
from nightshift.domain.pods import snapshot
from nightshift.errors import Conflict, Invalid

_TRIES = 3
_LIVING = "status.phase!=Succeeded,status.phase!=Failed"
_NODE_FIELDS = {
    "metadata": ("name", "labels"),
    "spec": ("taints", "unschedulable"),
    "status": ("allocatable", "capacity", "conditions", "images"),
}


def read_snapshot(cluster: Cluster, without: Container[str] = ()) -> list[Node]:
    """Read every node, with what the pods of every namespace ask of it.

    Lists are read in pages; when the server drops their version meanwhile, we begin anew.

    :param without: names of pods of our namespace that do not count, because they are to be planned
        again: their nominations take no room then.
    :raises Conflict: if the lists kept changing faster than we could read them.
    :raises Forbidden: if we may not list nodes, or pods of all namespaces.
    :raises Invalid: if a node or pod cannot be understood; the text names it.
    """
    for _ in range(_TRIES - 1):
        with suppress(Conflict):
            return _read_once(cluster, without)
    return _read_once(cluster, without)


def _read_once(cluster: Cluster, without: Container[str]) -> list[Node]:
    nodes = [_trim(node) for node in cluster.iterate("/api/v1/nodes")]
    try:
        return snapshot(nodes, _living_pods(cluster, without))
    except ValueError as error:
        raise Invalid(f"{cluster.server} has an object that we cannot read: {error}") from error


def _living_pods(cluster: Cluster, without: Container[str]) -> Iterator[Object]:
    """Give the pods page by page: each is reduced to a few numbers before the next page comes."""
    for pod in cluster.iterate("/api/v1/pods", fieldSelector=_LIVING):
        meta = pod.get("metadata") or {}
        if meta.get("namespace") != cluster.namespace or meta.get("name") not in without:
            yield pod


def _trim(node: Object) -> Object:
    """Keep what the planner reads; managed fields alone can be most of a node."""
    return {
        part: {name: (node.get(part) or {}).get(name) for name in names}
        for part, names in _NODE_FIELDS.items()
    }
