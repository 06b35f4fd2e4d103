"""Every way in which a call can fail, made by a server: none reaches callers as a foreign error."""

import dataclasses
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kubernetes.client import CoreV1Api

from nightshift.cluster.client import Cluster, connect
from nightshift.cluster.pods import read_log
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.errors import (
    ClusterUnavailable,
    ConfigError,
    Conflict,
    Forbidden,
    Invalid,
    NightshiftError,
    NotFound,
    TooManyRequests,
)
from nightshift.settings import Settings


class Answers(BaseHTTPRequestHandler):
    """Answers every request with what the test wants."""

    status = 200
    body = b"{}"
    headers_sent: tuple[tuple[str, str], ...] = ()
    asked = ""

    def do_GET(self) -> None:
        type(self).asked = self.path
        self.send_response(self.status)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        pass


def kubeconfig_for(url: str, path: Path, extra: str = "") -> Settings:
    path.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        f"clusters: [{{name: c, cluster: {{server: '{url}'{extra}}}}}]\n"
        "users: [{name: u, user: {token: abc}}]\n"
        "contexts: [{name: here, context: {cluster: c, user: u}}]\n"
    )
    return Settings(kubeconfig=str(path), api_timeout_seconds=1)


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[tuple[Cluster, type[Answers]]]:
    handler = type("ThisTest", (Answers,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings = kubeconfig_for(f"http://127.0.0.1:{server.server_port}", tmp_path / "kubeconfig")
    cluster = connect(settings)
    yield cluster, handler
    cluster.close()
    server.shutdown()
    thread.join()
    server.server_close()


def status_body(message: str) -> bytes:
    return f'{{"kind": "Status", "message": "{message}", "details": {{}}}}'.encode()


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        pytest.param(400, Invalid, "HTTP 400: the server's words", id="bad request"),
        pytest.param(401, Forbidden, "log in again", id="unknown token"),
        pytest.param(403, Forbidden, "grant this", id="not allowed"),
        pytest.param(404, NotFound, "no such object: the server's words", id="not there"),
        pytest.param(405, Invalid, "HTTP 405", id="method not allowed"),
        pytest.param(408, ClusterUnavailable, "HTTP 408", id="request timeout"),
        pytest.param(409, Conflict, "has changed: the server's words", id="conflict"),
        pytest.param(410, Conflict, "has changed", id="expired version"),
        pytest.param(413, Invalid, "HTTP 413", id="too large"),
        pytest.param(422, Invalid, "HTTP 422: the server's words", id="invalid"),
        pytest.param(429, TooManyRequests, "asks us to slow down", id="too many requests"),
        pytest.param(500, ClusterUnavailable, "HTTP 500", id="server error"),
        pytest.param(502, ClusterUnavailable, "HTTP 502", id="bad gateway"),
        pytest.param(503, ClusterUnavailable, "HTTP 503", id="unavailable"),
        pytest.param(504, ClusterUnavailable, "HTTP 504", id="gateway timeout"),
    ],
)
def test_a_status_becomes_our_error_and_names_server_and_call(
    answers: tuple[Cluster, type[Answers]], status: int, kind: type[NightshiftError], said: str
) -> None:
    cluster, handler = answers
    handler.status, handler.body = status, status_body("the server's words")
    with pytest.raises(kind) as caught:
        cluster.get("/api/v1/nodes")
    text = str(caught.value)
    assert type(caught.value) is kind
    assert said in text
    assert cluster.server in text
    assert "GET /api/v1/nodes" in text
    assert "\n" not in text
    assert caught.value.__cause__ is not None


def test_the_generated_classes_raise_our_errors_too(
    answers: tuple[Cluster, type[Answers]],
) -> None:
    cluster, handler = answers
    handler.status, handler.body = 404, status_body("none")
    with pytest.raises(NotFound):
        CoreV1Api(cluster.api_client).list_node()


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param((("Retry-After", "7"),), b"{}", 7.0, id="in the header"),
        pytest.param((), b'{"details": {"retryAfterSeconds": 3}}', 3.0, id="in the Status"),
        pytest.param((("Retry-After", "soon"),), b"{}", None, id="a word"),
        pytest.param((("Retry-After", "99999999"),), b"{}", 3600.0, id="far too long is cut"),
        pytest.param((), b"[]", None, id="nothing said"),
        pytest.param((), b"<html>", None, id="a proxy's page"),
    ],
)
def test_how_long_to_wait_is_kept(
    answers: tuple[Cluster, type[Answers]],
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    seconds: float | None,
) -> None:
    cluster, handler = answers
    handler.status, handler.body, handler.headers_sent = 429, body, headers
    with pytest.raises(TooManyRequests) as caught:
        cluster.get("/api/v1/nodes")
    assert caught.value.retry_after_seconds == seconds


def test_a_log_is_text_also_when_it_looks_like_json(
    answers: tuple[Cluster, type[Answers]],
) -> None:
    cluster, handler = answers
    handler.body = b'{"scan": "1-a-ruff"}\n\xff'
    assert read_log(cluster, "p", "scan", tail_lines=3) == '{"scan": "1-a-ruff"}\n\ufffd'
    assert "container=scan" in handler.asked
    assert "tailLines=3" in handler.asked


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"null"])
def test_an_answer_that_is_no_object_is_reported(
    answers: tuple[Cluster, type[Answers]], body: bytes
) -> None:
    cluster, handler = answers
    handler.body = body
    with pytest.raises(ClusterUnavailable, match="not Kubernetes JSON"):
        cluster.get("/api/v1/nodes")


def test_a_long_message_is_cut(answers: tuple[Cluster, type[Answers]]) -> None:
    cluster, handler = answers
    handler.status, handler.body = 422, status_body("x" * 100_000)
    with pytest.raises(Invalid) as caught:
        cluster.get("/api/v1/nodes")
    assert len(str(caught.value)) < 1000


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        cluster = connect(kubeconfig_for(url, tmp_path / "kubeconfig"))
        with pytest.raises(ClusterUnavailable, match="does not answer") as caught:
            cluster.get("/api/v1/nodes")
    assert "refused" in str(caught.value)
    assert url in str(caught.value)


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cluster = connect(kubeconfig_for(url, tmp_path / "kubeconfig"))
        with pytest.raises(ClusterUnavailable, match="its answer took too long"):
            cluster.create("/api/v1/namespaces", {})


def test_a_server_with_another_certificate_is_not_trusted(
    server: BackgroundCluster, tmp_path: Path
) -> None:
    cluster = connect(kubeconfig_for(server.url, tmp_path / "kubeconfig"))
    with pytest.raises(ConfigError, match="certificate-authority") as caught:
        cluster.get("/api/v1/nodes")
    assert caught.value.where == server.url


def test_a_token_that_the_server_does_not_know(server: BackgroundCluster, tmp_path: Path) -> None:
    settings = kubeconfig_for(
        server.url, tmp_path / "kubeconfig", ", insecure-skip-tls-verify: true"
    )
    cluster = connect(settings)
    with pytest.warns(Warning, match="Unverified HTTPS"), pytest.raises(Forbidden):
        cluster.get("/api/v1/nodes")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "No configuration found", id="no file"),
        pytest.param("", "is empty", id="an empty file"),
        pytest.param("a: [", "no cluster can be reached with it", id="no YAML"),
        pytest.param("just text", "is not a kubeconfig", id="another shape"),
        pytest.param("apiVersion: v1\nkind: Config\n", "current-context", id="no context"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        connect(Settings(kubeconfig=str(path)))
    assert caught.value.where == str(path)
    assert said in caught.value.problem


def test_a_context_that_is_not_in_the_kubeconfig(server: BackgroundCluster) -> None:
    settings = Settings(kubeconfig=str(server.kubeconfig), kube_context="elsewhere")
    with pytest.raises(ConfigError, match="kubectl config get-contexts"):
        connect(settings)


def test_clients_do_not_share_their_configuration(
    server: BackgroundCluster, cluster: Cluster, tmp_path: Path
) -> None:
    other = connect(kubeconfig_for("http://127.0.0.1:9", tmp_path / "other"))
    assert cluster.server == server.url
    assert other.server == "http://127.0.0.1:9"
    assert cluster.get("/api/v1/nodes")["kind"] == "NodeList"
    assert dataclasses.replace(other, namespace="x").path("pods") == "/api/v1/namespaces/x/pods"


def test_without_any_setting_the_users_own_kubeconfig_is_read(
    server: BackgroundCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"~/\.kube/config: .*NIGHTSHIFT_KUBECONFIG"):
        connect(Settings())
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_bytes(server.kubeconfig.read_bytes())
    assert connect(Settings()).server == server.url
