import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.nodes import read_snapshot
from nightshift.domain.resources import Resources
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.errors import Conflict, Forbidden
from tests.cluster.kube_support import build_pod, set_status

PODS = "/api/v1/namespaces/{}/pods"


def test_a_snapshot_has_every_node_and_what_living_pods_of_all_namespaces_ask(
    cluster: Cluster,
) -> None:
    cluster.create(PODS.format("default"), build_pod("ours", "n1", "1500m"))
    cluster.create(PODS.format("kube-system"), build_pod("theirs", "n1", "500m"))
    cluster.create(PODS.format("default"), build_pod("pending", "", "1"))
    cluster.create(PODS.format("default"), build_pod("done", "n1", "1"))
    set_status(cluster, "pods", "done", {"phase": "Succeeded"})

    first, second = read_snapshot(cluster)

    assert (first.name, first.allocatable.cpu_millis) == ("n1", 4000)
    assert first.requested == Resources(2000, 2 * 1024**3)
    assert first.pods == 2
    assert first.ready
    assert first.busy
    assert (second.name, second.unschedulable, second.pods) == ("n2", True, 0)
    assert second.labels["kubernetes.io/hostname"] == "n2"


def test_lists_are_read_to_their_last_page(cluster: Cluster, server: BackgroundCluster) -> None:
    for number in range(7):
        cluster.create(PODS.format("default"), build_pod(f"p{number}", "n1", "100m"))
    small = cluster.iterate("/api/v1/pods", limit=3)
    assert sorted(pod["metadata"]["name"] for pod in small) == [f"p{n}" for n in range(7)]


def test_a_version_that_was_dropped_meanwhile_means_to_begin_anew(
    cluster: Cluster, server: BackgroundCluster
) -> None:
    server.call(lambda local: local.faults.add("GET", r"/api/v1/pods\?", 410, times=2))
    assert [node.name for node in read_snapshot(cluster)] == ["n1", "n2"]


def test_a_list_that_never_stays_still_is_given_up(
    cluster: Cluster, server: BackgroundCluster
) -> None:
    server.call(lambda local: local.faults.add("GET", r"/api/v1/pods\?", 410, times=9))
    with pytest.raises(Conflict, match="GET /api/v1/pods"):
        read_snapshot(cluster)


def test_rights_that_are_missing_are_named(cluster: Cluster, server: BackgroundCluster) -> None:
    server.call(lambda local: local.faults.add("GET", "/api/v1/nodes", 403, times=9))
    with pytest.raises(Forbidden, match="forbids GET /api/v1/nodes"):
        read_snapshot(cluster)
