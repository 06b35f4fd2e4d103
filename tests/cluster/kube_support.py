"""Objects for the API, and the parts that kubelets, controllers and provisioners play."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nightshift.cluster.client import Cluster, connect
from nightshift.cluster.waiting import Pace
from nightshift.embedded.kube.background import BackgroundCluster, cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.settings import Settings

NODES = (NodeSpec("n1", "4", "16Gi"), NodeSpec("n2", "8", "8Gi", unschedulable=True))


@contextmanager
def running_server(
    folder: Path, nodes: tuple[NodeSpec, ...] = NODES, **options: Any
) -> Iterator[BackgroundCluster]:
    """Run an API server; by default nothing on it acts by itself.

    :param options: of ClusterOptions; ``controllers`` and ``kubelet`` make it act.
    """
    chosen = ClusterOptions(folder, nodes=nodes, **{"controllers": False, **options})
    with cluster_in_background(chosen) as running:
        yield running


@contextmanager
def connected_to(server: BackgroundCluster, namespace: str = "default") -> Iterator[Cluster]:
    """Connect our client."""
    settings = Settings(kubeconfig=str(server.kubeconfig), namespace=namespace)
    cluster = connect(dataclasses.replace(settings, api_timeout_seconds=10))
    yield cluster
    cluster.close()


def set_status(
    cluster: Cluster, plural: str, name: str, status: Any, group: str = "api/v1"
) -> None:
    """Play the part that reports an object's status."""
    path = cluster.path(plural, name, group=group)
    cluster.patch(f"{path}/status", {"status": status})


def build_pod(name: str, node: str = "", cpu: str = "1", **labels: str) -> dict[str, Any]:
    """Build a pod of one container named ``scan``."""
    container = {
        "name": "scan",
        "image": "image:1",
        "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}},
    }
    spec: dict[str, Any] = {"containers": [container], "restartPolicy": "Never"}
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def instant_pace(looks: int) -> Pace:
    """Look so many times without waiting: the clock is one that only sleeping moves."""
    passed = [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    return Pace(float(looks - 1), 1.0, sleep, lambda: passed[0])
