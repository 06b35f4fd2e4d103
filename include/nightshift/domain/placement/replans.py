"""What is left of a plan when the cluster has changed: a new plan for the pods without a node.

Pods that are bound stay where they are, and their nodes are in use from now on. Of the others each
keeps its planned node while that still has room for it; the rest is packed anew, nodes in use
first. If packing all of them anew opens fewer idle nodes, that is done instead: a nomination costs
one call to move, an opened node costs a night.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, why_not
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand, ShardPlacement
from nightshift.domain.placement.ranking import NOT_SELECTED, is_selected


@dataclass(frozen=True, slots=True)
class Replan:
    """The new plan for the pods without a node, and what it changes.

    :param plan: one placement for each of them, in the order of their demands. Its packing says
        which idle nodes are opened from now on; nodes that hold pods of the batch are no longer
        idle.
    :param moved: why each pod that goes elsewhere than before, or waits now, does so.
    """

    plan: PlacementPlan
    moved: Mapping[ShardName, str]


def replan(
    strategy: PackStrategy,
    placements: Mapping[ShardName, ShardPlacement],
    unbound: Sequence[ShardDemand],
    snapshot: Sequence[Node],
    ours: frozenset[NodeName] = frozenset(),
) -> Replan:
    """Plan the pods without a node again; nothing is changed by it.

    :param placements: of the plan so far, at least those of ``unbound``.
    :param unbound: pods that are not bound to a node, in the order in which they are to start.
    :param snapshot: fresh; pods of this batch that are bound are counted in it.
    :param ours: nodes that hold pods of this batch, so that using them costs nothing.
    :raises CapacityImpossible: if a pod fits no node even when empty.
    :raises ValueError: if a node or a shard is there twice.
    """
    nodes = [replace(node, busy=node.busy or node.name in ours) for node in snapshot]
    kept, lost = _keep(placements, unbound, nodes)
    plan = strategy.plan(nodes, unbound, kept)
    if lost:
        anew = strategy.plan(nodes, unbound)
        plan = min(plan, anew, key=_cost)
    moved = {
        shard.shard: lost.get(shard.shard, "packed anew, which opens fewer idle nodes")
        for shard in plan.shards
        if shard.primary is None or shard.primary != _primary(placements, shard.shard)
    }
    return Replan(plan, MappingProxyType(moved))


def _cost(plan: PlacementPlan) -> tuple[int, int]:
    packing = plan.packing
    return (packing.unplaced, len(packing.opened)) if packing is not None else (0, 0)


def _primary(placements: Mapping[ShardName, ShardPlacement], shard: ShardName) -> NodeName | None:
    placement = placements.get(shard)
    return None if placement is None else placement.primary


def _keep(
    placements: Mapping[ShardName, ShardPlacement],
    unbound: Sequence[ShardDemand],
    nodes: Sequence[Node],
) -> tuple[dict[ShardName, NodeName], dict[ShardName, str]]:
    """Say which pods keep their node, first come first served, and why the others do not."""
    left = {node.name: node for node in nodes}
    kept: dict[ShardName, NodeName] = {}
    lost: dict[ShardName, str] = {}
    for demand in unbound:
        name = _primary(placements, demand.shard)
        why = _why_lost(name, left, demand)
        if name is None or why is not None:
            lost[demand.shard] = why or "it had no node"
            continue
        kept[demand.shard] = name
        used = left[name].requested + demand.request
        left[name] = replace(left[name], requested=used, pods=left[name].pods + 1)
    return kept, lost


def _why_lost(
    name: NodeName | None, left: Mapping[NodeName, Node], demand: ShardDemand
) -> str | None:
    if name is None:
        return "it had no node"
    if name not in left:
        return f"{name} is gone"
    refusal = why_not(left[name], demand.request, demand.tolerations)
    if refusal is None and not is_selected(left[name], demand):
        refusal = NOT_SELECTED
    return None if refusal is None else f"{name}: {refusal}"
