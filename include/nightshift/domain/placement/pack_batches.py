"""A batch and its cluster as the packing sees them: nodes by name, pods by shape, who is first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.pack_shapes import Ints, Shape, group_shapes
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.ranking import check_possible, check_unique
from nightshift.domain.placement.waves import WaveOrder, order_batch, usable_capacity
from nightshift.domain.resources import Resources


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What is to be packed where.

    :param nodes: by name.
    :param shape_of: the shape of each demand.
    :param kept: nodes of pods that are settled already.
    """

    nodes: tuple[Node, ...]
    demands: tuple[ShardDemand, ...]
    shapes: tuple[Shape, ...]
    shape_of: Ints
    kept: Mapping[ShardName, NodeName]
    order: WaveOrder

    @property
    def kinds(self) -> list[ShardDemand]:
        """One demand of each shape."""
        return [shape.demand for shape in self.shapes]

    @property
    def total(self) -> Resources:
        """What all pods ask for together."""
        total = Resources()
        for shape in self.shapes:
            one, count = shape.demand.request, len(shape.members)
            extended = {name: amount * count for name, amount in one.extended.items()}
            total += Resources(one.cpu_millis * count, one.memory_bytes * count, extended)
        return total

    def first_to_last(self) -> list[int]:
        """Give the positions of the demands in the order in which they are to start."""
        return list(order_batch(self.demands, usable_capacity(self.nodes), self.order))

    def queue(self) -> Ints:
        """Give the shapes of the pods in the order in which they are to start."""
        return np.asarray(self.shape_of[self.first_to_last()])

    def settled(self) -> Ints:
        """Count the pods that are settled already, by node and shape."""
        counts = np.zeros((len(self.nodes), len(self.shapes)), dtype=np.int64)
        if self.kept:
            row_of = {node.name: row for row, node in enumerate(self.nodes)}
            for demand, shape in zip(self.demands, self.shape_of.tolist(), strict=True):
                if demand.shard in self.kept:
                    counts[row_of[self.kept[demand.shard]], shape] += 1
        return counts


def make_batch(
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
    kept: Mapping[ShardName, NodeName],
    order: WaveOrder,
) -> Batch:
    """Sort nodes by name and pods into shapes.

    :raises CapacityImpossible: if a pod fits no node even when empty.
    :raises ValueError: if a node or a shard is there twice.
    """
    check_unique("node", [node.name for node in snapshot])
    check_unique("shard", [demand.shard for demand in demands])
    nodes = tuple(sorted(snapshot, key=lambda node: node.name))
    shapes = group_shapes(demands)
    shape_of = np.empty(len(demands), dtype=np.int64)
    for number, shape in enumerate(shapes):
        shape_of[list(shape.members)] = number
    batch = Batch(nodes, tuple(demands), shapes, shape_of, kept, order)
    check_possible(nodes, batch.kinds)
    return batch
