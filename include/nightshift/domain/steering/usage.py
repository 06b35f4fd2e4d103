"""Nodes as bars: what is used, what a plan adds, what stays free, and why; before and after."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nightshift.domain.ids import NodeName
from nightshift.domain.kubejson import as_int, as_mapping
from nightshift.domain.nodes import Node
from nightshift.domain.placement.affinity import PoolValue
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand
from nightshift.domain.resources import Resources


@dataclass(frozen=True, slots=True)
class NodeUse:
    """One node before and after a plan; CPU in thousandths of a core, memory in bytes.

    :param used: before; ``planned`` comes on top of it.
    :param shards: how many pods are meant for it.
    :param busy: it holds pods of others, so it cannot be switched off anyway.
    :param reason: why it was ranked or chosen as it was.
    """

    name: NodeName
    allocatable: Resources
    used: Resources
    planned: Resources = field(default_factory=Resources)
    shards: int = 0
    busy: bool = False
    candidate: bool = True
    pool: PoolValue | None = None
    reason: str = ""

    def share(self, resource: str, amount: Resources) -> float:
        """Say which part of the node's ``cpu`` or ``memory`` an amount is; 0 if it has none."""
        room = self.allocatable.get(resource)
        return amount.get(resource) / room if room > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values, short: there may be thousands."""
        shown: dict[str, Any] = {
            "node": str(self.name),
            "busy": self.busy,
            "cpu": [a.cpu_millis for a in (self.allocatable, self.used, self.planned)],
            "memory": [a.memory_bytes for a in (self.allocatable, self.used, self.planned)],
        }
        if self.shards:
            shown["shards"] = self.shards
        if self.pool is not None:
            shown["pool"] = self.pool.value
        return shown


def measure_use(
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
    plan: PlacementPlan,
    labels: Mapping[NodeName, PoolValue] | None = None,
) -> tuple[NodeUse, ...]:
    """Count each shard on its planned node; nodes are in the plan's order, best first."""
    nodes = {node.name: node for node in snapshot}
    uses = {
        ranked.name: NodeUse(
            ranked.name,
            nodes[ranked.name].allocatable,
            nodes[ranked.name].requested,
            busy=nodes[ranked.name].busy,
            candidate=ranked.candidate,
            pool=(labels or {}).get(ranked.name),
            reason=ranked.reason,
        )
        for ranked in plan.ranking
    }
    for shard, demand in zip(plan.shards, demands, strict=True):
        if shard.primary is not None:
            use = uses[shard.primary]
            planned = use.planned + demand.request
            uses[use.name] = replace(use, planned=planned, shards=use.shards + 1)
    return tuple(uses.values())


def parse_uses(raw: Sequence[Any], ranking: Sequence[Any] = ()) -> tuple[NodeUse, ...]:
    """Read a stored list of nodes.

    :param ranking: the stored ranking, for each node's reason.
    :raises ValueError: with the path of the fault.
    """
    ranked = {str(as_mapping(one, "ranking").get("node")): one for one in ranking}
    return tuple(_parse_use(as_mapping(one, "nodes"), ranked) for one in raw)


def note_ran(uses: Sequence[NodeUse], nodes: Iterable[str]) -> tuple[NodeUse, ...]:
    """Add to each node's reason how many pods ran on it, where some did or were meant to.

    :param nodes: of the batch's pods, one a pod; "" where none was ever bound.
    """
    ran = Counter(nodes)
    return tuple(
        replace(
            use, reason="; ".join(filter(None, (_compare(use.shards, ran[use.name]), use.reason)))
        )
        if use.shards or ran[use.name]
        else use
        for use in uses
    )


def _compare(planned: int, ran: int) -> str:
    pods = f"{planned} pod{'s' if planned != 1 else ''}"
    return f"planned {pods}, {ran} ran"


def _parse_use(raw: Mapping[str, Any], ranked: Mapping[str, Any]) -> NodeUse:
    name = str(raw.get("node", ""))
    why = ranked.get(name, {})
    cpu, memory = (
        [as_int(value, f"nodes.{name}.{key}") for value in raw[key]] for key in ("cpu", "memory")
    )
    allocatable, used, planned = (Resources(*pair) for pair in zip(cpu, memory, strict=True))
    pool = raw.get("pool")
    return NodeUse(
        NodeName(name),
        allocatable,
        used,
        planned,
        shards=as_int(raw.get("shards"), f"nodes.{name}.shards"),
        busy=raw.get("busy") is True,
        candidate=why.get("candidate", True) is True,
        pool=PoolValue(pool) if pool else None,
        reason=str(why.get("reason", "")),
    )
