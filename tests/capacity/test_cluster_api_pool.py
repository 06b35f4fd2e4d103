"""A MachineDeployment as a node pool, over HTTP; its controller takes marked Machines first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import FieldName, Patch
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.embedded.machines import (
    GROUP,
    MACHINES,
    definitions,
    machine_deployment,
    run_machines,
)
from nightshift.errors import ClusterUnavailable, Conflict, NotFound
from nightshift.nodepools.cluster_api import MAX_SIZE, MIN_SIZE, ClusterApiPool
from nightshift.nodepools.drivers import Tempo, pool_facts
from tests.capacity.capacity_support import Hand
from tests.cluster.kube_support import connected_to, running_server

NODE = NodeSpec("any", "4", "16Gi")
PATH = f"/apis/{GROUP}/v1beta2/namespaces/default/machinedeployments"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundCluster]:
    with running_server(tmp_path / "cluster", (NodeSpec("control", "4", "8Gi"),)) as running:
        yield running


@pytest.fixture
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    with connected_to(server) as connected:
        for one in definitions():
            connected.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", one)
        yield connected


def step(server: BackgroundCluster) -> None:
    server.call(lambda local: run_machines(local, NODE))


def nodes(cluster: Cluster) -> set[str]:
    return {n["metadata"]["name"] for n in cluster.iterate("/api/v1/nodes")} - {"control"}


@pytest.fixture
def pool(cluster: Cluster, server: BackgroundCluster) -> ClusterApiPool:
    cluster.create(PATH, machine_deployment("general", "default", 3))
    step(server)
    return ClusterApiPool("general", cluster, "default", "general")


def test_exactly_the_named_node_is_removed(
    cluster: Cluster, server: BackgroundCluster, pool: ClusterApiPool
) -> None:
    assert nodes(cluster) == {"general-1", "general-2", "general-3"}
    pool.remove(["general-2"], "lease-1")
    step(server)
    assert nodes(cluster) == {"general-1", "general-3"}


def test_a_removal_that_is_asked_for_twice_counts_once(
    cluster: Cluster, server: BackgroundCluster, pool: ClusterApiPool
) -> None:
    """The second call comes before the controller has done anything."""
    pool.remove(["general-2"], "lease-1")
    pool.remove(["general-2"], "lease-1")
    step(server)
    pool.remove(["general-2"], "lease-1")
    step(server)
    assert nodes(cluster) == {"general-1", "general-3"}


def test_a_removal_whose_answer_was_lost_counts_once(
    cluster: Cluster, server: BackgroundCluster, pool: ClusterApiPool
) -> None:
    server.call(
        lambda local: local.faults.add("PATCH", "/machinedeployments/general", drop_reply=True)
    )
    with pytest.raises(ClusterUnavailable):
        pool.remove(["general-2"], "lease-1")
    pool.remove(["general-2"], "lease-1")
    step(server)
    assert nodes(cluster) == {"general-1", "general-3"}


def test_a_pool_that_nobody_else_fills_comes_back_by_its_size(
    cluster: Cluster, server: BackgroundCluster, pool: ClusterApiPool
) -> None:
    live = pool.get_state()
    assert live is not None
    assert live.fields == {FieldName.TARGET_NODES: 3}
    pool.remove(["general-2"], "lease-1")
    step(server)
    low = pool.get_state()
    assert low is not None
    assert low.fields[FieldName.TARGET_NODES] == 2
    pool.set_bounds(Patch({FieldName.TARGET_NODES: 3}, {}, low.resource_version, ""))
    step(server)
    assert len(nodes(cluster)) == 3


def test_an_autoscaled_pool_has_bounds_and_no_target(
    cluster: Cluster, server: BackgroundCluster
) -> None:
    bounds = {MIN_SIZE: "2", MAX_SIZE: "9"}
    cluster.create(PATH, machine_deployment("auto", "default", 3, **bounds))
    pool = ClusterApiPool("auto", cluster, "default", "auto")
    live = pool.get_state()
    assert live is not None
    assert live.fields == {FieldName.MIN_NODES: 2, FieldName.MAX_NODES: 9}
    written = pool.set_bounds(
        Patch({FieldName.MAX_NODES: 3}, {"nightshift/lease": "x"}, live.resource_version, "x")
    )
    assert written.fields == {FieldName.MIN_NODES: 2, FieldName.MAX_NODES: 3}
    assert written.annotations["nightshift/lease"] == "x"
    with pytest.raises(Conflict):
        pool.set_bounds(Patch({FieldName.MAX_NODES: 1}, {}, live.resource_version, "x"))
    assert pool_facts("auto", pool).removes


def test_while_it_rolls_out_nothing_is_removed(
    cluster: Cluster, server: BackgroundCluster, pool: ClusterApiPool
) -> None:
    cluster.patch(f"{PATH}/general/status", {"status": {"upToDateReplicas": 1}})
    with pytest.raises(Conflict, match="rolls out"):
        pool.remove(["general-2"], "lease-1")
    assert len(server.call(lambda local: list(local.store.list(MACHINES)))) == 3


def test_a_change_is_waited_for_until_it_has_been_carried_out(
    server: BackgroundCluster, pool: ClusterApiPool
) -> None:
    hand = Hand()
    pool.set_target(5, "x")
    with pytest.raises(ClusterUnavailable, match="3 ready of 5"):
        pool.wait(Tempo(hand.clock, hand.sleep))
    hand.others.append(lambda: step(server))
    pool.wait(Tempo(hand.clock, hand.sleep))


def test_a_pool_of_a_cluster_class_is_its_clusters(cluster: Cluster, pool: ClusterApiPool) -> None:
    labels = {f"topology.{GROUP}/owned": "", f"{GROUP}/cluster-name": "prod"}
    cluster.patch(f"{PATH}/general", {"metadata": {"labels": labels}})
    live = pool.get_state()
    assert live is not None
    assert live.owner is not None
    assert (live.owner.kind, live.owner.name) == ("Cluster", "prod")


def test_a_pool_that_is_not_there_is_told(cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        ClusterApiPool("x", cluster, "default", "gone").get_state()
