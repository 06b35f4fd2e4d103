"""Our own client

What `nightshift.cluster` makes of a cluster's answers: states, errors, calls that may be repeated.
"""

from typing import Any

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.config_maps import delete_config_map, work_list_labels, write_config_map
from nightshift.cluster.events import list_events
from nightshift.cluster.jobs import JobPhase, follow_jobs, read_job, start_job
from nightshift.cluster.labels import our_labels
from nightshift.cluster.pods import delete_pod, list_pods, read_log, read_pod
from nightshift.cluster.volumes import (
    VolumeNotReady,
    VolumeRequest,
    delete_volume,
    ensure_volume,
    list_volumes,
    wait_for_volume,
)
from nightshift.cluster.waiting import Pace
from nightshift.domain.ids import AccountName
from nightshift.errors import Conflict, Forbidden, Invalid, NotFound
from tests.contract.access import Api, Object, wait_for
from tests.contract.objects import job

PACE = Pace(timeout_seconds=40, every_seconds=0.2)


def gated(api: Api) -> Object:
    return api.gated()


def failing(api: Api) -> Object:
    return api.pod("p", "exit 7")


def late(api: Api) -> Object:
    return api.pod("p", "sleep 600", activeDeadlineSeconds=1)


def nowhere(api: Api) -> Object:
    return api.pod("p", nodeSelector={"contract/none": "here"})


def lacking(api: Api) -> Object:
    pod = api.pod("p")
    pod["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "none"}}]
    return pod


@pytest.mark.parametrize(
    ("build", "phase", "reason"),
    [
        (gated, "Pending", "SchedulingGated"),
        (nowhere, "Pending", "Unschedulable"),
        (lacking, "Pending", "CreateContainerConfigError"),
        (failing, "Failed", "Error"),
        (late, "Failed", "DeadlineExceeded"),
    ],
    ids=["gated", "without a node", "without its secret", "failed", "too late"],
)
def test_pods_state_says_what_holds_it_up_or_ended_it(
    api: Api, client: Cluster, build: Any, phase: str, reason: str
) -> None:
    api.create("pods", build(api))
    wait_for(lambda: read_pod(client, "p").reason, "a reason")
    state = wait_for(
        lambda: (found := read_pod(client, "p")).phase == phase and found, f"{phase} pod"
    )
    assert state.reason == reason
    assert state.ended is (phase == "Failed")
    assert [found.meta.name for found in list_pods(client, {"app": "p"})] == ["p"]


def test_pod_is_deleted_once(api: Api, client: Cluster) -> None:
    api.create("pods", api.gated())
    assert delete_pod(client, "p", grace_seconds=0) is True
    assert delete_pod(client, "p") is False


def test_end_of_a_log_is_read_and_a_waiting_containers_is_invalid(
    api: Api, client: Cluster
) -> None:
    api.run(api.pod("p", "for i in 1 2 3; do echo line $i; done"))
    assert read_log(client, "p", "base", tail_lines=1) == "line 3\n"
    with pytest.raises(NotFound):
        read_log(client, "none", "base")
    with pytest.raises(Invalid):
        read_log(client, "p", "other")


def test_events_come_newest_first(api: Api, client: Cluster) -> None:
    api.run(api.pod("p"))
    wait_for(lambda: len(list_events(client, "Pod", "p")) > 2, "three events")
    events = list_events(client, "Pod", "p")
    assert [event.at for event in events] == sorted((e.at for e in events), reverse=True)
    assert {"Scheduled", "Created", "Started"} <= {event.reason for event in events}


def our_job(api: Api, script: str = "exit 0") -> Object:
    body = job(api, script=script, backoffLimit=0)
    body["metadata"]["labels"] = our_labels("contract")
    return {"apiVersion": "batch/v1", "kind": "Job", **body}


def test_job_is_adopted_by_a_second_start_and_followed_to_its_end(
    api: Api, client: Cluster
) -> None:
    first = start_job(client, our_job(api), PACE)
    second = start_job(client, our_job(api), PACE)
    assert (first.adopted, second.adopted) == (False, True)
    assert first.object["metadata"]["uid"] == second.object["metadata"]["uid"]
    *_, last = follow_jobs(client, ["j"], our_labels("contract"), PACE)
    assert last["j"].phase is JobPhase.SUCCEEDED


def test_failed_job_is_replaced_by_the_next_start(api: Api, client: Cluster) -> None:
    first = start_job(client, our_job(api, "exit 1"), PACE)
    wait_for(lambda: read_job(client, "j").phase is JobPhase.FAILED, "the Job to fail")
    assert read_job(client, "j").reason == "BackoffLimitExceeded"
    again = start_job(client, our_job(api), PACE)
    assert not again.adopted
    assert again.object["metadata"]["uid"] != first.object["metadata"]["uid"]


def test_work_list_is_kept_when_equal_and_replaced_when_not(api: Api, client: Cluster) -> None:
    owner = api.create("secrets", {"metadata": {"name": "owner"}})
    owner = {"apiVersion": "v1", "kind": "Secret", **owner}

    def write(text: str) -> str:
        labels = work_list_labels(batch="1")
        return write_config_map(client, "w", {"list.json": text}, labels, owner).uid

    first, same, other = write("a"), write("a"), write("b")
    assert first == same != other
    api.delete("secrets", "owner")
    api.wait_gone("configmaps", "w")
    assert delete_config_map(client, "w") is False


def test_claim_is_made_once_and_says_why_it_is_pending(api: Api, client: Cluster) -> None:
    request = VolumeRequest(AccountName("acme"), 7, "1Gi", "contract-none", "ReadWriteOnce")
    first, second = (ensure_volume(client, request) for _ in range(2))
    assert first.name == second.name == "ws--acme--7"
    assert [volume.name for volume in list_volumes(client)] == ["ws--acme--7"]
    with pytest.raises(VolumeNotReady, match='"contract-none" not found'):
        wait_for_volume(client, first.name, Pace(timeout_seconds=3, every_seconds=0.5))
    assert delete_volume(client, first.name) is True
    api.wait_gone("persistentvolumeclaims", first.name)
    assert delete_volume(client, first.name) is False


def test_refusals_become_our_errors(api: Api, client: Cluster) -> None:
    pods = client.path("pods")
    client.create(pods, api.gated())
    with pytest.raises(Conflict, match="already exists"):
        client.create(pods, api.gated())
    with pytest.raises(NotFound, match='pods "none" not found'):
        client.get(client.path("pods", "none"))
    with pytest.raises(Invalid, match=r"spec.restartPolicy"):
        client.create(pods, api.gated("q", restartPolicy="Sometimes"))
    with pytest.raises(Forbidden, match="no PriorityClass"):
        client.create(pods, api.gated("q", priorityClassName="contract-none"))
