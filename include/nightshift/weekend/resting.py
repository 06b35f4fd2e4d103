"""Put a node to rest: cordon under a lease, drain, remove where the driver can; or give it back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nightshift.cluster.client import Cluster
from nightshift.cluster.deletion_costs import unmark_pods
from nightshift.cluster.drain_views import look_at_node
from nightshift.cluster.drains import (
    DrainResult,
    DrainTask,
    DrainTempo,
    describe_blocker,
    drain_node,
)
from nightshift.domain.capacity.drain_pods import PodFate, PodRules, judge_pod
from nightshift.domain.capacity.drains import DrainLimits
from nightshift.domain.capacity.plans import Action
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_pools import NodePool
from nightshift.domain.capacity.roles import OwnPods
from nightshift.domain.capacity.targets import FieldName
from nightshift.domain.leases.records import Lease, StepState
from nightshift.errors import PermanentError
from nightshift.nodepools.drivers import NodePoolDriver
from nightshift.weekend.hands import Hands
from nightshift.weekend.restoring import give_back_now


@dataclass(frozen=True, slots=True)
class NodeCare:
    """What putting nodes to rest needs besides the hands.

    :param drivers: by the policy's names of node pools.
    :param drain: how a node is drained; tests put a slower or faster one here.
    """

    cluster: Cluster
    policy: CapacityPolicy
    drivers: Mapping[str, NodePoolDriver] = field(default_factory=lambda: MappingProxyType({}))
    own: OwnPods = field(default_factory=OwnPods)
    drain: Callable[[Cluster, DrainTask, DrainTempo], DrainResult] = drain_node
    look_seconds: float = 2.0

    def pool(self, name: str) -> NodePool:
        """Give the policy's pool.

        :raises PermanentError: if the policy has it no more: plan again.
        """
        for pool in self.policy.node_pools:
            if pool.name == name:
                return pool
        raise PermanentError(f"the policy has no node pool {name} any more; plan again")

    def rules(self, pool: NodePool) -> PodRules:
        """Say which pods a drain of the pool may evict."""
        return PodRules(
            force=pool.drain.force,
            empty_dir=pool.drain.empty_dir,
            protected_namespaces=self.policy.protect.namespaces,
            waited=self.policy.protect.pods,
        )


@dataclass(frozen=True, slots=True)
class Rested:
    """What became of a node that was to rest.

    :param state: VERIFIED (empty, and removed where the driver can) or BLOCKED.
    """

    state: StepState
    reason: str
    drained: DrainResult
    removed: bool = False


def rest_node(
    action: Action, lease: Lease, hands: Hands, care: NodeCare, evictions_left: int
) -> Rested:
    """Drain a node that our lease has cordoned; one that stays is uncordoned.

    :param evictions_left: of the policy's ``maxEvictions`` for the whole plan.
    """
    pool = care.pool(action.pool)
    began = lease.at or hands.clock()
    limits = DrainLimits(
        deadline=began + pool.drain.node_timeout,
        max_evictions=max(0, evictions_left),
        ranks=_ranks(care.policy),
    )
    task = DrainTask(action.target.name, lease.id, care.rules(pool), limits, care.own)
    result = care.drain(care.cluster, task, _tempo(hands, care))
    if not result.emptied:
        return _keep(lease, hands, care, result)
    if not action.remove:
        return Rested(StepState.VERIFIED, str(result), result)
    return _remove(action, lease, hands, care, result)


def _remove(
    action: Action, lease: Lease, hands: Hands, care: NodeCare, result: DrainResult
) -> Rested:
    """Have the driver remove a node, after a last look that it is really empty."""
    left = pods_left(care.cluster, action.target.name, care.rules(care.pool(action.pool)))
    if left:
        reason = f"{action.target.name} is not empty after all: {', '.join(left)}; it stays"
        return Rested(StepState.BLOCKED, reason, result)
    if not _comes_back(action.pool, hands, care):
        reason = f"{result}; it stays: nobody would bring it back, as no lease is on its pool"
        return Rested(StepState.VERIFIED, reason, result)
    care.drivers[action.pool].remove([action.target.name], lease.id)
    hands.journal.note("removed", action.target.ref, lease=lease.id)
    return Rested(StepState.VERIFIED, f"{result}; removed", result, removed=True)


def _comes_back(pool: str, hands: Hands, care: NodeCare) -> bool:
    """Tell whether somebody brings a pool's nodes back: an autoscaler, or a lease on the pool."""
    live = care.drivers[pool].get_state()
    if live is None or FieldName.TARGET_NODES not in live.fields:
        return True
    return any(one.target.is_same_name(live.id) for one in hands.journal.open_leases())


def pods_left(cluster: Cluster, node: str, rules: PodRules) -> list[str]:
    """List the pods that would be lost if a node were removed now."""
    pods = look_at_node(cluster, node).pods.pods
    return [pod.key for pod in pods if judge_pod(pod, rules).fate is not PodFate.SKIP]


def _keep(lease: Lease, hands: Hands, care: NodeCare, result: DrainResult) -> Rested:
    """Give a node back that could not be emptied, and say which pods kept it."""
    unmark_pods(care.cluster, [result.node])
    outcome = give_back_now(lease, hands)
    hands.journal.note(
        "blocked",
        lease.target.ref,
        lease=lease.id,
        blockers=[describe_blocker(one) for one in result.blockers],
        waited_seconds=result.waited_seconds,
    )
    return Rested(StepState.BLOCKED, f"{result}; the node: {outcome.reason}", result)


def _tempo(hands: Hands, care: NodeCare) -> DrainTempo:
    return DrainTempo(
        hands.clock, hands.sleep, every_seconds=care.look_seconds, beat=hands.journal.beat
    )


def _ranks(policy: CapacityPolicy) -> Mapping[str, int]:
    """Give each named workload the place of its tier; what is named first goes first."""
    ranks: dict[str, int] = {}
    for place, tier in enumerate(policy.tiers):
        for target in tier.targets:
            selection = getattr(target, "selection", None)
            if selection is not None and selection.name and selection.namespace:
                ranks.setdefault(f"{selection.namespace}/{selection.name}", place)
    return ranks
