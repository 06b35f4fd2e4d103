"""The strategy ``pack``: the whole batch at once, on as few idle nodes as can be.

Every idle node that stays empty can be switched off. Pods of equal need are one shape; nodes that
others use anyway are filled first; then as few idle nodes as possible (see pack_fill, pack_bounds,
pack_polish). The plan says how far it is from the best one, and why each pod goes where it goes.
How strongly it can be made to happen is a question of rights and releases (see steering).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, describe_resources
from nightshift.domain.placement.affinity import PoolValue, Tier
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.pack_exact import Effort
from nightshift.domain.placement.pack_nodes import NodeUse, count_use
from nightshift.domain.placement.pack_shapes import (
    Ints,
    Problem,
    Shape,
    build_problem,
    group_shapes,
)
from nightshift.domain.placement.pack_solve import Solution, solve, solve_rest
from nightshift.domain.placement.pack_terms import Tiers, make_tiers, prefer
from nightshift.domain.placement.plans import Packing, PlacementPlan, ShardDemand, ShardPlacement
from nightshift.domain.placement.ranking import check_possible, check_unique, rank_nodes
from nightshift.domain.placement.ratio import compute_ratio
from nightshift.domain.placement.steering import Rights, Steering, SteeringChoice, choose_steering
from nightshift.domain.placement.waves import WaveOrder, order_batch, usable_capacity
from nightshift.domain.resources import Resources

_POOL = (PoolValue.OPEN, PoolValue.RESERVE)


@dataclass(frozen=True, slots=True)
class PackStrategy:
    """How to pack, and how to steer.

    :param steering: the level that was asked for.
    :param rights: what the cluster lets us do; nothing unless somebody has asked it.
    :param order: who waits when not everything fits at once.
    :param headroom_percent: of CPU and memory to leave alone on every node. As a rule none: it
        costs idle nodes every night, while a plan that no longer holds is simply made anew.
    """

    steering: SteeringChoice = SteeringChoice.AUTO
    rights: Rights = field(default_factory=Rights)
    order: WaveOrder = WaveOrder.FIFO
    headroom_percent: int = 0
    effort: Effort = field(default_factory=Effort)

    def plan(
        self,
        snapshot: Sequence[Node],
        demands: Sequence[ShardDemand],
        kept: Mapping[ShardName, NodeName] | None = None,
    ) -> PlacementPlan:
        """Plan a batch; see Strategy.

        :param kept: nodes of pods that are settled already, all of which have room there.
        :raises SteeringImpossible: if a steering level was asked for that the cluster forbids.
        """
        check_unique("node", [node.name for node in snapshot])
        check_unique("shard", [demand.shard for demand in demands])
        nodes = sorted(snapshot, key=lambda node: node.name)
        shapes = group_shapes(demands)
        kinds = [shape.demand for shape in shapes]
        check_possible(nodes, kinds)
        problem = build_problem(nodes, shapes, self.headroom_percent)
        settled = _settle(nodes, shapes, demands, kept or {})
        solution = self._solve(nodes, shapes, problem, demands, settled)
        use = count_use(nodes, problem, solution.filling)
        pooled = len(use.pods) + len(use.reserve) + len(use.others)
        steering = choose_steering(self.steering, len(nodes), self.rights, pooled)
        tiers = make_tiers((*use.opened, *use.used), (*use.reserve, *use.others), nodes)
        packing = self._describe(solution, use, steering, tiers)
        total = _total(shapes)
        return PlacementPlan(
            strategy=StrategyName.PACK,
            demand=total,
            ratio=compute_ratio(total),
            reason=_reason(packing, use),
            ranking=tuple(
                replace(one, reason=f"{use.why(one.name)}{one.reason}") if one.candidate else one
                for one in rank_nodes(nodes, kinds, use.rank)
            ),
            shards=_Placing(nodes, use, tiers, steering).place(
                demands, shapes, solution.filling.placed - settled, kept or {}
            ),
            packing=packing,
        )

    def _solve(
        self,
        nodes: Sequence[Node],
        shapes: Sequence[Shape],
        problem: Problem,
        demands: Sequence[ShardDemand],
        settled: Ints,
    ) -> Solution:
        def order() -> Ints:
            first = order_batch(demands, usable_capacity(nodes), self.order)
            return _shape_of(shapes, len(demands))[list(first)]

        solution = solve_rest(problem, order, settled, self.effort)
        if not self.headroom_percent or solution.bound is None:
            return solution
        whole = solve(build_problem(nodes, shapes), order, self.effort)
        return replace(solution, bound=whole.bound, bound_by=whole.bound_by)

    def _describe(
        self, solution: Solution, use: NodeUse, steering: Steering, tiers: Tiers
    ) -> Packing:
        return Packing(
            method=solution.filling.method,
            opened=use.opened,
            reserve=use.reserve,
            used_busy=len(use.used),
            unplaced=solution.filling.unplaced,
            bound=solution.bound,
            bound_by=solution.bound_by,
            cut_off=solution.cut_off,
            headroom_percent=self.headroom_percent,
            steering=steering,
            pool_labels=tiers.labels() if steering.level.pools else {},
        )


def _total(shapes: Sequence[Shape]) -> Resources:
    """Add up what all pods ask for."""
    total = Resources()
    for shape in shapes:
        one, count = shape.demand.request, len(shape.members)
        extended = {name: amount * count for name, amount in one.extended.items()}
        total += Resources(one.cpu_millis * count, one.memory_bytes * count, extended)
    return total


def _shape_of(shapes: Sequence[Shape], pods: int) -> Ints:
    shape_of = np.empty(pods, dtype=np.int64)
    for number, shape in enumerate(shapes):
        shape_of[list(shape.members)] = number
    return shape_of


def _settle(
    nodes: Sequence[Node],
    shapes: Sequence[Shape],
    demands: Sequence[ShardDemand],
    kept: Mapping[ShardName, NodeName],
) -> Ints:
    """Count the pods that are settled already, by node and shape."""
    settled = np.zeros((len(nodes), len(shapes)), dtype=np.int64)
    row_of = {node.name: row for row, node in enumerate(nodes)}
    if kept:
        for demand, shape in zip(demands, _shape_of(shapes, len(demands)).tolist(), strict=True):
            if demand.shard in kept:
                settled[row_of[kept[demand.shard]], shape] += 1
    return settled


class _Placing:
    """Tells pods apart again: which of a shape goes to which node, and what it is told."""

    def __init__(
        self, nodes: Sequence[Node], use: NodeUse, tiers: Tiers, steering: Steering
    ) -> None:
        self._nodes = nodes
        self._use = use
        self._tiers = tiers
        self._level = steering.level
        self._known: dict[NodeName | None, tuple[Tier, ...]] = {}

    def place(
        self,
        demands: Sequence[ShardDemand],
        shapes: Sequence[Shape],
        placed: Ints,
        kept: Mapping[ShardName, NodeName],
    ) -> tuple[ShardPlacement, ...]:
        """Give an answer for each demand, in their order; the first of a shape do not wait."""
        by_name = {node.name: node for node in self._nodes}
        placements: list[ShardPlacement | None] = [None] * len(demands)
        for column, shape in enumerate(shapes):
            nodes = self._in_turn(placed[:, column].tolist())
            for member in shape.members:
                name = kept.get(demands[member].shard)
                node = next(nodes, None) if name is None else by_name[name]
                placements[member] = self._answer(demands[member], node)
        return tuple(placement for placement in placements if placement is not None)

    def _in_turn(self, counts: Sequence[int]) -> Iterator[Node]:
        """Repeat each node as often as it takes a pod of the shape: nodes in use first."""
        order = sorted(
            (i for i, count in enumerate(counts) if count),
            key=lambda i: self._use.places[self._nodes[i].name],
        )
        return (self._nodes[i] for i in order for _ in range(counts[i]))

    def _answer(self, demand: ShardDemand, node: Node | None) -> ShardPlacement:
        if node is None:
            asked = describe_resources(demand.request)
            reason = f"no node has room for {asked} beside the others now: it will wait"
            return ShardPlacement(demand.shard, reason, tiers=self._lower(None), waits=True)
        return ShardPlacement(
            demand.shard,
            self._reason(node),
            terms=prefer(node.name),
            tiers=self._lower(node.name),
            pool=_POOL if self._level.pools else (),
            nominated=node.name if self._level.nominates else None,
        )

    def _lower(self, primary: NodeName | None) -> tuple[Tier, ...]:
        if self._level.pools:
            return self._tiers.by_label()
        if primary not in self._known:
            turn = self._use.places.get(primary, 0) if primary is not None else 0
            self._known[primary] = self._tiers.by_name(primary, turn)
        return self._known[primary]

    def _reason(self, node: Node) -> str:
        count = self._use.pods[node.name]
        pods = f"{count} pod{'s' if count > 1 else ''} of the batch planned there"
        if node.name in self._use.idle:
            return f"{node.name} is one of {len(self._use.opened)} idle nodes to open: {pods}"
        return f"{node.name} is in use anyway: {pods}"


def _reason(packing: Packing, use: NodeUse) -> str:
    """Sum the plan up in one sentence."""
    idle = len(use.idle)
    text = f"{len(packing.opened)} of {idle} idle nodes opened"
    if packing.used_busy:
        nodes = (
            "1 node in use takes"
            if packing.used_busy == 1
            else f"{packing.used_busy} nodes in use take"
        )
        text += f", {nodes} pods"
    if packing.unplaced:
        text += f", {packing.unplaced} of the pods wait for room"
    elif packing.bound == len(packing.opened):
        text += ": no placement opens fewer"
    elif packing.bound is not None:
        text += f": no placement opens fewer than {packing.bound}"
    return f"{text}; {packing.steering.reason}"
