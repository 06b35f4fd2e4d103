"""The shards of a night that have no node yet, as the store and the cluster know them."""

import datetime as dt
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.kubejson import as_mapping
from nightshift.domain.nodes import Toleration
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.resources import Resources
from nightshift.domain.steering.drift import Waiting, add_wait
from nightshift.domain.steering.scanpods import ScanPod
from nightshift.domain.steering.stored import parse_demand, parse_placement
from nightshift.store.records import ShardPlan


@dataclass(frozen=True, slots=True)
class Unbound:
    """The shards without a node: those with a late pod first, then as they are to start.

    :param started: have a late pod.
    :param promised: have no pod, and should meet their planned node with certainty.
    :param predicted: with which probability each should meet its planned node; None if unknown.
    """

    demands: tuple[ShardDemand, ...]
    placements: Mapping[ShardName, ShardPlacement]
    started: frozenset[ShardName]
    promised: frozenset[ShardName]
    predicted: Mapping[ShardName, float | None]

    def without_lists(self) -> dict[ShardName, tuple[ShardPlacement, float | None]]:
        """Let the next try of late pods, whose listed hosts are full, go anywhere; plans stay."""
        return {
            shard: (replace(self.placements[shard], spare=()), self.predicted[shard])
            for shard in self.started
            if self.placements[shard].spare
        }


def read_unbound(
    plans: Sequence[ShardPlan],
    waiting: Waiting,
    made: Container[str],
    tolerations: tuple[Toleration, ...],
    now: dt.datetime,
) -> Unbound:
    """Sort out which shards have no node, from what is stored of all of them.

    :param made: shards that have a pod, whether it is written down already or not.
    :raises ValueError: if what is stored cannot be read.
    """
    late = {pod.shard: pod for pod in waiting.late}
    started = [plan for plan in plans if plan.name in late]
    others = [plan for plan in plans if not plan.pod and plan.name not in made]
    others.sort(key=lambda plan: int(plan.plan.get("position", 0)))
    rest = [*started, *others]
    demands = (parse_demand(p.name, _part(p, "demand"), tolerations) for p in rest)
    return Unbound(
        demands=tuple(add_wait(demand, late.get(demand.shard), now) for demand in demands),
        placements={p.name: parse_placement(_part(p, "placement")) for p in rest},
        started=frozenset(p.name for p in started),
        promised=frozenset(p.name for p in others if p.plan.get("predicted") == 1.0),
        predicted={p.name: p.plan.get("predicted") for p in rest},
    )


def on_their_way(
    plans: Sequence[ShardPlan], pods: Sequence[ScanPod]
) -> Iterator[tuple[NodeName, Resources]]:
    """Give planned node and request of pods that have neither a node nor a nomination yet."""
    unbound = {pod.shard for pod in pods if pod.is_unbound and not pod.nominated}
    for plan in plans:
        if plan.name in unbound:
            primary = parse_placement(_part(plan, "placement")).primary
            if primary is not None:
                yield primary, parse_demand(plan.name, _part(plan, "demand")).request


def _part(plan: ShardPlan, name: str) -> Mapping[str, object]:
    return as_mapping(plan.plan.get(name), name)
