"""Access to the cluster under test: raw HTTPS and the Python client, from one kubeconfig."""

import base64
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import kubernetes
import pytest
import yaml

from nightshift.embedded.kube.background import BackgroundCluster

WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Api:
    """A cluster, seen by its clients.

    :param embedded: the cluster itself when it is ours, for tests that plan faults.
    """

    kubeconfig: Path
    url: str
    trust: ssl.SSLContext
    headers: dict[str, str]
    image: str
    embedded: BackgroundCluster | None
    namespace: str = "default"

    @property
    def pods(self) -> str:
        """The collection of the namespace's pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def events(self) -> str:
        """The collection of the namespace's events."""
        return f"/api/v1/namespaces/{self.namespace}/events"

    def http(self, **options: Any) -> httpx.Client:
        """Open a raw client; use it as a context manager."""
        return httpx.Client(
            base_url=self.url, verify=self.trust, headers=self.headers, timeout=30, **options
        )

    @contextmanager
    def core(self) -> Iterator[Any]:
        """Make the official client's CoreV1Api for the block."""
        client = kubernetes.config.new_client_from_config(str(self.kubeconfig))
        try:
            yield kubernetes.client.CoreV1Api(client)
        finally:
            client.close()
            client.rest_client.pool_manager.clear()

    def pod(self, name: str, script: str, **spec: Any) -> dict[str, Any]:
        """Build a pod whose container ``base`` runs a shell script once."""
        container = {"name": "base", "image": self.image, "command": ["sh", "-c", script]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [container],
                **spec,
            },
        }

    @contextmanager
    def in_namespace(self, name: str) -> Iterator["Api"]:
        """Make a namespace for the block, and remove it afterwards."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        with self.http() as client:
            client.post("/api/v1/namespaces", json=body).raise_for_status()
            try:
                yield replace(self, namespace=name)
            finally:
                client.delete(f"/api/v1/namespaces/{name}").raise_for_status()

    def plan_fault(self, method: str, path: str, status: int = 0, **how: Any) -> None:
        """Plan a fault; skips the test where the cluster is not ours."""
        if self.embedded is None:
            pytest.skip("a real cluster makes no faults to order")
        self.embedded.call(lambda cluster: cluster.faults.add(method, path, status, **how))


def open_api(kubeconfig: Path, image: str, embedded: BackgroundCluster | None) -> Api:
    """Read the current context of a kubeconfig: its server, CA, and token or certificate."""
    config = yaml.safe_load(kubeconfig.read_text())
    contexts = {item["name"]: item["context"] for item in config["contexts"]}
    context = contexts[config["current-context"]]
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    trust = ssl.create_default_context(cadata=authority)
    headers = {}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    else:
        _load_certificate(trust, user)
    return Api(kubeconfig, cluster["server"], trust, headers, image, embedded)


def _load_certificate(trust: ssl.SSLContext, user: dict[str, str]) -> None:
    with tempfile.NamedTemporaryFile() as file:
        for field in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[field]))
        file.flush()
        trust.load_cert_chain(file.name)


def wait_for(check: Callable[[], Any], what: str) -> Any:
    """Call ``check`` until it gives something true, and give that."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {WAIT_SECONDS} s for {what}")


def wait_phase(client: httpx.Client, path: str, *phases: str) -> dict[str, Any]:
    """Wait until a pod is in one of the phases, and give it."""

    def check() -> dict[str, Any] | None:
        pod: dict[str, Any] = client.get(path).json()
        return pod if pod.get("status", {}).get("phase") in phases else None

    found: dict[str, Any] = wait_for(check, f"{path} to be {' or '.join(phases)}")
    return found
