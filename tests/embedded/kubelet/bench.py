"""What kubelet tests share: pods, and a bench that runs the loop until something holds."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nightshift.embedded.kube.events import StoredEvents
from nightshift.embedded.kube.interfaces import LogOptions, Object
from nightshift.embedded.kube.kubelet import Image, KubeletOptions, LocalKubelet, Patience
from nightshift.embedded.kube.storage import MemoryStore

NAMESPACE = "team"
HOST = "host:1"
ROOT = Path(__file__).resolve().parents[3]
"""The checkout, whose Python the containers run, wherever it is: below /tmp too."""
QUICK = Patience(backoff=0.05, backoff_most=0.2, retry=0.02, memory=0.02, grace=5.0)
TERMINAL = ("Succeeded", "Failed")


def container(*command: str, name: str = "base", **fields: Any) -> Object:
    return {"name": name, "image": HOST, "command": list(command), **fields}


def shell(script: str, name: str = "base", **fields: Any) -> Object:
    return container("sh", "-c", script, name=name, **fields)


def pod(*containers: Object, name: str = "p", **spec: Any) -> Object:
    notes = spec.pop("annotations", {})
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": notes}
    fields = {"nodeName": "n1", "restartPolicy": "Never", "containers": list(containers)}
    return {"metadata": metadata, "spec": {**fields, **spec}}


@dataclass
class Bench:
    """A running kubelet; every call runs its loop."""

    runner: asyncio.Runner
    store: MemoryStore
    kubelet: LocalKubelet
    folder: Path
    others: frozenset[int] = frozenset()

    def create(self, obj: Object, kind: str = "pods") -> Object:
        return self.store.create(kind, obj)

    def find(self, name: str = "p") -> Object | None:
        return self.store.find("pods", name, NAMESPACE)

    def status(self, name: str = "p") -> Object:
        status: Object = self.store.get("pods", name, NAMESPACE).get("status") or {}
        return status

    def state(self, name: str = "p") -> Object:
        """The state of the pod's first container; {} while there is no status."""
        statuses = self.status(name).get("containerStatuses") or [{"state": {}}]
        state: Object = statuses[0]["state"]
        return state

    def until(self, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Run the loop until ``holds`` gives something true."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s; events: {self.events()}")
            self.run_for(0.005)
        return found

    def run_for(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    def until_phase(self, *phases: str, name: str = "p") -> Object:
        self.until(lambda: self.status(name).get("phase") in phases)
        return self.status(name)

    def until_running(self, name: str = "p") -> Object:
        return self.until_phase("Running", name=name)

    def finish(self, obj: Object) -> Object:
        """Create a pod and run it to its end; give its first container's last state."""
        created = self.create(obj)
        self.until_phase(*TERMINAL, name=created["metadata"]["name"])
        terminated: Object = self.state(created["metadata"]["name"])["terminated"]
        return terminated

    def log(self, name: str = "p", **options: Any) -> str:
        return self.log_bytes(name, **options).decode()

    def log_bytes(self, name: str = "p", **options: Any) -> bytes:
        chosen = LogOptions(**{"container": "base", **options})
        found = self.store.get("pods", name, NAMESPACE)

        async def read() -> bytes:
            return b"".join([chunk async for chunk in self.kubelet.logs(found, chosen)])

        return self.runner.run(read())

    def execute(
        self, *command: str, name: str = "p", stdin: bytes | None = None, tty: bool = False
    ) -> tuple[int, dict[int, bytes]]:
        """Run a command beside container ``base``; give its exit code and output by channel."""
        found = self.store.get("pods", name, NAMESPACE)

        async def run() -> tuple[int, dict[int, bytes]]:
            process = await self.kubelet.exec(
                found, "base", command, stdin=stdin is not None, tty=tty
            )
            if stdin is not None:
                await process.write_stdin(stdin)
                if not tty:
                    await process.write_stdin(b"")
            output = {1: b"", 2: b""}
            async for channel, data in process.output():
                output[channel] += data
            return await process.wait(), output

        return self.runner.run(run())

    def delete(self, grace: int, name: str = "p") -> None:
        """Mark a pod as the API server does."""

        def mark(obj: Object) -> None:
            obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            obj["metadata"]["deletionGracePeriodSeconds"] = grace

        self.store.mutate("pods", name, NAMESPACE, mark)

    def events(self, name: str = "p") -> list[tuple[str, str]]:
        """(reason, message) of the pod's events, oldest first."""
        found = [e for e in self.store.list("events") if e["involvedObject"]["name"] == name]
        found.sort(key=lambda event: int(event["metadata"]["name"].rpartition(".")[2], 16))
        return [(event["reason"], event["message"]) for event in found]

    def processes(self) -> list[psutil.Process]:
        """What this kubelet started; other tests of this process may have a server running."""
        own = [p for p in psutil.Process().children() if p.pid not in self.others]
        return [*own, *(below for one in own for below in _below(one))]


@contextmanager
def open_bench(folder: Path, **options: Any) -> Iterator[Bench]:
    """Run a kubelet; at the end nothing that it started may be left."""
    images = {HOST: Image(host=True, visible=(ROOT,)), **options.pop("images", {})}
    capabilities = options.pop("capabilities", None)
    chosen = KubeletOptions(folder / "kubelet", images, **{"patience": QUICK, **options})
    store = MemoryStore()
    others = frozenset(child.pid for child in psutil.Process().children())
    kubelet = LocalKubelet(store, StoredEvents(store), chosen, capabilities)
    with asyncio.Runner() as runner:
        task = runner.get_loop().create_task(kubelet.run())
        bench = Bench(runner, store, kubelet, folder, others)
        bench.until(lambda: kubelet.capabilities or task.done())
        try:
            yield bench
        finally:
            task.cancel()
            runner.run(_settle([task]))
            runner.run(kubelet.shutdown())
        assert bench.processes() == []


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


async def _settle(tasks: Sequence[asyncio.Task[None]]) -> None:
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [r for r in results if isinstance(r, Exception)]
    if failures:
        raise failures[0]
