"""A local cluster in a thread of its own, for callers that do not live in its asyncio loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from nightshift.embedded.kube.cluster import ClusterOptions, LocalCluster

T = TypeVar("T")

CALL_SECONDS = 30.0
"""How long a call into the cluster's loop may take."""


class BackgroundCluster:
    """A handle on a cluster that runs in another thread."""

    def __init__(
        self, cluster: LocalCluster, loop: asyncio.AbstractEventLoop, ended: "Future[None]"
    ) -> None:
        self._cluster = cluster
        self._loop = loop
        self._ended = ended
        self.stopping = asyncio.Event()

    @property
    def url(self) -> str:
        """The API server's address."""
        return self._cluster.url

    @property
    def kubeconfig(self) -> Path:
        """The file that opens the cluster; its folder also has ``token`` and ``pki/ca.crt``."""
        return self._cluster.kubeconfig

    def call(self, function: Callable[[LocalCluster], T]) -> T:
        """Run a function in the cluster's loop, where its state may be read and changed."""

        async def run() -> T:
            return function(self._cluster)

        return self.run(run())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    def stop(self) -> None:
        """End the cluster with all its pods; nothing if it has ended.

        :raises Exception: what a part of the cluster failed with.
        """
        if not self._ended.done():
            self._loop.call_soon_threadsafe(self.stopping.set)
        self._ended.result(CALL_SECONDS)


@contextmanager
def cluster_in_background(options: ClusterOptions) -> Iterator[BackgroundCluster]:
    """Run a cluster until the block ends.

    :raises ConfigError: when it cannot start.
    :raises Exception: what a part of the cluster failed with, at the end.
    """
    started: Future[BackgroundCluster] = Future()
    threading.Thread(
        target=_run_loop, args=(options, started), name="nightshift-cluster", daemon=True
    ).start()
    background = started.result(CALL_SECONDS)
    try:
        yield background
    finally:
        background.stop()


def _run_loop(options: ClusterOptions, started: "Future[BackgroundCluster]") -> None:
    ended: Future[None] = Future()
    try:
        asyncio.run(_run(options, started, ended))
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        (ended if started.done() else started).set_exception(error)
    else:
        ended.set_result(None)


async def _run(
    options: ClusterOptions, started: "Future[BackgroundCluster]", ended: "Future[None]"
) -> None:
    async with LocalCluster(options) as cluster:
        background = BackgroundCluster(cluster, asyncio.get_running_loop(), ended)
        started.set_result(background)
        await cluster.run_until(background.stopping)
