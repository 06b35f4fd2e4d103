"""A cluster without a loop: real store and admission, controllers stepped until all is quiet."""

import datetime as dt
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from nightshift.embedded.kube.admission import admit
from nightshift.embedded.kube.controllers.changes import Applier, Plan
from nightshift.embedded.kube.controllers.loops import Controller
from nightshift.embedded.kube.controllers.namespaces import bootstrap
from nightshift.embedded.kube.controllers.podstates import is_terminal
from nightshift.embedded.kube.events import StoredEvents
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.resources import resource_of_key
from nightshift.embedded.kube.storage import MemoryStore
from nightshift.embedded.kube.strategies import prepare_for_create

START = dt.datetime(2027, 3, 5, 20, 0, tzinfo=dt.UTC)  # a Friday
NS = "team"


def container(name: str = "main", image: str = "scanner:1", **more: Any) -> Object:
    return {"name": name, "image": image, **more}


def pod(name: str = "p", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"containers": [container()], **spec},
    }


def workload(kind: str, name: str = "web", **spec: Any) -> Object:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet whose pods carry ``app: <name>``."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container()]},
            },
            **spec,
        },
    }


def job(name: str = "scan", **spec: Any) -> Object:
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"template": template, **spec},
    }


def node(name: str = "n1", cpu: str = "8", **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": cpu, "memory": "32Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@dataclass
class World:
    """Everything that a controller sees, and a clock that only moves when told."""

    controllers: tuple[Controller, ...] = ()
    now: dt.datetime = START
    store: MemoryStore = field(init=False)
    log: MemoryStore = field(init=False)
    events: StoredEvents = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock, rng=random.Random(1))
        self.log = MemoryStore(self.clock, rng=random.Random(2))  # so that events do not count
        self.events = StoredEvents(self.log, self.clock)
        bootstrap(self.store)
        self.create("namespaces", {"metadata": {"name": NS}})

    def clock(self) -> dt.datetime:
        return self.now

    def create(self, kind: str, obj: Object) -> Object:
        """Create an object as the API server does."""
        resource = resource_of_key(kind)
        assert resource is not None
        typed = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
        prepared = prepare_for_create(resource, typed)
        return self.store.create(kind, admit(self.store, "CREATE", kind, prepared, None))

    def edit(self, kind: str, name: str, change: Callable[[Object], None]) -> Object:
        resource = resource_of_key(kind)
        namespace = NS if resource is None or resource.namespaced else ""
        return self.store.mutate(kind, name, namespace, change)

    def get(self, kind: str, name: str) -> Object:
        resource = resource_of_key(kind)
        return self.store.get(kind, name, NS if resource is None or resource.namespaced else "")

    def pods(self) -> list[Object]:
        return list(self.store.list("pods", NS))

    def names(self, kind: str = "pods") -> list[str]:
        return [o["metadata"]["name"] for o in self.store.list(kind, NS)]

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.log.list("events")]

    def settle(self, rounds: int = 60) -> None:
        """Step every controller on everything it watches until nothing changes."""
        for _ in range(rounds):
            before = self.store.resource_version
            for controller in self.controllers:
                self._step(controller)
            if self.store.resource_version == before:
                return
        raise AssertionError("the controllers never come to rest")

    def advance(self, seconds: float) -> None:
        """Let time pass, then settle."""
        self.now += dt.timedelta(seconds=seconds)
        self.settle()

    def _step(self, controller: Controller) -> None:
        applier = Applier(self.store, self.events, self.clock, controller.name)
        keys = [
            key
            for kind, keys_of in controller.watches.items()
            for obj in self.store.list(kind)
            for key in keys_of(obj)
        ]
        for key in dict.fromkeys(keys):
            plan: Plan = controller.plan(self.store, key, self.now)
            try:
                applier.apply(plan.changes)
            except StatusError:
                continue  # the real loop tries again later; the event that tells why is checked

    def run_pods(self, names: Iterable[str] | None = None) -> None:
        """Play kubelet: pods run and are ready, terminating ones go."""
        for one in self.pods():
            name = one["metadata"]["name"]
            if "deletionTimestamp" in one["metadata"]:
                self.end_terminating(name)
            elif not is_terminal(one) and (names is None or name in set(names)):
                self.edit("pods", name, lambda o: become(o, "Running", self.now))

    def end_terminating(self, name: str) -> None:
        def done(obj: Object) -> None:
            obj["metadata"]["deletionGracePeriodSeconds"] = 0

        self.edit("pods", name, done)
        if self.store.find("pods", name, NS) is not None:
            self.store.delete("pods", name, NS)

    def finish(self, name: str, phase: str) -> None:
        self.edit("pods", name, lambda o: become(o, phase, self.now))

    def roll(self, rounds: int = 30) -> None:
        """Settle and play kubelet in turn until nothing changes."""
        for _ in range(rounds):
            before = self.store.resource_version
            self.settle()
            self.run_pods()
            if self.store.resource_version == before:
                return
        raise AssertionError("the rollout never ends")


def become(obj: Object, phase: str, now: dt.datetime) -> None:
    """Give a pod the status of ``phase``."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = obj.setdefault("status", {})
    if status.get("phase") == phase:
        return
    status["phase"] = phase
    ready = "True" if phase == "Running" else "False"
    status["conditions"] = [{"type": "Ready", "status": ready, "lastTransitionTime": stamp}]
    if phase in {"Succeeded", "Failed"}:
        ended = {"exitCode": 0 if phase == "Succeeded" else 1, "finishedAt": stamp}
        status["containerStatuses"] = [{"name": "main", "state": {"terminated": ended}}]
    obj["spec"].setdefault("nodeName", "n1")


def conditions(obj: Object) -> dict[str, str]:
    return {c["type"]: c["status"] for c in (obj.get("status") or {}).get("conditions") or ()}
