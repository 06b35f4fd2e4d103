"""One pod, from its node's assignment to its end: volumes, containers, deadline, deletion."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.containers import ContainerRunner
from nightshift.embedded.kube.kubelet.evictions import find_excess, find_limits
from nightshift.embedded.kube.kubelet.faults import VolumeFault
from nightshift.embedded.kube.kubelet.folders import remove_tree
from nightshift.embedded.kube.kubelet.services import Services
from nightshift.embedded.kube.kubelet.states import Role, list_containers, new_record
from nightshift.embedded.kube.kubelet.volumes import PreparedVolume, prepare_volumes

DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


class PodWorker:
    """Runs one pod. ``run`` ends when the pod is over; ``remove`` then forgets its files.

    ``deletion`` is done, with the grace in seconds, once the pod is to go.
    """

    def __init__(self, services: Services, pod: Object) -> None:
        self._services = services
        self._is_ending = False
        self._mounted = asyncio.Event()
        self._volumes: Mapping[str, PreparedVolume] = {}
        self.deletion: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.pod = pod
        self.record = new_record(pod, services.options.clock())
        specs = {spec["name"]: spec for _, spec in list_containers(pod["spec"])}
        self.runners = {
            record.name: ContainerRunner(services, pod, specs[record.name], record, self.publish)
            for record in self.record.containers
        }

    @property
    def uid(self) -> str:
        """The pod's uid, which a later pod of the same name does not share."""
        return str(self.pod["metadata"]["uid"])

    async def run(self) -> None:
        """Run the pod until it is over, was stopped, evicted, or passed its deadline."""
        self.publish()
        course = asyncio.create_task(self._run_containers())
        eviction = asyncio.create_task(self._watch_usage())
        ends: set[asyncio.Future[Any]] = {course, eviction, self.deletion}
        try:
            await asyncio.wait(
                ends, timeout=self._seconds_left(), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            is_over, is_evicted = course.done(), eviction.done()
            course.cancel()
            eviction.cancel()
        await asyncio.wait({course, eviction})
        if is_over:
            course.result()
        elif self.deletion.done():
            await self._stop_all(self.deletion.result())
        elif is_evicted:
            self._services.warn(self.pod, "Evicted", eviction.result())
            await self._fail("Evicted", eviction.result(), 0.0)
        else:
            self._services.tell(self.pod, "DeadlineExceeded", DEADLINE_MESSAGE)
            await self._fail("DeadlineExceeded", DEADLINE_MESSAGE, self._grace())

    async def _watch_usage(self) -> str:
        """Return once a volume is too large, and why the pod goes."""
        limits = find_limits(self.pod)
        await (self._mounted if limits else asyncio.Event()).wait()
        return await find_excess(limits, self._volumes, self._services.options.patience.usage)

    async def _fail(self, reason: str, message: str, grace: float) -> None:
        self.record.verdict = ("Failed", reason, message)
        await self._stop_all(grace)

    def stop(self, grace: float) -> None:
        """Have ``run`` end the containers within ``grace`` seconds; a second call may hurry it."""
        if not self.deletion.done():
            self.deletion.set_result(grace)
        if self._is_ending:
            asyncio.get_running_loop().call_later(grace, self.kill)

    async def end_processes(self) -> None:
        """Kill every process of the pod, and wait until there is none."""
        await asyncio.gather(*(runner.shut_down() for runner in self.runners.values()))

    def kill(self) -> None:
        """Kill every process of the pod."""
        for runner in self.runners.values():
            runner.kill()

    async def remove(self) -> None:
        """Remove the pod's files."""
        await asyncio.to_thread(remove_tree, self._services.pod_folder(self.uid))

    def publish(self) -> None:
        """Write the pod's status."""
        self._services.publish(self.pod, self.record)

    def _seconds_left(self) -> float | None:
        deadline = self.pod["spec"].get("activeDeadlineSeconds")
        if deadline is None:
            return None
        end = self.record.started_at + dt.timedelta(seconds=float(deadline))
        return max(0.0, (end - self._services.options.clock()).total_seconds())

    def _grace(self) -> float:
        asked = self.pod["spec"].get("terminationGracePeriodSeconds")
        return self._services.options.patience.grace if asked is None else float(asked)

    async def _run_containers(self) -> None:
        self._volumes = await self._mount_volumes()
        self._mounted.set()
        self.record.sandboxed = True
        for runner in self.runners.values():
            runner.volumes = self._volumes
        async with asyncio.TaskGroup() as group:
            sidecars: list[asyncio.Task[None]] = []
            if await self._run_first(group, sidecars):
                await self._run_main()
            for task in sidecars:
                task.cancel()
        await self._stop_sidecars()

    async def _run_main(self) -> None:
        async with asyncio.TaskGroup() as group:
            for record in self.record.of_role(Role.MAIN):
                group.create_task(self.runners[record.name].run_to_end())

    async def _run_first(
        self, group: asyncio.TaskGroup, sidecars: list[asyncio.Task[None]]
    ) -> bool:
        """Run init containers in order and start sidecars; tell whether the others may start."""
        for record in self.record.of_role(Role.INIT, Role.SIDECAR):
            runner = self.runners[record.name]
            if record.role is Role.SIDECAR:
                sidecars.append(group.create_task(runner.run_to_end()))
                await runner.has_started.wait()
                continue
            await runner.run_to_end()
            if not record.has_succeeded:
                return False
        return True

    async def _mount_volumes(self) -> Mapping[str, PreparedVolume]:
        folder = self._services.pod_folder(self.uid) / "volumes"
        while True:
            try:
                return prepare_volumes(self.pod, folder, self._services.store)
            except VolumeFault as fault:
                self._services.warn(self.pod, "FailedMount", str(fault))
                await asyncio.sleep(self._services.options.patience.retry)

    async def _stop_sidecars(self) -> None:
        for record in reversed(self.record.of_role(Role.SIDECAR)):
            await self.runners[record.name].stop(self._grace())

    async def _stop_all(self, grace: float) -> None:
        self._is_ending = True
        main = [self.runners[r.name].stop(grace) for r in self.record.of_role(Role.INIT, Role.MAIN)]
        await asyncio.gather(*main)
        await self._stop_sidecars()
        self.publish()
