from typing import Any

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.labels import our_labels
from nightshift.cluster.pods import delete_pod, list_pods, parse_pod_state, read_pod
from nightshift.errors import NotFound
from tests.cluster.kube_support import build_pod, set_status


def ended(exit_code: int, reason: str, name: str = "scan") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": exit_code, "reason": reason}}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"name": "scan", "state": {"waiting": {"reason": reason, "message": message}}}


def state_of(status: dict[str, Any]) -> Any:
    meta = {"name": "p", "creationTimestamp": "2026-01-02T03:04:05Z"}
    return parse_pod_state({"metadata": meta, "spec": {"nodeName": "n1"}, "status": status})


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/2 nodes are available:\n 2 Insufficient cpu.",
}


@pytest.mark.parametrize(
    ("status", "reason", "message", "exit_code"),
    [
        pytest.param({"phase": "Running"}, "", "", None, id="all is well"),
        pytest.param(
            {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
            "Unschedulable", "0/2 nodes are available: 2 Insufficient cpu.", None,
            id="no node has room, on one line",
        ),
        pytest.param(
            {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
            "", "", None, id="being created is no trouble",
        ),
        pytest.param(
            {"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff", "no image")]},
            "ImagePullBackOff", "no image", None, id="the image cannot be pulled",
        ),
        pytest.param(
            {"phase": "Failed", "containerStatuses": [ended(137, "OOMKilled")]},
            "OOMKilled", "", 137, id="the kernel killed it",
        ),
        pytest.param(
            {
                "phase": "Failed", "reason": "DeadlineExceeded", "message": "too long",
                "containerStatuses": [ended(143, "Error")],
            },
            "DeadlineExceeded", "too long", 143, id="the pod's own reason goes first",
        ),
        pytest.param(
            {
                "phase": "Failed",
                "initContainerStatuses": [ended(75, "Error", "clone")],
                "containerStatuses": [waiting("PodInitializing")],
            },
            "Error", "", 75, id="an init container failed",
        ),
        pytest.param(
            {
                "phase": "Succeeded",
                "initContainerStatuses": [ended(0, "Completed", "clone")],
                "containerStatuses": [ended(0, "Completed")],
            },
            "", "", 0, id="it succeeded",
        ),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, "Evicted", "", None, id="evicted"),
    ],
)  # fmt: skip
def test_what_holds_a_pod_up_or_ended_it(
    status: dict[str, Any], reason: str, message: str, exit_code: int | None
) -> None:
    state = state_of(status)
    assert (state.reason, state.message, state.exit_code) == (reason, message, exit_code)
    assert state.out_of_memory == (reason == "OOMKilled")
    assert state.ended == (status["phase"] in {"Succeeded", "Failed"})


def test_ours_are_listed_by_their_labels(cluster: Cluster) -> None:
    mine = our_labels("scan", batch="7", shard="s001")
    for name, labels in (("a", mine), ("b", {**mine, "nightshift/batch": "8"}), ("c", {})):
        cluster.create(cluster.path("pods"), build_pod(name, "n1", **labels))
    assert [p.meta.name for p in list_pods(cluster, our_labels("scan", batch="7"))] == ["a"]
    assert [p.meta.name for p in list_pods(cluster, our_labels("scan"))] == ["a", "b"]


def test_labels_are_made_safe() -> None:
    assert our_labels("scan", account="Übung/x")["nightshift/account"].isascii()


def test_a_pod_is_read_with_its_times(cluster: Cluster) -> None:
    cluster.create(cluster.path("pods"), build_pod("a", "n1"))
    set_status(cluster, "pods", "a", {"phase": "Running", "startTime": "2026-01-02T03:04:05+01:00"})
    pod = read_pod(cluster, "a")
    assert pod.node == "n1"
    assert str(pod.started_at) == "2026-01-02 02:04:05+00:00"
    assert pod.meta.created_at.utcoffset() is not None


def test_a_pod_that_is_gone(cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        read_pod(cluster, "a")
    assert delete_pod(cluster, "a") is False


def test_a_deleted_pod_is_gone_or_going(cluster: Cluster) -> None:
    cluster.create(cluster.path("pods"), build_pod("a"))
    assert delete_pod(cluster, "a", grace_seconds=0) is True
    assert list_pods(cluster, {}) == []
