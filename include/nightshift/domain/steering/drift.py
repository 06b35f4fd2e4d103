"""What to do when the cluster is no longer what the plan was made from. Pure: plans, never acts.

A pod is late when it has been pending for longer than a bound pod ever is. A late pod is drift, and
so is a planned node that is gone, closed, or has no room any more for what was promised to it:
everything unbound is planned again. What can then be done depends on the level: nominations move,
the pool grows. What a pod that exists was told is fixed, so of such pods it is only written down.
"""

import datetime as dt
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, describe_resources, has_room, why_closed
from nightshift.domain.placement.affinity import PoolValue
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.resources import Resources
from nightshift.domain.steering.scanpods import MAX_NOMINATIONS, ScanPod


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a pod may wait.

    :param late_seconds: pending for longer is drift.
    :param gate_seconds: behind our gate for longer means that whoever should open it has died.
    """

    late_seconds: float = 30.0
    gate_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The pods that wait, sorted by what they need.

    :param stuck: gated for too long: to be freed.
    :param late: free to go and unbound for too long.
    :param unbound: all that have no node, late or not.
    """

    stuck: tuple[ScanPod, ...]
    late: tuple[ScanPod, ...]
    unbound: tuple[ScanPod, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """A shard whose plan does not hold any more, and why."""

    shard: ShardName
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """A nomination to be changed: to another node, or cleared if ``to`` is None."""

    pod: ScanPod
    to: NodeName | None

    def __str__(self) -> str:
        was = self.pod.nominated or "no node"
        return f"{self.pod.shard}: nominated to {self.to or 'no node'} instead of {was}"


def sort_waiting(pods: Iterable[ScanPod], now: dt.datetime, patience: Patience) -> Waiting:
    """Find the pods that wait, and those of them that wait for too long."""
    unbound = tuple(pod for pod in pods if pod.is_unbound)
    return Waiting(
        stuck=tuple(
            p for p in unbound if p.is_gated and p.age_seconds(now) > patience.gate_seconds
        ),
        late=tuple(
            p for p in unbound if not p.gates and p.age_seconds(now) > patience.late_seconds
        ),
        unbound=unbound,
    )


def find_drift(
    late: Sequence[ScanPod],
    placements: Mapping[ShardName, ShardPlacement],
    demands: Mapping[ShardName, ShardDemand],
    snapshot: Sequence[Node],
    now: dt.datetime,
    promised: Container[ShardName] = (),
) -> tuple[Drift, ...]:
    """List shards that are not bound and whose plan does not hold any more.

    All that a packed plan promises has room at once, beside the pods of the batch that exist. A
    node where it has not any more, each shard counted in its turn, was taken by others: pods of
    somebody else, or some of ours that missed their node. Of shards to which nothing was promised
    a full node says nothing: it may be full of our own pods, which end.

    :param placements: of every shard that is not bound, in the order in which they are to start.
    :param snapshot: pods on their way are counted in it, see ``hold_room``.
    :param promised: shards that should meet their planned node with certainty.
    """
    waiting = {pod.shard: pod for pod in late}
    nodes = {node.name: node for node in snapshot}
    found = []
    for shard, placement in placements.items():
        if pod := waiting.get(shard):
            why = pod.message or "the scheduler says nothing"
            found.append(Drift(shard, f"pending for {pod.age_seconds(now):.0f} s: {why}"))
        elif reason := _why_lost(placement, demands[shard], nodes):
            found.append(Drift(shard, reason))
        elif shard in promised and placement.primary is not None:
            node, request = nodes[placement.primary], demands[shard].request
            if has_room(node, request):
                used = node.requested + request
                nodes[node.name] = replace(node, requested=used, pods=node.pods + 1)
            else:
                why = f"{node.name}: others took the room of its {describe_resources(request)}"
                found.append(Drift(shard, why))
    return tuple(found)


def hold_room(
    snapshot: Sequence[Node], on_their_way: Iterable[tuple[NodeName, Resources]]
) -> list[Node]:
    """Count pods that exist but are not bound, on the nodes that they are meant for.

    Why: a snapshot counts pods that have a node or a nomination. Without these their room would be
    given away, and the next look would find it taken.
    """
    nodes = {node.name: node for node in snapshot}
    for name, request in on_their_way:
        if node := nodes.get(name):
            nodes[name] = replace(node, requested=node.requested + request, pods=node.pods + 1)
    return list(nodes.values())


def add_wait(demand: ShardDemand, pod: ScanPod | None, now: dt.datetime) -> ShardDemand:
    """Add what a pod has waited for a node to what its scans had waited before it was made."""
    waited = 0.0 if pod is None else pod.waited_seconds(now)
    return replace(demand, waited_seconds=demand.waited_seconds + waited)


def plan_moves(
    late: Sequence[ScanPod], placements: Mapping[ShardName, ShardPlacement]
) -> tuple[Move, ...]:
    """Say which nominations of late pods to change, given their new placements.

    The scheduler's own nominations are left alone. A pod that we have moved often enough is only
    cleared.
    """
    moves = []
    for pod in late:
        placement = placements.get(ShardName(pod.shard))
        if placement is None or (pod.nominated and not pod.has_our_nomination):
            continue
        wanted = placement.nominated if len(pod.ours) < MAX_NOMINATIONS else None
        if (wanted or "") != pod.nominated:
            moves.append(Move(pod, wanted))
    return tuple(moves)


def plan_widening(
    wanted: Mapping[NodeName, PoolValue], labelled: Container[NodeName]
) -> dict[NodeName, PoolValue]:
    """Say which nodes to add to the pool; it only grows while the batch runs."""
    return {name: value for name, value in wanted.items() if name not in labelled}


def _why_lost(
    placement: ShardPlacement, demand: ShardDemand, nodes: Mapping[NodeName, Node]
) -> str | None:
    if placement.primary is None:
        return None
    node = nodes.get(placement.primary)
    if node is None:
        return f"{placement.primary} is gone"
    closed = why_closed(node, demand.tolerations)
    return f"{placement.primary}: {closed}" if closed else None
