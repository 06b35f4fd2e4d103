"""Raw calls to an API server, and objects to send."""

import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from nightshift.embedded.kube.background import BackgroundCluster

PODS = "/api/v1/namespaces/default/pods"


@dataclass(frozen=True)
class Rest:
    """Raw calls with the token."""

    client: httpx.Client

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send JSON (or bytes as they are) and give the response, whatever it is."""
        if isinstance(body, bytes):
            options["content"] = body
        elif body is not None:
            options["json"] = body
        return self.client.request(method, path, **options)

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Send, expect success, and give the JSON of the answer."""
        response = self.send(method, path, body, **options)
        assert response.is_success, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Send, expect a Status of failure whose code is the HTTP status, and give it."""
        response = self.send(method, path, body, **options)
        status: dict[str, Any] = response.json()
        assert status["kind"] == "Status", status
        assert status["status"] == "Failure", status
        assert status["code"] == response.status_code
        return status

    def patch(self, path: str, patch: Any, kind: str = "merge-patch") -> dict[str, Any]:
        """Send a patch of a kind, expect success."""
        return self.ok("PATCH", path, patch, headers=patch_type(kind))


def patch_type(kind: str) -> dict[str, str]:
    """Name a patch's media type: json-patch, merge-patch or strategic-merge-patch."""
    return {"Content-Type": f"application/{kind}+json"}


def open_rest(cluster: BackgroundCluster, **options: Any) -> httpx.Client:
    """Open a client that trusts the cluster's CA and sends its token."""
    folder = cluster.kubeconfig.parent
    trusted = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
    token = (folder / "token").read_text()
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=cluster.url, verify=trusted, headers=headers, **options)


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    """Build a small pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "base", "image": "img"}], **spec},
    }
