"""Plays a world on a real API server and lets the real kube-scheduler decide.

API server and etcd only: no controllers and no kubelets, so that nothing but the scheduler changes
an object. Two admission plugins are off: TaintNodesByCondition would taint every new node, and
ServiceAccount wants accounts that a controller makes.
"""

import contextlib
import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.kube.api import Api
from tests.kube.clusters import CHECKOUT, Cluster, running_cluster
from tests.kube.commands import Tell
from tests.kube.control_plane import LOOPBACK
from tests.kube.crosscheck.logs import VMODULE, Attempt, SchedulerLog
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
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_NOW = "gracePeriodSeconds=0"


class Mode(StrEnum):
    """How the scheduler runs.

    ``ONE_THREAD`` leaves nothing to chance: filters run one after the other, no scores are reused,
    and the informers start from a LIST, which is in the order of names (a WatchList, the default,
    passes through a Go map and comes in any order). ``AS_SHIPPED`` changes nothing. That never
    reuses scores: no pod is alike another while the profile has default spreading, as it has unless
    told otherwise. ``REUSING_SCORES`` tells it.
    """

    ONE_THREAD = "one thread"
    AS_SHIPPED = "as shipped"
    REUSING_SCORES = "reusing scores"


_NO_SPREADING = {
    "name": "PodTopologySpread",
    "args": {"defaultingType": "List", "defaultConstraints": []},
}
_SETTINGS: dict[Mode, dict[str, Any]] = {
    Mode.ONE_THREAD: {"parallelism": 1},
    Mode.AS_SHIPPED: {},
    Mode.REUSING_SCORES: {"profiles": [{"pluginConfig": [_NO_SPREADING]}]},
}
_GATES = {Mode.ONE_THREAD: ["--feature-gates=OpportunisticBatching=false,WatchListClient=false"]}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a case.

    :param nodes: as the API server served them before the scheduler started; so are ``pods``, by
        name, those that have a node or a gate included.
    :param attempts: in the order in which the scheduler made them.
    """

    nodes: list[dict[str, Any]]
    pods: list[dict[str, Any]]
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
    """Create the case's world, start the scheduler, wait for an answer to each pod, clean up.

    :raises HarnessError: if the API refuses something, or an answer is missing after 4 minutes, or
        the log says something else than the API.
    """
    world = case.build()
    with cluster.api() as api:
        try:
            _create(api, world)
            nodes, pods = api.items("/api/v1/nodes"), api.items(_PODS)
            attempts = _decide(cluster, f"{case.name}-{mode.name.lower()}", mode, len(world.pods))
            _check_bound(api, attempts)
        finally:
            api.delete(f"{_PODS}?{_NOW}")
            api.delete("/api/v1/nodes")
    return Played(nodes, pods, attempts)


def _create(api: Api, world: World) -> None:
    """Create everything over several connections; the order does not count, names do."""
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        _drain(pool.map(lambda node: api.post("/api/v1/nodes", node), world.nodes))
        pods = [*world.placed, *world.reserving, *world.pods]
        _drain(pool.map(lambda pod: _create_pod(api, pod), pods))


def _create_pod(api: Api, pod: Mapping[str, Any]) -> None:
    """Create a pod and nominate it after that: the API server drops the status of a new one."""
    api.post(_PODS, {key: value for key, value in pod.items() if key != "status"})
    if "status" in pod:
        api.patch(f"{_PODS}/{pod['metadata']['name']}/status", {"status": pod["status"]})


def _drain(results: Iterable[object]) -> None:
    for _ in results:
        pass


def _decide(cluster: Cluster, name: str, mode: Mode, pods: int) -> list[Attempt]:
    processes = Processes(cluster.layout)
    part = f"kube-scheduler-{name}"
    processes.log(part).unlink(missing_ok=True)
    processes.start(part, _scheduler(cluster, mode), cwd=cluster.layout.data)
    log = SchedulerLog(processes.log(part))

    def has_decided() -> bool:
        log.read()
        return log.decided == pods

    try:
        wait_for(
            f"kube-scheduler to decide on {pods} pods",
            has_decided,
            _DECIDED_SECONDS,
            alive=lambda: processes.check(part),
            explain=lambda: f"{log.decided} are decided; see {processes.log(part)}",
        )
    finally:
        child = processes.children.pop(part)
        child.send_signal(signal.SIGKILL)
        child.wait()
    processes.log(part).unlink()
    return log.attempts


def _scheduler(cluster: Cluster, mode: Mode) -> list[str | Path]:
    certificates = cluster.layout.certificates
    configuration = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {
            "kubeconfig": str(certificates / "scheduler.kubeconfig"),
            "qps": 1000,
            "burst": 2000,
        },
        **_SETTINGS[mode],
    }
    file = certificates / "crosscheck.json"
    file.write_text(json.dumps(configuration))
    return [
        cluster.binaries.path("kube-scheduler"),
        f"--config={file}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={cluster.place.ports.scheduler}",
        f"--cert-dir={certificates}",
        "--v=3",
        VMODULE,
        *_GATES.get(mode, ()),
    ]


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
