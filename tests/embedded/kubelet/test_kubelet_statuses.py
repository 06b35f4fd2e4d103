"""What clients see of a pod from its node's assignment to its end (K4, K5)."""

import datetime as dt
import os
import signal

import psutil
import pytest

from nightshift.embedded.kube.interfaces import Object
from tests.embedded.kubelet.bench import HOST, NAMESPACE, Bench, container, pod, shell


def _conditions(status: Object) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


def test_a_pod_goes_from_creating_over_running_to_succeeded(bench: Bench) -> None:
    versions = bench.store.watch("pods")
    bench.finish(pod(shell("echo hello")))
    seen = []

    async def collect() -> None:
        async for event in versions:
            status = event.object.get("status") or {}
            states = [s["state"] for s in status.get("containerStatuses", [])]
            seen.append((status.get("phase"), [next(iter(s)) for s in states]))
            if status.get("phase") == "Succeeded":
                return

    bench.runner.run(collect())
    assert seen == [
        (None, []),
        ("Pending", ["waiting"]),
        ("Running", ["running"]),
        ("Succeeded", ["terminated"]),
    ]


def test_a_pod_without_a_node_is_left_alone(bench: Bench) -> None:
    unscheduled = pod(container("true"))
    del unscheduled["spec"]["nodeName"]
    bench.create(unscheduled)
    bench.finish(pod(container("true"), name="scheduled"))
    assert bench.status() == {}


def test_a_running_pod_is_ready_and_has_an_address(bench: Bench) -> None:
    bench.create(pod(container("sleep", "60")))
    status = bench.until_running()
    base = status["containerStatuses"][0]
    assert base["name"] == "base"
    assert base["containerID"].startswith("nightshift://")
    assert base["ready"] is True
    assert base["started"] is True
    assert dt.datetime.fromisoformat(base["state"]["running"]["startedAt"]).tzinfo == dt.UTC
    assert (status["podIP"], status["hostIP"]) == ("127.0.0.1", "127.0.0.1")
    assert _conditions(status) == dict.fromkeys(
        (
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
            "PodScheduled",
        ),
        "True",
    )


def test_conditions_of_others_and_their_times_stay(bench: Bench) -> None:
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }
    bench.create({
        **pod(container("true")),
        "status": {"phase": "Pending", "conditions": [scheduled]},
    })
    status = bench.until_phase("Succeeded")
    assert scheduled in status["conditions"]


@pytest.mark.parametrize(
    ("script", "phase", "code", "reason"),
    [
        pytest.param("exit 0", "Succeeded", 0, "Completed", id="success"),
        pytest.param("exit 3", "Failed", 3, "Error", id="failure"),
        pytest.param("kill -TERM $$$$", "Failed", 143, "Error", id="ended by SIGTERM"),
        pytest.param("kill -KILL $$$$", "Failed", 137, "Error", id="ended by SIGKILL"),
    ],
)
def test_how_a_command_ends_decides_the_phase(
    bench: Bench, script: str, phase: str, code: int, reason: str
) -> None:
    ended = bench.finish(pod(shell(script)))
    assert bench.status()["phase"] == phase
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert ended["startedAt"] <= ended["finishedAt"]
    assert ended["containerID"] == bench.status()["containerStatuses"][0]["containerID"]


def test_a_process_that_the_host_kills_is_137_and_no_out_of_memory(bench: Bench) -> None:
    bench.create(pod(container("sleep", "4242")))
    bench.until_running()
    victim = next(p for p in bench.processes() if p.cmdline() == ["sleep", "4242"])
    os.kill(victim.pid, signal.SIGKILL)
    bench.until_phase("Failed")
    assert bench.state()["terminated"]["exitCode"] == 137
    assert bench.state()["terminated"]["reason"] == "Error"


def test_what_a_command_leaves_behind_ends_with_it(bench: Bench) -> None:
    bench.finish(pod(shell("setsid sleep 4343 & exit 0")))
    assert [
        p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4343"]
    ] == []


def test_a_command_that_does_not_exist_is_a_start_error(bench: Bench) -> None:
    ended = bench.finish(pod(container("no-such-program")))
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["message"] == 'exec: "no-such-program": executable file not found in $PATH'
    assert ended["startedAt"] == "1970-01-01T00:00:00Z"
    assert ("Failed", f"Error: {ended['message']}") in bench.events()


def test_a_container_without_a_command_waits_with_the_reason(bench: Bench) -> None:
    nothing = container()
    del nothing["command"]
    bench.create(pod(nothing))
    bench.until(lambda: bench.state().get("waiting", {}).get("reason") == "CreateContainerError")
    assert bench.state()["waiting"]["message"] == "no command specified"


@pytest.mark.parametrize(
    ("fields", "script", "message"),
    [
        pytest.param({}, "printf done > /dev/termination-log", "done", id="the default file"),
        pytest.param(
            {}, "head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log", "x" * 4096, id="4 KiB"
        ),
        pytest.param(
            {"terminationMessagePolicy": "FallbackToLogsOnError"},
            "echo why; exit 1",
            "why\n",
            id="the log after an error",
        ),
        pytest.param(
            {"terminationMessagePolicy": "FallbackToLogsOnError"},
            "echo fine",
            None,
            id="no log after success",
        ),
        pytest.param({}, "echo why; exit 1", None, id="no log unless asked"),
    ],
)
def test_last_words(bench: Bench, fields: dict[str, str], script: str, message: str | None) -> None:
    ended = bench.finish(pod(shell(script, **fields)))
    assert ended.get("message") == message


def test_events_of_a_good_start(bench: Bench) -> None:
    bench.finish(pod(container("true")))
    assert bench.events() == [
        ("Pulled", f'Container image "{HOST}" already present on machine'),
        ("Created", "Created container: base"),
        ("Started", "Started container base"),
    ]


def test_an_unknown_image_is_never_run(bench: Bench) -> None:
    unknown = container("touch", str(bench.folder / "ran"), image="elsewhere/tool:2")
    bench.create(pod(unknown))
    reasons: set[str] = set()

    def backed_off() -> bool:
        reasons.add(bench.state().get("waiting", {}).get("reason", ""))
        return "ImagePullBackOff" in reasons

    bench.until(backed_off)
    assert "ErrImagePull" in reasons
    assert bench.status()["phase"] == "Pending"
    events = bench.events()
    assert ("Pulling", 'Pulling image "elsewhere/tool:2"') in events
    assert ("Failed", "Error: ErrImagePull") in events
    assert ("BackOff", 'Back-off pulling image "elsewhere/tool:2"') in events
    assert not (bench.folder / "ran").exists()


def test_an_image_that_must_not_be_pulled_says_so(bench: Bench) -> None:
    bench.create(pod(container("true", image="elsewhere/tool:2", imagePullPolicy="Never")))
    bench.until(lambda: bench.state().get("waiting", {}).get("reason") == "ErrImageNeverPull")


def test_a_later_pod_of_the_same_name_is_another(bench: Bench) -> None:
    bench.create(pod(container("sleep", "60")))
    bench.until_running()
    bench.store.delete("pods", "p", NAMESPACE)
    ended = bench.finish(pod(shell("exit 7")))
    assert ended["exitCode"] == 7
