"""What must be true before anything is lowered: one function a rule, none of which asks anybody.

Each gives the reason why something stays as it is, or None. They err on the side of doing nothing:
a Friday that saves less costs a little, one that stops a service costs a lot.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from nightshift.domain.capacity.drain_pods import PodFate, PodRules, judge_pod
from nightshift.domain.capacity.plans import Check
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.snapshots import (
    BudgetFacts,
    ClusterSnapshot,
    HealthFacts,
    NodeFacts,
    PodFacts,
    Role,
)
from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind, TargetId
from nightshift.domain.leases.annotations import is_held

_GITOPS_MANAGERS = {
    "argocd": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "fleetagent": "Fleet",
    "configsync": "Config Sync",
    "pulumi": "Pulumi",
}
"""Parts of the field managers' names of controllers that put a manifest's value back."""
_GITOPS_LABELS = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}
"""Labels and annotations that they put on what they deploy."""
_NODE_STAYS = {
    "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true",
    "karpenter.sh/do-not-disrupt": "true",
}
_OURS = frozenset({Role.SELF, Role.AIRFLOW, Role.DATABASE})
"""Without these nobody would bring anything back."""
_PAUSED = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas")


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that spoke, and its reason."""

    check: Check
    reason: str


@dataclass(frozen=True, slots=True)
class Weekend:
    """How many replicas of each workload stay, by ref; what is not lowered is not in it.

    :param now: how many there are.
    :param quorums: members that must be ready at all times, by ref.
    """

    stay: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    now: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    quorums: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def leaving(self, ref: str) -> int:
        """Give how many pods of a workload end by its being lowered."""
        return max(0, self.now.get(ref, 0) - self.stay.get(ref, self.now.get(ref, 0)))


def check_target(
    live: LiveTarget, touched: Iterable[FieldName], snapshot: ClusterSnapshot
) -> Finding | None:
    """Say why a target must be left alone, whatever its values are."""
    if is_held(live.annotations, snapshot.at, if_unclear=True):
        return Finding(Check.HELD, "held by an annotation")
    if any(live.annotations.get(key, "").lower() not in {"", "false"} for key in _PAUSED):
        return Finding(Check.HELD, "KEDA was paused by a person")
    driver = snapshot.autoscaler_of(live.id)
    if driver is not None:
        return Finding(Check.DRIVEN, f"{driver.id.ref} drives it; lower that instead")
    why = why_not_ours(live, touched)
    return Finding(Check.OWNERSHIP, why) if why else None


def why_not_ours(live: LiveTarget, touched: Iterable[FieldName]) -> str | None:
    """Say who would put back what we change; None if nobody would."""
    if live.owner is not None:
        return f"{live.owner.kind}/{live.owner.name} owns it and would put it back"
    names = set(touched)
    for manager in live.managers:
        tool = _gitops_tool(manager.name)
        if tool and (fields := sorted(names & manager.fields)):
            return (
                f"{tool} manages {', '.join(fields)} and would put it back; leave that out of the "
                "manifest, or make the tool ignore it"
            )
    deployed = deployed_by(live)
    if deployed and not live.managers:
        return f"{deployed} deploys it, and who manages its fields is not known"
    return None


def deployed_by(live: LiveTarget) -> str:
    """Name the tool whose labels an object carries; "" without any."""
    for key, tool in _GITOPS_LABELS.items():
        if key in live.labels or key in live.annotations:
            return tool
    return ""


def why_it_is_us(target: LiveTarget, snapshot: ClusterSnapshot) -> str | None:
    """Say why lowering a target would end those who have to bring it back; None if it would not."""
    if target.id.kind is ObjectKind.AIRFLOW_POOL and target.id.name == snapshot.own_airflow_pool:
        return "the weekend's own tasks run in this pool; nobody could bring it back"
    ref = (target.scales or target.id).ref
    for pod in snapshot.pods:
        if pod.workload is not None and pod.workload.ref == ref and pod.roles & _OURS:
            return f"it is {_roles(pod.roles & _OURS)} (pod {pod.key}); take it out of the policy"
    return None


def why_postpone(
    health: HealthFacts, policy: CapacityPolicy, rolling_out: Sequence[TargetId]
) -> tuple[str, ...]:
    """List why now is no time to lower anything."""
    reasons = []
    if health.freeze:
        reasons.append(f"capacity is frozen: {health.freeze}")
    if health.alerts:
        reasons.append(f"alerts fire: {', '.join(health.alerts)}")
    if health.pending >= policy.restore.waves.max_pending:
        reasons.append(f"{health.pending} pods are Pending")
    if health.unready_pct > policy.guard.unready_pct:
        reasons.append(f"{health.unready_pct} % of the pods are not ready")
    if rolling_out:
        reasons.append(f"rolling out: {', '.join(target.ref for target in rolling_out)}")
    return tuple(reasons)


def check_node(
    node: NodeFacts, pods: Sequence[PodFacts], rules: PodRules, snapshot: ClusterSnapshot
) -> Finding | None:
    """Say why a node is no victim, by what it is and what runs on it; budgets are asked apart."""
    return _check_node_itself(node, snapshot) or _check_pods(pods, rules)


def _check_node_itself(node: NodeFacts, snapshot: ClusterSnapshot) -> Finding | None:
    annotations = node.target.annotations
    if node.control_plane:
        return Finding(Check.SELF_PRESERVATION, "the control plane runs on it")
    if is_held(annotations, snapshot.at, if_unclear=True):
        return Finding(Check.HELD, "held by an annotation")
    if node.node.unschedulable:
        return Finding(Check.HELD, "cordoned by somebody else")
    for key, value in _NODE_STAYS.items():
        if annotations.get(key) == value:
            return Finding(Check.DO_NOT_EVICT, f"{key} is {value}")
    return None


def _check_pods(pods: Sequence[PodFacts], rules: PodRules) -> Finding | None:
    for pod in pods:
        judgement = judge_pod(pod.drain, rules)
        if judgement.fate is PodFate.SKIP:
            continue  # every node has those: they do not make this one special
        if pod.roles:
            return Finding(Check.SELF_PRESERVATION, f"it runs {_roles(pod.roles)}: {pod.key}")
        if judgement.fate is PodFate.REFUSE:
            return Finding(Check.DO_NOT_EVICT, f"{pod.key}: {judgement.why}")
        if any(volume.local for volume in pod.volumes):
            return Finding(Check.VOLUMES, f"{pod.key} has its data on this node's disk")
    return None


def check_budgets(
    pod: PodFacts, budgets: Sequence[BudgetFacts], snapshot: ClusterSnapshot, weekend: Weekend
) -> Finding | None:
    """Say why disruption budgets will not let a pod be evicted once the workloads are lowered."""
    labels, namespace = pod.drain.labels, pod.drain.namespace
    found = [one for one in budgets if one.matches(namespace, labels)]
    if len(found) > 1:
        names = ", ".join(one.key for one in found)
        why = f"{pod.key} matches {len(found)} disruption budgets ({names}), and the API evicts no"
        return Finding(Check.PDB, f"{why} such pod; make their selectors disjoint")
    for budget in found:
        expected, healthy = _at_weekend(budget, snapshot, weekend)
        allowed = budget.allowed_at(expected, healthy)
        if allowed <= 0:
            return Finding(Check.PDB, _deadlock(pod, budget, expected, healthy))
    return None


def _at_weekend(
    budget: BudgetFacts, snapshot: ClusterSnapshot, weekend: Weekend
) -> tuple[int, int]:
    """Count a budget's pods and the ready ones of them, at weekend replicas."""
    counts: dict[str, list[int]] = {}
    for pod in snapshot.pods:
        if not pod.drain.deleting and budget.matches(pod.drain.namespace, pod.drain.labels):
            ref = pod.workload.ref if pod.workload else ""
            count = counts.setdefault(ref, [0, 0])
            count[0] += 1
            count[1] += pod.drain.ready
    expected = healthy = 0
    for ref, (total, ready) in counts.items():
        stay = max(0, total - weekend.leaving(ref))
        expected, healthy = expected + stay, healthy + min(ready, stay)
    return expected, healthy


def _deadlock(pod: PodFacts, budget: BudgetFacts, expected: int, healthy: int) -> str:
    desired = healthy - budget.allowed_at(expected, healthy)
    fix = (
        "let it run more replicas on weekends, or set maxUnavailable: 1"
        if expected <= desired
        else "wait until its pods are ready"
    )
    return (
        f"{budget.key} lets {pod.key} never go: {healthy} of {expected} ready at weekend replicas, "
        f"{desired} must stay; {fix}"
    )


def check_quorum(pod: PodFacts, snapshot: ClusterSnapshot, weekend: Weekend) -> Finding | None:
    """Say why no member of a quorum set may be lost now."""
    ref = pod.workload.ref if pod.workload else ""
    quorum = weekend.quorums.get(ref, 0)
    if not quorum:
        return None
    members = [one for one in snapshot.pods if one.workload and one.workload.ref == ref]
    ready = sum(one.drain.ready for one in members)
    staying = min(ready, weekend.stay.get(ref, ready))
    if staying > quorum:
        return None
    return Finding(
        Check.QUORUM,
        f"{pod.key} is one of {staying} ready members of {ref}; its quorum is {quorum}, and a move "
        "needs one more",
    )


def why_below_quorum(live: LiveTarget, replicas: int, quorum: int) -> str | None:
    """Say why a quorum set must not be lowered to ``replicas`` now; None if it may."""
    if not quorum or replicas >= live.status.replicas:
        return None
    if replicas < quorum:
        return f"{replicas} replicas are below its quorum of {quorum}"
    if live.status.ready < quorum + 1:
        return f"{live.status.ready} members are ready; lowering it needs {quorum + 1}"
    return None


def _gitops_tool(manager: str) -> str:
    return next((tool for part, tool in _GITOPS_MANAGERS.items() if part in manager.lower()), "")


def _roles(roles: Iterable[Role]) -> str:
    return " and ".join(sorted(roles))
