"""The pool's labels: put on, taken off, and never those of others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.pool import (
    PoolNode,
    add_to_pool,
    keep_in_pool,
    list_pool,
    remove_from_pool,
)
from nightshift.domain.ids import NodeName
from nightshift.domain.placement.affinity import POOL_LABEL, PoolValue
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.errors import Forbidden
from tests.cluster.kube_support import connected_to, running_server

NAMES = N1, N2, N3 = tuple(NodeName(f"n{number}") for number in (1, 2, 3))
OPEN, RESERVE = PoolValue.OPEN, PoolValue.RESERVE


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundCluster]:
    nodes = tuple(NodeSpec(name, "4", "8Gi") for name in NAMES)
    with running_server(tmp_path / "cluster", nodes) as running:
        yield running


@pytest.fixture
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    with connected_to(server) as connected:
        yield connected


def test_nodes_are_labelled_once_and_come_back_clean(cluster: Cluster) -> None:
    wanted = {N1: OPEN, N2: RESERVE}
    assert add_to_pool(cluster, 7, wanted) == 2
    assert add_to_pool(cluster, 7, wanted) == 0
    pool = list_pool(cluster)
    assert pool == [PoolNode(N1, "open", "7"), PoolNode(N2, "reserve", "7")]
    before = cluster.get("/api/v1/nodes/n3")["metadata"]
    assert all(remove_from_pool(cluster, node) for node in pool)
    assert list_pool(cluster) == []
    after = cluster.get("/api/v1/nodes/n1")["metadata"]
    assert set(after["labels"]) == set(before["labels"])
    assert not after.get("annotations")


def test_a_label_that_the_nodes_owner_put_there_stays(cluster: Cluster) -> None:
    cluster.patch("/api/v1/nodes/n1", {"metadata": {"labels": {POOL_LABEL: "mine"}}})
    assert add_to_pool(cluster, 7, {N1: OPEN}) == 0
    (node,) = list_pool(cluster)
    assert node == PoolNode(N1, "mine", "")
    assert not remove_from_pool(cluster, node)
    assert not keep_in_pool(cluster, 7, N1)
    assert list_pool(cluster) == [node]


def test_what_an_earlier_batch_left_is_taken_over(cluster: Cluster) -> None:
    add_to_pool(cluster, 6, {N1: RESERVE})
    assert add_to_pool(cluster, 7, {N1: OPEN}) == 1
    assert list_pool(cluster) == [PoolNode(N1, "open", "7")]


def test_a_node_that_is_gone_is_left_out(cluster: Cluster) -> None:
    gone = NodeName("gone")
    assert add_to_pool(cluster, 7, {gone: OPEN, N1: OPEN}) == 1
    assert not remove_from_pool(cluster, PoolNode(gone, "open", "7"))
    assert not keep_in_pool(cluster, 7, gone)


def test_a_late_pod_keeps_its_node_in_the_pool(cluster: Cluster) -> None:
    assert keep_in_pool(cluster, 7, N3)
    assert not keep_in_pool(cluster, 7, N3)
    assert list_pool(cluster) == [PoolNode(N3, "open", "7")]


def test_a_missing_right_is_told(cluster: Cluster, server: BackgroundCluster) -> None:
    server.call(lambda local: local.faults.add("PATCH", "/nodes/", 403))
    with pytest.raises(Forbidden, match="forbids PATCH /api/v1/nodes/n1"):
        add_to_pool(cluster, 7, {N1: OPEN})
