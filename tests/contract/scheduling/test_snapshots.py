"""Scheduling: what a snapshot counts

On a node of the case's own that no kubelet serves, so that nobody else's pods count.
"""

import uuid
from collections.abc import Iterator

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.nodes import read_snapshot
from nightshift.domain.nodes import Node
from tests.contract.access import Api, Object


@pytest.fixture
def bare(api: Api) -> Iterator[str]:
    """A cordoned node, removed afterwards."""
    name = f"bare-{uuid.uuid4().hex[:8]}"
    offers = {"cpu": "2", "memory": "4Gi", "pods": "10"}
    node = {"metadata": {"name": name}, "spec": {"unschedulable": True}}
    api.create("nodes", node)
    try:
        status = {"capacity": offers, "allocatable": offers}
        api.patch("nodes", name, "status", body={"status": status})
        yield name
    finally:
        api.delete("nodes", name)


def node_of(client: Cluster, name: str) -> Node:
    return next(node for node in read_snapshot(client) if node.name == name)


def asked_of(client: Cluster, name: str) -> tuple[int, int, int]:
    node = node_of(client, name)
    return node.requested.cpu_millis, node.requested.memory_bytes, node.pods


def asking(api: Api, node: str) -> Object:
    pod = api.pod("p", nodeName=node)
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "7m", "memory": "3Mi"}}
    return pod


def test_snapshot_counts_what_a_pod_asks_for_until_it_is_gone(
    api: Api, client: Cluster, bare: str
) -> None:
    assert asked_of(client, bare) == (0, 0, 0)
    api.create("pods", asking(api, bare))
    assert asked_of(client, bare) == (7, 3 << 20, 1)
    api.delete("pods", "p", gracePeriodSeconds=0)
    api.wait_gone("pods", "p")
    assert asked_of(client, bare) == (0, 0, 0)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_snapshot_leaves_out_pods_that_have_ended(
    api: Api, client: Cluster, bare: str, phase: str
) -> None:
    api.create("pods", asking(api, bare))
    api.patch("pods", "p", "status", body={"status": {"phase": phase}})
    assert asked_of(client, bare) == (0, 0, 0)
    api.delete("pods", "p", gracePeriodSeconds=0)


def test_snapshot_tells_what_a_node_offers_and_that_it_is_not_ready(
    client: Cluster, bare: str
) -> None:
    node = node_of(client, bare)
    assert (node.allocatable.cpu_millis, node.allocatable.memory_bytes) == (2000, 4 << 30)
    assert node.pod_slots == 10
    assert not node.ready


def test_snapshot_has_every_node_with_what_it_offers(api: Api, client: Cluster) -> None:
    found = {str(node.name): node for node in read_snapshot(client)}
    assert sorted(found) == sorted(api.names("nodes"))
    for name in api.nodes:
        assert found[name].ready
        assert found[name].allocatable.cpu_millis > 0
        assert found[name].allocatable.memory_bytes > 0
        assert found[name].pod_slots > 0
