"""Gates and nominations over HTTP: only ours are touched, and nobody's change is undone."""

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.scanpods import (
    list_scan_pods,
    move_nomination,
    nominate_pod,
    open_gate,
    read_scan_pod,
)
from nightshift.domain.ids import NodeName
from nightshift.domain.steering.scanpods import GATE, NOMINATED
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.errors import Conflict, Forbidden, NotFound
from tests.cluster.kube_support import build_pod, set_status

N1, N2 = NodeName("n1"), NodeName("n2")


def create(cluster: Cluster, name: str = "p", gates: tuple[str, ...] = (GATE,)) -> None:
    pod = build_pod(name, **{"nightshift/shard": "s001"})
    pod["spec"]["schedulingGates"] = [{"name": gate} for gate in gates]
    cluster.create(cluster.path("pods"), pod)


def test_a_gated_pod_is_nominated_and_let_go(cluster: Cluster) -> None:
    create(cluster)
    assert read_scan_pod(cluster, "p").is_gated
    assert nominate_pod(cluster, "p", N1)
    assert open_gate(cluster, "p")
    pod = read_scan_pod(cluster, "p")
    assert (pod.nominated, pod.gates, pod.ours) == ("n1", (), (N1,))
    assert pod.has_our_nomination
    assert not open_gate(cluster, "p"), "it has no gate any more"


def test_other_gates_stay(cluster: Cluster) -> None:
    create(cluster, gates=("other/gate", GATE))
    assert open_gate(cluster, "p")
    assert read_scan_pod(cluster, "p").gates == ("other/gate",)


def test_a_nomination_of_somebody_else_is_left_alone(cluster: Cluster) -> None:
    create(cluster)
    set_status(cluster, "pods", "p", {"nominatedNodeName": "n2"})
    assert not nominate_pod(cluster, "p", N1)
    assert not move_nomination(cluster, "p", N1)
    assert not move_nomination(cluster, "p", None)
    assert read_scan_pod(cluster, "p").nominated == "n2"


def test_ours_is_moved_and_cleared_and_remembered(cluster: Cluster) -> None:
    create(cluster)
    nominate_pod(cluster, "p", N1)
    assert move_nomination(cluster, "p", N2)
    pod = read_scan_pod(cluster, "p")
    assert (pod.nominated, pod.ours) == ("n2", (N2, N1))
    assert move_nomination(cluster, "p", None)
    assert read_scan_pod(cluster, "p").nominated == ""
    assert read_scan_pod(cluster, "p").ours == (N2, N1), "so that a late reply is still ours"


def test_a_nomination_whose_writer_died_before_it_was_made_is_still_known_as_ours(
    cluster: Cluster, server: BackgroundCluster
) -> None:
    create(cluster)
    server.call(lambda local: local.faults.add("PATCH", "/status", 403))
    with pytest.raises(Forbidden):
        nominate_pod(cluster, "p", N1)
    assert cluster.get(cluster.path("pods", "p"))["metadata"]["annotations"] == {NOMINATED: "n1"}
    set_status(cluster, "pods", "p", {"nominatedNodeName": "n1"})
    assert move_nomination(cluster, "p", None)


def test_a_bound_pod_is_not_nominated(cluster: Cluster) -> None:
    cluster.create(cluster.path("pods"), build_pod("p", "n2"))
    assert not nominate_pod(cluster, "p", N1)
    assert not move_nomination(cluster, "p", N1)
    assert read_scan_pod(cluster, "p").nominated == ""


def test_who_loses_a_race_reads_again(cluster: Cluster, server: BackgroundCluster) -> None:
    create(cluster)
    server.call(lambda local: local.faults.add("PATCH", "/pods/p", 409, times=3))
    assert nominate_pod(cluster, "p", N1)
    assert read_scan_pod(cluster, "p").nominated == "n1"
    server.call(lambda local: local.faults.add("PATCH", "/pods/p", 409, times=9))
    with pytest.raises(Conflict):
        open_gate(cluster, "p")


def test_a_pod_that_is_gone_is_not_found(cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        open_gate(cluster, "gone")


def test_pods_are_listed_with_what_steering_reads(cluster: Cluster) -> None:
    create(cluster)
    create(cluster, "q", ())
    found = {pod.name: pod for pod in list_scan_pods(cluster, {"nightshift/shard": "s001"})}
    assert found["p"].shard == "s001"
    assert (found["p"].is_gated, found["q"].is_gated) == (True, False)
    assert found["q"].is_unbound
    assert list_scan_pods(cluster, {"nightshift/shard": "s002"}) == []
