"""A plan together with what makes it happen: nominations, the pool's labels, and predicted hits.

A strategy that packs decides all of that itself. One that only ranks names nodes; the level is
added here, so that every strategy can be steered at every level but ``names``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, has_room
from nightshift.domain.placement.affinity import PoolValue
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.plans import (
    PlacementPlan,
    ShardDemand,
    ShardPlacement,
    confined_share,
)
from nightshift.domain.placement.steering import (
    Rights,
    Steering,
    SteeringChoice,
    SteeringLevel,
    predict_hit_rate,
)
from nightshift.domain.placement.strategies import strategy_by_name
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.steering.choosing import Granted, choose_or_weaken, find_possible

RESERVE_SHARE = 0.1
"""Of the opened nodes is added to the pool, to be taken when opened ones turn out to be full."""
_POOL = (PoolValue.OPEN, PoolValue.RESERVE)
_EVERYTHING = Granted(Rights((99, 0), patch_pod_status=True, patch_nodes=True))
"""The level was chosen when the batch was planned; what is planned again keeps it."""


@dataclass(frozen=True, slots=True)
class SteeredPlan:
    """A plan and how the cluster is to be steered towards it. Computing it has changed nothing.

    :param pool_labels: the values of the pool's label to put on nodes before pods start.
    :param predicted: of shards that have a planned node with room for them: with which probability
        they meet it, 0 to 1. Others may find it full, so nothing is predicted of them.
    """

    plan: PlacementPlan
    steering: Steering
    pool_labels: Mapping[NodeName, PoolValue]
    predicted: Mapping[ShardName, float]


def make_plan(
    strategy: str,
    choice: SteeringChoice,
    granted: Granted,
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
    order: WaveOrder = WaveOrder.FIFO,
) -> SteeredPlan:
    """Plan a batch, and add what its steering level needs.

    :raises CapacityImpossible: if a shard fits no node even when it is empty.
    :raises ValueError: if there is no such strategy, or a node or shard is there twice.
    """
    packs = strategy == StrategyName.PACK
    possible, _ = find_possible(choice, len(snapshot), granted.rights, packs=packs)
    plan = strategy_by_name(strategy, possible, granted.rights, order).plan(snapshot, demands)
    return steer_plan(plan, choice, granted, snapshot, demands)


def plan_rest(
    strategy: str,
    level: SteeringLevel,
    placements: Mapping[ShardName, ShardPlacement],
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
    ours: frozenset[NodeName],
) -> SteeredPlan:
    """Plan the shards of a batch that are not bound again, at the level that it has.

    :param placements: of the plan so far; a strategy that packs keeps what still holds.
    :param ours: nodes that hold pods of the batch already.
    :raises CapacityImpossible: if a shard fits no node even when it is empty.
    """
    choice = SteeringChoice(level.value)
    if strategy != StrategyName.PACK:
        return make_plan(strategy, choice, _EVERYTHING, snapshot, demands)
    from nightshift.domain.placement.pack import PackStrategy  # late: SciPy takes half a second
    from nightshift.domain.placement.replans import replan

    packer = PackStrategy(choice, _EVERYTHING.rights)
    plan = replan(packer, placements, demands, snapshot, ours).plan
    return steer_plan(plan, choice, _EVERYTHING, snapshot, demands)


def steer_plan(
    plan: PlacementPlan,
    choice: SteeringChoice,
    granted: Granted,
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
) -> SteeredPlan:
    """Add to a plan what its steering level needs.

    :param snapshot: what the plan was made from, as are ``demands``.
    """
    packs = plan.packing is not None
    level = choose_or_weaken(choice, len(snapshot), granted, packs=packs).level
    if plan.packing is not None:
        labels = plan.packing.pool_labels
    else:
        labels = choose_pool(plan) if level.pools else {}
        shards = tuple(_steer(shard, level, bool(labels)) for shard in plan.shards)
        plan = replace(plan, shards=shards)
    steering = choose_or_weaken(
        choice, len(snapshot), granted, len(labels) or None,
        packs=packs, confined=confined_share(plan.shards),
    )  # fmt: skip
    predicted = predict_hits(plan, steering, snapshot, demands)
    return SteeredPlan(plan, steering, MappingProxyType(dict(labels)), MappingProxyType(predicted))


def choose_pool(plan: PlacementPlan) -> dict[NodeName, PoolValue]:
    """Open the nodes that shards are meant for, and keep the next best ones in reserve."""
    planned = {shard.primary for shard in plan.shards if shard.primary is not None}
    candidates = [node.name for node in plan.ranking if node.candidate]
    opened = [name for name in candidates if name in planned]
    rest = [name for name in candidates if name not in planned]
    reserve = rest[: math.ceil(len(opened) * RESERVE_SHARE)]
    return {
        **dict.fromkeys(opened, PoolValue.OPEN),
        **dict.fromkeys(reserve, PoolValue.RESERVE),
    }


def predict_hits(
    plan: PlacementPlan,
    steering: Steering,
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
) -> dict[ShardName, float]:
    """Predict for each shard whose planned node has room for it that it goes there.

    Shards are counted in their order, each on its planned node. Where pods are confined to hosts
    those with a list are certain, and those without have their preferences only.
    """
    nodes = {node.name: node for node in snapshot}
    confines = steering.level.confines
    soft = predict_hit_rate(SteeringLevel.SOFT, len(nodes))
    predicted = {}
    for shard, demand in zip(plan.shards, demands, strict=True):
        node = nodes.get(shard.primary) if shard.primary is not None else None
        if node is not None and has_room(node, demand.request):
            rate = (1.0 if shard.spare else soft) if confines else steering.hit_rate
            predicted[shard.shard] = rate
            requested = node.requested + demand.request
            nodes[node.name] = replace(node, requested=requested, pods=node.pods + 1)
    return predicted


def _steer(shard: ShardPlacement, level: SteeringLevel, pooled: bool) -> ShardPlacement:
    """Nominate the shard to its planned node, and keep it in the pool.

    A shard without a planned node waits for any room; it must not be kept out of nodes that get
    some, so it does not require the pool.
    """
    if shard.primary is None:
        return shard
    return replace(
        shard,
        nominated=shard.primary if level.nominates else None,
        pool=_POOL if pooled else (),
    )
