"""The cluster under test as its clients see it: calls, waiting, and pods to send.

Paths are made from plurals (``api.path("pods", "p", "log")``). A case sees no more than this, so it
cannot know which cluster answers.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import kubernetes

from tests.contract.connections import Connection

Object = dict[str, Any]
WAIT_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.01
_LAST_PAUSE_SECONDS = 0.1

_GROUPS = {
    "apis/apps/v1": ("deployments", "replicasets", "statefulsets"),
    "apis/autoscaling/v2": ("horizontalpodautoscalers",),
    "apis/batch/v1": ("cronjobs", "jobs"),
    "apis/coordination.k8s.io/v1": ("leases",),
    "apis/networking.k8s.io/v1": ("networkpolicies",),
    "apis/policy/v1": ("poddisruptionbudgets",),
    "apis/scheduling.k8s.io/v1": ("priorityclasses",),
}
_GROUP_OF = {plural: group for group, plurals in _GROUPS.items() for plural in plurals}
_CLUSTER_WIDE = {"namespaces", "nodes", "persistentvolumes", "priorityclasses"}

PATCH_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


@dataclass(frozen=True)
class Api:
    """Calls to one cluster, in one namespace.

    :param image: has ``sh`` and ``python3``.
    :param nodes: names of nodes that run containers, free of taints and not cordoned; two or more.
    :param steering: goes into the spec of pods, to keep them off nodes that only pretend.
    :param volumes: a folder on the nodes, for volumes of theirs.
    """

    connection: Connection
    client: httpx.Client
    image: str
    nodes: tuple[str, ...] = ()
    namespace: str = "default"
    steering: Mapping[str, Any] = field(default_factory=dict)
    volumes: str = "/tmp/nightshift-contract"

    def path(self, plural: str, *rest: str) -> str:
        """Give the path of a kind in the namespace, of an object, or of its subresource."""
        group = _GROUP_OF.get(plural, "api/v1")
        scope = () if plural in _CLUSTER_WIDE else ("namespaces", self.namespace)
        return "/" + "/".join([group, *scope, plural, *rest])

    def send(
        self, method: str, path: str, body: Any = None, *, patch: str = "", **query: Any
    ) -> httpx.Response:
        """Send JSON and give the answer, whatever it is.

        :param patch: json, merge or strategic.
        """
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": PATCH_TYPES.get(patch, "application/json")}
        return self.client.request(method, path, content=content, headers=headers, params=query)

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Object:
        """Send, expect success, and give the JSON of the answer."""
        answer = self.send(method, path, body, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: Object = answer.json()
        return found

    def refused(
        self, code: int, method: str, path: str, body: Any = None, **options: Any
    ) -> Object:
        """Send, expect a Status of failure with this code, and give it."""
        answer = self.send(method, path, body, **options)
        assert answer.status_code == code, f"{method} {path}: {answer.status_code} {answer.text}"
        status: Object = answer.json()
        shown = (status["kind"], status["apiVersion"], status["status"], status["code"])
        assert shown == ("Status", "v1", "Failure", code)
        return status

    def create(self, plural: str, obj: Object, **query: Any) -> Object:
        """Add an object, and give it as stored."""
        return self.ok("POST", self.path(plural), obj, **query)

    def read(self, plural: str, *name: str) -> Object:
        """Read an object or its subresource."""
        return self.ok("GET", self.path(plural, *name))

    def items(self, plural: str, **query: Any) -> list[Object]:
        """List the namespace's objects of a kind."""
        found: list[Object] = self.ok("GET", self.path(plural), **query)["items"]
        return found

    def names(self, plural: str, **query: Any) -> list[str]:
        """List their names, as they come."""
        return [item["metadata"]["name"] for item in self.items(plural, **query)]

    def patch(self, plural: str, name: str, *sub: str, body: Any, kind: str = "merge") -> Object:
        """Patch an object or its subresource."""
        return self.ok("PATCH", self.path(plural, name, *sub), body, patch=kind)

    def delete(self, plural: str, name: str, body: Any = None, **query: Any) -> Object:
        """Ask for an object's deletion."""
        return self.ok("DELETE", self.path(plural, name), body, **query)

    def exists(self, plural: str, name: str) -> bool:
        """Tell whether an object is there."""
        return self.send("GET", self.path(plural, name)).status_code != 404

    def log(self, name: str, **query: Any) -> httpx.Response:
        """Ask for the log of a pod's container ``base``, or of another."""
        return self.send("GET", self.path("pods", name, "log"), **{"container": "base", **query})

    def events_of(self, name: str) -> list[Object]:
        """List what was told about an object."""
        return self.items("events", fieldSelector=f"involvedObject.name={name}")

    def wait(self, plural: str, name: str, check: Callable[[Object], Any], what: str) -> Object:
        """Read an object until ``check`` finds what it looks for, and give that version."""
        last: Object = {}

        def look() -> Object | None:
            nonlocal last
            last = self.read(plural, name)
            return last if check(last) else None

        found: Object = wait_for(look, f"{plural} {name} to be {what}", lambda: last.get("status"))
        return found

    def wait_phase(self, name: str, *phases: str) -> Object:
        """Wait until a pod is in one of the phases, and give it."""
        return self.wait(
            "pods", name, lambda pod: pod["status"].get("phase") in phases, " or ".join(phases)
        )

    def wait_ready(self, name: str) -> Object:
        """Wait until a pod is ready, and give it."""
        return self.wait("pods", name, is_ready, "ready")

    def wait_gone(self, plural: str, name: str) -> None:
        """Wait until an object is no longer there."""
        wait_for(lambda: not self.exists(plural, name), f"{plural} {name} to be gone")

    def pod(self, name: str, script: str = "exit 0", **spec: Any) -> Object:
        """Build a pod whose container ``base`` runs a shell script once."""
        container = {"name": "base", "image": self.image, "command": ["sh", "-c", script]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "containers": [container],
                **self.steering,
                **spec,
            },
        }

    def gated(self, name: str = "p", **spec: Any) -> Object:
        """Build a pod that no scheduler takes: what is asked of it is asked of the API alone."""
        return self.pod(name, schedulingGates=[{"name": "contract/hold"}], **spec)

    def start(self, name: str, script: str = "sleep 600", **spec: Any) -> Object:
        """Create a pod and wait until it is ready."""
        self.create("pods", self.pod(name, script, **spec))
        return self.wait_ready(name)

    def run(self, pod: Object) -> Object:
        """Create a pod and wait until it has ended."""
        self.create("pods", pod)
        return self.wait_phase(pod["metadata"]["name"], "Succeeded", "Failed")

    @contextmanager
    def core(self) -> Iterator[Any]:
        """Make the official client's CoreV1Api for the block."""
        client = kubernetes.config.new_client_from_config(str(self.connection.kubeconfig))
        try:
            yield kubernetes.client.CoreV1Api(client)
        finally:
            client.close()
            client.rest_client.pool_manager.clear()

    @contextmanager
    def in_namespace(self, name: str, **labels: str) -> Iterator["Api"]:
        """Make a namespace for the block, and remove it afterwards."""
        body = {"metadata": {"name": name, "labels": labels}}
        self.create("namespaces", body)
        scoped = replace(self, namespace=name)
        try:
            wait_for(lambda: scoped.exists("serviceaccounts", "default"), f"{name} to be usable")
            yield scoped
        finally:
            self.delete("namespaces", name)


def wait_for(
    check: Callable[[], Any], what: str, last: Callable[[], Any] = lambda: "nothing more"
) -> Any:
    """Call ``check`` until it gives something true, and give that.

    :param last: tells what was seen last, for the message.
    """
    deadline, pause = time.monotonic() + WAIT_SECONDS, _FIRST_PAUSE_SECONDS
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(pause)
        pause = min(_LAST_PAUSE_SECONDS, pause * 1.5)
    raise AssertionError(f"waited {WAIT_SECONDS:g} s for {what}; last seen: {last()}")


def is_ready(pod: Object) -> bool:
    """Tell whether a pod says that it is ready."""
    return condition(pod, "Ready").get("status") == "True"


def condition(obj: Object, kind: str) -> Object:
    """Find a condition; empty if it is not there."""
    told: list[Object] = obj["status"].get("conditions") or []
    return next((one for one in told if one["type"] == kind), {})
