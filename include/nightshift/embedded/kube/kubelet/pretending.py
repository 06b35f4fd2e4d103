"""Pods that run no process: they start at once and end after a time, thousands of them cheaply.

Annotations: ``nightshift/pretend-seconds``, ``nightshift/pretend-exit-code``,
``nightshift/pretend-log``. With restartPolicy Always a pod stays Running until it is deleted.
"""

import asyncio
import datetime as dt
import heapq
import math
from dataclasses import dataclass
from typing import NamedTuple

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.endings import find_reason
from nightshift.embedded.kube.kubelet.faults import ConfigFault
from nightshift.embedded.kube.kubelet.folders import remove_tree
from nightshift.embedded.kube.kubelet.logfiles import LogWriter
from nightshift.embedded.kube.kubelet.podworkers import DEADLINE_MESSAGE
from nightshift.embedded.kube.kubelet.runs import RunFolders
from nightshift.embedded.kube.kubelet.services import Services
from nightshift.embedded.kube.kubelet.states import (
    PodRecord,
    Role,
    Running,
    Terminated,
    container_id,
    new_record,
)

_PREFIX = "nightshift/pretend-"
_TICK_SECONDS = 0.1  # the clock is not the loop's: a test may move it
_MOST_EXIT_CODE = 255


@dataclass(frozen=True, slots=True)
class Pretence:
    """How a pod pretends."""

    seconds: float
    exit_code: int = 0
    log: str = ""


def parse_pretence(pod: Object, default_seconds: float | None) -> Pretence | None:
    """Read how ``pod`` pretends, None if it is to run.

    :param default_seconds: for pods without an annotation.
    :raises ConfigFault: an annotation that is no number or out of range.
    """
    notes = pod["metadata"].get("annotations") or {}
    text = notes.get(f"{_PREFIX}seconds", default_seconds)
    if text is None:
        return None
    try:
        seconds = float(text)
        exit_code = int(notes.get(f"{_PREFIX}exit-code", "0"))
    except (ValueError, TypeError) as error:
        raise ConfigFault(f"annotations {_PREFIX}*: {error}") from error
    if not 0 <= seconds < math.inf or not 0 <= exit_code <= _MOST_EXIT_CODE:
        raise ConfigFault(f"annotations {_PREFIX}*: seconds from 0, exit codes from 0 to 255")
    return Pretence(seconds, exit_code, notes.get(f"{_PREFIX}log", ""))


@dataclass(slots=True)
class PretendPod:
    """One pod that pretends."""

    pod: Object
    pretence: Pretence
    record: PodRecord
    log: LogWriter


class _Due(NamedTuple):
    moment: dt.datetime
    serial: int
    uid: str


class PretendPods:
    """All pods that pretend, ordered by when they end."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pods: dict[str, PretendPod] = {}
        self._heap: list[_Due] = []
        self._serial = 0
        self._added = asyncio.Event()

    def find(self, uid: str) -> PretendPod | None:
        """Look a pod up."""
        return self._pods.get(uid)

    def start(self, pod: Object, pretence: Pretence) -> None:
        """Begin: ContainerCreating, then Running."""
        now = self._services.options.clock()
        record = new_record(pod, now)
        started = PretendPod(pod, pretence, record, self._open_log(pod, record, pretence.log))
        self._pods[pod["metadata"]["uid"]] = started
        self._services.publish(pod, started.record)
        started.record.sandboxed = True
        for container in started.record.containers:
            container.container_id = container_id(pod, container.name, 0)
            container.ready = container.started = container.role is not Role.INIT
            container.state = Running(now)
            if container.role is Role.INIT:
                container.state = Terminated(0, "Completed", now, now, "", container.container_id)
        self._services.publish(pod, started.record)
        if started.record.restart_policy != "Always":
            self._plan_end(started, now)

    def forget(self, uid: str) -> PretendPod | None:
        """Drop a pod and its files; it ends no more."""
        pod = self._pods.pop(uid, None)
        if pod:
            pod.log.close()
            remove_tree(self._services.pod_folder(uid))
        return pod

    async def run(self) -> None:
        """End pods when their time has come, until cancelled."""
        while True:
            now = self._services.options.clock()
            while self._heap and self._heap[0].moment <= now:
                ended = self._pods.get(heapq.heappop(self._heap).uid)
                if ended:
                    self._end(ended, now)
            await self._pause(now)

    async def _pause(self, now: dt.datetime) -> None:
        if not self._heap:
            self._added.clear()
            await self._added.wait()
            return
        left = (self._heap[0].moment - now).total_seconds()
        await asyncio.sleep(min(max(left, 0.0), _TICK_SECONDS))

    def _plan_end(self, pod: PretendPod, now: dt.datetime) -> None:
        seconds = min(pod.pretence.seconds, self._deadline(pod))
        self._serial += 1
        end = now + dt.timedelta(seconds=seconds)
        heapq.heappush(self._heap, _Due(end, self._serial, pod.pod["metadata"]["uid"]))
        self._added.set()

    def _deadline(self, pod: PretendPod) -> float:
        deadline = pod.pod["spec"].get("activeDeadlineSeconds")
        return math.inf if deadline is None else float(deadline)

    def _end(self, pod: PretendPod, now: dt.datetime) -> None:
        exit_code = pod.pretence.exit_code
        if self._deadline(pod) < pod.pretence.seconds:
            exit_code = 137
            pod.record.verdict = ("Failed", "DeadlineExceeded", DEADLINE_MESSAGE)
        elif exit_code and pod.record.restart_policy == "OnFailure":
            self._restart(pod, now)
            return
        for container in pod.record.of_role(Role.MAIN, Role.SIDECAR):
            container.ready = container.started = False
            container.state = Terminated(
                exit_code,
                find_reason(exit_code),
                now,
                container.state.started_at if isinstance(container.state, Running) else None,
                "",
                container.container_id,
            )
        pod.log.close()
        self._services.publish(pod.pod, pod.record)

    def _restart(self, pod: PretendPod, now: dt.datetime) -> None:
        code = pod.pretence.exit_code
        for container in pod.record.of_role(Role.MAIN):
            started = container.state.started_at if isinstance(container.state, Running) else now
            container.last = Terminated(
                code, find_reason(code), now, started, "", container.container_id
            )
            container.state = Running(now)
            container.restarts += 1
        self._services.publish(pod.pod, pod.record)
        self._plan_end(pod, now)

    def _open_log(self, pod: Object, record: PodRecord, text: str) -> LogWriter:
        options = self._services.options
        folder = self._services.pod_folder(pod["metadata"]["uid"])
        name = record.of_role(Role.MAIN)[0].name
        log = LogWriter(RunFolders(folder, name).log(0), options.clock, options.log_bytes)
        if text:
            log.write(text.rstrip("\n").encode() + b"\n")
        return log
