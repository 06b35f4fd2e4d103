"""What a placement leaves behind: how much machine was opened, and whether the rest is of use."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand


def opened_cores(nodes: Sequence[Node], touched: set[NodeName]) -> float:
    """Add up the cores of the nodes that were idle and got a pod."""
    opened = (node for node in nodes if node.name in touched and not node.busy)
    return sum(node.allocatable.cpu_millis for node in opened) / 1000


def fragmented_share(
    nodes: Sequence[Node], batch: Sequence[ShardDemand], node_of: Mapping[ShardName, NodeName]
) -> float:
    """Say which part of the cluster's free room one more pod of the batch could not use.

    Averaged over the batch's pods and over CPU and memory: room on a node that has too little of
    the other resource, or too little at all (Weng et al., Beware of Fragmentation, ATC 2023).
    """
    index = {node.name: i for i, node in enumerate(nodes)}
    free = np.array([[n.free.cpu_millis, n.free.memory_bytes] for n in nodes], dtype=np.int64)
    for demand in batch:
        if demand.shard in node_of:
            request = demand.request
            free[index[node_of[demand.shard]]] -= (request.cpu_millis, request.memory_bytes)
    free = np.maximum(free, 0)
    shapes = Counter((d.request.cpu_millis, d.request.memory_bytes) for d in batch)
    lost = np.zeros(2)
    for shape, count in shapes.items():
        lost += count * free[(free < np.array(shape)).any(axis=1)].sum(axis=0)
    total = np.maximum(free.sum(axis=0), 1) * len(batch)
    return float((lost / total).mean())
