"""What a strategy is asked and what it answers: values, computed once, stored and shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, Toleration, format_amount
from nightshift.domain.placement.affinity import WeightedNode, build_affinity
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.ratio import Ratio, format_ratio
from nightshift.domain.resources import Resources


@dataclass(frozen=True, slots=True)
class ShardDemand:
    """One pod to be placed.

    :param request: its effective requests, init containers and overhead included.
    """

    shard: ShardName
    request: Resources
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedNode:
    """A node's place in the ranking.

    :param candidate: at least one shard of the batch could start there now.
    :param reason: what the node was ranked by, or why it is no candidate.
    """

    name: NodeName
    candidate: bool
    reason: str
    free: Resources
    free_slots: int

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values; amounts are Kubernetes quantities."""
        return {
            "node": str(self.name),
            "candidate": self.candidate,
            "reason": self.reason,
            "free": _quantities(self.free),
            "free_slots": self.free_slots,
        }


@dataclass(frozen=True, slots=True)
class ShardPlacement:
    """Which nodes one shard prefers, best first.

    :param terms: the primary and its backups with their weights; empty means no preference.
    """

    shard: ShardName
    reason: str
    terms: tuple[WeightedNode, ...] = ()

    @property
    def primary(self) -> NodeName | None:
        """The node that it should go to, None without a preference."""
        return self.terms[0].node if self.terms else None

    @property
    def backups(self) -> tuple[NodeName, ...]:
        """The nodes to try if the primary is full, best first."""
        return tuple(term.node for term in self.terms[1:])

    def affinity(self) -> dict[str, Any]:
        """Write the pod's affinity, for KubernetesPodOperator; empty without a preference."""
        return build_affinity(self.terms)

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {
            "shard": str(self.shard),
            "primary": None if self.primary is None else str(self.primary),
            "backups": [str(name) for name in self.backups],
            "terms": [{"node": str(term.node), "weight": term.weight} for term in self.terms],
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class PlacementPlan:
    """Where a batch should run, and why. Computing it has changed nothing.

    :param ranking: every node of the snapshot, best first, candidate or not.
    :param shards: one for each demand, in the order of the demands.
    """

    strategy: StrategyName
    demand: Resources
    ratio: Ratio
    reason: str
    ranking: tuple[RankedNode, ...]
    shards: tuple[ShardPlacement, ...]

    def to_json(self) -> dict[str, Any]:
        """Write the plan as JSON values; amounts are Kubernetes quantities, the ratio decimal."""
        value = self.ratio.value
        return {
            "strategy": self.strategy.value,
            "demand": _quantities(self.demand),
            "ratio": None if value is None else format_ratio(value),
            "ratio_exact": None if value is None else f"{value.numerator}/{value.denominator}",
            "heaviness": self.ratio.heaviness.value,
            "reason": self.reason,
            "ranking": [node.to_json() for node in self.ranking],
            "shards": [shard.to_json() for shard in self.shards],
        }


class Strategy(Protocol):
    """A way to rank nodes and to choose nodes for shards."""

    def plan(self, snapshot: Sequence[Node], demands: Sequence[ShardDemand]) -> PlacementPlan:
        """Plan a batch; neither argument is modified, equal arguments give equal plans.

        :raises CapacityImpossible: if a shard fits no node even when empty.
        :raises ValueError: if a node or a shard is there twice.
        """
        ...


def _quantities(amounts: Resources) -> dict[str, str]:
    return {name: format_amount(name, amount) for name, amount in amounts.items()}
