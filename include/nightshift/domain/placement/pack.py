"""The strategy ``pack``: the whole batch at once, on as few idle nodes as can be.

Every idle node that stays empty can be switched off. Pods of equal need are one shape; nodes that
others use anyway are filled first; then as few idle nodes as possible (see pack_fill, pack_bounds,
pack_polish). The plan says how far it is from the best one, and why each pod goes where it goes.
How strongly it can be made to happen is a question of rights and releases (see steering).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.pack_batches import Batch, make_batch
from nightshift.domain.placement.pack_exact import Effort
from nightshift.domain.placement.pack_nodes import NodeUse, count_use
from nightshift.domain.placement.pack_places import Telling, place_pods
from nightshift.domain.placement.pack_shapes import Problem, build_problem
from nightshift.domain.placement.pack_solve import Solution, solve, solve_rest
from nightshift.domain.placement.pack_terms import Tiers, make_tiers
from nightshift.domain.placement.plans import (
    Packing,
    PlacementPlan,
    RankedNode,
    ShardDemand,
    confined_share,
)
from nightshift.domain.placement.ranking import rank_nodes
from nightshift.domain.placement.ratio import compute_ratio
from nightshift.domain.placement.steering import Rights, Steering, SteeringChoice, choose_steering
from nightshift.domain.placement.waves import WaveOrder


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
        batch = make_batch(snapshot, demands, kept or {}, self.order)
        problem = build_problem(batch.nodes, batch.shapes, self.headroom_percent)
        solution = self._solve(batch, problem)
        use = count_use(batch.nodes, problem, solution.filling)
        pooled = len(use.pods) + len(use.reserve) + len(use.others)
        steering = choose_steering(self.steering, len(batch.nodes), self.rights, pooled)
        tiers = make_tiers((*use.opened, *use.used), (*use.reserve, *use.others), batch.nodes)
        tell = Telling(batch, problem, use, tiers, steering.level)
        shards = place_pods(batch, solution.filling.placed, use, tell)
        if steering.level.confines:
            share = confined_share(shards)
            steering = choose_steering(
                self.steering, len(batch.nodes), self.rights, pooled, confined=share
            )
        packing = self._describe(solution, use, steering, tiers)
        return PlacementPlan(
            strategy=StrategyName.PACK,
            demand=batch.total,
            ratio=compute_ratio(batch.total),
            reason=_reason(packing, use),
            ranking=_rank(batch, use),
            shards=shards,
            packing=packing,
        )

    def _solve(self, batch: Batch, problem: Problem) -> Solution:
        solution = solve_rest(problem, batch.queue, batch.settled(), self.effort)
        if not self.headroom_percent or solution.bound is None:
            return solution
        whole = solve(build_problem(batch.nodes, batch.shapes), batch.queue, self.effort)
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


def _rank(batch: Batch, use: NodeUse) -> tuple[RankedNode, ...]:
    """Rank all nodes by what becomes of them, and say it."""
    return tuple(
        replace(one, reason=f"{use.why(one.name)}{one.reason}") if one.candidate else one
        for one in rank_nodes(batch.nodes, batch.kinds, use.rank)
    )


def _reason(packing: Packing, use: NodeUse) -> str:
    """Sum the plan up in one sentence."""
    text = f"{len(packing.opened)} of {len(use.idle)} idle nodes opened"
    if packing.used_busy:
        nodes = "node in use takes" if packing.used_busy == 1 else "nodes in use take"
        text += f", {packing.used_busy} {nodes} pods"
    if packing.unplaced:
        text += f", {packing.unplaced} of the pods wait for room"
    elif packing.bound == len(packing.opened):
        text += ": no placement opens fewer"
    elif packing.bound is not None:
        text += f": no placement opens fewer than {packing.bound}"
    return f"{text}; {packing.steering.reason}"
