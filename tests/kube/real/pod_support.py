"""Pods for tests: built, run to their end, and asked what they said."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.kube.api import Api
from tests.kube.scanner_image import SCANNER_IMAGE
from tests.kube.waits import wait_for

POD_SECONDS = 60.0


def build_pod(
    name: str, command: Sequence[str], *, node: str = "", spec: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Build a pod of the scanner image that runs once.

    :param node: pins it there, past the scheduler.
    :param spec: more fields of the pod's spec.
    """
    container = {"name": "base", "image": SCANNER_IMAGE, "command": list(command)}
    return {
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            **({"nodeName": node} if node else {}),
            **(spec or {}),
        },
    }


def start_pod(api: Api, namespace: str, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Create a pod and wait until it runs or has ended; give it."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    name = api.post(path, pod)["metadata"]["name"]
    wait_for(f"{name} to start", lambda: phase(api, path, name) != "Pending", POD_SECONDS)
    return api.get(f"{path}/{name}")


def run_pod(api: Api, namespace: str, pod: Mapping[str, Any]) -> tuple[str, str]:
    """Run a pod to its end and give its phase and its log."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    name = api.post(path, pod)["metadata"]["name"]
    ended = {"Succeeded", "Failed"}
    wait_for(
        f"{name} to end",
        lambda: phase(api, path, name) in ended,
        POD_SECONDS,
        explain=lambda: str(api.get(f"{path}/{name}")["status"]),
    )
    log = api.client.get(f"{path}/{name}/log").text
    return phase(api, path, name), log


def phase(api: Api, path: str, name: str) -> str:
    return str(api.get(f"{path}/{name}")["status"]["phase"])
