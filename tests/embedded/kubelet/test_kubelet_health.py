"""Probes and lifecycle hooks."""

import socket
import sys
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object
from tests.embedded.kubelet.bench import Bench, container, pod, shell

QUICK: dict[str, Any] = {"periodSeconds": 0.05, "failureThreshold": 2}
SLEEP = "echo up; exec sleep 60"
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204 if self.path == "/good" else 503)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def _probe(action: Object, **fields: Any) -> Object:
    return {**QUICK, **action, **fields}


def _command(*words: str) -> Object:
    return {"exec": {"command": list(words)}}


def _is_ready(bench: Bench) -> bool:
    statuses = bench.status().get("containerStatuses") or [{"ready": False}]
    return bool(statuses[0]["ready"])


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_pod_is_ready_when_its_probe_says_so(bench: Bench) -> None:
    volume: Object = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mounts = [{"name": "v", "mountPath": "/state"}]
    probe = _probe(_command("test", "-e", "/state/ready"))
    bench.create(pod(shell(SLEEP, readinessProbe=probe, volumeMounts=mounts), **volume))
    bench.until_running()
    bench.until(lambda: any(reason == "Unhealthy" for reason, _ in bench.events()))
    assert not _is_ready(bench)
    bench.execute("touch", "/state/ready")
    bench.until(lambda: _is_ready(bench))
    bench.execute("rm", "/state/ready")
    bench.until(lambda: not _is_ready(bench))
    assert bench.status()["phase"] == "Running"


def test_probes_over_http_and_tcp(rewriting_bench: Bench, port: int) -> None:
    bench = rewriting_bench
    server = container(
        sys.executable,
        "-c",
        SERVER,
        str(port),
        ports=[{"name": "web", "containerPort": port}],
        startupProbe=_probe({"tcpSocket": {"port": "web"}}, failureThreshold=200),
        readinessProbe=_probe({"httpGet": {"port": "web", "path": "/good"}}),
        livenessProbe=_probe({"httpGet": {"port": port, "path": "bad"}}, initialDelaySeconds=0.3),
    )
    bench.create(pod(server))
    bench.until(lambda: _is_ready(bench))
    bench.until_phase("Failed")
    text = "Liveness probe failed: HTTP probe failed with statuscode: 503"
    assert ("Unhealthy", text) in bench.events()
    assert ("Killing", "Container base failed liveness probe") in bench.events()


def test_a_dead_container_is_restarted(bench: Bench) -> None:
    probe = _probe(_command("false"))
    bench.create(pod(shell(SLEEP, livenessProbe=probe), restartPolicy="Always"))
    bench.until(lambda: bench.status().get("containerStatuses", [{}])[0].get("restartCount"))


def test_a_container_that_never_starts_up_is_ended(bench: Bench) -> None:
    bench.create(pod(shell(SLEEP, startupProbe=_probe(_command("false")))))
    bench.until_running()
    assert bench.status()["containerStatuses"][0]["started"] is False
    bench.until_phase("Failed")


def test_a_probe_that_hangs_has_failed(bench: Bench) -> None:
    probe = _probe(_command("sleep", "60"), timeoutSeconds=0.05)
    bench.create(pod(shell(SLEEP, readinessProbe=probe)))
    bench.until(
        lambda: ("Unhealthy", "Readiness probe failed: timed out after 0.05s") in bench.events()
    )
    assert bench.status()["phase"] == "Running"


def test_hooks_run_after_the_start_and_before_the_end(bench: Bench) -> None:
    volume: Object = {"volumes": [{"name": "v", "emptyDir": {}}]}
    mounts = [{"name": "v", "mountPath": "/state"}]
    script = "trap 'cat /state/*; exit 0' TERM; while true; do sleep 0.02; done"
    hooks = {
        "postStart": _command("sh", "-c", "echo post > /state/1"),
        "preStop": _command("sh", "-c", "echo pre > /state/2"),
    }
    bench.create(
        pod(shell(script, lifecycle=hooks, volumeMounts=mounts), activeDeadlineSeconds=1, **volume)
    )
    bench.until_phase("Failed")
    assert bench.log() == "post\npre\n"


def test_a_hook_that_fails_ends_the_container(bench: Bench) -> None:
    hooks = {"postStart": _command("sh", "-c", "echo broken; exit 1")}
    bench.create(pod(shell(SLEEP, lifecycle=hooks)))
    bench.until_phase("Failed")
    assert ("FailedPostStartHook", "PostStartHook failed: broken\n") in bench.events()
