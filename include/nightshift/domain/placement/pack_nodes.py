"""What a packing makes of each node: used, opened, kept in reserve, or left empty; and why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.pack_fill import Filling
from nightshift.domain.placement.pack_shapes import Problem

RESERVE_SHARE = 0.1
"""Of the opened nodes, so many more are named as the next ones to open."""


@dataclass(frozen=True, slots=True)
class NodeUse:
    """The nodes by what becomes of them.

    :param pods: how many pods of the batch each node gets; nodes that get none are left out.
    :param opened: idle nodes that get pods.
    :param used: nodes with pods of others that get pods.
    :param reserve: idle nodes to be opened next, the largest first.
    :param others: nodes with pods of others that get none and could take some, most room first.
    :param empty: the other idle nodes that could take some, the largest first.
    """

    pods: Mapping[NodeName, int]
    opened: tuple[NodeName, ...]
    used: tuple[NodeName, ...]
    reserve: tuple[NodeName, ...]
    others: tuple[NodeName, ...]
    empty: tuple[NodeName, ...]
    idle: frozenset[NodeName]
    places: Mapping[NodeName, int]

    def rank(self, node: Node) -> tuple[int, ...]:
        """Rank nodes: used, opened, reserve, others, the rest; see RankKey."""
        return (self.places.get(node.name, len(self.places)),)

    def why(self, name: NodeName) -> str:
        """Say in a few words what becomes of a node; ends with a semicolon, empty if nothing."""
        if count := self.pods.get(name):
            how = "opened for" if name in self.idle else "in use anyway, takes"
            return f"{how} {count} pod{'s' if count > 1 else ''}; "
        if name in self.reserve:
            return "next to be opened; "
        return "stays empty; " if name in self.idle else ""


def count_use(nodes: Sequence[Node], problem: Problem, filling: Filling) -> NodeUse:
    """Read off a filling what becomes of each node; ``nodes`` are the problem's, in its order."""
    counts = filling.placed.sum(axis=1)
    fits = problem.takes(problem.welcome).any(axis=1)
    room = (problem.free / np.maximum(problem.free.max(axis=0, initial=1), 1)).sum(axis=1)
    largest_first = np.argsort(-room, kind="stable")

    def names(chosen: Sequence[bool]) -> tuple[NodeName, ...]:
        return tuple(nodes[i].name for i in largest_first.tolist() if chosen[i])

    busy, planned = problem.busy, counts > 0
    opened, used = names(planned & ~busy), names(planned & busy)
    spare = names(fits & ~planned & ~busy)
    wanted = max(1, math.ceil(len(opened) * RESERVE_SHARE)) if len(counts[planned]) else 0
    reserve, others = spare[:wanted], names(fits & ~planned & busy)
    listed = (*used, *opened, *reserve, *others)
    return NodeUse(
        pods=MappingProxyType({
            nodes[i].name: int(counts[i]) for i in np.flatnonzero(planned).tolist()
        }),
        opened=opened,
        used=used,
        reserve=reserve,
        others=others,
        empty=spare[wanted:],
        idle=frozenset(nodes[i].name for i in np.flatnonzero(~busy).tolist()),
        places=MappingProxyType({name: place for place, name in enumerate(listed)}),
    )
