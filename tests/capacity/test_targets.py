"""Targets over HTTP: read to the last page, written in one conditional PATCH; the lock; marks."""

import datetime as dt

import pytest

from nightshift.cluster.capacity_snapshots import FREEZE, read_capacity_snapshot
from nightshift.cluster.client import Cluster
from nightshift.cluster.deletion_costs import DELETION_COST, mark_pods, unmark_pods
from nightshift.cluster.locks import HELD_FOR, hold_lock
from nightshift.cluster.targets import list_targets, patch_target, read_target
from nightshift.domain.capacity.snapshots import Amount, Role
from nightshift.domain.capacity.targets import FieldName, ObjectKind, Patch, TargetId
from nightshift.domain.leases.annotations import read_lease, write_lease
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.errors import Conflict
from tests.capacity.capacity_support import (
    FRIDAY,
    NS,
    Hand,
    add,
    add_budget,
    add_pod,
    container,
    lease_for,
    meta,
    read,
)

WEB = TargetId(ObjectKind.DEPLOYMENT, NS, "web")
SCALER = TargetId(ObjectKind.AUTOSCALER, NS, "web")


def deployment(name: str = "web", replicas: int | None = 3) -> dict[str, object]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name), "spec": spec}


def autoscaler(name: str = "web", low: int = 3, high: int = 9) -> dict[str, object]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high}
    kind = "HorizontalPodAutoscaler"
    return {"apiVersion": "autoscaling/v2", "kind": kind, "metadata": meta(name), "spec": spec}


def test_fields_and_lease_are_written_together_and_read_back(cluster: Cluster) -> None:
    add(cluster, "deployments", deployment(), "apis/apps/v1")
    live = read(cluster, WEB)
    lease = lease_for(live, {FieldName.REPLICAS: 1})
    patch = Patch(lease.applied, write_lease(lease), live.resource_version, lease.id)
    written = patch_target(cluster, WEB, patch)
    assert written.fields == {FieldName.REPLICAS: 1}
    again = read_lease(read(cluster, WEB))
    assert again is not None
    assert (again.id, again.before, again.applied, again.due) == (
        lease.id, {"replicas": 3}, {"replicas": 1}, lease.due
    )  # fmt: skip


def test_a_patch_of_an_object_that_changed_writes_nothing(cluster: Cluster) -> None:
    add(cluster, "deployments", deployment(), "apis/apps/v1")
    live = read(cluster, WEB)
    cluster.patch(
        cluster.path("deployments", "web", group="apis/apps/v1", namespace=NS),
        {"spec": {"replicas": 5}},
    )
    with pytest.raises(Conflict):
        patch_target(
            cluster, WEB, Patch({FieldName.REPLICAS: 1}, {"a": "b"}, live.resource_version, "")
        )
    assert read(cluster, WEB).fields == {FieldName.REPLICAS: 5}
    assert read(cluster, WEB).annotations == {}


def test_an_autoscaler_knows_how_many_of_its_replicas_are_ready(cluster: Cluster) -> None:
    group = "apis/autoscaling/v2"
    add(cluster, "deployments", deployment(), "apis/apps/v1")
    add(cluster, "horizontalpodautoscalers", autoscaler(), group)
    path = cluster.path("deployments", "web", group="apis/apps/v1", namespace=NS)
    cluster.patch(f"{path}/status", {"status": {"replicas": 3, "readyReplicas": 2}})
    live = read(cluster, SCALER)
    assert live.fields == {FieldName.MIN_REPLICAS: 3, FieldName.MAX_REPLICAS: 9}
    assert (live.status.replicas, live.status.ready) == (3, 2)
    assert '"scaleTargetRef"' in live.saved
    (listed,) = read_capacity_snapshot(cluster, FRIDAY).of_kind(ObjectKind.AUTOSCALER)
    assert (listed.status.ready, listed.scales) == (2, WEB)


def test_over_500_objects(cluster: Cluster) -> None:
    for number in range(501):
        add(cluster, "deployments", deployment(f"d{number:03d}", 1), "apis/apps/v1")
    found = list_targets(cluster, ObjectKind.DEPLOYMENT)
    assert [one.id.name for one in found] == [f"d{number:03d}" for number in range(501)]


def test_kinds_that_the_server_does_not_serve_have_no_objects(cluster: Cluster) -> None:
    assert list_targets(cluster, ObjectKind.SCALED_OBJECT) == []


def test_a_scaled_object_is_read_and_written_where_keda_is_there(cluster: Cluster) -> None:
    names = {"plural": "scaledobjects", "kind": "ScaledObject"}
    version = {"name": "v1alpha1", "served": True, "storage": True}
    spec = {"group": "keda.sh", "names": names, "scope": "Namespaced", "versions": [version]}
    cluster.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "scaledobjects.keda.sh"},
            "spec": spec,
        },
    )
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta("queue"),
        "spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 2, "maxReplicaCount": 8},
    }
    add(cluster, "scaledobjects", body, "apis/keda.sh/v1alpha1")
    (live,) = list_targets(cluster, ObjectKind.SCALED_OBJECT)
    assert live.scales == WEB
    patch = Patch({FieldName.MIN_REPLICAS: 0}, {}, live.resource_version, "")
    assert patch_target(cluster, live.id, patch).fields[FieldName.MIN_REPLICAS] == 0


def test_a_snapshot_has_targets_nodes_pods_roles_budgets_and_volumes(cluster: Cluster) -> None:
    add(cluster, "deployments", deployment(), "apis/apps/v1")
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    labels = {"pod-template-hash": "abc", "app": "web"}
    add_pod(cluster, "web-1", "n1", labels=labels, volumes=[claim])
    add_pod(cluster, "dns", "n2", labels={"k8s-app": "kube-dns"}, ready=False)
    add_budget(cluster, "web", 1, minAvailable="50%")
    zone = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    cluster.create(
        "/api/v1/persistentvolumes",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "pv"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "local": {"path": "/disk"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [zone]}},
            },
        },
    )
    asked = {"requests": {"storage": "1Gi"}}
    add(
        cluster,
        "persistentvolumeclaims",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": meta("data"),
            "spec": {"volumeName": "pv", "accessModes": ["ReadWriteOnce"], "resources": asked},
        },
    )
    seen = read_capacity_snapshot(cluster, FRIDAY)
    assert seen.unread == ()
    assert [node.name for node in seen.nodes] == ["n1", "n2", "n3"]
    assert seen.nodes[0].node.pods == 1
    web = next(pod for pod in seen.pods if pod.key == "app/web-1")
    dns = next(pod for pod in seen.pods if pod.key == "app/dns")
    assert (web.workload, web.node, web.volumes[0].local) == (WEB, "n1", True)
    assert dns.roles == {Role.DNS}
    (budget,) = seen.budgets
    assert (budget.min_available, budget.disruptions_allowed, budget.observed) == (
        Amount(percent=50), 1, True
    )  # fmt: skip
    assert seen.health.unready_pct == 50


def test_a_freeze_on_our_namespace_and_rights_that_are_missing_are_told(
    cluster: Cluster, server: BackgroundCluster
) -> None:
    annotations = {FREEZE: "quarter end"}
    cluster.patch("/api/v1/namespaces/nightshift", {"metadata": {"annotations": annotations}})
    server.call(lambda local: local.faults.add("GET", "/apis/policy/v1/", 403))
    seen = read_capacity_snapshot(cluster, FRIDAY)
    assert seen.health.freeze == "quarter end"
    assert len(seen.unread) == 1
    assert "disruption budgets" in seen.unread[0]


def test_only_one_holds_the_lock_and_a_dead_holder_loses_it(cluster: Cluster, hand: Hand) -> None:
    with hold_lock(cluster, "nightshift-capacity", "run-1", hand.clock, hand.sleep) as lock:
        with (
            pytest.raises(Conflict, match="run-1 is changing capacity"),
            hold_lock(cluster, "nightshift-capacity", "run-2", hand.clock, hand.sleep),
        ):
            pass
        hand.now += HELD_FOR - dt.timedelta(seconds=1)
        lock.renew()
        hand.now += HELD_FOR + dt.timedelta(seconds=1)
        with (
            hold_lock(cluster, "nightshift-capacity", "run-2", hand.clock, hand.sleep),
            pytest.raises(Conflict, match="run-2"),
        ):
            lock.renew()
    with hold_lock(cluster, "nightshift-capacity", "run-3", hand.clock, hand.sleep):
        pass


def test_pods_of_resting_nodes_are_marked_and_a_cost_that_somebody_set_stays(
    cluster: Cluster,
) -> None:
    add_pod(cluster, "web-1", "n1")
    add_pod(cluster, "web-2", "n1")
    add_pod(cluster, "db-0", "n1", owner="StatefulSet/db")
    own = {"metadata": {"annotations": {DELETION_COST: "7"}}}
    cluster.patch(cluster.path("pods", "web-2", namespace=NS), own)
    assert (mark_pods(cluster, ["n1"]), mark_pods(cluster, ["n1"])) == (1, 0)
    assert unmark_pods(cluster, ["n1"]) == 1
    kept = cluster.get(cluster.path("pods", "web-2", namespace=NS))
    assert kept["metadata"]["annotations"] == {DELETION_COST: "7"}


def test_a_gone_object_is_none_and_rollouts_are_seen(cluster: Cluster) -> None:
    assert read_target(cluster, WEB) is None
    add(cluster, "deployments", deployment(), "apis/apps/v1")
    assert read(cluster, WEB).status.rolling_out
    done = {"observedGeneration": 9, "updatedReplicas": 3, "replicas": 3, "readyReplicas": 3}
    path = cluster.path("deployments", "web", group="apis/apps/v1", namespace=NS)
    cluster.patch(f"{path}/status", {"status": done})
    assert not read(cluster, WEB).status.rolling_out
