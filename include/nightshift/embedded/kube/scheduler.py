"""The scheduler: takes pending pods in turn, asks the model where each goes, and binds it.

The rules of placement are in nightshift.domain.placement.scheduler_model; here are the queue, the
writes and the events. Queue: priority, then time. A pod that fits nowhere waits at least 1, 2, 4 ..
10 s, and after that for a change that may help, at most 5 minutes. Source: pkg/scheduler
(schedule_one.go, backend/queue), Kubernetes 1.36. There is no preemption.
"""

import asyncio
import heapq
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from nightshift.clock import Clock, utc_now
from nightshift.domain.nodes import Node
from nightshift.domain.placement.scheduler_model import GATED, SchedulerModel
from nightshift.domain.pods import PodRequest, parse_node, parse_pod
from nightshift.embedded.kube.interfaces import (
    EventRecorder,
    Object,
    ObjectStore,
    StatusError,
    WatchEvent,
)
from nightshift.embedded.kube.storage import timestamp

log = logging.getLogger(__name__)

NAME = "default-scheduler"
CLAIMS = "persistentvolumeclaims"
FIRST_BACKOFF_SECONDS = 1.0
LAST_BACKOFF_SECONDS = 10.0
RETRY_AT_LEAST_EVERY_SECONDS = 300.0
_RESTART_SECONDS = 1.0


@dataclass(slots=True)
class _Entry:
    """A pod that waits."""

    request: PodRequest
    order: tuple[int, int]  # priority downwards, then time
    attempts: int = 0
    not_before: float = 0.0
    retry_by: float = 0.0


@dataclass(slots=True)
class PodQueue:
    """Pending pods: some to be tried now, the others parked until something changes.

    :param seconds: a clock that never jumps.
    """

    seconds: Callable[[], float]
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _active: list[tuple[tuple[int, int], str]] = field(default_factory=list)
    _parked: set[str] = field(default_factory=set)
    _woken: set[str] = field(default_factory=set)
    _serial: int = 0
    _next_look: float = math.inf

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, request: PodRequest) -> None:
        """Add a pod, or note that it changed; a known pod that did not change stays put."""
        known = self._entries.get(request.key)
        if known is not None and known.request == request:
            return
        entry = _Entry(request, self._next_order(request))
        self._entries[request.key] = entry
        self._activate(request.key)

    def drop(self, key: str) -> None:
        """Forget a pod."""
        self._entries.pop(key, None)
        self._parked.discard(key)
        self._woken.discard(key)

    def take(self) -> str | None:
        """Take the next pod to try, None if there is none; ``park`` or ``drop`` it afterwards."""
        self._wake_due()
        while self._active:
            order, key = heapq.heappop(self._active)
            entry = self._entries.get(key)
            if entry is not None and entry.order == order and key not in self._parked:
                return key
        return None

    def park(self, key: str) -> None:
        """Put a pod aside that fits nowhere."""
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.attempts += 1
        pause = min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(entry.attempts - 1, 10))
        entry.not_before = self.seconds() + pause
        entry.retry_by = self.seconds() + RETRY_AT_LEAST_EVERY_SECONDS
        entry.order = self._next_order(entry.request)
        self._parked.add(key)
        self._next_look = min(self._next_look, entry.retry_by)

    def wake(self) -> None:
        """Try every parked pod again, as soon as its pause is over: something changed."""
        self._woken |= self._parked
        self._next_look = self._earliest()

    def next_due(self) -> float | None:
        """Tell in how many seconds a parked pod is to be tried, None if only a change helps."""
        if self._next_look == math.inf:
            return None
        return max(0.0, self._next_look - self.seconds())

    def _earliest(self) -> float:
        return min(map(self._due_at, self._parked), default=math.inf)

    def _due_at(self, key: str) -> float:
        entry = self._entries[key]
        return entry.not_before if key in self._woken else entry.retry_by

    def _wake_due(self) -> None:
        now = self.seconds()
        if now < self._next_look:
            return
        for key in [k for k in self._parked if self._due_at(k) <= now]:
            self._activate(key)
        self._next_look = self._earliest()

    def _activate(self, key: str) -> None:
        self._parked.discard(key)
        self._woken.discard(key)
        heapq.heappush(self._active, (self._entries[key].order, key))

    def _next_order(self, request: PodRequest) -> tuple[int, int]:
        self._serial += 1
        return -request.priority, self._serial


class PodScheduler:
    """One scheduler on one store; ``run`` it once.

    :param seconds: a clock that never jumps, for pauses.
    """

    def __init__(
        self,
        store: ObjectStore,
        events: EventRecorder,
        now: Clock,
        seconds: Callable[[], float],
    ) -> None:
        self._store = store
        self._events = events
        self._now = now
        self._model = SchedulerModel()
        self._queue = PodQueue(seconds)
        self._nodes: dict[str, Node] = {}
        self._bound: dict[str, PodRequest] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Schedule pods until cancelled."""
        version = self._store.resource_version
        for node in self._store.list("nodes"):
            self._note_node(WatchEvent("ADDED", node))
        for pod in self._store.list("pods"):
            self._note_pod(WatchEvent("ADDED", pod))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow("nodes", version, self._note_node))
            tasks.create_task(self._follow("pods", version, self._note_pod))
            tasks.create_task(self._follow(CLAIMS, version, lambda _: self._wake()))
            tasks.create_task(self._work())

    async def _follow(self, kind: str, since: int, note: Callable[[WatchEvent], None]) -> None:
        async for event in self._store.watch(kind, since):
            note(event)
            await asyncio.sleep(0)  # a backlog must not hold the loop

    async def _work(self) -> None:
        while True:
            self._changed.clear()
            key = self._queue.take()
            if key is not None:
                self._schedule(key)
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(self._queue.next_due()):
                    await self._changed.wait()
            except TimeoutError:
                continue  # a parked pod is due

    def _note_node(self, event: WatchEvent) -> None:
        name = event.object["metadata"]["name"]
        if event.type == "DELETED":
            self._model.remove_node(name)
            self._nodes.pop(name, None)
            return
        try:
            node = parse_node(event.object)
        except ValueError as error:
            log.warning("the scheduler leaves out %s", error)
            self._model.remove_node(name)
            self._nodes.pop(name, None)
            return
        if self._nodes.get(name) != node:
            self._nodes[name] = node
            self._model.update_node(node)
            self._wake()

    def _note_pod(self, event: WatchEvent) -> None:
        pod = event.object
        key = f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"
        request = self._read(pod)
        if event.type == "DELETED" or request is None:
            self._forget(key)
        elif request.node or request.ended:
            self._note_bound(request)
        elif _is_ours(pod):
            self._model.add_pod(request)  # a nominated pod holds its place, gated or not
            if request.gated:
                self._queue.drop(key)
                self._tell_unschedulable(pod, "SchedulingGated", GATED)
            else:
                self._queue.put(request)
                self._changed.set()

    def _note_bound(self, request: PodRequest) -> None:
        self._queue.drop(request.key)
        if self._bound.get(request.key) == request:
            return
        if request.ended:
            self._forget(request.key)
            return
        self._bound[request.key] = request
        self._model.add_pod(request)

    def _forget(self, key: str) -> None:
        self._queue.drop(key)
        self._model.remove_pod(key)
        if self._bound.pop(key, None) is not None:
            self._wake()

    def _wake(self) -> None:
        self._queue.wake()
        self._changed.set()

    def _read(self, pod: Object) -> PodRequest | None:
        try:
            return parse_pod(pod)
        except ValueError as error:
            self._events.record(pod, "FailedScheduling", str(error), type_="Warning", source=NAME)
            return None

    def _schedule(self, key: str) -> None:
        namespace, _, name = key.partition("/")
        pod = self._store.find("pods", name, namespace)
        request = self._read(pod) if pod is not None else None
        if pod is None or request is None or request.node or request.gated or not _is_ours(pod):
            self._queue.drop(key)
            return
        why = claim_fault(self._store, pod)
        if why:
            self._refuse(pod, key, f"0/{len(self._nodes)} nodes are available: {why}. not found")
            return
        decision = self._model.schedule(request)
        if decision.node is None:
            self._refuse(pod, key, decision.reason)
            return
        try:
            self._bind(pod, decision.node)
        except StatusError as error:
            self._model.remove_pod(key)
            message = f"binding to {decision.node} failed: {error.message}"
            self._refuse(pod, key, message)
            return
        self._queue.drop(key)

    def _bind(self, pod: Object, node: str) -> None:
        told = {"type": "PodScheduled", "status": "True"}

        def change(obj: Object) -> None:
            obj["spec"]["nodeName"] = node
            obj.setdefault("status", {}).pop("nominatedNodeName", None)
            _put_condition(obj, told, timestamp(self._now))

        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self._store.mutate("pods", name, namespace, change)
        message = f"Successfully assigned {namespace}/{name} to {node}"
        self._events.record(pod, "Scheduled", message, source=NAME)

    def _refuse(self, pod: Object, key: str, reason: str) -> None:
        self._queue.park(key)
        self._events.record(pod, "FailedScheduling", reason, type_="Warning", source=NAME)
        self._tell_unschedulable(pod, "Unschedulable", reason)

    def _tell_unschedulable(self, pod: Object, reason: str, message: str) -> None:
        told = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        loses_nomination = (
            reason == "Unschedulable" and pod["spec"].get("preemptionPolicy") != "Never"
        )

        def change(obj: Object) -> None:
            if loses_nomination:  # the default preemption finds no victims and clears it
                obj.setdefault("status", {}).pop("nominatedNodeName", None)
            _put_condition(obj, told, timestamp(self._now))

        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if self._store.find("pods", name, namespace) is not None:
            self._store.mutate("pods", name, namespace, change)


def _is_ours(pod: Object) -> bool:
    """Tell whether a pod waits for this scheduler."""
    return (
        pod["spec"].get("schedulerName", NAME) == NAME
        and "deletionTimestamp" not in pod["metadata"]
    )


def claim_fault(store: ObjectStore, pod: Object) -> str:
    """Say which of a pod's claims keeps it from every node; "" when none does.

    Source: pkg/scheduler/framework/plugins/volumebinding, Kubernetes 1.36.
    """
    namespace = pod["metadata"].get("namespace", "")
    for volume in pod["spec"].get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if not name:
            continue
        claim = store.find(CLAIMS, name, namespace)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if "deletionTimestamp" in claim["metadata"]:
            return f'persistentvolumeclaim "{name}" is being deleted'
        if (claim.get("status") or {}).get("phase") != "Bound":
            return "pod has unbound immediate PersistentVolumeClaims"
    return ""


def _put_condition(pod: Object, wanted: Object, now: str) -> None:
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    old = next((c for c in conditions if c["type"] == wanted["type"]), None)
    since = now if old is None or old["status"] != wanted["status"] else old["lastTransitionTime"]
    updated = {**wanted, "lastProbeTime": None, "lastTransitionTime": since}
    if old is None:
        conditions.append(updated)
    else:
        conditions[conditions.index(old)] = updated


async def run_scheduler(store: ObjectStore, events: EventRecorder, now: Clock = utc_now) -> None:
    """Schedule pods until cancelled; a crash is logged, recorded, and followed by a new start."""
    loop = asyncio.get_running_loop()
    about = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kube-system", "namespace": "kube-system"},
    }
    while True:
        try:
            await PodScheduler(store, events, now, loop.time).run()
        except Exception as error:
            log.exception("the scheduler crashed; starting it again")
            message = f"the scheduler crashed: {error!r}; starting it again"
            events.record(about, "SchedulerCrashed", message, type_="Warning", source=NAME)
        await asyncio.sleep(_RESTART_SECONDS)
