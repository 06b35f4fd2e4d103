"""What a strategy is asked and what it answers: values, computed once, stored and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, Toleration, format_amount
from nightshift.domain.placement.affinity import PoolValue, Tier, WeightedNode, build_affinity
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.ratio import Ratio, format_ratio
from nightshift.domain.placement.steering import Steering
from nightshift.domain.resources import Resources


@dataclass(frozen=True, slots=True)
class ShardDemand:
    """One pod to be placed.

    :param request: its effective requests, init containers and overhead included.
    :param node_selector: labels that its node must have.
    :param account: whose it is; accounts get even shares when not everything fits at once.
    :param expected_seconds: how long it should take; orders the batch when not everything fits.
    :param waited_seconds: how long it has been waiting already: since the first night that ended
        before its turn came, and then since its pod was made.
    """

    shard: ShardName
    request: Resources
    tolerations: tuple[Toleration, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    account: str = ""
    expected_seconds: float = 0.0
    waited_seconds: float = 0.0


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
    :param tiers: preferred terms for many nodes at once, below the primary.
    :param pool: values of the pool's label, one of which its node must have; empty is any node.
    :param spare: hosts, its own first, that it may go to beside those of the tiers, and nowhere
        else; empty is any node.
    :param nominated: create the pod gated, nominate it to this node, then take the gate off; None
        means that the pod is created without a gate.
    :param waits: no node has room for it now; start it after those that do not wait.
    """

    shard: ShardName
    reason: str
    terms: tuple[WeightedNode, ...] = ()
    tiers: tuple[Tier, ...] = ()
    pool: tuple[PoolValue, ...] = ()
    spare: tuple[str, ...] = ()
    nominated: NodeName | None = None
    waits: bool = False

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
        return build_affinity(self.terms, self.tiers, self.pool, self.spare)

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values; what only some strategies decide is there when they did."""
        shown: dict[str, Any] = {
            "shard": str(self.shard),
            "primary": None if self.primary is None else str(self.primary),
            "backups": [str(name) for name in self.backups],
            "terms": [term.to_json() for term in self.terms],
            "reason": self.reason,
        }
        if self.tiers:
            shown["tiers"] = [tier.to_json() for tier in self.tiers]
        if self.pool:
            shown["pool"] = [value.value for value in self.pool]
        if self.spare:
            shown["spare"] = list(self.spare)
        if self.nominated is not None:
            shown["nominated"] = str(self.nominated)
        if self.waits:
            shown["waits"] = True
        return shown


def confined_share(shards: Sequence[ShardPlacement]) -> float:
    """Say which part of the shards with a planned node may only go to hosts of a list; 0 to 1."""
    planned = [shard for shard in shards if shard.primary is not None]
    return sum(bool(shard.spare) for shard in planned) / len(planned) if planned else 1.0


@dataclass(frozen=True, slots=True)
class Packing:
    """How well a batch was packed, and how the cluster is to be steered towards it.

    :param method: what found it: a rule of the portfolio, such as ``dot/scarcity``, or ``milp``.
    :param opened: idle nodes that get a pod; every other idle node could be switched off.
    :param reserve: idle nodes to be taken next, when opened ones turn out to be full.
    :param used_busy: how many nodes with pods of others get a pod.
    :param unplaced: pods for which no node has room now.
    :param bound: no placement of the whole batch opens fewer idle nodes; None when nothing is
        known, as when pods are unplaced or stand on nodes with a PreferNoSchedule taint. It
        leaves headroom aside, so it holds for any placement.
    :param bound_by: what proved it: ``volume``, ``relaxation`` or ``milp``.
    :param cut_off: why the search for a better packing ended early, empty if it did not. A search
        cut off by ``time`` may give another plan on another machine.
    :param headroom_percent: of allocatable CPU and memory that was left alone on every node.
    :param pool_labels: the values of the pool's label to put on nodes before the pods start, and to
        take off after the batch; empty unless the level pools.
    """

    method: str
    opened: tuple[NodeName, ...]
    reserve: tuple[NodeName, ...]
    used_busy: int
    unplaced: int
    bound: int | None
    bound_by: str
    cut_off: str
    headroom_percent: int
    steering: Steering
    pool_labels: Mapping[NodeName, PoolValue] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def gap(self) -> float | None:
        """How much of what is opened might be spared at most, 0 to 1; None without a bound."""
        if self.bound is None:
            return None
        return (len(self.opened) - self.bound) / len(self.opened) if self.opened else 0.0

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {
            "method": self.method,
            "opened": [str(name) for name in self.opened],
            "reserve": [str(name) for name in self.reserve],
            "used_busy": self.used_busy,
            "unplaced": self.unplaced,
            "bound": self.bound,
            "bound_by": self.bound_by,
            "gap": self.gap,
            "cut_off": self.cut_off,
            "headroom_percent": self.headroom_percent,
            "steering": self.steering.to_json(),
            "pool_labels": {str(name): value.value for name, value in self.pool_labels.items()},
        }


@dataclass(frozen=True, slots=True)
class PlacementPlan:
    """Where a batch should run, and why. Computing it has changed nothing.

    :param ranking: every node of the snapshot, best first, candidate or not.
    :param shards: one for each demand, in the order of the demands.
    :param packing: how well the batch was packed; None for strategies that only rank.
    """

    strategy: StrategyName
    demand: Resources
    ratio: Ratio
    reason: str
    ranking: tuple[RankedNode, ...]
    shards: tuple[ShardPlacement, ...]
    packing: Packing | None = None

    def to_json(self) -> dict[str, Any]:
        """Write the plan as JSON values; amounts are Kubernetes quantities, the ratio decimal."""
        value = self.ratio.value
        shown: dict[str, Any] = {
            "strategy": self.strategy.value,
            "demand": _quantities(self.demand),
            "ratio": None if value is None else format_ratio(value),
            "ratio_exact": None if value is None else f"{value.numerator}/{value.denominator}",
            "heaviness": self.ratio.heaviness.value,
            "reason": self.reason,
            "ranking": [node.to_json() for node in self.ranking],
            "shards": [shard.to_json() for shard in self.shards],
        }
        if self.packing is not None:
            shown["packing"] = self.packing.to_json()
        return shown


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
