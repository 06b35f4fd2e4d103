from typing import Any

import pytest

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.jobs import (
    GROUP,
    JobPhase,
    delete_job,
    follow_jobs,
    list_jobs,
    parse_job,
    read_job,
    start_job,
)
from nightshift.cluster.labels import our_labels
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.errors import ClusterUnavailable, Conflict, Invalid, NotFound
from tests.cluster.kube_support import build_pod, instant_pace, set_status

LABELS = our_labels("batch-job")


def manifest(name: str = "j", labels: dict[str, str] | None = None) -> Object:
    pod = build_pod(name)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": LABELS if labels is None else labels},
        "spec": {"template": {"metadata": {}, "spec": pod["spec"]}},
    }


def end(cluster: Cluster, name: str, *, succeeded: bool) -> None:
    """Play the Job controller."""
    stamp = "2026-01-02T03:04:05Z"
    usual = {"status": "True", "lastProbeTime": stamp, "lastTransitionTime": stamp}
    first, last = ("SuccessCriteriaMet", "Complete") if succeeded else ("FailureTarget", "Failed")
    detail = {} if succeeded else {"reason": "BackoffLimitExceeded", "message": "twice\nfailed"}
    conditions = [{**usual, **detail, "type": kind} for kind in (first, last)]
    status: dict[str, Any] = {"conditions": conditions, "startTime": stamp}
    status |= {"completionTime": stamp, "succeeded": 1} if succeeded else {"failed": 2}
    set_status(cluster, "jobs", name, status, GROUP)


def uid(cluster: Cluster, name: str = "j") -> str:
    return str(cluster.get(cluster.path("jobs", name, group=GROUP))["metadata"]["uid"])


def test_a_job_is_created_once_and_adopted_then(cluster: Cluster) -> None:
    first = start_job(cluster, manifest(), instant_pace(1))
    again = start_job(cluster, manifest(), instant_pace(1))
    assert (first.adopted, again.adopted) == (False, True)
    assert first.object["metadata"]["uid"] == again.object["metadata"]["uid"] == uid(cluster)


def test_one_that_succeeded_is_adopted(cluster: Cluster) -> None:
    start_job(cluster, manifest(), instant_pace(1))
    end(cluster, "j", succeeded=True)
    started = start_job(cluster, manifest(), instant_pace(1))
    assert (started.adopted, started.state.phase) == (True, JobPhase.SUCCEEDED)


def test_one_that_failed_is_replaced(cluster: Cluster) -> None:
    start_job(cluster, manifest(), instant_pace(1))
    old = uid(cluster)
    end(cluster, "j", succeeded=False)
    started = start_job(cluster, manifest(), instant_pace(3))
    assert started.adopted is False
    assert uid(cluster) != old


def test_a_failed_one_that_does_not_go_away_is_reported(cluster: Cluster) -> None:
    stuck = manifest()
    stuck["metadata"]["finalizers"] = ["example.org/stuck"]
    start_job(cluster, stuck, instant_pace(1))
    end(cluster, "j", succeeded=False)
    with pytest.raises(Conflict, match="does not go away after 2 s: look at its finalizers"):
        start_job(cluster, manifest(), instant_pace(3))


def test_somebody_elses_job_is_left_alone(cluster: Cluster) -> None:
    cluster.create(cluster.path("jobs", group=GROUP), manifest(labels={}))
    with pytest.raises(Invalid, match="default/j is there and is not Nightshift's"):
        start_job(cluster, manifest(), instant_pace(3))


def test_a_lost_reply_makes_no_second_job(cluster: Cluster, server: BackgroundCluster) -> None:
    server.call(lambda local: local.faults.add("POST", "/jobs", drop_reply=True))
    started = start_job(cluster, manifest(), instant_pace(3))
    assert started.adopted is True
    assert [job.name for job in list_jobs(cluster, LABELS)] == ["j"]


def test_a_short_outage_is_waited_out(cluster: Cluster, server: BackgroundCluster) -> None:
    server.call(lambda local: local.faults.add("POST", "/jobs", 503, times=1))
    server.call(lambda local: local.faults.add("POST", "/jobs", 429, times=1))
    assert start_job(cluster, manifest(), instant_pace(3)).adopted is False


def test_a_long_outage_is_reported_as_such(cluster: Cluster, server: BackgroundCluster) -> None:
    server.call(lambda local: local.faults.add("POST", "/jobs", 503, times=99))
    with pytest.raises(ClusterUnavailable, match="HTTP 503"):
        start_job(cluster, manifest(), instant_pace(3))


def test_what_the_api_refuses_is_reported_in_its_words(cluster: Cluster) -> None:
    bad = manifest()
    bad["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    with pytest.raises(Invalid, match="restartPolicy"):
        start_job(cluster, bad, instant_pace(1))


def test_following_ends_when_every_job_has_ended(cluster: Cluster) -> None:
    for name in ("a", "b"):
        start_job(cluster, manifest(name), instant_pace(1))
    seen = []
    for number, states in enumerate(follow_jobs(cluster, ["a", "b"], LABELS, instant_pace(9))):
        seen.append({name: state.phase.value for name, state in states.items()})
        if number == 0:
            end(cluster, "a", succeeded=True)
            set_status(cluster, "jobs", "b", {"active": 1, "ready": 1}, GROUP)
        elif number == 1:
            end(cluster, "b", succeeded=False)
    assert seen == [
        {"a": "waiting", "b": "waiting"},
        {"a": "succeeded", "b": "running"},
        {"a": "succeeded", "b": "failed"},
    ]
    assert (states["b"].reason, states["b"].message) == ("BackoffLimitExceeded", "twice failed")


def test_following_ends_with_the_time(cluster: Cluster) -> None:
    start_job(cluster, manifest(), instant_pace(1))
    looks = list(follow_jobs(cluster, ["j"], LABELS, instant_pace(4)))
    assert [look["j"].phase for look in looks] == [JobPhase.WAITING] * 4


def test_a_job_that_somebody_deletes_has_ended(cluster: Cluster) -> None:
    start_job(cluster, manifest(), instant_pace(1))
    assert delete_job(cluster, "j") is True
    assert delete_job(cluster, "j") is False
    (look,) = follow_jobs(cluster, ["j"], LABELS, instant_pace(4))
    assert look["j"].phase is JobPhase.MISSING
    with pytest.raises(NotFound):
        read_job(cluster, "j")


def test_following_waits_a_short_outage_out(cluster: Cluster, server: BackgroundCluster) -> None:
    start_job(cluster, manifest(), instant_pace(1))
    end(cluster, "j", succeeded=True)
    server.call(lambda local: local.faults.add("GET", "/jobs", 503, times=3))
    (look,) = follow_jobs(cluster, ["j"], LABELS, instant_pace(9))
    assert look["j"].phase is JobPhase.SUCCEEDED


def test_following_gives_up_after_two_minutes_without_an_answer(
    cluster: Cluster, server: BackgroundCluster
) -> None:
    server.call(lambda local: local.faults.add("GET", "/jobs", 503, times=999))
    with pytest.raises(ClusterUnavailable, match="gave up after 120 s"):
        list(follow_jobs(cluster, ["j"], LABELS, instant_pace(300)))


def test_a_condition_that_is_false_ends_nothing() -> None:
    meta = {"name": "j", "creationTimestamp": "2026-01-02T03:04:05Z"}
    condition = {"type": "Failed", "status": "False"}
    job = parse_job({"metadata": meta, "status": {"conditions": [condition]}})
    assert job.phase is JobPhase.WAITING
