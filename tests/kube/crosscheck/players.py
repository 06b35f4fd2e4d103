"""Plays a world on a real API server and lets the real kube-scheduler decide.

API server and etcd only: no controllers and no kubelets, so that nothing but the scheduler changes
an object. Two admission plugins are off: TaintNodesByCondition would taint every new node, and
ServiceAccount wants accounts that a controller makes.
"""

import contextlib
import json
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.domain.placement.scenarios import Object
from tests.kube.api import Api
from tests.kube.clusters import CHECKOUT, Cluster, running_cluster
from tests.kube.commands import Tell
from tests.kube.control_plane import LOOPBACK
from tests.kube.crosscheck.logs import VMODULE, Attempt, SchedulerLog
from tests.kube.crosscheck.runs import Mode
from tests.kube.crosscheck.worlds import NAMESPACE, PRIORITIES, Case, World
from tests.kube.errors import HarnessError
from tests.kube.options import Options
from tests.kube.processes import Processes
from tests.kube.waits import wait_for

DATA = CHECKOUT / ".nightshift-kube" / "crosscheck"
OPTIONS = Options(
    fake_only=True,
    without=("kube-controller-manager", "kube-scheduler", "kwok"),
    arguments={
        "kube-apiserver": ["--disable-admission-plugins=TaintNodesByCondition,ServiceAccount"]
    },
)
_CONNECTIONS = 6
_DECIDED_SECONDS = 240.0
_READY_SECONDS = 60.0
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_NOW = "gracePeriodSeconds=0"


_NO_SPREADING = {
    "name": "PodTopologySpread",
    "args": {"defaultingType": "List", "defaultConstraints": []},
}
_GATE = {"name": "example.com/plan"}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a case.

    :param nodes: by name, as the API server gave them before the scheduler decided anything; so are
        ``pods``, those that have a node or a gate included.
    :param attempts: in the order in which the scheduler made them.
    """

    nodes: list[Object]
    pods: list[Object]
    attempts: list[Attempt]


@contextlib.contextmanager
def running_api(tell: Tell) -> Iterator[Cluster]:
    """Run etcd and an API server for the block, with our namespace and priority classes.

    :raises HarnessError: if they do not start.
    """
    with running_cluster(OPTIONS, DATA, tell) as cluster, cluster.api() as api:
        if api.find(f"/api/v1/namespaces/{NAMESPACE}") is None:
            api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            for name, value in PRIORITIES.items():
                made = {"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"}
                api.post("/apis/scheduling.k8s.io/v1/priorityclasses", made)
        yield cluster


def play(cluster: Cluster, case: Case, mode: Mode) -> Played:
    """Create the case's world, let the scheduler decide on each pod, clean up.

    :raises HarnessError: if the API refuses something, or an answer is missing after 4 minutes, or
        the log says something else than the API.
    """
    world = case.build()
    held = mode is Mode.NOMINATING
    with cluster.api() as api:
        try:
            _create(api, world, held=held)
            nodes, pods = api.items("/api/v1/nodes"), api.items(_PODS)
            with _running_scheduler(cluster, f"{case.name}-{mode.name.lower()}", mode) as running:
                if held:
                    pods = _release(api, world)
                running.wait_for_answers(len(world.pods))
            _check_bound(api, running.log.attempts)
        finally:
            api.delete(f"{_PODS}?{_NOW}")
            api.delete("/api/v1/nodes")
    return Played(nodes, pods, running.log.attempts)


def _create(api: Api, world: World, *, held: bool) -> None:
    """Create everything over several connections; the order does not count, names do.

    :param held: gate the pods that are to be placed, and nominate none.
    """
    _for_each(lambda node: api.post("/api/v1/nodes", node), world.nodes)
    _for_each(lambda pod: _create_pod(api, pod), [*world.placed, *world.reserving])
    _for_each(lambda pod: _create_pod(api, pod, gates=[_GATE] if held else []), world.pods)
    if not held:
        _nominate(api, world)


def _create_pod(api: Api, pod: Object, gates: Iterable[Object] = ()) -> None:
    spec = pod["spec"]
    allowed = [*spec.get("schedulingGates", ()), *gates]
    api.post(_PODS, {**pod, "spec": {**spec, "schedulingGates": allowed}})


def _nominate(api: Api, world: World) -> None:
    """Nominate pods; the API server has dropped the status that they were created with."""

    def nominate(pod: Object) -> None:
        api.patch(f"{_PODS}/{pod['metadata']['name']}/status", {"status": pod["status"]})

    _for_each(nominate, [pod for pod in (*world.reserving, *world.pods) if "status" in pod])


def _release(api: Api, world: World) -> list[Object]:
    """Nominate, then ungate in the order of names; give the pods as they are after that."""
    _nominate(api, world)
    found = api.items(_PODS)
    for pod in found:
        gates = pod["spec"].get("schedulingGates", [])
        if _GATE in gates:
            del pod["spec"]["schedulingGates"]
    removal = {"$patch": "delete", **_GATE}
    for pod in world.pods:
        path = f"{_PODS}/{pod['metadata']['name']}"
        api.patch(path, {"spec": {"schedulingGates": [removal]}})
    return found


def _for_each(act: Callable[[Object], object], objects: Iterable[Object]) -> None:
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for _ in pool.map(act, objects):
            pass


@dataclass(frozen=True, slots=True)
class _Running:
    """A scheduler, and what it has logged so far."""

    part: str
    processes: Processes
    log: SchedulerLog

    def wait_for_answers(self, pods: int) -> None:
        """Wait until each of so many pods has an answer."""

        def has_decided() -> bool:
            self.log.read()
            return self.log.decided == pods

        self.wait_for(f"kube-scheduler to decide on {pods} pods", has_decided, _DECIDED_SECONDS)

    def wait_for(self, what: str, held: Callable[[], bool], seconds: float) -> None:
        """Wait while the scheduler runs."""
        file = self.processes.log(self.part)
        wait_for(
            what,
            held,
            seconds,
            alive=lambda: self.processes.check(self.part),
            explain=lambda: f"{self.log.decided} are decided; see {file}",
        )


@contextlib.contextmanager
def _running_scheduler(cluster: Cluster, name: str, mode: Mode) -> Iterator[_Running]:
    """Run a scheduler for the block; its log, which can be large, goes unless the block fails."""
    processes = Processes(cluster.layout)
    part = f"kube-scheduler-{name}"
    file = processes.log(part)
    file.unlink(missing_ok=True)
    processes.start(part, _command(cluster, mode), cwd=cluster.layout.data)
    running = _Running(part, processes, SchedulerLog(file))
    try:
        port = cluster.place.ports.scheduler
        running.wait_for("kube-scheduler to be ready", lambda: _is_ready(port), _READY_SECONDS)
        yield running
    finally:
        child = processes.children.pop(part)
        child.send_signal(signal.SIGKILL)
        child.wait()
    file.unlink()


def _is_ready(port: int) -> bool:
    """Ask whether its informers are in step; its certificate is one that it made for itself."""
    try:
        reply = httpx.get(f"https://{LOOPBACK}:{port}/readyz", verify=False, timeout=2)
    except httpx.HTTPError:
        return False
    return reply.status_code == httpx.codes.OK


def _command(cluster: Cluster, mode: Mode) -> list[str | Path]:
    certificates = cluster.layout.certificates
    file = certificates / "crosscheck.json"
    kubeconfig = certificates / "scheduler.kubeconfig"
    file.write_text(json.dumps(_configuration(kubeconfig, mode)))
    gates = "--feature-gates=OpportunisticBatching=false,WatchListClient=false"
    return [
        cluster.binaries.path("kube-scheduler"),
        f"--config={file}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={cluster.place.ports.scheduler}",
        f"--cert-dir={certificates}",
        "--v=3",
        VMODULE,
        *([gates] if mode.is_exact else []),
    ]


def _configuration(kubeconfig: Path, mode: Mode) -> Object:
    client = {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 2000}
    found: Object = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": client,
    }
    if mode.is_exact:
        found["parallelism"] = 1
    if mode is Mode.REUSING_SCORES:
        found["profiles"] = [{"pluginConfig": [_NO_SPREADING]}]
    return found


def _check_bound(api: Api, attempts: Iterable[Attempt]) -> None:
    """Hold the log against the API.

    :raises HarnessError: if a pod's ``spec.nodeName`` is not what the log says.
    """
    found = {
        f"{NAMESPACE}/{pod['metadata']['name']}": pod["spec"].get("nodeName", "")
        for pod in api.items(_PODS)
    }
    said = {attempt.pod: attempt.node for attempt in attempts}
    wrong = [pod for pod, node in said.items() if found[pod] != node]
    if wrong:
        raise HarnessError(f"the log and the API disagree about {', '.join(wrong[:5])}")
