"""The pool: nodes that a batch may use, by a label that we put on them and take off again.

An annotation beside the label says whose it is. A node that carries the label without it was
labelled by its owner, who keeps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.cluster.client import Cluster
from nightshift.cluster.objects import parse_metadata, read_object
from nightshift.domain.ids import NodeName
from nightshift.domain.placement.affinity import POOL_LABEL, PoolValue
from nightshift.errors import NotFound

POOL_BATCH = "nightshift/pool-batch"
"""The annotation: which batch labelled the node."""
_NODES = "/api/v1/nodes"


@dataclass(frozen=True, slots=True)
class PoolNode:
    """A labelled node; ``batch`` is "" when the label is not ours."""

    name: NodeName
    value: str
    batch: str


def list_pool(cluster: Cluster) -> list[PoolNode]:
    """List the nodes that carry the pool's label, whoever put it there."""
    found = cluster.iterate(_NODES, labelSelector=POOL_LABEL)
    metas = [read_object(cluster, obj, parse_metadata) for obj in found]
    return [
        PoolNode(NodeName(meta.name), meta.labels[POOL_LABEL], meta.annotations.get(POOL_BATCH, ""))
        for meta in metas
    ]


def add_to_pool(cluster: Cluster, batch: int, wanted: Mapping[NodeName, PoolValue]) -> int:
    """Label nodes for a batch; labels of others stay as they are. Gives how many were labelled.

    Safe to repeat. A node that has gone since is left out.

    :raises Forbidden: if we may not patch nodes.
    """
    there = {node.name: node for node in list_pool(cluster)}
    count = 0
    for name, value in wanted.items():
        known = there.get(name)
        if known is not None and (not known.batch or known == PoolNode(name, value, str(batch))):
            continue
        count += _mark(cluster, name, str(value), str(batch))
    return count


def keep_in_pool(cluster: Cluster, batch: int, name: NodeName) -> bool:
    """Label one node for a batch unless it is in the pool; tells whether it had to be labelled.

    A task that is cleared after the night's end makes pods that need the label again.
    """
    try:
        found = cluster.get(f"{_NODES}/{name}")
    except NotFound:
        return False
    if POOL_LABEL in read_object(cluster, found, parse_metadata).labels:
        return False
    return _mark(cluster, name, PoolValue.OPEN.value, str(batch))


def remove_from_pool(cluster: Cluster, node: PoolNode) -> bool:
    """Take our label off a node; False if it is not ours, or the node is gone."""
    return bool(node.batch) and _mark(cluster, node.name, None, None)


def _mark(cluster: Cluster, name: str, value: str | None, batch: str | None) -> bool:
    meta = {"labels": {POOL_LABEL: value}, "annotations": {POOL_BATCH: batch}}
    try:
        cluster.patch(f"{_NODES}/{name}", {"metadata": meta})
    except NotFound:
        return False
    return True
