"""Ranks nodes, and keeps the ranking right while a plan fills them.

Every strategy ranks with this; they differ in the key. Nodes with a PreferNoSchedule taint that a
pod does not tolerate come last: the taint costs 300 points, more than our preference is worth.
"""

import bisect
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import (
    Node,
    Toleration,
    describe_resources,
    format_amount,
    has_room,
    is_repelling,
    untolerated,
    why_closed,
    why_not,
)
from nightshift.domain.placement.plans import RankedNode, ShardDemand
from nightshift.domain.resources import Resources
from nightshift.errors import CapacityImpossible

RankKey = Callable[[Node], tuple[int, ...]]
"""Smaller is better; ties are broken by name."""

_SHARE_UNIT = 10**9

_Doors = tuple[tuple[Toleration, ...], tuple[tuple[str, str], ...]]
"""What decides where a pod may go at all: its tolerations and its node selector."""
_Shape = tuple[tuple[tuple[str, int], ...], _Doors]
NOT_SELECTED = "node(s) didn't match Pod's node affinity/selector"


def by_free(resource: str) -> RankKey:
    """Rank by what is free of ``cpu`` or ``memory``, most first; then by the other one."""
    if resource == "memory":
        return lambda node: (-node.free.memory_bytes, -node.free.cpu_millis)
    return lambda node: (-node.free.cpu_millis, -node.free.memory_bytes)


def by_use(node: Node) -> tuple[int, ...]:
    """Rank by the larger of the used shares of CPU and memory, least first; then by used slots."""
    used, room = node.requested, node.allocatable
    shares = [
        _share(used.cpu_millis, room.cpu_millis),
        _share(used.memory_bytes, room.memory_bytes),
    ]
    return (max(shares), min(shares), _share(node.pods, node.pod_slots))


class Board:
    """The snapshot while a plan is being made: nodes in rank order, filled shard by shard."""

    def __init__(self, nodes: Sequence[Node], key: RankKey) -> None:
        self._key = key
        self._nodes = {node.name: node for node in nodes}
        self._order = sorted(self._entry(node) for node in nodes)
        self._open: dict[_Doors, tuple[frozenset[str], frozenset[str]]] = {}
        self._hopeless: set[_Shape] = set()

    def best(self, demand: ShardDemand, limit: int) -> list[Node]:
        """List the nodes where the shard could start now, best first, at most ``limit``."""
        shape = _shape(demand)
        if shape in self._hopeless:  # room only shrinks while a plan is being made
            return []
        takers = (
            node
            for names in self._open_nodes(demand)
            for node in self._in_order(names)
            if has_room(node, demand.request)
        )
        found = list(itertools.islice(takers, limit))
        if not found:
            self._hopeless.add(shape)
        return found

    def take(self, name: NodeName, request: Resources) -> None:
        """Count a pod on a node and rank it anew."""
        old = self._nodes[name]
        new = replace(old, requested=old.requested + request, pods=old.pods + 1)
        self._nodes[name] = new
        del self._order[bisect.bisect_left(self._order, self._entry(old))]
        bisect.insort(self._order, self._entry(new))

    def _entry(self, node: Node) -> tuple[tuple[int, ...], NodeName]:
        return self._key(node), node.name

    def _in_order(self, names: frozenset[str]) -> Iterator[Node]:
        return (self._nodes[name] for _, name in self._order if name in names)

    def _open_nodes(self, demand: ShardDemand) -> tuple[frozenset[str], frozenset[str]]:
        """Split the nodes that take such pods at all: without and with a PreferNoSchedule taint."""
        key = _doors(demand)
        if key not in self._open:
            covers = demand.tolerations
            takers = [
                node
                for node in self._nodes.values()
                if why_closed(node, covers) is None and is_selected(node, demand)
            ]
            reluctant = frozenset(n.name for n in takers if is_reluctant(n, covers))
            welcome = frozenset(n.name for n in takers) - reluctant
            self._open[key] = (welcome, reluctant)
        return self._open[key]


def is_reluctant(node: Node, tolerations: Iterable[Toleration]) -> bool:
    """Tell whether an untolerated PreferNoSchedule taint is on the node."""
    return any(not is_repelling(taint) for taint in untolerated(node.taints, tolerations))


def is_selected(node: Node, demand: ShardDemand) -> bool:
    """Tell whether the node has the labels that the pod's node selector asks for."""
    return demand.node_selector.items() <= node.labels.items()


def rank_nodes(
    nodes: Sequence[Node], demands: Sequence[ShardDemand], key: RankKey
) -> tuple[RankedNode, ...]:
    """Rank every node for a batch: candidates first, PreferNoSchedule last among them.

    :returns: a permutation of ``nodes``; ties by name, so the order is stable.
    """
    shapes = _distinct_shapes(demands)
    common = _common_tolerations(demands)
    ranked = []
    for node in nodes:
        refusal = _batch_refusal(node, shapes)
        reluctant = is_reluctant(node, common)
        reason = refusal or _room_text(node, reluctant)
        entry = RankedNode(node.name, refusal is None, reason, node.free, node.free_slots)
        ranked.append(((refusal is not None, reluctant, key(node), node.name), entry))
    return tuple(entry for _, entry in sorted(ranked, key=lambda pair: pair[0]))


def check_unique(what: str, names: Sequence[str]) -> None:
    """Refuse names that are there twice.

    :param what: what they are names of.
    :raises ValueError: naming them.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{what} {', '.join(twice)} is there twice")


def check_possible(nodes: Sequence[Node], demands: Sequence[ShardDemand]) -> None:
    """Refuse a batch with a shard that no node could take even when empty.

    :raises CapacityImpossible: naming the first such shard, what it asks and the largest node.
    """
    for demand in _distinct_shapes(demands):
        if any(demand.request.fits_in(n.allocatable) and n.pod_slots > 0 for n in nodes):
            continue
        raise CapacityImpossible(
            f"shard {demand.shard} asks {describe_resources(demand.request)}, which fits no node "
            f"even when empty: {_largest_text(nodes, demand.request)}. "
            "Ask for less, or add a larger node."
        )


def _largest_text(nodes: Sequence[Node], request: Resources) -> str:
    if not nodes:
        return "the cluster has no nodes"
    asked = [(name, amount) for name, amount in request.items() if amount > 0]

    def covered(node: Node) -> tuple[int, ...]:
        return tuple(sorted(_share(node.allocatable.get(name), amount) for name, amount in asked))

    largest = max(sorted(nodes, key=lambda n: n.name), key=covered)
    offers = ", ".join(
        f"{name} {format_amount(name, largest.allocatable.get(name))}" for name, _ in asked
    )
    return f"the largest, {largest.name}, offers {offers or 'no pod slots'}"


def _batch_refusal(node: Node, shapes: Sequence[ShardDemand]) -> str | None:
    """Say why no shard of the batch can start on the node, in the words for its smallest shard."""
    first: str | None = None
    for shape in shapes:
        refusal = why_not(node, shape.request, shape.tolerations)
        if refusal is None and is_selected(node, shape):
            return None
        refusal = refusal or NOT_SELECTED
        first = first or refusal
    return first if shapes else why_not(node, Resources())


def _distinct_shapes(demands: Iterable[ShardDemand]) -> list[ShardDemand]:
    """Keep one demand of each request and tolerations, smallest first."""
    shapes = {_shape(demand): demand for demand in reversed(list(demands))}
    return sorted(
        shapes.values(), key=lambda d: (d.request.memory_bytes, d.request.cpu_millis, d.shard)
    )


def _shape(demand: ShardDemand) -> _Shape:
    return tuple(demand.request.items()), _doors(demand)


def _doors(demand: ShardDemand) -> _Doors:
    return demand.tolerations, tuple(sorted(demand.node_selector.items()))


def _common_tolerations(demands: Sequence[ShardDemand]) -> tuple[Toleration, ...]:
    if not demands:
        return ()
    first, *rest = (demand.tolerations for demand in demands)
    return tuple(t for t in first if all(t in tolerations for tolerations in rest))


def _room_text(node: Node, reluctant: bool) -> str:
    free = f"free: {describe_resources(node.free)}, {node.free_slots} pods"
    return f"{free}; ranked last for its PreferNoSchedule taint" if reluctant else free


def _share(used: int, room: int) -> int:
    return -(-used * _SHARE_UNIT // room) if room > 0 else _SHARE_UNIT
