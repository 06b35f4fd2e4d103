"""Ends containers that exceed their memory limit, by looking at them several times a second.

CPU limits are not enforced: there is no way to without a cgroup, and nothing here depends on it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nightshift.embedded.kube.kubelet.launching import LaunchedProcess
from nightshift.embedded.kube.kubelet.processtrees import measure_memory


@dataclass(frozen=True, slots=True, eq=False)
class _Watched:
    process: LaunchedProcess
    limit: int
    on_exceeded: Callable[[], None]


class MemoryWatch:
    """Looks at every watched process tree in turn.

    :param interval: between two rounds, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._watched: set[_Watched] = set()

    def watch(self, process: LaunchedProcess, limit: int, on_exceeded: Callable[[], None]) -> None:
        """Look after ``process`` until it ends.

        :param limit: bytes that all of its processes may hold together.
        :param on_exceeded: called once, before the processes are killed.
        """
        self._watched.add(_Watched(process, limit, on_exceeded))

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            for watched in tuple(self._watched):
                self._look(watched)
                await asyncio.sleep(0)

    def _look(self, watched: _Watched) -> None:
        process = watched.process
        if process.has_ended:
            self._watched.discard(watched)
        elif process.init_pid and measure_memory(process.init_pid, watched.limit) > watched.limit:
            self._watched.discard(watched)
            watched.on_exceeded()
            process.kill()
