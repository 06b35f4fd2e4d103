"""Logs and exec

What Airflow reads while a pod runs, and how it must be refused while it waits.
"""

import datetime as dt
import time
from typing import Any

import pytest
from kubernetes.stream import stream

from tests.contract.access import Api, Object, wait_for


def waits(pod: Object) -> bool:
    found = pod["status"].get("containerStatuses", [])
    return any("waiting" in status["state"] for status in found)


@pytest.mark.parametrize("follow", ["True", "False"])
def test_k06_log_of_a_waiting_container_is_400_at_once(api: Api, follow: str) -> None:
    pod = api.pod("p", "exit 0")
    pod["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "missing"}}]
    api.create("pods", pod)
    api.wait("pods", "p", waits, "waiting")
    start = time.monotonic()
    answer = api.log("p", follow=follow)
    assert time.monotonic() - start < 10
    assert answer.status_code == 400
    assert answer.json()["reason"] == "BadRequest"
    assert 'container "base" in pod "p" is waiting to start: ' in answer.json()["message"]


def test_k06_log_of_a_pod_without_a_node_is_empty(api: Api) -> None:
    api.create("pods", api.gated())
    answer = api.log("p")
    assert (answer.status_code, answer.text) == (204, "")


def test_log_of_an_unknown_container_is_400(api: Api) -> None:
    api.run(api.pod("p"))
    answer = api.log("p", container="other")
    assert answer.status_code == 400
    assert "container other is not valid for pod p" in answer.json()["message"]


def test_log_of_one_of_two_containers_must_be_named(api: Api) -> None:
    pod = api.gated()
    pod["spec"]["containers"].append({**pod["spec"]["containers"][0], "name": "side"})
    api.create("pods", pod)
    status = api.refused(400, "GET", api.path("pods", "p", "log"))
    text = "a container name must be specified for pod p, choose one of: [base side]"
    assert text in status["message"]


@pytest.mark.parametrize(
    "query",
    [{"tailLines": "-1"}, {"limitBytes": "0"}, {"sinceSeconds": "0"}, {"tailLines": "x"}],
    ids=lambda query: "=".join(*query.items()),
)
def test_log_query_that_makes_no_sense_is_refused(api: Api, query: dict[str, str]) -> None:
    api.create("pods", api.gated())
    answer = api.log("p", **query)
    assert answer.status_code == (400 if query.get("tailLines") == "x" else 422)


def test_k07_followed_log_comes_as_it_is_written_and_ends_with_the_container(api: Api) -> None:
    api.start("p", "for i in 1 2 3; do echo line $i; sleep 1; done")
    arrived = []
    query = {"container": "base", "follow": "True", "timestamps": "True"}
    with (
        api.connection.open() as client,
        client.stream("GET", api.path("pods", "p", "log"), params=query) as log,
    ):
        assert log.headers["Transfer-Encoding"] == "chunked"
        for line in log.iter_lines():
            arrived.append((time.monotonic(), line))
    assert arrived[-1][0] - arrived[0][0] > 0.8
    assert api.wait_phase("p", "Succeeded")
    stamps, texts = zip(*(line.split(" ", 1) for _, line in arrived), strict=True)
    assert list(texts) == ["line 1", "line 2", "line 3"]
    times = [dt.datetime.fromisoformat(stamp) for stamp in stamps]
    assert times == sorted(times)
    assert all(moment.tzinfo is not None for moment in times)


def test_k07_followed_log_of_an_ended_container_ends(api: Api) -> None:
    api.run(api.pod("p", "printf abc"))
    assert api.log("p", follow="True").text == "abc"


def test_k07_prefix_comes_only_with_timestamps(api: Api) -> None:
    api.run(api.pod("p", "echo out; echo err >&2"))
    plain = api.log("p").text
    stamped = api.log("p", timestamps="True").text
    assert sorted(plain.splitlines()) == ["err", "out"]
    assert [line.split(" ", 1)[1] for line in stamped.splitlines()] == plain.splitlines()


def test_k07_since_seconds_leaves_out_what_is_older(api: Api) -> None:
    api.create("pods", api.pod("p", "echo old; sleep 4; echo new; sleep 600"))
    wait_for(lambda: "new" in api.log("p").text, "the second line")
    assert api.log("p", sinceSeconds=2).text == "new\n"


def test_tail_lines_and_limit_bytes_cut_the_log(api: Api) -> None:
    api.run(api.pod("p", "for i in 1 2 3; do echo line $i; done"))
    assert api.log("p", tailLines=2).text == "line 2\nline 3\n"
    assert api.log("p", tailLines=0).text == ""
    assert api.log("p", limitBytes=9).text == "line 1\nli"
    assert api.log("p", tailLines=1, limitBytes=4).text == "line"


def test_log_of_the_run_before_is_kept(api: Api) -> None:
    script = "test -e /v/again && sleep 600; touch /v/again; echo first; exit 1"
    pod = api.pod("p", script, restartPolicy="OnFailure")
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/v"}]
    pod["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    api.create("pods", pod)

    def has_restarted(found: Object) -> bool:
        told = found["status"].get("containerStatuses", [])
        return any(s["restartCount"] and "running" in s["state"] for s in told)

    api.wait("pods", "p", has_restarted, "restarted")
    assert api.log("p", previous="true").text == "first\n"
    assert api.log("p").text == ""


def test_log_of_a_run_before_the_first_is_400(api: Api) -> None:
    api.start("p")
    answer = api.log("p", previous="true")
    assert answer.status_code == 400
    assert 'previous terminated container "base" in pod "p" not found' in answer.json()["message"]


def run(core: Any, api: Api, command: list[str], **options: Any) -> Any:
    return stream(
        core.connect_get_namespaced_pod_exec,
        "p",
        api.namespace,
        container="base",
        command=command,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
        **options,
    )


def test_k12_exec_tells_output_errors_and_exit_code_apart(api: Api, core: Any) -> None:
    api.start("p")
    shell = run(core, api, ["sh", "-c", "echo out; echo err >&2; exit 3"], stdin=False)
    shell.run_forever(timeout=20)
    assert shell.read_stdout() == "out\n"
    assert shell.read_stderr() == "err\n"
    assert shell.returncode == 3
    shell.sock.shutdown()


def test_k12_exec_takes_input(api: Api, core: Any) -> None:
    api.start("p")
    shell = run(core, api, ["sh"], stdin=True)
    shell.write_stdin("echo hello $((40 + 2))\n")
    assert shell.readline_stdout(timeout=20) == "hello 42"
    shell.write_stdin("exit 0\n")
    shell.run_forever(timeout=20)
    assert shell.returncode == 0
    shell.sock.shutdown()


def test_k12_exec_may_signal_the_containers_process(api: Api, core: Any) -> None:
    script = (
        "trap 'echo interrupted; exit 5' INT; echo $$$$ > /tmp/pid; while :; do sleep 0.1; done"
    )
    api.start("p", script)  # $$$$: Kubernetes makes $$ of it, as it does of $$(NAME)
    shell = run(core, api, ["/bin/sh"], stdin=True)
    shell.write_stdin("kill -2 $(cat /tmp/pid)\n")
    pod = api.wait_phase("p", "Failed")
    shell.close()
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 5
    assert api.log("p").text == "interrupted\n"


def test_k12_exec_in_a_container_that_has_ended_is_refused(api: Api) -> None:
    api.run(api.pod("p"))
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
    }
    query = {"container": "base", "command": "ls", "stdout": "true"}
    answer = api.client.get(api.path("pods", "p", "exec"), params=query, headers=headers)
    assert answer.status_code == 500
    assert "container not found (" in answer.text
