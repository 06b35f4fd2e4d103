"""The kubelet of every node of the embedded cluster: pods become local processes.

It imports neither ``kubernetes`` nor nightshift.cluster. Source of the behaviour: pkg/kubelet of
Kubernetes 1.36, and checklist K4 to K7, K10, K12 of what the clients of this project rely on.
"""

import asyncio
import fcntl
import logging
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO

from nightshift.embedded.kube.interfaces import (
    EventRecorder,
    ExecProcess,
    LogOptions,
    Object,
    ObjectStore,
    StatusError,
    WatchEvent,
)
from nightshift.embedded.kube.kubelet.capabilities import Capabilities, find_capabilities
from nightshift.embedded.kube.kubelet.execs import start_beside
from nightshift.embedded.kube.kubelet.faults import ConfigFault
from nightshift.embedded.kube.kubelet.folders import remove_stale
from nightshift.embedded.kube.kubelet.logfiles import LogWriter
from nightshift.embedded.kube.kubelet.logreading import read_log
from nightshift.embedded.kube.kubelet.memory import MemoryWatch
from nightshift.embedded.kube.kubelet.options import KubeletOptions
from nightshift.embedded.kube.kubelet.podlogs import choose_start
from nightshift.embedded.kube.kubelet.podworkers import PodWorker
from nightshift.embedded.kube.kubelet.pretending import PretendPods, parse_pretence
from nightshift.embedded.kube.kubelet.services import Services, pods_folder
from nightshift.embedded.kube.kubelet.states import find_record, new_record
from nightshift.errors import PermanentError

_log = logging.getLogger(__name__)
_TERMINAL = frozenset({"Succeeded", "Failed"})


class LocalKubelet:
    """Implements ``interfaces.PodRuntime`` for all nodes.

    Call ``run`` in the loop that the store belongs to, and ``shutdown`` once it has ended.

    :param capabilities: how to run pods, when that is known; else the kernel is tried.
    """

    def __init__(
        self,
        store: ObjectStore,
        events: EventRecorder,
        options: KubeletOptions,
        capabilities: Capabilities | None = None,
    ) -> None:
        self._store = store
        self._events = events
        self._options = options
        self._chosen = capabilities
        self._services: Services | None = None
        self._pretend: PretendPods | None = None
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._lock: BinaryIO | None = None

    @property
    def capabilities(self) -> Capabilities | None:
        """How pods are run on this machine; None before ``run``."""
        return self._services.capabilities if self._services else None

    async def run(self) -> None:
        """Watch pods that have a node, run them, report their status; until cancelled.

        :raises PermanentError: the folder is another cluster's, or namespaces are demanded and the
            kernel refuses.
        """
        services, pretend = await self._prepare()
        async with asyncio.TaskGroup() as group:
            group.create_task(services.memory.run())
            group.create_task(pretend.run())
            async for event in self._store.watch("pods"):
                self._observe(event, services, pretend)

    async def shutdown(self) -> None:
        """Kill every process that pods started, and remove the pods' files."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end_processes() for worker in self._workers.values()))
        self._workers.clear()
        if self._lock:
            await asyncio.to_thread(remove_stale, pods_folder(self._options), ())
            self._lock.close()
            self._lock = None

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        """Stream a container's log, lines whole, prefixed with RFC 3339 times if asked.

        The first item raises StatusError 400 while the container waits or is unknown.
        """
        return self._read_log(pod, options)

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> ExecProcess:
        """Start a command beside a running container.

        :raises StatusError: 500 if the container does not run.
        """
        worker = self._workers.get(pod["metadata"]["uid"])
        runner = worker.runners.get(container) if worker else None
        if runner is None or runner.run is None or not runner.record.started:
            raise StatusError(500, "InternalError", f'container not found ("{container}")')
        return await start_beside(runner.run, command, stdin=stdin, tty=tty)

    async def _prepare(self) -> tuple[Services, PretendPods]:
        folder = pods_folder(self._options)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._lock is None:
            self._lock = self._take_folder()
        removed = await asyncio.to_thread(remove_stale, folder, frozenset(self._tasks))
        if removed:
            _log.info("removed the files of %d pods of an earlier run", removed)
        if self._services is None or self._pretend is None:
            self._services = Services(
                self._store,
                self._events,
                self._options,
                self._chosen or await find_capabilities(self._options.mounts),
                MemoryWatch(self._options.patience.memory),
            )
            self._pretend = PretendPods(self._services)
        return self._services, self._pretend

    def _take_folder(self) -> BinaryIO:
        path = self._options.data_dir / "kubelet.lock"
        lock = path.open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            text = f"{self._options.data_dir} is in use by another cluster: stop it first"
            raise PermanentError(text) from error
        return lock

    def _observe(self, event: WatchEvent, services: Services, pretend: PretendPods) -> None:
        pod = event.object
        uid = pod["metadata"]["uid"]
        deleting = "deletionTimestamp" in pod["metadata"]
        if event.type == "DELETED":
            pretend.forget(uid)
            if uid in self._workers:
                self._workers[uid].stop(0.0)
        elif not pod["spec"].get("nodeName"):
            return
        elif uid in self._workers:
            if deleting:
                grace = pod["metadata"].get("deletionGracePeriodSeconds")
                self._workers[uid].stop(float(grace or 0))
        elif deleting:
            pretend.forget(uid)
            self._delete(pod)
        elif pretend.find(uid) is None and (pod.get("status") or {}).get("phase") not in _TERMINAL:
            self._start(pod, services, pretend)

    def _start(self, pod: Object, services: Services, pretend: PretendPods) -> None:
        try:
            pretence = parse_pretence(pod, self._options.pretend_seconds)
        except ConfigFault as fault:
            record = new_record(pod, self._options.clock())
            record.verdict = ("Failed", "InvalidPretence", str(fault))
            services.publish(pod, record)
            return
        if pretence:
            pretend.start(pod, pretence)
            return
        worker = PodWorker(services, pod)
        task = asyncio.create_task(self._serve(worker), name=f"pod {pod['metadata']['name']}")
        self._workers[worker.uid] = worker
        self._tasks[worker.uid] = task
        task.add_done_callback(lambda ended: self._forget(worker, ended))

    async def _serve(self, worker: PodWorker) -> None:
        """Run a pod to its end, then wait for its deletion."""
        await worker.run()
        await worker.deletion
        self._delete(worker.pod)
        await worker.remove()

    def _forget(self, worker: PodWorker, task: asyncio.Task[None]) -> None:
        del self._tasks[worker.uid]
        if task.cancelled():
            return  # shutdown, which still needs the worker
        del self._workers[worker.uid]
        error = task.exception()
        if error is not None:
            _log.error("pod %s: the kubelet failed", worker.uid, exc_info=error)
            worker.kill()
            worker.record.verdict = ("Failed", "KubeletError", str(error))
            worker.publish()

    def _delete(self, pod: Object) -> None:
        """Remove the object, unless it is gone or another of its name has come."""
        metadata = pod["metadata"]
        place = ("pods", metadata["name"], metadata.get("namespace", ""))
        stored = self._store.find(*place)
        if stored is not None and stored["metadata"]["uid"] == metadata["uid"]:
            self._store.delete(*place)

    async def _read_log(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        writer: LogWriter | None = None
        worker = self._workers.get(uid)
        pretend = self._pretend.find(uid) if self._pretend else None
        known = worker.record if worker else pretend.record if pretend else None
        record = find_record(known or new_record(pod, self._options.clock()), options.container)
        if record is None:
            text = f"container {options.container} is not valid for pod {name}"
            raise StatusError(400, "BadRequest", text)
        start = choose_start(record, name, previous=options.previous)
        if worker:
            runner = worker.runners[record.name]
            folder = runner.folders.log(start)
            writer = runner.run.log if runner.run and start == record.restarts else None
        elif pretend:
            folder, writer = pretend.log.folder, pretend.log
        else:
            return
        async for chunk in read_log(folder, options, writer, self._options.clock):
            yield chunk
