"""Everything that a capacity plan is made from, read once: targets, nodes, pods, budgets, volumes.

Lists are read to their last page. What may not be read is named in ``unread``; a plan is then
refused rather than made without it.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from nightshift.cluster.budget_objects import parse_budget
from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import read_object
from nightshift.cluster.target_objects import parse_target
from nightshift.cluster.targets import KUBERNETES_KINDS, list_targets, with_scaled
from nightshift.cluster.volume_facts import read_volumes
from nightshift.domain.capacity.drain_pods import DrainPod, is_leader, parse_drain_pod
from nightshift.domain.capacity.roles import OwnPods, roles_of
from nightshift.domain.capacity.snapshots import (
    BudgetFacts,
    ClusterSnapshot,
    HealthFacts,
    NodeFacts,
    PodFacts,
    PoolFacts,
)
from nightshift.domain.capacity.targets import LiveTarget, ObjectKind, TargetId
from nightshift.domain.kubejson import as_mapping, as_objects
from nightshift.domain.pods import parse_node, parse_pod
from nightshift.errors import Conflict, Forbidden, NotFound

FREEZE = "nightshift/freeze"
"""On our namespace: why nobody may change capacity now, in a person's words."""
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
_LIVING = "status.phase!=Succeeded,status.phase!=Failed"
_TRIES = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OtherFacts:
    """What does not come from this API server.

    :param pools: node pools as their drivers read them, by the policy's names.
    :param targets: Airflow's pools.
    :param alerts: that fire and that the policy's ``abortIf`` names.
    """

    own: OwnPods = field(default_factory=OwnPods)
    pools: Mapping[str, PoolFacts] = field(default_factory=lambda: MappingProxyType({}))
    targets: tuple[LiveTarget, ...] = ()
    alerts: tuple[str, ...] = ()
    own_airflow_pool: str = ""
    unread: tuple[str, ...] = ()


def read_capacity_snapshot(
    cluster: Cluster, at: dt.datetime, others: OtherFacts | None = None
) -> ClusterSnapshot:
    """Read the facts for a plan.

    :param at: when reading begins.
    :raises Conflict: if the lists kept changing faster than we could read them.
    :raises Invalid: if an object cannot be understood; the text names it.
    """
    for _ in range(_TRIES - 1):
        with suppress(Conflict):
            return _read_once(cluster, at, others or OtherFacts())
    return _read_once(cluster, at, others or OtherFacts())


def _read_once(cluster: Cluster, at: dt.datetime, others: OtherFacts) -> ClusterSnapshot:
    unread = list(others.unread)
    targets = _read_targets(cluster, unread)
    pods = _try(unread, "pods", lambda: _read_pods(cluster, others.own))
    budgets = _try(unread, "disruption budgets", lambda: _read_budgets(cluster))
    nodes = _try(unread, "nodes", lambda: _read_nodes(cluster, pods))
    return ClusterSnapshot(
        at=at,
        targets=(*targets, *others.targets),
        nodes=nodes,
        pods=pods,
        budgets=budgets,
        pools=others.pools,
        health=_health(pods, others.alerts, _freeze(cluster, unread)),
        own_airflow_pool=others.own_airflow_pool,
        unread=tuple(unread),
    )


def _try(unread: list[str], what: str, read: Callable[[], list[T]]) -> list[T]:
    """Read, or note that we may not."""
    try:
        return read()
    except Forbidden as error:
        unread.append(f"{what}: {error}")
        return []


def _read_targets(cluster: Cluster, unread: list[str]) -> list[LiveTarget]:
    found: dict[ObjectKind, list[LiveTarget]] = {}
    for kind in KUBERNETES_KINDS:
        if kind is not ObjectKind.NODE:
            found[kind] = _list_kind(cluster, kind, unread)
    workloads = [*found[ObjectKind.DEPLOYMENT], *found[ObjectKind.STATEFUL_SET]]
    scaled = {one.id.ref: one for one in workloads}

    def complete(one: LiveTarget) -> LiveTarget:
        workload = scaled.get(one.scales.ref) if one.scales else None
        return with_scaled(one, [workload]) if workload else one

    return [complete(one) for group in found.values() for one in group]


def _list_kind(cluster: Cluster, kind: ObjectKind, unread: list[str]) -> list[LiveTarget]:
    return _try(unread, f"{kind}s", lambda: list_targets(cluster, kind))


def _read_budgets(cluster: Cluster) -> list[BudgetFacts]:
    return [read_object(cluster, obj, parse_budget) for obj in cluster.iterate(BUDGETS)]


def _read_pods(cluster: Cluster, own: OwnPods) -> list[PodFacts]:
    """Read the pods that have not ended, each with its workload and volumes."""
    volumes, cron_jobs = read_volumes(cluster), _cron_jobs(cluster)

    def parse(obj: Object) -> PodFacts:
        drain = parse_drain_pod(obj)
        return PodFacts(
            drain=drain,
            request=parse_pod(obj),
            workload=_workload(drain, cron_jobs),
            roles=roles_of(drain, own),
            volumes=volumes.of_pod(obj),
            leader=is_leader(drain.labels),
        )

    found = cluster.iterate("/api/v1/pods", fieldSelector=_LIVING)
    return [read_object(cluster, obj, parse) for obj in found]


def _cron_jobs(cluster: Cluster) -> Mapping[str, str]:
    """Give the CronJob behind each Job, both by ``namespace/name`` and name."""
    found = {}
    for job in cluster.iterate("/apis/batch/v1/jobs"):
        meta = as_mapping(job.get("metadata"), "metadata")
        for owner in as_objects(meta.get("ownerReferences"), "metadata.ownerReferences"):
            if owner.get("controller") is True and owner.get("kind") == str(ObjectKind.CRON_JOB):
                found[f"{meta.get('namespace')}/{meta.get('name')}"] = str(owner.get("name"))
    return found


def _workload(pod: DrainPod, cron_jobs: Mapping[str, str]) -> TargetId | None:
    """Name what makes a pod, of the kinds that can be lowered."""
    namespace, _, name = pod.workload.partition("/")
    match pod.controller_kind:
        case "ReplicaSet":
            return TargetId(ObjectKind.DEPLOYMENT, namespace, name)
        case "StatefulSet":
            return TargetId(ObjectKind.STATEFUL_SET, namespace, name)
        case "Job" if pod.workload in cron_jobs:
            return TargetId(ObjectKind.CRON_JOB, namespace, cron_jobs[pod.workload])
        case _:
            return None


def _read_nodes(cluster: Cluster, pods: Sequence[PodFacts]) -> list[NodeFacts]:
    held: dict[str, list[PodFacts]] = {}
    for pod in pods:
        held.setdefault(pod.node or pod.request.nominated, []).append(pod)

    def parse(obj: Object) -> NodeFacts:
        name = str(as_mapping(obj.get("metadata"), "metadata").get("name", ""))
        mine = held.get(name, [])
        node = parse_node(obj, [pod.request for pod in mine])
        busy = any(not pod.request.unmovable for pod in mine)
        return NodeFacts(dataclasses.replace(node, busy=busy), parse_target(ObjectKind.NODE, obj))

    return [read_object(cluster, obj, parse) for obj in cluster.iterate("/api/v1/nodes")]


def _health(pods: Iterable[PodFacts], alerts: tuple[str, ...], freeze: str) -> HealthFacts:
    """Say how the cluster is; pods that run to an end have no readiness to speak of."""
    living = [pod for pod in pods if not pod.drain.deleting]
    pending = sum(not pod.node and not pod.request.gated for pod in living)
    served = [pod for pod in living if pod.drain.controller_kind not in {"", "Job"}]
    unready = sum(not pod.drain.ready for pod in served)
    share = 100 * unready // len(served) if served else 0
    return HealthFacts(pending, share, alerts, freeze)


def _freeze(cluster: Cluster, unread: list[str]) -> str:
    """Read whether a person has frozen capacity, by an annotation of our namespace."""
    try:
        obj: Mapping[str, Any] = cluster.get(f"/api/v1/namespaces/{cluster.namespace}")
    except NotFound:
        return ""
    except Forbidden as error:
        unread.append(f"the namespace {cluster.namespace}: {error}")
        return ""
    annotations = as_mapping(obj.get("metadata"), "metadata").get("annotations") or {}
    return str(annotations.get(FREEZE, ""))[:200]
