"""A command beside a running container (K12)."""

import asyncio
from pathlib import Path

import pytest

from nightshift.embedded.kube.interfaces import StatusError
from tests.embedded.kubelet.bench import NAMESPACE, Bench, container, pod, shell


@pytest.fixture
def running(bench: Bench, tmp_path: Path) -> Bench:
    """A pod that sleeps, with a volume and a variable."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_text("content\n")
    sleeper = container(
        "sleep",
        "60",
        env=[{"name": "WHO", "value": "pod"}],
        volumeMounts=[{"name": "v", "mountPath": "/data"}],
        workingDir="/usr",
    )
    bench.create(pod(sleeper, volumes=[{"name": "v", "hostPath": {"path": str(tmp_path / "d")}}]))
    bench.until_running()
    return bench


def test_it_has_the_containers_environment_and_mounts(running: Bench) -> None:
    code, output = running.execute(
        "sh", "-c", "echo $WHO; pwd; cat /data/file; echo bad >&2; exit 4"
    )
    assert code == 4
    assert output == {1: b"pod\n/usr\ncontent\n", 2: b"bad\n"}


def test_it_reads_standard_input_to_its_end(running: Bench) -> None:
    data = bytes(range(256)) * 2000
    code, output = running.execute("cat", stdin=data)
    assert (code, output[1]) == (0, data)


def test_without_input_there_is_nothing_to_read(running: Bench) -> None:
    assert running.execute("cat") == (0, {1: b"", 2: b""})


def test_a_command_may_end_before_its_input(running: Bench) -> None:
    code, _ = running.execute("true", stdin=b"x" * 300_000)
    assert code == 0


def test_a_terminal(running: Bench) -> None:
    script = "test -t 0 && test -t 1 && read line && echo got $line"
    code, output = running.execute("sh", "-c", script, stdin=b"hello\n", tty=True)
    assert code == 0
    assert b"got hello\r\n" in output[1]
    assert output[2] == b""


def test_it_may_interrupt_the_containers_process(bench: Bench) -> None:
    """As KubernetesPodOperator ends its XCom sidecar: kill -2 1, here of the first process."""
    script = "trap 'exit 9' INT; echo $$$$; while true; do sleep 0.02; done"
    bench.create(pod(shell(script)))
    bench.until_running()
    bench.until(bench.log)
    bench.execute("sh", "-c", f"kill -2 {bench.log().strip()}")
    bench.until_phase("Failed")
    assert bench.state()["terminated"]["exitCode"] == 9


def test_a_command_that_does_not_exist_is_an_error(running: Bench) -> None:
    with pytest.raises(StatusError, match="executable file not found"):
        running.execute("no-such-program")


def test_it_ends_with_the_container(running: Bench) -> None:
    found = running.store.get("pods", "p", NAMESPACE)

    async def start() -> asyncio.Task[int]:
        process = await running.kubelet.exec(found, "base", ["sleep", "60"], stdin=False, tty=False)
        return asyncio.create_task(process.wait())

    waiting = running.runner.run(start())
    running.delete(grace=0)
    running.until(waiting.done)
    assert waiting.result() == 137


@pytest.mark.parametrize("name", ["base", "other"])
def test_nothing_runs_beside_a_container_that_does_not_run(bench: Bench, name: str) -> None:
    bench.finish(pod(container("true")))
    found = bench.store.get("pods", "p", NAMESPACE)
    with pytest.raises(StatusError) as refusal:
        bench.runner.run(bench.kubelet.exec(found, name, ["true"], stdin=False, tty=False))
    assert refusal.value.code == 500
