"""Lives of pods

Phases, conditions, states of containers, and how a pod's end is told.
"""

import json
from typing import Any

import pytest

from tests.contract.access import Api, Object, condition, wait_for

ORDER = ["Pending", "scheduled", "Running", "ended"]


def observe(api: Api, pod: Object) -> list[Object]:
    """Create a pod and give every version of it until it has ended."""
    seen = [api.create("pods", pod)]
    query = {
        "watch": "True",
        "timeoutSeconds": "60",
        "resourceVersion": seen[0]["metadata"]["resourceVersion"],
    }
    with (
        api.connection.open() as client,
        client.stream("GET", api.path("pods"), params=query) as stream,
    ):
        for line in stream.iter_lines():
            seen.append(json.loads(line)["object"])
            if seen[-1]["status"]["phase"] in {"Succeeded", "Failed"}:
                return seen
    raise AssertionError("the pod did not end")


def stage(pod: Object) -> str:
    """Name the step of a pod's life that a version shows."""
    if pod["status"]["phase"] == "Pending":
        return "scheduled" if condition(pod, "PodScheduled").get("status") == "True" else "Pending"
    return "Running" if pod["status"]["phase"] == "Running" else "ended"


@pytest.fixture
def seen(api: Api) -> list[Object]:
    """Every version of a pod that runs for a second and succeeds."""
    return observe(api, api.pod("p", "sleep 1"))


def test_k04_new_pod_is_pending_without_conditions(seen: list[Object]) -> None:
    assert seen[0]["status"]["phase"] == "Pending"
    assert not seen[0]["status"].get("conditions")
    assert "nodeName" not in seen[0]["spec"]


def test_k04_pod_goes_from_pending_over_scheduled_and_running_to_its_end(
    seen: list[Object],
) -> None:
    stages = [stage(pod) for pod in seen]
    assert stages == sorted(stages, key=ORDER.index)
    assert set(stages) == set(ORDER)


def test_k04_container_waits_as_container_creating(seen: list[Object]) -> None:
    waiting = [
        status["state"]["waiting"]["reason"]
        for pod in seen
        for status in pod["status"].get("containerStatuses", [])
        if "waiting" in status["state"]
    ]
    assert set(waiting) == {"ContainerCreating"}


def test_k05_container_statuses_always_name_the_base_container(seen: list[Object]) -> None:
    named = [
        [status["name"] for status in pod["status"]["containerStatuses"]]
        for pod in seen
        if pod["status"].get("containerStatuses")
    ]
    assert named
    assert all(names == ["base"] for names in named)


def test_running_pod_is_ready_and_tells_its_node_and_address(api: Api) -> None:
    pod = api.start("p")
    (status,) = pod["status"]["containerStatuses"]
    assert status["state"]["running"]["startedAt"]
    assert (status["ready"], status["started"], status["restartCount"]) == (True, True, 0)
    assert status["containerID"]
    assert pod["status"]["podIP"]
    assert pod["status"]["hostIP"]
    assert pod["status"]["startTime"]
    kinds = ("Initialized", "PodScheduled", "ContainersReady", "Ready")
    assert {condition(pod, kind)["status"] for kind in kinds} == {"True"}


def test_succeeded_pod_is_completed_and_not_ready(api: Api) -> None:
    pod = api.run(api.pod("p", "exit 0"))
    assert pod["status"]["phase"] == "Succeeded"
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert ended["startedAt"] <= ended["finishedAt"]
    ready = condition(pod, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodCompleted")


@pytest.mark.parametrize("code", [1, 7, 255])
def test_exit_code_of_a_failed_container_is_told(api: Api, code: int) -> None:
    pod = api.run(api.pod("p", f"exit {code}"))
    assert pod["status"]["phase"] == "Failed"
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, "Error")


def test_container_killed_by_a_signal_is_128_and_the_signal(api: Api) -> None:
    pod = api.pod("p", "sleep 60 & kill -KILL $!; wait $!; exit $?")
    ended = api.run(pod)["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")


def test_command_that_is_not_there_is_a_start_error(api: Api) -> None:
    pod = api.pod("p")
    pod["spec"]["containers"][0]["command"] = ["/no/such/program"]
    ended = api.run(pod)["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")


def test_last_words_are_the_message_of_the_end(api: Api) -> None:
    pod = api.run(api.pod("p", "echo -n because > /dev/termination-log; exit 3"))
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["message"] == "because"


def test_one_failed_container_of_two_fails_the_pod_when_both_have_ended(api: Api) -> None:
    pod = api.pod("p", "exit 0")
    side = {**pod["spec"]["containers"][0], "name": "side", "command": ["sh", "-c", "exit 2"]}
    pod["spec"]["containers"].append(side)
    ended = api.run(pod)
    assert ended["status"]["phase"] == "Failed"
    codes = {
        status["name"]: status["state"]["terminated"]["exitCode"]
        for status in ended["status"]["containerStatuses"]
    }
    assert codes == {"base": 0, "side": 2}


def test_on_failure_restarts_a_container_until_it_succeeds(api: Api) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    pod = api.pod("p", "test -e /v/again || { touch /v/again; exit 1; }", restartPolicy="OnFailure")
    pod["spec"]["containers"][0]["volumeMounts"] = mount
    pod["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    ended = api.run(pod)
    (status,) = ended["status"]["containerStatuses"]
    assert ended["status"]["phase"] == "Succeeded"
    assert status["restartCount"] == 1


def test_always_restarts_a_container_that_succeeds(api: Api) -> None:
    api.create("pods", api.pod("p", "exit 0", restartPolicy="Always"))
    pod = api.wait(
        "pods",
        "p",
        lambda p: any(s["restartCount"] for s in p["status"].get("containerStatuses", [])),
        "restarted",
    )
    assert pod["status"]["phase"] in {"Running", "Pending"}
    (status,) = pod["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["exitCode"] == 0


def init(api: Api, name: str, script: str) -> Object:
    container: Object = {**api.pod("x", script)["spec"]["containers"][0], "name": name}
    return container


def test_init_containers_run_one_after_another_before_the_others(api: Api) -> None:
    mount = [{"name": "v", "mountPath": "/v"}]
    pod = api.pod("p", "cat /v/order")
    pod["spec"]["initContainers"] = [
        init(api, "first", "sleep 1; echo first >> /v/order"),
        init(api, "second", "echo second >> /v/order"),
    ]
    pod["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    for container in (*pod["spec"]["containers"], *pod["spec"]["initContainers"]):
        container["volumeMounts"] = mount
    ended = api.run(pod)
    assert api.log("p").text == "first\nsecond\n"
    named = [status["name"] for status in ended["status"]["initContainerStatuses"]]
    assert named == ["first", "second"]


def test_pod_is_pending_while_an_init_container_runs(api: Api) -> None:
    api.create("pods", api.pod("p", initContainers=[init(api, "first", "sleep 600")]))

    def runs(pod: Object) -> bool:
        told = pod["status"].get("initContainerStatuses", [])
        return any("running" in status["state"] for status in told)

    pod = api.wait("pods", "p", runs, "initializing")
    assert pod["status"]["phase"] == "Pending"
    (status,) = pod["status"]["containerStatuses"]
    assert status["state"]["waiting"]["reason"] == "PodInitializing"
    assert condition(pod, "Initialized")["reason"] == "ContainersNotInitialized"


def test_failed_init_container_fails_the_pod_that_never_restarts(api: Api) -> None:
    pod = api.run(api.pod("p", initContainers=[init(api, "first", "exit 4")]))
    assert pod["status"]["phase"] == "Failed"
    (first,) = pod["status"]["initContainerStatuses"]
    assert first["state"]["terminated"]["exitCode"] == 4
    (base,) = pod["status"]["containerStatuses"]
    assert base["state"]["waiting"]["reason"] == "PodInitializing"


def test_pod_is_ready_when_its_probe_says_so(api: Api) -> None:
    pod = api.pod("p", "sleep 2; touch /tmp/ready; sleep 600")
    probe = {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1}
    pod["spec"]["containers"][0]["readinessProbe"] = probe
    api.create("pods", pod)
    running = api.wait_phase("p", "Running")
    assert condition(running, "Ready")["reason"] == "ContainersNotReady"
    api.wait_ready("p")


def test_events_tell_of_a_pods_start(api: Api) -> None:
    api.run(api.pod("p"))
    wanted = {"Scheduled", "Created", "Started"}
    wait_for(lambda: wanted <= {e["reason"] for e in api.events_of("p")}, f"events {wanted}")
    pod = api.read("pods", "p")
    for event in api.events_of("p"):
        assert event["involvedObject"]["uid"] == pod["metadata"]["uid"]
        assert event["type"] == "Normal"


def test_image_that_may_not_be_pulled_keeps_its_container_waiting(api: Api) -> None:
    pod = api.pod("p")
    pod["spec"]["containers"][0].update(image="nightshift.example/none:1", imagePullPolicy="Never")
    api.create("pods", pod)
    reasons = {"ErrImageNeverPull"}

    def waits(found: Object) -> bool:
        told: list[Any] = found["status"].get("containerStatuses", [])
        return any(s["state"].get("waiting", {}).get("reason") in reasons for s in told)

    assert api.wait("pods", "p", waits, "without its image")["status"]["phase"] == "Pending"
