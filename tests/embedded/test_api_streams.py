"""Streams that a client leaves in the middle: nothing keeps running for nobody."""

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from tests.embedded.api_support import PODS, Rest, open_rest, pod

WAIT_SECONDS = 20.0


def wait_for(check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := check()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return found


def count_processes(argument: str) -> int:
    """Count processes of this machine with an argument."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += argument.encode() in path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
    return found


@pytest.fixture
def running(running_cluster: Any, tmp_path: Path) -> Iterator[tuple[BackgroundCluster, Rest]]:
    kubelet = KubeletOptions(tmp_path / "kubelet", images={"img": Image(host=True)})
    cluster = running_cluster(kubelet=kubelet)
    with open_rest(cluster, timeout=20) as client:
        rest = Rest(client)
        container = {
            "name": "base",
            "image": "img",
            "command": ["sh", "-c", "echo ready; sleep 300"],
        }
        rest.ok("POST", PODS, pod(containers=[container]))
        wait_for(lambda: rest.ok("GET", f"{PODS}/p")["status"]["phase"] == "Running")
        yield cluster, rest


def open_exec(cluster: BackgroundCluster, query: str, protocol: str) -> Any:
    folder = cluster.kubeconfig.parent
    token = (folder / "token").read_text()
    trusted = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
    return websocket.create_connection(
        cluster.url.replace("https", "wss") + f"{PODS}/p/exec?container=base&{query}",
        header=[f"Authorization: Bearer {token}"],
        subprotocols=[protocol],
        sslopt={"context": trusted},
        timeout=WAIT_SECONDS,
    )


def read_until_closed(socket: Any) -> dict[int, bytes]:
    """Gather what came on each channel."""
    channels: dict[int, bytes] = {}
    while True:
        opcode, data = socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            socket.shutdown()
            return channels
        channels[data[0]] = channels.get(data[0], b"") + data[1:]


def test_command_ends_when_its_client_leaves(running: tuple[BackgroundCluster, Rest]) -> None:
    cluster, _ = running
    socket = open_exec(cluster, "command=sleep&command=301.25&stdout=true", "v4.channel.k8s.io")
    wait_for(lambda: count_processes("301.25") == 1)
    socket.shutdown()
    wait_for(lambda: count_processes("301.25") == 0)


def test_input_can_be_closed_since_version_5(running: tuple[BackgroundCluster, Rest]) -> None:
    cluster, _ = running
    query = "command=cat&stdin=true&stdout=true"
    socket = open_exec(cluster, query, "v5.channel.k8s.io")
    socket.send_binary(b"\x00some text")
    socket.send_binary(b"\xff\x00")
    channels = read_until_closed(socket)
    assert channels[1] == b"some text"
    assert b'"status": "Success"' in channels[3]


def test_unknown_protocol_is_refused(running: tuple[BackgroundCluster, Rest]) -> None:
    _, rest = running
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"x" * 16).decode(),
        "Sec-WebSocket-Protocol": "base64.channel.k8s.io",
    }
    status = rest.refused("GET", f"{PODS}/p/exec?command=ls", headers=headers)
    assert status["code"] == 400
    assert "v5.channel.k8s.io" in status["message"]


def test_followed_log_that_nobody_reads_is_let_go(running: tuple[BackgroundCluster, Rest]) -> None:
    cluster, _ = running
    with open_rest(cluster) as leaver, leaver.stream("GET", f"{PODS}/p/log?follow=true") as log:
        lines = log.iter_lines()
        assert next(lines) == "ready"
        assert cluster.call(lambda c: c.open_requests) == 1
    wait_for(lambda: cluster.call(lambda c: c.open_requests) == 0)


def test_followed_silent_log_starts_at_once(running: tuple[BackgroundCluster, Rest]) -> None:
    _, rest = running
    query = "follow=true&sinceSeconds=1"
    wait_for(lambda: rest.send("GET", f"{PODS}/p/log?sinceSeconds=1").text == "")
    start = time.monotonic()
    with rest.client.stream("GET", f"{PODS}/p/log?{query}") as log:
        assert log.status_code == 200
        assert time.monotonic() - start < 5
