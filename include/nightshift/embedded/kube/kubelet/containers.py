"""One container over its restarts: start, follow, end, back off, start again."""

import asyncio
from collections.abc import Callable, Mapping

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet import endings
from nightshift.embedded.kube.kubelet.actions import perform
from nightshift.embedded.kube.kubelet.backoffs import Backoff, format_seconds
from nightshift.embedded.kube.kubelet.faults import ContainerFault, ImageFault
from nightshift.embedded.kube.kubelet.folders import remove_tree
from nightshift.embedded.kube.kubelet.health import HealthWatch
from nightshift.embedded.kube.kubelet.runs import Run, RunFolders, start_run
from nightshift.embedded.kube.kubelet.services import Services
from nightshift.embedded.kube.kubelet.states import (
    ContainerRecord,
    Role,
    Running,
    Terminated,
    Waiting,
    container_id,
)
from nightshift.embedded.kube.kubelet.volumes import PreparedVolume


class ContainerRunner:
    """Runs one container of a pod.

    :param publish: called after each change of ``record``.
    """

    def __init__(
        self,
        services: Services,
        pod: Object,
        spec: Object,
        record: ContainerRecord,
        publish: Callable[[], None],
    ) -> None:
        self._services = services
        self._pod = pod
        self._publish = publish
        self._backoff = Backoff(services.options.patience, 0.0)
        self.folders = RunFolders(services.pod_folder(pod["metadata"]["uid"]), record.name)
        self.spec = spec
        self.record = record
        self.volumes: Mapping[str, PreparedVolume] = {}
        self.run: Run | None = None
        self._health: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self.has_started = asyncio.Event()

    async def run_to_end(self) -> None:
        """Start the container, again and again as its pod's policy says, until it is done."""
        while True:
            await self._run_once()
            if not self._is_restarted():
                return
            await self._back_off()
            self.record.restarts += 1

    async def stop(self, grace: float) -> None:
        """Ask the container to end, kill it after ``grace`` seconds, record how it ended."""
        run = self.run
        if run is None:
            return
        self._services.tell(self._pod, "Killing", f"Stopping container {self.record.name}")
        await self._end(run, grace)
        await self._finish(run)

    def kill(self) -> None:
        """Kill all its processes; who follows them sees them end."""
        if self.run:
            self.run.process.kill()

    async def shut_down(self) -> None:
        """Kill all its processes and wait until there is none; record nothing."""
        await self._stop_probing()
        if self.run:
            await self.run.process.kill_and_wait()
            await self.run.close()

    async def _stop_probing(self) -> None:
        if self._health and not self._health.done():
            self._health.cancel()
            await asyncio.wait({self._health})

    async def _run_once(self) -> None:
        run = await self._start()
        failure = await run.process.wait_started()
        if not failure:
            self._report_started(run)
        await self._finish(run, failure)

    async def _start(self) -> Run:
        """Start a run; while something is missing, say so and try again."""
        patience = self._services.options.patience
        pulls = Backoff(patience, patience.backoff)
        while True:
            try:
                run = start_run(
                    self._services, self._pod, self.spec, self.volumes, self.record.restarts
                )
            except ImageFault as fault:
                await self._wait_for_image(fault, pulls.take())
            except ContainerFault as fault:
                self._wait_as(fault.reason, str(fault))
                self._services.warn(self._pod, "Failed", f"Error: {fault}")
                await asyncio.sleep(patience.retry)
            else:
                self.run = run
                name = self.record.name
                self.record.container_id = container_id(self._pod, name, self.record.restarts)
                self._services.tell(self._pod, "Created", f"Created container: {name}")
                return run

    async def _wait_for_image(self, fault: ImageFault, seconds: float) -> None:
        name, pod = self.record.image, self._pod
        self._services.warn(pod, "Failed", f'Failed to pull image "{name}": {fault}')
        self._services.warn(pod, "Failed", "Error: ErrImagePull")
        self._wait_as(fault.reason, str(fault))
        await asyncio.sleep(min(seconds, self._services.options.patience.retry))
        text = f'Back-off pulling image "{name}"'
        self._services.tell(pod, "BackOff", text)
        self._services.warn(pod, "Failed", "Error: ImagePullBackOff")
        self._wait_as("ImagePullBackOff", f"{text}: ErrImagePull: {fault}")
        await asyncio.sleep(seconds)

    def _wait_as(self, reason: str, message: str) -> None:
        self.record.state = Waiting(reason, message)
        self._publish()

    def _report_started(self, run: Run) -> None:
        if self.run is not run:
            return
        self.record.state = Running(self._services.options.clock())
        self._services.tell(self._pod, "Started", f"Started container {self.record.name}")
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        probes = [
            kind for kind in ("startup", "readiness", "liveness") if f"{kind}Probe" in self.spec
        ]
        self.record.started = self.record.ready = not hook and not probes
        if hook or probes:
            self._health = asyncio.create_task(self._follow_health(run, hook))
        self._report_health()

    async def _follow_health(self, run: Run, hook: Object | None) -> None:
        if hook:
            failure = await perform(hook, self.spec, run, self._grace)
            if failure:
                self._services.warn(
                    self._pod, "FailedPostStartHook", f"PostStartHook failed: {failure}"
                )
                self._end_unhealthy(run, "failed its postStart hook")
                return
        await HealthWatch(
            self.spec,
            run,
            self.record,
            self._report_health,
            lambda reason, message: self._services.warn(self._pod, reason, message),
            lambda why: self._end_unhealthy(run, why),
        ).follow()

    def _report_health(self) -> None:
        self._publish()
        if self.record.started:
            self.has_started.set()

    def _end_unhealthy(self, run: Run, why: str) -> None:
        self._services.tell(self._pod, "Killing", f"Container {self.record.name} {why}")
        self._ending = asyncio.create_task(self._end(run, self._grace))

    @property
    def _grace(self) -> float:
        asked = self._pod["spec"].get("terminationGracePeriodSeconds")
        return self._services.options.patience.grace if asked is None else float(asked)

    async def _end(self, run: Run, grace: float) -> None:
        """Run the preStop hook, send SIGTERM, and kill what is left after ``grace`` seconds."""
        ended = asyncio.ensure_future(run.process.wait())
        began = asyncio.get_running_loop().time()
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if grace > 0 and hook and not run.process.has_ended:
            failure = await perform(hook, self.spec, run, grace)
            if failure:
                self._services.warn(
                    self._pod, "FailedPreStopHook", f"PreStopHook failed: {failure}"
                )
        left = grace - (asyncio.get_running_loop().time() - began)
        if left > 0:
            run.process.terminate()
            await asyncio.wait({ended}, timeout=left)
        if not run.process.has_ended:
            await run.process.kill_and_wait()

    async def _finish(self, run: Run, failure: str = "") -> None:
        """Record how ``run`` ended; once, whoever comes first."""
        exit_code = await run.process.wait()
        await self._stop_probing()
        await run.close()
        if self.run is not run:
            return
        self.run = None
        clock, record = self._services.options.clock, self.record
        if failure:
            self._services.warn(self._pod, "Failed", f"Error: {failure}")
        message = failure or await endings.read_message(
            self.spec, exit_code, run.layer.termination_log, run.log.folder, clock
        )
        reason = endings.START_ERROR if failure else endings.find_reason(exit_code)
        if run.exceeded_memory:
            reason, exit_code = endings.OUT_OF_MEMORY, endings.KILLED
        started = record.state.started_at if isinstance(record.state, Running) else None
        record.state = Terminated(exit_code, reason, clock(), started, message, record.container_id)
        record.ready = record.started = False
        self._publish()

    def _is_restarted(self) -> bool:
        policy = self._pod["spec"].get("restartPolicy", "Always")
        if self.record.role is Role.SIDECAR:
            return True
        if self.record.has_succeeded:
            return policy == "Always" and self.record.role is Role.MAIN
        return bool(policy != "Never")

    async def _back_off(self) -> None:
        """Wait before a restart: not before the first one, then longer and longer."""
        ended = self.record.state
        if not isinstance(ended, Terminated):
            return
        self.record.last = ended
        await asyncio.to_thread(remove_tree, self.folders.layer(self.record.restarts).folder)
        await asyncio.to_thread(remove_tree, self.folders.log(self.record.restarts - 1))
        ran = (ended.finished_at - (ended.started_at or ended.finished_at)).total_seconds()
        self._backoff.forget_after(ran, 0.0)
        seconds = self._backoff.take()
        if seconds > 0:
            self._report_back_off(seconds)
            await asyncio.sleep(seconds)

    def _report_back_off(self, seconds: float) -> None:
        metadata, name = self._pod["metadata"], self.record.name
        pod = f"{metadata['name']}_{metadata.get('namespace', '')}({metadata['uid']})"
        text = f"Back-off restarting failed container {name} in pod {pod}"
        self._services.warn(self._pod, "BackOff", text)
        wait = f"back-off {format_seconds(seconds)}"
        self._wait_as("CrashLoopBackOff", f"{wait} restarting failed container={name} pod={pod}")
