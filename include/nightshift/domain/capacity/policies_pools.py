"""Node pools of a policy: which driver resizes them, how far, and how their nodes are drained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from nightshift.domain.capacity.policies_targets import Measure
from nightshift.domain.capacity.selectors import LabelSelector
from nightshift.domain.nodeterms import Operator, Requirement


class PoolDriver(StrEnum):
    """Who resizes a pool of nodes."""

    DRAIN_ONLY = "drain_only"
    CLUSTER_API = "cluster_api"
    KARPENTER = "karpenter"
    EKS = "eks"
    GKE = "gke"
    AKS = "aks"


class EmptyDir(StrEnum):
    """Which pods with an ``emptyDir`` volume a drain may evict; their data is lost."""

    NEVER = "never"
    MEMORY_ONLY = "memory_only"
    ALWAYS = "always"


class OnBlocked(StrEnum):
    """What a drain does with a node that is not empty at its deadline."""

    KEEP_NODE = "keep_node"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class DrainRules:
    """How the nodes of one pool are drained.

    :param node_timeout: from the cordon to the last pod's end; then the node is uncordoned.
    :param parallel_nodes: nodes at the same time; only 1 is allowed, so budgets are never raced.
    :param force: evict pods that nobody makes again (no controller); scan pods never.
    """

    node_timeout: timedelta = timedelta(minutes=30)
    parallel_nodes: int = 1
    force: bool = False
    empty_dir: EmptyDir = EmptyDir.MEMORY_ONLY
    on_blocked: OnBlocked = OnBlocked.KEEP_NODE


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """Nodes of a pool in a window: the autoscaler's bounds, and how many we ask for."""

    min: int
    max: int
    target: int


@dataclass(frozen=True, slots=True)
class NodePool:
    """A pool of nodes.

    :param params: what the driver needs: names, and an Airflow connection.
    :param nodes: the labels of its nodes.
    :param per_zone_min: nodes that stay in each zone.
    """

    name: str
    driver: PoolDriver
    bounds: PoolBounds
    nodes: LabelSelector
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    per_zone_min: int = 0
    drain: DrainRules = field(default_factory=DrainRules)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one plan may do at most, over all pools.

    :param max_nodes_removed_pct: of the ready nodes of all pools, 0 to 100, rounded down.
    :param min_ready_nodes: stay in the cluster, control plane apart.
    :param headroom_pct: free on the nodes that stay, once everything has been placed on them.
    :param abort_if: measures; a plan ends as soon as one of them holds.
    """

    max_nodes_removed: int = 6
    max_nodes_removed_pct: int = 60
    min_ready_nodes: int = 3
    max_evictions: int = 200
    headroom_pct: int = 20
    abort_if: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class DriverParams:
    """What a driver wants to be told.

    :param node_label: the label that the vendor puts on a pool's nodes, and the param that is its
        value; None where a policy must name the nodes' labels itself.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    node_label: tuple[str, str] | None = None


DRIVER_PARAMS: Mapping[PoolDriver, DriverParams] = MappingProxyType({
    PoolDriver.DRAIN_ONLY: DriverParams(),
    PoolDriver.CLUSTER_API: DriverParams(("namespace", "machine_deployment"), ("conn_id",)),
    PoolDriver.KARPENTER: DriverParams(
        ("node_pool",), ("conn_id",), ("karpenter.sh/nodepool", "node_pool")
    ),
    PoolDriver.EKS: DriverParams(
        ("cluster", "nodegroup", "conn_id"),
        ("region",),
        ("eks.amazonaws.com/nodegroup", "nodegroup"),
    ),
    PoolDriver.GKE: DriverParams(
        ("project", "location", "cluster", "node_pool", "conn_id"),
        (),
        ("cloud.google.com/gke-nodepool", "node_pool"),
    ),
    PoolDriver.AKS: DriverParams(
        ("resource_group", "cluster", "agent_pool", "conn_id"),
        (),
        ("kubernetes.azure.com/agentpool", "agent_pool"),
    ),
})
"""Each driver's params by name; all are text."""


def check_params(driver: PoolDriver, params: Mapping[str, str]) -> None:
    """Refuse params that the driver does not know, and the lack of one that it needs.

    :raises ValueError: with the names.
    """
    rule = DRIVER_PARAMS[driver]
    missing = [name for name in rule.required if name not in params]
    strange = [name for name in params if name not in {*rule.required, *rule.optional}]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}, which the driver {driver} needs")
    if strange:
        known = ", ".join((*rule.required, *rule.optional)) or "no params"
        raise ValueError(f"has {', '.join(strange)}; the driver {driver} takes {known}")


def nodes_of(driver: PoolDriver, params: Mapping[str, str]) -> LabelSelector | None:
    """Give the labels that the vendor puts on the pool's nodes; None if it puts none."""
    label = DRIVER_PARAMS[driver].node_label
    if label is None:
        return None
    key, param = label
    return LabelSelector((Requirement(key, Operator.IN, (params[param],)),))
