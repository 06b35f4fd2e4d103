"""Order, restarts, deadlines and deletion."""

import signal
import time

import pytest

from nightshift.embedded.kube.interfaces import Object
from tests.embedded.kubelet.bench import NAMESPACE, Bench, container, pod, shell

DEADLINE = "Pod was active on the node longer than the specified deadline"
IGNORING_TERM = "trap '' TERM; echo ready; while true; do sleep 0.05; done"


def _base(bench: Bench) -> dict[str, object]:
    found: dict[str, object] = bench.status()["containerStatuses"][0]
    return found


def test_init_containers_run_in_order_before_the_others(bench: Bench) -> None:
    volume: Object = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mounts: Object = {"volumeMounts": [{"name": "v", "mountPath": "/shared"}]}
    first = shell("echo one >> /shared/order", name="first", **mounts)
    second = shell("echo two >> /shared/order", name="second", **mounts)
    main = shell("echo three >> /shared/order; cat /shared/order", **mounts)
    bench.finish(pod(main, initContainers=[first, second], **volume))
    assert bench.log() == "one\ntwo\nthree\n"
    ended = [s["state"]["terminated"]["reason"] for s in bench.status()["initContainerStatuses"]]
    assert ended == ["Completed", "Completed"]


def test_while_an_init_container_runs_the_pod_is_pending(bench: Bench) -> None:
    bench.create(pod(container("true"), initContainers=[container("sleep", "60", name="first")]))
    bench.until(
        lambda: (
            "running"
            in (bench.status().get("initContainerStatuses") or [{"state": {}}])[0]["state"]
        )
    )
    assert bench.status()["phase"] == "Pending"
    assert bench.state()["waiting"] == {"reason": "PodInitializing"}
    condition = next(c for c in bench.status()["conditions"] if c["type"] == "Initialized")
    assert condition["status"] == "False"
    assert condition["reason"] == "ContainersNotInitialized"
    assert condition["message"] == "containers with incomplete status: [first]"


def test_a_failed_init_container_fails_the_pod(bench: Bench) -> None:
    bench.create(pod(container("true"), initContainers=[shell("exit 5", name="first")]))
    status = bench.until_phase("Failed")
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 5
    assert "waiting" in bench.state()


def test_a_sidecar_starts_first_and_ends_last(bench: Bench) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.02; done"
    sidecar = shell(script, name="side", restartPolicy="Always")
    bench.create(pod(shell("sleep 0.2"), initContainers=[sidecar]))
    bench.until_running()
    bench.until(lambda: bench.log(container="side") == "up\n")
    status = bench.until_phase("Succeeded")
    assert bench.log(container="side") == "up\nbye\n"
    side = status["initContainerStatuses"][0]
    assert side["state"]["terminated"]["exitCode"] == 0


def test_all_containers_run_at_once_and_one_failure_fails_the_pod(bench: Bench) -> None:
    bench.create(pod(shell("sleep 0.1; exit 1"), container("sleep", "0.6", name="other")))
    bench.until(lambda: "terminated" in bench.state())
    assert bench.status()["phase"] == "Running"
    bench.until_phase("Failed")


@pytest.mark.parametrize(
    ("policy", "script"),
    [
        pytest.param("Always", "exit 0", id="Always, after success"),
        pytest.param("Always", "exit 1", id="Always, after failure"),
        pytest.param("OnFailure", "exit 1", id="OnFailure, after failure"),
    ],
)
def test_a_container_is_restarted_with_growing_waits(
    bench: Bench, policy: str, script: str
) -> None:
    bench.create(pod(shell(script), restartPolicy=policy))
    bench.until(lambda: bench.state().get("waiting", {}).get("reason") == "CrashLoopBackOff")
    base = _base(bench)
    assert bench.status()["phase"] == "Running"
    assert base["restartCount"] == 1
    assert base["ready"] is False
    assert "terminated" in base["lastState"]  # type: ignore[operator]  # JSON
    waiting = bench.state()["waiting"]["message"]
    uid = bench.store.get("pods", "p", NAMESPACE)["metadata"]["uid"]
    about = f"restarting failed container=base pod=p_{NAMESPACE}({uid})"
    assert waiting == f"back-off 50ms {about}"
    bench.until(
        lambda: bench.state().get("waiting", {}).get("message") == f"back-off 100ms {about}"
    )
    text = f"Back-off restarting failed container base in pod p_{NAMESPACE}({uid})"
    assert ("BackOff", text) in bench.events()


def test_on_failure_ends_with_success(bench: Bench) -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    mounts = [{"name": "v", "mountPath": "/state"}]
    flaky = shell("test -e /state/seen || { touch /state/seen; exit 1; }", volumeMounts=mounts)
    bench.create(pod(flaky, restartPolicy="OnFailure", volumes=volumes))
    status = bench.until_phase("Succeeded")
    assert status["containerStatuses"][0]["restartCount"] == 1


def test_the_deadline_ends_the_pod_with_its_reason(bench: Bench) -> None:
    bench.create(
        pod(container("sleep", "60"), activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    )
    status = bench.until_phase("Failed")
    assert (status["reason"], status["message"]) == ("DeadlineExceeded", DEADLINE)
    assert bench.state()["terminated"]["exitCode"] == 128 + signal.SIGTERM
    assert ("DeadlineExceeded", DEADLINE) in bench.events()


def test_the_deadline_counts_while_the_pod_waits(bench: Bench) -> None:
    bench.create(pod(container("true", image="none:1"), activeDeadlineSeconds=1))
    assert bench.until_phase("Failed")["reason"] == "DeadlineExceeded"


def test_deletion_lets_a_container_end_by_itself(bench: Bench) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo ready; while true; do sleep 0.02; done"
    bench.create(pod(shell(script)))
    bench.until_running()
    bench.until(lambda: bench.log() == "ready\n")
    watch = bench.store.watch("pods", bench.store.resource_version)
    bench.delete(grace=30)
    bench.until(lambda: bench.find() is None)

    async def last_state() -> dict[str, object]:
        state: dict[str, object] = {}
        async for event in watch:
            state = event.object["status"]["containerStatuses"][0]["state"]
            if event.type == "DELETED":
                break
        return state

    assert bench.runner.run(last_state())["terminated"]["exitCode"] == 3  # type: ignore[index]  # JSON
    assert ("Killing", "Stopping container base") in bench.events()
    bench.until(lambda: not list((bench.folder / "kubelet" / "pods").iterdir()))


def test_deletion_kills_what_does_not_end_in_time(bench: Bench) -> None:
    bench.create(pod(shell(IGNORING_TERM)))
    bench.until_running()
    bench.until(lambda: bench.log() == "ready\n")
    began = time.monotonic()
    bench.delete(grace=1)
    bench.until(lambda: bench.find() is None)
    assert 1.0 <= time.monotonic() - began < 5.0
    bench.until(lambda: bench.processes() == [])


def test_a_second_deletion_may_hurry_the_first(bench: Bench) -> None:
    bench.create(pod(shell(IGNORING_TERM)))
    bench.until_running()
    bench.until(lambda: bench.log() == "ready\n")
    bench.delete(grace=60)
    bench.run_for(0.1)
    bench.delete(grace=0)
    bench.until(lambda: bench.find() is None, seconds=5)


def test_a_pod_removed_at_once_is_killed_at_once(bench: Bench) -> None:
    bench.create(pod(shell(IGNORING_TERM)))
    bench.until_running()
    bench.store.delete("pods", "p", NAMESPACE)
    bench.until(lambda: bench.processes() == [], seconds=5)


def test_a_finished_pod_goes_at_once(bench: Bench) -> None:
    bench.finish(pod(container("true")))
    bench.delete(grace=30)
    bench.until(lambda: bench.find() is None, seconds=2)


def test_a_pod_that_waits_can_be_deleted(bench: Bench) -> None:
    bench.create(pod(container("true", image="none:1")))
    bench.until(lambda: "waiting" in bench.state())
    bench.delete(grace=30)
    bench.until(lambda: bench.find() is None, seconds=2)


def test_a_finalizer_keeps_the_object_and_nothing_else(bench: Bench) -> None:
    kept = pod(container("sleep", "60"))
    kept["metadata"]["finalizers"] = ["team/hold"]
    bench.create(kept)
    bench.until_running()
    bench.delete(grace=1)
    bench.until(lambda: bench.processes() == [])
    bench.until(lambda: bench.find() and bench.status()["phase"] == "Failed")
    bench.store.mutate("pods", "p", NAMESPACE, lambda obj: obj["metadata"].pop("finalizers"))
    assert bench.find() is None
