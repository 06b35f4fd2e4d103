"""A NodePool of Karpenter as a node pool, over HTTP; the test plays its cloud, claim by claim."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import (
    FieldName,
    FieldValue,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
    capacity_of,
)
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.errors import ClusterUnavailable, Conflict, Invalid, NotFound
from nightshift.nodepools.drivers import Tempo, pool_facts
from nightshift.nodepools.karpenter import API, POOL_LABEL, KarpenterPool
from tests.capacity.capacity_support import Hand
from tests.cluster.kube_support import connected_to, running_server

NODES = tuple(NodeSpec(name, "4", "16Gi") for name in ("n1", "n2", "n3", "core"))
READY = [{"type": "Ready", "status": "True"}]


def definition(plural: str, kind: str) -> dict[str, Any]:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.nodes"}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.karpenter.sh"},
        "spec": {
            "group": "karpenter.sh",
            "names": {"plural": plural, "kind": kind},
            "scope": "Cluster",
            "versions": [{**version, "subresources": {"status": {}, "scale": scale}}],
        },
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundCluster]:
    with running_server(tmp_path / "cluster", NODES) as running:
        yield running


@pytest.fixture
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    with connected_to(server) as connected:
        for one in (definition("nodepools", "NodePool"), definition("nodeclaims", "NodeClaim")):
            connected.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", one)
        yield connected


def add_pool(cluster: Cluster, **spec: Any) -> KarpenterPool:
    """Create a NodePool of three nodes, n1 to n3, whose claims have other names."""
    kind = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool"}
    cluster.create(f"{API}/nodepools", {**kind, "metadata": {"name": "general"}, "spec": spec})
    cluster.patch(f"{API}/nodepools/general/status", {"status": {"nodes": 3}})
    for node in ("n1", "n2", "n3"):
        metadata = {"name": f"claim-of-{node}", "labels": {POOL_LABEL: "general"}}
        claim = {"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": metadata}
        cluster.create(f"{API}/nodeclaims", claim)
        status = {"nodeName": node, "conditions": READY}
        cluster.patch(f"{API}/nodeclaims/claim-of-{node}/status", {"status": status})
    return KarpenterPool("pool", cluster, "general")


def claims(cluster: Cluster) -> set[str]:
    return {one["metadata"]["name"] for one in cluster.iterate(f"{API}/nodeclaims")}


def spec_of(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get(f"{API}/nodepools/general")["spec"]
    return found


def live_of(pool: KarpenterPool) -> LiveTarget:
    live = pool.get_state()
    assert live is not None
    return live


def write(pool: KarpenterPool, fields: dict[FieldName, FieldValue]) -> LiveTarget:
    return pool.set_bounds(Patch(fields, {}, live_of(pool).resource_version, "x"))


def test_a_dynamic_pool_has_a_maximum_and_nothing_else(cluster: Cluster) -> None:
    pool = add_pool(cluster, limits={"cpu": "100", "nodes": "9"})
    live = live_of(pool)
    assert live.id == TargetId(ObjectKind.NODE_POOL, "", "pool")
    assert live.fields == {FieldName.MAX_NODES: 9}
    assert (live.status.replicas, live.status.ready, live.max_at_once) == (3, 3, True)
    facts = pool_facts("pool", pool)
    assert (facts.removes, facts.zero_ok) == (True, True)


def test_limit_and_lease_are_written_together_and_conditionally(cluster: Cluster) -> None:
    pool = add_pool(cluster, limits={"cpu": "100", "nodes": "9"})
    live = live_of(pool)
    patch = Patch({FieldName.MAX_NODES: 1}, {"nightshift/lease": "x"}, live.resource_version, "x")
    written = pool.set_bounds(patch)
    assert written.fields == {FieldName.MAX_NODES: 1}
    assert written.annotations["nightshift/lease"] == "x"
    assert spec_of(cluster)["limits"] == {"cpu": "100", "nodes": "1"}
    with pytest.raises(Conflict):
        pool.set_bounds(patch)


def test_a_pool_without_a_limit_is_unlimited_and_becomes_so_again(cluster: Cluster) -> None:
    pool = add_pool(cluster, limits={"cpu": "100"})
    most = live_of(pool).fields[FieldName.MAX_NODES]
    assert most is None
    assert capacity_of(ObjectKind.NODE_POOL, FieldName.MAX_NODES, most) > 10_000
    write(pool, {FieldName.MAX_NODES: 0})
    assert spec_of(cluster)["limits"]["nodes"] == "0"
    write(pool, {FieldName.MAX_NODES: None})
    assert spec_of(cluster)["limits"] == {"cpu": "100"}


def test_exactly_the_claims_of_the_named_nodes_go_and_again_is_no_change(cluster: Cluster) -> None:
    pool = add_pool(cluster)
    pool.remove(["n2"], "lease-1")
    assert claims(cluster) == {"claim-of-n1", "claim-of-n3"}
    cluster.delete("/api/v1/nodes/n2")
    pool.remove(["n2"], "lease-1")
    assert claims(cluster) == {"claim-of-n1", "claim-of-n3"}


def test_a_node_of_somebody_else_is_refused_before_any_goes(cluster: Cluster) -> None:
    pool = add_pool(cluster)
    with pytest.raises(Invalid, match="no NodeClaim of the node core"):
        pool.remove(["n1", "core"], "lease-1")
    assert len(claims(cluster)) == 3


def test_a_static_pools_replicas_follow_what_is_removed(cluster: Cluster) -> None:
    pool = add_pool(cluster, replicas=3)
    assert live_of(pool).fields == {FieldName.MAX_NODES: None, FieldName.TARGET_NODES: 3}
    write(pool, {FieldName.MAX_NODES: 2})
    pool.remove(["n3"], "lease-1")
    assert claims(cluster) == {"claim-of-n1", "claim-of-n2"}
    assert spec_of(cluster)["replicas"] == 2
    write(pool, {FieldName.MAX_NODES: None, FieldName.TARGET_NODES: 3})
    assert spec_of(cluster) == {"replicas": 3, "limits": {}}


@pytest.mark.parametrize("limits", [{}, {"nodes": 3}], ids=["none", "too high"])
def test_a_static_pool_that_would_replace_a_node_keeps_it(
    cluster: Cluster, limits: dict[str, int]
) -> None:
    pool = add_pool(cluster, replicas=3, limits=limits)
    with pytest.raises(Invalid, match="would replace"):
        pool.remove(["n3"], "lease-1")
    assert (len(claims(cluster)), spec_of(cluster)["replicas"]) == (3, 3)


def test_only_a_static_pool_is_asked_for_nodes_and_only_for_more(cluster: Cluster) -> None:
    pool = add_pool(cluster, replicas=3)
    pool.set_target(5, "x")
    assert spec_of(cluster)["replicas"] == 5
    with pytest.raises(Invalid, match="choose which go"):
        pool.set_target(4, "x")
    cluster.patch(f"{API}/nodepools/general", {"spec": {"replicas": None}})
    with pytest.raises(Invalid, match="dynamic"):
        pool.set_target(5, "x")


def test_a_change_is_waited_for(cluster: Cluster) -> None:
    pool, hand = add_pool(cluster, replicas=4), Hand()
    with pytest.raises(ClusterUnavailable, match="3 ready nodes"):
        pool.wait(Tempo(hand.clock, hand.sleep))

    def lower() -> None:
        cluster.patch(f"{API}/nodepools/general", {"spec": {"replicas": 3}})

    hand.others.append(lower)
    pool.wait(Tempo(hand.clock, hand.sleep))


def test_what_ends_pods_past_their_budgets_is_told(cluster: Cluster) -> None:
    pool = add_pool(cluster, template={"spec": {"terminationGracePeriod": "10m"}})
    (warning,) = live_of(pool).warnings
    assert "terminationGracePeriod 10m" in warning


def test_a_karpenter_that_counts_no_nodes_is_refused(cluster: Cluster) -> None:
    pool = add_pool(cluster)
    cluster.patch(f"{API}/nodepools/general/status", {"status": {"nodes": None}})
    with pytest.raises(Invalid, match="nobody counts its nodes"):
        pool.get_state()


def test_a_pool_that_is_not_there_is_told(cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        KarpenterPool("pool", cluster, "gone").get_state()
