"""What a plan is made from: every target, node, pod and disruption budget, read once.

The adapters build it; nothing here asks anybody. What could not be read is missing and named in
``unread``, and a plan then does less, never more.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from nightshift.domain.capacity.drain_pods import DrainPod
from nightshift.domain.capacity.selectors import LabelSelector
from nightshift.domain.capacity.targets import LiveTarget, ObjectKind, TargetId
from nightshift.domain.nodes import Node
from nightshift.domain.nodeterms import NodeTerm
from nightshift.domain.pods import PodRequest

ZONE_LABEL = "topology.kubernetes.io/zone"
CONTROL_PLANE_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


class Role(StrEnum):
    """What a pod is to the cluster and to us; a node with one of these is no victim."""

    SELF = "this task"
    AIRFLOW = "Airflow"
    DATABASE = "the database"
    DNS = "DNS"
    INGRESS = "ingress"
    NETWORK = "the pod network"
    STORAGE = "the volume driver"
    AUTOSCALER = "the cluster's autoscaler"


@dataclass(frozen=True, slots=True)
class VolumeFact:
    """A bound volume of a pod.

    :param claim: ``namespace/name`` of the claim.
    :param required: the volume's node affinity as alternatives; None is reachable from everywhere.
    :param local: its data lies on one node and cannot move (``local``, ``hostPath``).
    """

    claim: str
    required: tuple[NodeTerm, ...] | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod that has not ended.

    :param drain: what a drain has to know (``parse_drain_pod``).
    :param request: what the scheduler has to know (``parse_pod``).
    :param workload: what makes it: a ReplicaSet's Deployment, a StatefulSet, a CronJob behind a
        Job; None for others.
    :param leader: its labels call it the primary or leader of its set; evicted last.
    """

    drain: DrainPod
    request: PodRequest
    workload: TargetId | None = None
    roles: frozenset[Role] = frozenset()
    volumes: tuple[VolumeFact, ...] = ()
    leader: bool = False

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return self.drain.key

    @property
    def node(self) -> str:
        """The node that it is on; "" before it is bound."""
        return self.drain.node


@dataclass(frozen=True, slots=True)
class Amount:
    """A number or a share, as disruption budgets have it (``2``, ``"50%"``)."""

    count: int = 0
    percent: int | None = None

    def of(self, total: int) -> int:
        """Give the number for ``total`` pods; a share is rounded up, as the API does."""
        return self.count if self.percent is None else -(-total * self.percent // 100)


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """A PodDisruptionBudget.

    :param selector: None matches nothing (an absent selector in policy/v1).
    :param observed: ``status.observedGeneration`` is the newest.
    """

    namespace: str
    name: str
    selector: LabelSelector | None
    min_available: Amount | None = None
    max_unavailable: Amount | None = None
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    observed: bool = True

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a pod is one of its own; an empty selector is every pod of its namespace."""
        if namespace != self.namespace or self.selector is None:
            return False
        return self.selector.matches(labels)

    def allowed_at(self, expected: int, healthy: int) -> int:
        """Give the evictions that it allows with so many pods; below zero is none.

        Source: pkg/controller/disruption: desired is minAvailable, or expected less maxUnavailable.
        """
        if self.max_unavailable is not None:
            return healthy - max(0, expected - self.max_unavailable.of(expected))
        if self.min_available is not None:
            return healthy - self.min_available.of(expected)
        return healthy


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node.

    :param node: with the requests of all its pods counted (``pods.snapshot``).
    :param target: the node as an object that can carry a lease: its fields hold ``unschedulable``.
    """

    node: Node
    target: LiveTarget

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def zone(self) -> str:
        """Its zone; "" where nodes have none."""
        return self.node.labels.get(ZONE_LABEL, "")

    @property
    def control_plane(self) -> bool:
        """Tell whether the control plane runs on it: never a victim, never counted."""
        return any(label in self.node.labels for label in CONTROL_PLANE_LABELS)


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A node pool of the policy, as its driver reads it.

    :param target: kind NODE_POOL; its fields are the bounds that the driver can set. None for
        ``drain_only``, which has nothing to set.
    :param removes: the driver can remove the nodes that we choose, and no others; otherwise nodes
        are emptied and left to the cluster's autoscaler.
    :param zero_ok: the pool may be empty.
    """

    name: str
    target: LiveTarget | None = None
    removes: bool = False
    zero_ok: bool = False


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """How the cluster is right now.

    :param pending: pods that wait for a node, without those that have a scheduling gate.
    :param unready_pct: of all pods that should be ready, 0 to 100.
    :param alerts: that fire and that the policy's ``abortIf`` names.
    :param freeze: why nobody may change capacity now; "" if nothing says so.
    """

    pending: int = 0
    unready_pct: int = 0
    alerts: tuple[str, ...] = ()
    freeze: str = ""


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """The facts, read once.

    :param at: when reading began; aware.
    :param targets: of every kind but nodes and node pools; every object of a kind that the policy
        names, so that a selector sees all of them.
    :param own_airflow_pool: the Airflow pool that the weekend's own tasks run in.
    :param unread: what could not be read and why; a plan made without it is refused.
    """

    at: dt.datetime
    targets: Sequence[LiveTarget] = ()
    nodes: Sequence[NodeFacts] = ()
    pods: Sequence[PodFacts] = ()
    budgets: Sequence[BudgetFacts] = ()
    pools: Mapping[str, PoolFacts] = field(default_factory=lambda: MappingProxyType({}))
    health: HealthFacts = field(default_factory=HealthFacts)
    own_airflow_pool: str = ""
    unread: tuple[str, ...] = ()

    def in_order(self) -> "ClusterSnapshot":
        """Give it with every list by name, so that a plan does not depend on how it was read."""
        return replace(
            self,
            targets=sorted(self.targets, key=lambda one: one.id),
            nodes=sorted(self.nodes, key=lambda one: one.name),
            pods=sorted(self.pods, key=lambda one: (one.key, one.drain.uid)),
            budgets=sorted(self.budgets, key=lambda one: one.key),
        )

    def of_kind(self, kind: ObjectKind) -> list[LiveTarget]:
        """List the targets of a kind by namespace and name, so that plans have one order."""
        return sorted((one for one in self.targets if one.id.kind is kind), key=lambda one: one.id)

    def autoscaler_of(self, target: TargetId) -> LiveTarget | None:
        """Find the autoscaler that drives a workload."""
        for one in self.targets:
            if one.scales is not None and one.scales.is_same_name(target):
                return one
        return None
