"""What would go wrong in the next window, asked of a cluster as it is today.

The same rules as on the Friday itself, asked in good time: disruption budgets that deadlock at
weekend replicas, pods under two of them, quorums without a spare, connections at the maximum.
"""

from collections.abc import Iterator, Mapping

from nightshift.domain.capacity.budgets import why_overdrawn
from nightshift.domain.capacity.drain_pods import PodFate, PodRules, judge_pod
from nightshift.domain.capacity.endings import Staying
from nightshift.domain.capacity.plans import Check, Problem
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.preflight import check_budgets, check_quorum
from nightshift.domain.capacity.snapshots import ClusterSnapshot, PodFacts
from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind


def check_cluster(
    policy: CapacityPolicy,
    snapshot: ClusterSnapshot,
    staying: Staying,
    max_connections: Mapping[str, int] | None = None,
) -> list[Problem]:
    """List what a person should mend before the next window.

    :param staying: what the policy leaves of the workloads (``planner.staying_in``).
    :param max_connections: what the databases say, by the budget's name; the policy's own number
        counts where they say nothing.
    """
    return [
        *_check_disruption(policy, snapshot, staying),
        *_check_connections(policy, snapshot, max_connections or {}),
    ]


def _check_disruption(
    policy: CapacityPolicy, snapshot: ClusterSnapshot, staying: Staying
) -> Iterator[Problem]:
    """Ask for one pod of each workload that a drain might have to move."""
    if not policy.node_pools:
        return
    asked: set[str] = set()
    in_pools = {
        node.name
        for node in snapshot.nodes
        if any(pool.nodes.matches(node.node.labels) for pool in policy.node_pools)
    }
    for pod in sorted(snapshot.pods, key=lambda one: one.key):
        if pod.node not in in_pools or not _is_moved(pod, policy):
            continue
        name = pod.workload.ref if pod.workload else pod.key
        if name in asked or staying.least.stay.get(name) == 0:
            continue  # a workload that ends whole is never evicted
        asked.add(name)
        finding = check_budgets(pod, snapshot.budgets, snapshot, staying.least)
        finding = finding or check_quorum(pod, snapshot, staying.least)
        if finding is not None:
            yield Problem(finding.check, f"{name}: {finding.reason}")


def _is_moved(pod: PodFacts, policy: CapacityPolicy) -> bool:
    rules = PodRules(
        force=True,
        protected_namespaces=policy.protect.namespaces,
        waited=policy.protect.pods,
    )
    return pod.drain.needs_budget and judge_pod(pod.drain, rules).fate is PodFate.EVICT


def _check_connections(
    policy: CapacityPolicy, snapshot: ClusterSnapshot, max_connections: Mapping[str, int]
) -> Iterator[Problem]:
    replicas = _most_replicas(snapshot)
    for name, budget in policy.budgets.items():
        known = max_connections.get(name, budget.max_connections)
        if known is None:
            yield Problem(Check.UNREAD, f"the budget {name}: max_connections is not known")
            continue
        why = why_overdrawn(budget, known, replicas)
        if why is not None:
            yield Problem(Check.LIMIT, f"the budget {name}: {why}")


def _most_replicas(snapshot: ClusterSnapshot) -> dict[str, int]:
    """Give the most replicas that each workload can have now, by ``namespace/name``."""
    found: dict[str, int] = {}
    for kind in (ObjectKind.DEPLOYMENT, ObjectKind.STATEFUL_SET):
        for live in snapshot.of_kind(kind):
            found[_name(live)] = live.capacity(FieldName.REPLICAS)
    for kind in (ObjectKind.AUTOSCALER, ObjectKind.SCALED_OBJECT):
        for live in snapshot.of_kind(kind):
            if live.scales is not None:
                where = f"{live.scales.namespace}/{live.scales.name}"
                found[where] = live.capacity(FieldName.MAX_REPLICAS)
    return found


def _name(live: LiveTarget) -> str:
    return f"{live.id.namespace}/{live.id.name}"
