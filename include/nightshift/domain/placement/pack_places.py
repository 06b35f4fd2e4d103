"""Tells pods apart again: which of a shape goes to which node, and what it is told."""

from collections.abc import Iterator, Sequence
from functools import partial

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node, describe_resources
from nightshift.domain.placement.affinity import PoolValue, Tier
from nightshift.domain.placement.pack_batches import Batch
from nightshift.domain.placement.pack_nodes import NodeUse
from nightshift.domain.placement.pack_shapes import Ints
from nightshift.domain.placement.pack_terms import Tiers, prefer
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.placement.steering import SteeringLevel

_POOL = (PoolValue.OPEN, PoolValue.RESERVE)


def place_pods(
    batch: Batch, placed: Ints, use: NodeUse, tiers: Tiers, level: SteeringLevel
) -> tuple[ShardPlacement, ...]:
    """Give an answer for each demand, in their order; of a shape the first to start do not wait.

    :param placed: (N, T) pods, those that are settled included.
    """
    tell = _Telling(use, tiers, level)
    free = placed - batch.settled()
    nodes_of = [_in_turn(batch.nodes, free[:, t].tolist(), use) for t in range(free.shape[1])]
    waits = int(placed.sum()) < len(batch.demands)
    order = batch.first_to_last() if waits else range(len(batch.demands))
    shape_of, answers = batch.shape_of.tolist(), {}
    for position in order:
        demand = batch.demands[position]
        name = batch.kept.get(demand.shard) or next(nodes_of[shape_of[position]], None)
        answers[position] = tell.to(demand, name)
    return tuple(answers[position] for position in range(len(answers)))


def _in_turn(nodes: Sequence[Node], counts: Sequence[int], use: NodeUse) -> Iterator[NodeName]:
    """Repeat each node as often as it takes a pod of the shape: nodes in use first."""
    taking = [(use.places[nodes[i].name], i) for i, count in enumerate(counts) if count]
    return (nodes[i].name for _, i in sorted(taking) for _ in range(counts[i]))


class _Telling:
    """What pods are told; the same for all pods of a node but the name."""

    def __init__(self, use: NodeUse, tiers: Tiers, level: SteeringLevel) -> None:
        self._use = use
        self._tiers = tiers
        self._level = level
        self._known: dict[NodeName, partial[ShardPlacement]] = {}

    def to(self, demand: ShardDemand, name: NodeName | None) -> ShardPlacement:
        """Tell a pod its node, or that it waits."""
        if name is None:
            asked = describe_resources(demand.request)
            reason = f"no node has room for {asked} beside the others now: it will wait"
            return ShardPlacement(demand.shard, reason, tiers=self._lower(None), waits=True)
        if name not in self._known:
            self._known[name] = self._prepare(name)
        return self._known[name](demand.shard)

    def _prepare(self, name: NodeName) -> partial[ShardPlacement]:
        return partial(
            ShardPlacement,
            reason=self._reason(name),
            terms=prefer(name),
            tiers=self._lower(name),
            pool=_POOL if self._level.pools else (),
            nominated=name if self._level.nominates else None,
        )

    def _lower(self, primary: NodeName | None) -> tuple[Tier, ...]:
        if self._level.pools:
            return self._tiers.by_label()
        turn = 0 if primary is None else self._use.places[primary]
        return self._tiers.by_name(primary, turn)

    def _reason(self, name: NodeName) -> str:
        count = self._use.pods[name]
        pods = f"{count} pod{'s' if count > 1 else ''} of the batch planned there"
        if name in self._use.idle:
            return f"{name} is one of {len(self._use.opened)} idle nodes to open: {pods}"
        return f"{name} is in use anyway: {pods}"
