"""Ends of pods

Deletion and its grace, deadlines, memory limits.
"""

from typing import Any

import pytest

from tests.contract.access import Api, condition, wait_for

TRAP = "trap 'echo asked to end; exit 0' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.mark.parametrize(
    ("query", "body"),
    [({}, {}), ({}, {"gracePeriodSeconds": 1}), ({"gracePeriodSeconds": 1}, None)],
    ids=["empty options", "grace in the body", "grace in the query"],
)
def test_k10_deleted_pod_goes_after_its_grace_and_is_then_404(
    api: Api, query: dict[str, Any], body: Any
) -> None:
    api.start("p")
    answer = api.delete("pods", "p", body, **query)
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 1
    assert answer["metadata"]["deletionTimestamp"]
    api.wait_gone("pods", "p")
    status = api.refused(404, "GET", api.path("pods", "p"))
    assert status["details"] == {"name": "p", "kind": "pods"}


def test_k10_container_is_asked_to_end_and_gets_its_time(api: Api) -> None:
    api.create("pods", api.pod("p", TRAP, terminationGracePeriodSeconds=20))
    wait_for(lambda: "ready" in api.log("p").text, "the script to be ready")
    with api.connection.open() as client:
        query = {"follow": "True"}
        with client.stream("GET", api.path("pods", "p", "log"), params=query) as log:
            assert api.delete("pods", "p")["metadata"]["deletionGracePeriodSeconds"] == 20
            text = log.read().decode()
    assert "asked to end" in text
    api.wait_gone("pods", "p")


def test_k10_container_that_does_not_end_is_killed_after_its_grace(api: Api) -> None:
    script = "trap 'echo no' TERM; echo ready; while :; do sleep 0.1; done"
    api.create("pods", api.pod("p", script))
    wait_for(lambda: "ready" in api.log("p").text, "the script to be ready")
    api.delete("pods", "p", gracePeriodSeconds=1)
    api.wait_gone("pods", "p")


def test_pod_deleted_with_no_grace_is_gone_at_once(api: Api) -> None:
    api.start("p", terminationGracePeriodSeconds=60)
    answer = api.delete("pods", "p", gracePeriodSeconds=0)
    assert answer["metadata"]["name"] == "p"
    assert not api.exists("pods", "p")


def test_pod_that_is_not_scheduled_is_gone_at_once(api: Api) -> None:
    api.create("pods", api.gated())
    api.delete("pods", "p")
    assert not api.exists("pods", "p")


def test_ended_pod_goes_without_its_grace(api: Api) -> None:
    api.run(api.pod("p", terminationGracePeriodSeconds=300))
    api.delete("pods", "p")
    api.wait_gone("pods", "p")


def test_name_is_free_again_and_its_pod_another(api: Api) -> None:
    first = api.start("p")
    api.delete("pods", "p")
    api.wait_gone("pods", "p")
    second = api.create("pods", api.pod("p"))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_deadline_fails_the_pod_with_its_reason(api: Api) -> None:
    pod = api.run(api.pod("p", "sleep 600", activeDeadlineSeconds=1))
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert (
        pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"
    )


def test_deadline_asks_the_container_to_end_first(api: Api) -> None:
    pod = api.pod("p", TRAP, activeDeadlineSeconds=3, terminationGracePeriodSeconds=20)
    assert api.run(pod)["status"]["reason"] == "DeadlineExceeded"
    wait_for(lambda: "asked to end" in api.log("p").text, "the container's last words")


def test_container_beyond_its_memory_is_oom_killed(api: Api) -> None:
    pod = api.pod("p", "exec python3 -c 'x = b\"x\" * (400 << 20); print(len(x))'")
    limits = {"limits": {"memory": "64Mi"}}
    pod["spec"]["containers"][0]["resources"] = limits
    ended = api.run(pod)
    assert ended["status"]["phase"] == "Failed"
    state = ended["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (137, "OOMKilled")


def test_evicted_pod_says_that_it_was_disrupted(api: Api) -> None:
    script = "trap '' TERM; while :; do sleep 0.1; done"
    api.start("p", script, terminationGracePeriodSeconds=5)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    api.ok("POST", api.path("pods", "p", "eviction"), body)
    told = condition(api.read("pods", "p"), "DisruptionTarget")
    assert (told["status"], told["reason"]) == ("True", "EvictionByEvictionAPI")
