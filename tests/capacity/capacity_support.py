"""A clock that only sleeping moves, and objects for a cluster on which tests play every part."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nightshift.cluster.client import Cluster
from nightshift.cluster.drains import DrainTask, DrainTempo
from nightshift.cluster.targets import patch_target, read_target
from nightshift.domain.capacity.drain_pods import PodRules
from nightshift.domain.capacity.drains import DrainLimits
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.domain.leases.annotations import write_lease
from nightshift.domain.leases.records import Lease, LeaseId, lease_id

FRIDAY = dt.datetime(2027, 5, 14, 18, 0, tzinfo=dt.UTC)
MONDAY = dt.datetime(2027, 5, 17, 3, 30, tzinfo=dt.UTC)
WINDOW = "weekend/20270514T180000Z"
NS = "app"


@dataclass
class Hand:
    """A clock; ``sleep`` moves it and lets the others act."""

    now: dt.datetime = FRIDAY
    others: list[Callable[[], None]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def clock(self) -> dt.datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += dt.timedelta(seconds=seconds)
        self.slept.append(seconds)
        for act in self.others:
            act()

    @property
    def tempo(self) -> DrainTempo:
        return DrainTempo(self.clock, self.sleep, jitter=lambda: 0.5)


def meta(name: str, namespace: str = NS, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, **more}


def container() -> dict[str, Any]:
    requests = {"cpu": "100m", "memory": "128Mi"}
    return {"name": "main", "image": "image:1", "resources": {"requests": requests}}


def add(cluster: Cluster, plural: str, body: dict[str, Any], group: str = "api/v1") -> Any:
    namespace = body["metadata"]["namespace"]
    return cluster.create(cluster.path(plural, group=group, namespace=namespace), body)


def set_ready(cluster: Cluster, name: str, *, ready: bool = True, namespace: str = NS) -> None:
    """Play the kubelet: the pod runs."""
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    path = cluster.path("pods", name, namespace=namespace)
    status = {"phase": "Running", "conditions": [condition]}
    cluster.patch(f"{path}/status", {"status": status})


def add_pod(
    cluster: Cluster,
    name: str,
    node: str,
    *,
    owner: str = "ReplicaSet/web-abc",
    labels: dict[str, str] | None = None,
    ready: bool = True,
    namespace: str = NS,
    **spec: Any,
) -> None:
    """Add a pod that runs on ``node``; ``owner`` is "" for a bare one."""
    kind, _, owned_by = owner.partition("/")
    version = "batch/v1" if kind == "Job" else "apps/v1"
    owners = [{"apiVersion": version, "kind": kind, "name": owned_by, "uid": f"uid-{owned_by}"}]
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, namespace, labels=labels or {"app": "web"}),
        "spec": {"nodeName": node, "containers": [container()], **spec},
    }
    if owner:
        body["metadata"]["ownerReferences"] = [{**owners[0], "controller": True}]
    add(cluster, "pods", body)
    set_ready(cluster, name, ready=ready, namespace=namespace)


def add_budget(
    cluster: Cluster, name: str, allowed: int, labels: dict[str, str] | None = None, **spec: Any
) -> None:
    """Add a disruption budget whose controller has seen it."""
    selector = {"matchLabels": labels or {"app": "web"}}
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(name),
        "spec": {"selector": selector, **(spec or {"minAvailable": 1})},
    }
    add(cluster, "poddisruptionbudgets", body, "apis/policy/v1")
    allow(cluster, name, allowed)


def allow(cluster: Cluster, name: str, allowed: int) -> None:
    """Play the disruption controller."""
    path = cluster.path("poddisruptionbudgets", name, group="apis/policy/v1", namespace=NS)
    status = {
        "observedGeneration": 9,
        "disruptionsAllowed": allowed,
        "currentHealthy": 1 + allowed,
        "desiredHealthy": 1,
        "expectedPods": 1 + allowed,
    }
    cluster.patch(f"{path}/status", {"status": status})


def end_terminating(cluster: Cluster) -> None:
    """Play the kubelet: pods that were asked to end are gone."""
    for obj in list(cluster.iterate("/api/v1/pods")):
        found = obj["metadata"]
        if "deletionTimestamp" in found:
            path = cluster.path("pods", found["name"], namespace=found["namespace"])
            cluster.delete(path, grace_seconds=0)


def pod_names(cluster: Cluster) -> set[str]:
    return {obj["metadata"]["name"] for obj in cluster.iterate("/api/v1/pods")}


def node_id(name: str) -> TargetId:
    return TargetId(ObjectKind.NODE, "", name)


def read(cluster: Cluster, target: TargetId) -> LiveTarget:
    live = read_target(cluster, target)
    assert live is not None
    return live


def lease_for(live: LiveTarget, applied: Fields, order: int = 1) -> Lease:
    return Lease(
        id=lease_id(WINDOW, order, live.id),
        target=live.id,
        before={name: live.fields[name] for name in applied},
        applied=applied,
        due=MONDAY,
        order=order,
        window=WINDOW,
        at=FRIDAY,
    )


def cordon(cluster: Cluster, name: str) -> LeaseId:
    """Cordon a node under a lease of ours."""
    live = read(cluster, node_id(name))
    lease = lease_for(live, {FieldName.UNSCHEDULABLE: True})
    patch = Patch(lease.applied, write_lease(lease), live.resource_version, lease.id)
    patch_target(cluster, live.id, patch)
    return lease.id


def drain_task(
    lease: LeaseId, node: str = "n1", minutes: float = 30, rules: PodRules | None = None
) -> DrainTask:
    deadline = FRIDAY + dt.timedelta(minutes=minutes)
    return DrainTask(node, lease, rules or PodRules(), DrainLimits(deadline))
