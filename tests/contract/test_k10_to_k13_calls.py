"""K10 to K13: deletion, answers that ask for patience, exec, connections."""

import json
import time
from typing import Any

import httpx
import pytest
from kubernetes.stream import stream

from tests.contract.access import Api, wait_for, wait_phase


@pytest.mark.parametrize(
    ("query", "body"),
    [("", {}), ("", {"gracePeriodSeconds": 1}), ("?gracePeriodSeconds=1", None)],
    ids=["empty options", "grace in the body", "grace in the query"],
)
def test_k10_deleted_pod_is_not_found_with_a_status(api: Api, query: str, body: Any) -> None:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "sleep 60")).raise_for_status()
        wait_phase(client, f"{api.pods}/p", "Running")
        answer = client.request("DELETE", f"{api.pods}/p{query}", json=body)
        assert answer.status_code == 200
        assert answer.json()["metadata"]["deletionGracePeriodSeconds"] == 1
        wait_for(lambda: client.get(f"{api.pods}/p").status_code == 404, "the pod to be gone")
        status = client.get(f"{api.pods}/p").json()
    assert (status["kind"], status["reason"]) == ("Status", "NotFound")
    assert status["message"] == 'pods "p" not found'
    assert status["details"] == {"name": "p", "kind": "pods"}


def test_k10_process_gets_its_grace(api: Api) -> None:
    script = "trap 'echo asked to end; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", script)).raise_for_status()
        wait_for(lambda: "ready" in client.get(f"{api.pods}/p/log").text, "the pod to be ready")
        with client.stream("GET", f"{api.pods}/p/log?follow=True") as log:
            with api.http() as other:
                other.delete(f"{api.pods}/p?gracePeriodSeconds=20").raise_for_status()
            text = log.read().decode()
        wait_for(lambda: client.get(f"{api.pods}/p").status_code == 404, "the pod to be gone")
    assert "asked to end" in text


def test_k11_client_waits_as_told_by_429(api: Api, core: Any) -> None:
    api.plan_fault("GET", f"{api.pods}$", 429, retry_after=1)
    start = time.monotonic()
    assert core.list_namespaced_pod(api.namespace).items == []
    assert time.monotonic() - start >= 1


def test_k11_server_error_is_a_status(api: Api) -> None:
    api.plan_fault("GET", f"{api.pods}/p$", 500)
    with api.http() as client:
        first, second = (client.get(f"{api.pods}/p") for _ in range(2))
    assert (first.status_code, first.json()["kind"]) == (500, "Status")
    assert second.status_code == 404


def test_k11_lost_reply_then_a_conflict_then_found_by_its_labels(api: Api) -> None:
    api.plan_fault("POST", f"{api.pods}$", drop_reply=True)
    pod = api.pod("p", "exit 0")
    with api.http() as client:
        with pytest.raises(httpx.HTTPError):
            client.post(api.pods, json=pod)
        assert client.post(api.pods, json=pod).status_code == 409
        found = client.get(api.pods, params={"labelSelector": "app=p"}).json()["items"]
    assert [item["metadata"]["name"] for item in found] == ["p"]


@pytest.fixture
def sleeping(api: Api) -> Api:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "sleep 60")).raise_for_status()
        wait_phase(client, f"{api.pods}/p", "Running")
    return api


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


def test_k12_exec_tells_output_errors_and_exit_code_apart(sleeping: Api, core: Any) -> None:
    shell = run(core, sleeping, ["sh", "-c", "echo out; echo err >&2; exit 3"], stdin=False)
    shell.run_forever(timeout=20)
    assert shell.read_stdout() == "out\n"
    assert shell.read_stderr() == "err\n"
    assert shell.returncode == 3
    shell.sock.shutdown()


def test_k12_exec_takes_input(sleeping: Api, core: Any) -> None:
    shell = run(core, sleeping, ["sh"], stdin=True)
    shell.write_stdin("echo hello $((40 + 2))\n")
    assert shell.readline_stdout(timeout=20) == "hello 42"
    shell.write_stdin("exit 0\n")
    shell.run_forever(timeout=20)
    assert shell.returncode == 0
    shell.sock.shutdown()


def test_k12_exec_in_a_container_that_does_not_run_is_refused(api: Api) -> None:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "exit 0")).raise_for_status()
        wait_phase(client, f"{api.pods}/p", "Succeeded")
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
        }
        query = {"container": "base", "command": "ls", "stdout": "true"}
        answer = client.get(f"{api.pods}/p/exec", params=query, headers=headers)
    assert answer.status_code >= 400
    assert json.loads(answer.text)["status"] == "Failure"


def test_k13_many_short_connections(api: Api) -> None:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "exit 0")).raise_for_status()
    for _ in range(40):
        with api.http() as client:
            assert client.get(f"{api.pods}/p").status_code == 200


def test_k13_one_connection_many_calls(api: Api) -> None:
    opened = []

    def trace(name: str, info: dict[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
            opened.append(info)

    with api.http() as client:
        for _ in range(20):
            client.get(api.pods, extensions={"trace": trace}).raise_for_status()
    assert len(opened) == 1
