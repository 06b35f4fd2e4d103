"""Tells pods apart again: which of a shape goes to which node, and what it is told."""

from collections.abc import Iterator, Sequence
from functools import partial

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node, describe_resources
from nightshift.domain.placement.affinity import PoolValue, Tier
from nightshift.domain.placement.pack_batches import Batch
from nightshift.domain.placement.pack_nodes import NodeUse
from nightshift.domain.placement.pack_shapes import Bools, Ints, Problem
from nightshift.domain.placement.pack_terms import Tiers, make_tiers, prefer
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.placement.steering import SteeringLevel

_POOL = (PoolValue.OPEN, PoolValue.RESERVE)


def place_pods(
    batch: Batch, placed: Ints, use: NodeUse, tell: "Telling"
) -> tuple[ShardPlacement, ...]:
    """Give an answer for each demand, in their order; of a shape the first to start do not wait.

    :param placed: (N, T) pods, those that are settled included.
    """
    free = placed - batch.settled()
    nodes_of = [_in_turn(batch.nodes, free[:, t].tolist(), use) for t in range(free.shape[1])]
    waits = int(placed.sum()) < len(batch.demands)
    order = batch.first_to_last() if waits else range(len(batch.demands))
    shape_of, answers = batch.shape_of.tolist(), {}
    for position in order:
        demand, shape = batch.demands[position], shape_of[position]
        name = batch.kept.get(demand.shard) or next(nodes_of[shape], None)
        answers[position] = tell.to(demand, shape, name)
    return tuple(answers[position] for position in range(len(answers)))


def _in_turn(nodes: Sequence[Node], counts: Sequence[int], use: NodeUse) -> Iterator[NodeName]:
    """Repeat each node as often as it takes a pod of the shape: nodes in use first."""
    taking = [(use.places[nodes[i].name], i) for i, count in enumerate(counts) if count]
    return (nodes[i].name for _, i in sorted(taking) for _ in range(counts[i]))


class Telling:
    """What pods are told; the same for all pods of a node, or of a shape on it, but the name."""

    def __init__(
        self, batch: Batch, problem: Problem, use: NodeUse, tiers: Tiers, level: SteeringLevel
    ) -> None:
        self._nodes = batch.nodes
        self._problem = problem
        self._takes: Bools | None = None
        self._use = use
        self._tiers = tiers
        self._level = level
        self._confines = level.confines
        self._known: dict[tuple[NodeName, int], partial[ShardPlacement]] = {}
        self._tiers_of: dict[int, Tiers] = {}

    def to(self, demand: ShardDemand, shape: int, name: NodeName | None) -> ShardPlacement:
        """Tell a pod its node, or that it waits."""
        if name is None:
            asked = describe_resources(demand.request)
            reason = f"no node has room for {asked} beside the others now: it will wait"
            lower = self._lower(self._tiers, None)
            return ShardPlacement(demand.shard, reason, tiers=lower, waits=True)
        key = (name, shape if self._confines else 0)
        if key not in self._known:
            self._known[key] = self._prepare(*key)
        return self._known[key](demand.shard)

    def _prepare(self, name: NodeName, shape: int) -> partial[ShardPlacement]:
        tiers = self._reachable(shape) if self._confines else self._tiers
        lower = self._lower(tiers, name)
        return partial(
            ShardPlacement,
            reason=self._reason(name),
            terms=prefer(name),
            tiers=lower,
            pool=_POOL if self._level.pools else (),
            spare=tiers.confine(name, lower, self._use.places[name]) if self._confines else (),
            nominated=name if self._level.nominates else None,
        )

    def _reachable(self, shape: int) -> Tiers:
        """Give the tiers without the nodes that take no pod of the shape: no list is to be vain."""
        if shape not in self._tiers_of:
            use, problem = self._use, self._problem
            if self._takes is None:
                self._takes = problem.takes(problem.welcome | problem.reluctant)
            rows = self._takes[:, shape].nonzero()[0].tolist()
            open_to = {self._nodes[i].name for i in rows}
            opened, reserve, spare = (
                tuple(name for name in names if name in open_to)
                for names in ((*use.opened, *use.used), (*use.reserve, *use.others), use.empty)
            )
            self._tiers_of[shape] = make_tiers(opened, reserve, self._nodes, spare)
        return self._tiers_of[shape]

    def _lower(self, tiers: Tiers, primary: NodeName | None) -> tuple[Tier, ...]:
        if self._level.pools:
            return tiers.by_label()
        turn = 0 if primary is None else self._use.places[primary]
        return tiers.by_name(primary, turn)

    def _reason(self, name: NodeName) -> str:
        count = self._use.pods[name]
        pods = f"{count} pod{'s' if count > 1 else ''} of the batch planned there"
        if name in self._use.idle:
            return f"{name} is one of {len(self._use.opened)} idle nodes to open: {pods}"
        return f"{name} is in use anyway: {pods}"
