"""The strategies by name: ``ratio`` in both of its readings, ``spread``, ``none`` and ``pack``.

All take the same snapshot and give the same kind of plan, so that they can be compared. Preferences
steer, they do not reserve: nothing is wrong when the scheduler decides otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nightshift.domain.nodes import Node, describe_resources
from nightshift.domain.placement.affinity import MAX_TERMS, weigh_nodes
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.plans import (
    PlacementPlan,
    ShardDemand,
    ShardPlacement,
    Strategy,
)
from nightshift.domain.placement.ranking import (
    Board,
    RankKey,
    by_free,
    by_use,
    check_possible,
    check_unique,
    rank_nodes,
)
from nightshift.domain.placement.ratio import Ratio, compute_ratio
from nightshift.domain.placement.steering import Rights, SteeringChoice
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.resources import sum_resources


@dataclass(frozen=True, slots=True)
class RankingStrategy:
    """A strategy that sends each shard to the first nodes of a ranking where it fits.

    :param key: what to rank nodes by, given the batch's ratio.
    :param reason: the plan's reason, given the batch's ratio.
    :param walk: count each shard on its primary and rank again; otherwise one ranking serves all
        shards, and those of one size prefer the same nodes.
    :param steers: write terms; otherwise the ranking is only shown.
    """

    name: StrategyName
    key: Callable[[Ratio], RankKey]
    reason: Callable[[Ratio], str]
    walk: bool = False
    steers: bool = True

    def plan(self, snapshot: Sequence[Node], demands: Sequence[ShardDemand]) -> PlacementPlan:
        """Plan a batch; see Strategy."""
        check_unique("node", [node.name for node in snapshot])
        check_unique("shard", [demand.shard for demand in demands])
        check_possible(snapshot, demands)
        total = sum_resources(demand.request for demand in demands)
        ratio = compute_ratio(total)
        return PlacementPlan(
            strategy=self.name,
            demand=total,
            ratio=ratio,
            reason=self.reason(ratio),
            ranking=rank_nodes(snapshot, demands, self.key(ratio)),
            shards=tuple(self._place(snapshot, demands, ratio)),
        )

    def _place(
        self, snapshot: Sequence[Node], demands: Sequence[ShardDemand], ratio: Ratio
    ) -> list[ShardPlacement]:
        if not self.steers:
            return [ShardPlacement(demand.shard, self.reason(ratio)) for demand in demands]
        board = Board(snapshot, self.key(ratio))
        placements = []
        for demand in demands:
            nodes = board.best(demand, MAX_TERMS)
            placements.append(_prefer(demand, nodes))
            if self.walk and nodes:
                board.take(nodes[0].name, demand.request)
        return placements


_STRATEGIES: dict[StrategyName, RankingStrategy] = {
    strategy.name: strategy
    for strategy in (
        RankingStrategy(
            StrategyName.RATIO,
            key=lambda ratio: by_free(ratio.ranks_by),
            reason=lambda ratio: ratio.reason,
        ),
        RankingStrategy(
            StrategyName.RATIO_WALK,
            key=lambda ratio: by_free(ratio.ranks_by),
            reason=lambda ratio: f"{ratio.reason}, again after each shard",
            walk=True,
        ),
        RankingStrategy(
            StrategyName.SPREAD,
            key=lambda _: by_use,
            reason=lambda _: "ranked by the least use, again after each shard",
            walk=True,
        ),
        RankingStrategy(
            StrategyName.NONE,
            key=lambda ratio: by_free(ratio.ranks_by),
            reason=lambda _: "no preference: the scheduler decides alone",
            steers=False,
        ),
    )
}


def strategy_by_name(
    name: str,
    steering: SteeringChoice = SteeringChoice.AUTO,
    rights: Rights | None = None,
    order: WaveOrder = WaveOrder.FIFO,
) -> Strategy:
    """Give the strategy called ``name``; the other arguments count for ``pack`` only.

    :param rights: what the cluster lets us do, if somebody has asked it.
    :raises ValueError: listing the names, if there is none.
    """
    try:
        known = StrategyName(name)
    except ValueError as error:
        names = ", ".join(StrategyName)
        raise ValueError(f"there is no placement strategy {name!r}; there are {names}") from error
    if known is StrategyName.PACK:
        from nightshift.domain.placement.pack import PackStrategy  # late: SciPy takes half a second

        return PackStrategy(steering, rights or Rights(), order)
    return _STRATEGIES[known]


def _prefer(demand: ShardDemand, nodes: Sequence[Node]) -> ShardPlacement:
    if not nodes:
        reason = f"no node has room for {describe_resources(demand.request)} now: it will wait"
        return ShardPlacement(demand.shard, reason)
    primary = nodes[0]
    reason = f"{primary.name} ranks first where it fits: {describe_resources(primary.free)} free"
    return ShardPlacement(demand.shard, reason, weigh_nodes([node.name for node in nodes]))
