"""One start of one container: its process, its log, its layer."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nightshift.domain.quantities import memory_bytes
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.containerplans import Ground, plan_container
from nightshift.embedded.kube.kubelet.faults import (
    ConfigFault,
    ContainerFault,
    ImageFault,
    ImageNeverPulled,
)
from nightshift.embedded.kube.kubelet.launching import (
    LaunchedProcess,
    Streams,
    launch,
    open_null,
    read_pipe,
)
from nightshift.embedded.kube.kubelet.logfiles import LogWriter
from nightshift.embedded.kube.kubelet.mounts import Layer
from nightshift.embedded.kube.kubelet.options import Image
from nightshift.embedded.kube.kubelet.services import Services
from nightshift.embedded.kube.kubelet.volumes import PreparedVolume
from nightshift.embedded.kube.launcher.plans import Plan

_log = logging.getLogger(__name__)
_READ_BYTES = 64 * 1024
_DRAIN_SECONDS = 1.0


@dataclass(slots=True)
class Run:
    """One start of a container.

    :param beside: commands that were started in the container later.
    :param exceeded_memory: it was killed for it.
    """

    plan: Plan
    process: LaunchedProcess
    log: LogWriter
    layer: Layer
    output: asyncio.Task[None]
    beside: set[LaunchedProcess] = field(default_factory=set)
    exceeded_memory: bool = False

    async def close(self) -> None:
        """End what runs beside; wait for what was printed last, not for strangers on the pipe."""
        await asyncio.gather(*(process.kill_and_wait() for process in self.beside))
        await asyncio.wait({self.output}, timeout=_DRAIN_SECONDS)
        self.output.cancel()
        self.log.close()


@dataclass(frozen=True, slots=True)
class RunFolders:
    """Where a container keeps its files, by the number of the start (from 0).

    :param folder: the pod's, a real path.
    """

    folder: Path
    container: str

    def log(self, start: int) -> Path:
        """Name the folder of the log."""
        return self.folder / "logs" / self.container / str(start)

    def layer(self, start: int) -> Layer:
        """Name the writable folders."""
        return Layer(self.folder / "containers" / self.container / str(start))


def find_image(services: Services, pod: Object, container: Object) -> Image:
    """Find what the container's image stands for; record the events of a pull.

    :raises ImageFault: it is not known here.
    :raises ImageNeverPulled: likewise, and the container says never to pull.
    """
    name = container.get("image", "")
    image = services.options.images.get(name)
    if image is not None:
        services.tell(pod, "Pulled", f'Container image "{name}" already present on machine')
        return image
    if container.get("imagePullPolicy") == "Never":
        raise ImageNeverPulled(f'Container image "{name}" is not present with pull policy of Never')
    services.tell(pod, "Pulling", f'Pulling image "{name}"')
    known = ", ".join(sorted(services.options.images)) or "none"
    raise ImageFault(f'image "{name}" is not one of this cluster\'s images: {known}')


def start_run(
    services: Services,
    pod: Object,
    container: Object,
    volumes: Mapping[str, PreparedVolume],
    start: int,
) -> Run:
    """Start the container's launcher.

    :param start: how often it was started before.
    :raises ContainerFault: it cannot be started now.
    """
    image = find_image(services, pod, container)
    folders = RunFolders(services.pod_folder(pod["metadata"]["uid"]), container["name"])
    layer, limit = folders.layer(start), _memory_limit(container)

    def look_up(kind: str, name: str) -> Object | None:
        return services.find(kind, name, pod)

    try:
        layer.make()
        ground = Ground(image, volumes, layer, services.options, services.capabilities)
        plan = plan_container(pod, container, ground, look_up)
        receive, send = os.pipe()
        process = launch(plan, Streams(open_null(), send, os.dup(send)))
    except OSError as error:
        raise ContainerFault(str(error)) from error
    log = LogWriter(folders.log(start), services.options.clock, services.options.log_bytes)
    run = Run(plan, process, log, layer, asyncio.create_task(_copy(receive, log)))
    if limit is not None:
        services.memory.watch(process, limit, _note_excess(run))
    return run


def _memory_limit(container: Object) -> int | None:
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    try:
        return None if limit is None else memory_bytes(limit)
    except ValueError as error:
        raise ConfigFault(f"limits.memory: {error}") from error


def _note_excess(run: Run) -> Callable[[], None]:
    def note() -> None:
        run.exceeded_memory = True

    return note


async def _copy(fd: int, log: LogWriter) -> None:
    """Read to the end even if nothing can be written, so that the container never blocks."""
    reader, transport = await read_pipe(fd)
    is_lossy = False
    try:
        while data := await reader.read(_READ_BYTES):
            try:
                log.write(data)
            except OSError as error:
                if not is_lossy:
                    _log.warning("what the container prints is lost: %s", error)
                is_lossy = True
    finally:
        transport.close()
