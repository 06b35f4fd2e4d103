"""From demands and nodes to numbers: which shapes there are, what is free, and who may go where.

A *shape* is all pods that no rule can tell apart: equal need, node selector and tolerations. A
batch of 100,000 pods has a few dozen of them, and only shapes are ever packed; pods are told apart
again at the very end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nightshift.domain.nodes import Node, Toleration, why_closed
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.ranking import is_reluctant
from nightshift.domain.resources import Resources

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

SLOTS = "pods"
"""The last resource of every problem: pod slots, of which each pod takes one."""
LARGEST_AMOUNT = 2**53
"""Rooms are cut to this (9 PB, exact as a float too); what asks for more is placed nowhere."""

_Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """Pods that are the same to every rule.

    :param demand: the first of them, which stands for all.
    :param members: their positions in the batch, ascending.
    """

    demand: ShardDemand
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is to be packed: T shapes, N nodes, R resources, the last of which is pod slots.

    :param demand: (T, R) what one pod takes.
    :param counts: (T,) how many pods there are.
    :param free: (N, R) what each node has left, never below zero.
    :param busy: (N,) holds pods of others, so that using it costs nothing.
    :param welcome: (N, T) the node takes such pods, and no PreferNoSchedule taint speaks against.
    :param reluctant: (N, T) it takes them, but such a taint does.
    """

    resources: tuple[str, ...]
    demand: Ints
    counts: Ints
    free: Ints
    busy: Bools
    welcome: Bools
    reluctant: Bools

    def takes(self, doors: Bools) -> Bools:
        """Say which node has room now for a pod of which shape, and its door open: (N, T).

        :param doors: ``welcome``, ``reluctant``, or both.
        """
        fits = doors.copy()
        for t, request in enumerate(self.demand):
            fits[:, t] &= (self.free >= request).all(axis=1)
        return fits


def group_shapes(demands: Sequence[ShardDemand]) -> tuple[Shape, ...]:
    """Sort pods into shapes, the largest memory first; the order of the batch does not matter."""
    together: dict[_Key, list[int]] = {}
    for position, demand in enumerate(demands):
        together.setdefault(_shape_key(demand), []).append(position)
    ordered = sorted(together.items(), key=lambda item: _largest_first(item[0]))
    return tuple(Shape(demands[members[0]], tuple(members)) for _, members in ordered)


def build_problem(
    nodes: Sequence[Node], shapes: Sequence[Shape], headroom_percent: int = 0
) -> Problem:
    """Turn a snapshot and shapes into numbers.

    :param headroom_percent: of allocatable CPU and memory is left alone on each node; devices and
        pod slots are not shortened, as a percentage of a few pieces is none.
    """
    requests = [shape.demand.request for shape in shapes]
    names = _resource_names(requests)
    demand = [[_cut(max(r.get(name), 0)) for name in names] + [1] for r in requests]
    free = [_room(node, names, headroom_percent) for node in nodes]
    open_to, reluctant = _doors(nodes, shapes)
    too_large = np.array(
        [any(r.get(name) > LARGEST_AMOUNT for name in names) for r in requests], dtype=bool
    )
    open_to &= ~too_large
    return Problem(
        resources=(*names, SLOTS),
        demand=np.array(demand, dtype=np.int64).reshape(len(shapes), len(names) + 1),
        counts=np.array([len(shape.members) for shape in shapes], dtype=np.int64),
        free=np.array(free, dtype=np.int64).reshape(len(nodes), len(names) + 1),
        busy=np.array([node.busy for node in nodes], dtype=bool),
        welcome=open_to & ~reluctant,
        reluctant=open_to & reluctant,
    )


def _shape_key(demand: ShardDemand) -> _Key:
    request, selector = demand.request, demand.node_selector
    extended = request.extended
    return (
        request.memory_bytes,
        request.cpu_millis,
        tuple(sorted(item for item in extended.items() if item[1] > 0)) if extended else (),
        demand.tolerations,
        tuple(sorted(selector.items())) if selector else (),
    )


def _largest_first(key: _Key) -> _Key:
    memory, cpu, extended, tolerations, selector = key
    words = [(t.key, t.operator, t.value, str(t.effect or "")) for t in tolerations]
    return -memory, -cpu, extended, words, selector


def _resource_names(requests: Sequence[Resources]) -> tuple[str, ...]:
    extended = [item for request in requests for item in request.extended.items()]
    asked = {name for name, amount in extended if amount > 0}
    return ("cpu", "memory", *sorted(asked))


def _room(node: Node, names: Sequence[str], headroom_percent: int) -> list[int]:
    room = []
    for name in names:
        allocatable = node.allocatable.get(name)
        kept = allocatable * headroom_percent // 100 if name in {"cpu", "memory"} else 0
        room.append(_cut(max(allocatable - node.requested.get(name) - kept, 0)))
    return [*room, _cut(max(node.free_slots, 0))]


def _cut(amount: int) -> int:
    return min(amount, LARGEST_AMOUNT)


def _doors(nodes: Sequence[Node], shapes: Sequence[Shape]) -> tuple[Bools, Bools]:
    """Say which node is open to which shape, and which is so only reluctantly."""
    open_to = np.zeros((len(nodes), len(shapes)), dtype=bool)
    reluctant = np.zeros_like(open_to)
    known: dict[tuple[Toleration, ...], tuple[Bools, Bools]] = {}
    for column, shape in enumerate(shapes):
        covers = shape.demand.tolerations
        if covers not in known:
            known[covers] = _doors_for(nodes, covers)
        opened, reluctant[:, column] = known[covers]
        open_to[:, column] = opened & _selected(nodes, shape.demand.node_selector)
    return open_to, reluctant


def _doors_for(nodes: Sequence[Node], covers: tuple[Toleration, ...]) -> tuple[Bools, Bools]:
    opened = np.array([why_closed(node, covers) is None for node in nodes], dtype=bool)
    shy = [bool(node.taints) and is_reluctant(node, covers) for node in nodes]
    return opened, np.array(shy, dtype=bool)


def _selected(nodes: Sequence[Node], selector: Mapping[str, str]) -> Bools:
    if not selector:
        return np.ones(len(nodes), dtype=bool)
    wanted = selector.items()
    return np.array([wanted <= node.labels.items() for node in nodes], dtype=bool)
