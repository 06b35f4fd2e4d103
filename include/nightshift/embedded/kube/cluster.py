"""A whole cluster in one asyncio loop: store, API server, controllers, scheduler and kubelets."""

import asyncio
import fcntl
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nightshift.clock import Clock, utc_now
from nightshift.embedded.kube.admission import admit
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.controllers import ControllerOptions, run_controllers
from nightshift.embedded.kube.controllers.namespaces import bootstrap
from nightshift.embedded.kube.events import StoredEvents
from nightshift.embedded.kube.faults import Faults
from nightshift.embedded.kube.interfaces import Object, PodRuntime
from nightshift.embedded.kube.kubeconfig import load_token, write_kubeconfig
from nightshift.embedded.kube.kubelet import KubeletOptions, LocalKubelet
from nightshift.embedded.kube.nodeobjects import (
    LEASE_NAMESPACE,
    LEASE_SECONDS,
    lease_object,
    micro_time,
    node_object,
)
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.embedded.kube.privatefiles import private_folder
from nightshift.embedded.kube.resources import Registry, resource_of_key
from nightshift.embedded.kube.scheduler import run_scheduler
from nightshift.embedded.kube.server import Access, KubeServer
from nightshift.embedded.kube.storage import MemoryStore
from nightshift.embedded.kube.strategies import prepare_for_create
from nightshift.embedded.kube.tls import server_context
from nightshift.errors import ConfigError

_LEASES = "leases.coordination.k8s.io"


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a local cluster is set up.

    :param data_dir: keeps the CA, the token, the kubeconfig and the pods' files; made mode 0700.
    :param port: 0 takes a free one.
    :param history: changes kept for each kind; a watch that asks for older ones gets 410.
    :param controllers: run the controllers and the scheduler; without them nothing acts by itself.
    :param kubelet: how pods are run; None runs none.
    """

    data_dir: Path
    nodes: tuple[NodeSpec, ...]
    port: int = 0
    history: int = 4096
    controllers: bool = True
    kubelet: KubeletOptions | None = None
    clock: Clock = utc_now


class LocalCluster:
    """An async context manager: entering starts the cluster, leaving ends it with all its pods.

    State is in memory only: a cluster that starts again is empty, but keeps its CA and token, so
    that a kubeconfig stays good while the port does.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        self.faults = Faults()
        self.url = ""
        self._server: KubeServer | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        self._stack = AsyncExitStack()
        self.store = MemoryStore(
            options.clock,
            history=options.history,
            # Microseconds: no burst of writes before a restart gets ahead of them.
            first_version=int(options.clock().timestamp() * 1_000_000),
        )
        self.events = StoredEvents(self.store, options.clock)

    @property
    def open_requests(self) -> int:
        """How many requests are being answered now; watches and followed logs count."""
        return self._server.open_requests if self._server else 0

    @property
    def kubeconfig(self) -> Path:
        """The file that opens this cluster."""
        return self.options.data_dir / "kubeconfig"

    async def __aenter__(self) -> Self:
        """Start everything; what had started is ended again if something does not.

        :raises ConfigError: when another cluster uses the folder or the port.
        """
        async with AsyncExitStack() as stack:
            self._lock_folder(stack, private_folder(self.options.data_dir))
            self._populate()
            runtime = self._run_pods(stack)
            self._start(stack, self._renew_leases())
            if self.options.controllers:
                self._start(stack, run_controllers(self.store, self.events, self._settings()))
                self._start(stack, run_scheduler(self.store, self.events, self.options.clock))
            await self._serve(stack, runtime)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End everything, in the reverse order."""
        await self._stack.aclose()

    async def run_until(self, stop: asyncio.Event) -> None:
        """Wait until ``stop`` is set.

        :raises Exception: what a part of the cluster failed with, if that happens first.
        """
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait(
                [stopping, *self._tasks], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                await task
            if stopping not in done:
                raise RuntimeError("a part of the local cluster ended although it never should")
        finally:
            stopping.cancel()

    def _lock_folder(self, stack: AsyncExitStack, folder: Path) -> None:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            problem = "another local cluster uses this folder; end it or choose another folder"
            raise ConfigError(str(folder), problem) from error

    def _populate(self) -> None:
        now = self.options.clock()
        bootstrap(self.store)
        for spec in self.options.nodes:
            self._create("nodes", node_object(spec, now))
            self._create(_LEASES, lease_object(spec.name, now))

    def _create(self, kind: str, obj: Object) -> None:
        resource = resource_of_key(kind)
        if resource is None:
            raise LookupError(f"no resource is stored as {kind}")
        prepared = prepare_for_create(resource, obj)
        self.store.create(kind, admit(self.store, "CREATE", kind, prepared, None))

    def _run_pods(self, stack: AsyncExitStack) -> PodRuntime | None:
        chosen = self.options.kubelet
        if chosen is None:
            return None
        hidden = (*chosen.hidden_paths, self.options.data_dir)
        runtime = LocalKubelet(self.store, self.events, replace(chosen, hidden_paths=hidden))
        stack.push_async_callback(runtime.shutdown)
        self._start(stack, runtime.run())
        return runtime

    def _settings(self) -> ControllerOptions:
        return ControllerOptions(self.options.data_dir / "volumes", self.options.clock)

    async def _serve(self, stack: AsyncExitStack, runtime: PodRuntime | None) -> None:
        folder = self.options.data_dir
        ssl_context, ca_pem = server_context(folder / "pki", self.options.clock())
        token = load_token(folder / "token")
        api = Api(self.store, Registry(), admit, self.options.clock, runtime)
        server = self._server = KubeServer(api, Access(ssl_context, token), self.faults)
        stack.push_async_callback(server.stop)
        try:
            self.url = await server.start(self.options.port)
        except OSError as error:
            raise ConfigError(f"port {self.options.port}", str(error)) from error
        write_kubeconfig(self.kubeconfig, self.url, ca_pem, token)

    def _start(self, stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        stack.push_async_callback(_cancel, task)

    async def _renew_leases(self) -> None:
        """Say for every node that it is alive, as long as its Lease is there."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            stamp = micro_time(self.options.clock())
            for lease in self.store.list(_LEASES, LEASE_NAMESPACE):
                name = lease["metadata"]["name"]
                self.store.mutate(_LEASES, name, LEASE_NAMESPACE, partial(_renew, stamp=stamp))


def _renew(lease: Object, stamp: str) -> None:
    lease["spec"]["renewTime"] = stamp


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
