"""A real Karpenter beside a cluster of fake nodes: kwok plays its cloud's machines."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.kube.api import Api
from tests.kube.builds import ensure_karpenter
from tests.kube.clusters import CHECKOUT, Cluster, running_cluster
from tests.kube.commands import Tell
from tests.kube.layout import cache_folder
from tests.kube.options import FakeNodes, Options
from tests.kube.processes import Processes
from tests.kube.waits import wait_for

DATA = CHECKOUT / ".nightshift-kube" / "karpenter"
POOLS, CLAIMS = "/apis/karpenter.sh/v1/nodepools", "/apis/karpenter.sh/v1/nodeclaims"
_CLASSES = "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses"
_OPTIONS = Options(fake_only=True, fake_nodes=FakeNodes(count=1, cpu="2", memory="8Gi"))


@contextmanager
def running_karpenter(data: Path = DATA, tell: Tell = print) -> Iterator[Cluster]:
    """Run a cluster of one fixed node, and a Karpenter that adds others to it."""
    built = ensure_karpenter(cache_folder(os.environ), tell)
    with running_cluster(_OPTIONS, data, tell) as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(built / "crds.yaml"))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        processes = Processes(cluster.layout)
        process = processes.start(
            "karpenter", [built / "karpenter-kwok"], environment=_told(cluster)
        )
        try:
            with cluster.api() as api:
                api.post(_CLASSES, _named("KWOKNodeClass", "karpenter.kwok.sh/v1alpha1", "kwok"))
            yield cluster
        finally:
            psutil.Process(process).kill()


def add_node_pool(api: Api, name: str, **spec: Any) -> None:
    """Create a NodePool of nodes with 4 CPUs, and wait until Karpenter takes it."""
    wanted = {
        "node.kubernetes.io/instance-type": "c-4x-amd64-linux",
        "karpenter.sh/capacity-type": "on-demand",
    }
    template = {
        "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "kwok"},
        "requirements": [
            {"key": key, "operator": "In", "values": [value]} for key, value in wanted.items()
        ],
        "expireAfter": "Never",
    }
    pool = _named("NodePool", "karpenter.sh/v1", name)
    disruption = {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "Never"}
    api.post(
        POOLS, {**pool, "spec": {"template": {"spec": template}, "disruption": disruption, **spec}}
    )

    def is_ready() -> bool:
        status = api.get(f"{POOLS}/{name}").get("status", {})
        ready = [one["status"] for one in status.get("conditions", []) if one["type"] == "Ready"]
        return ready == ["True"] and "nodes" in status

    wait_for(f"Karpenter to take the NodePool {name}", is_ready, 60)


def _told(cluster: Cluster) -> dict[str, str]:
    """Give what Karpenter reads from its environment."""
    return {
        "KUBECONFIG": str(cluster.kubeconfig),
        "DISABLE_LEADER_ELECTION": "true",
        "METRICS_PORT": "0",
        "HEALTH_PROBE_PORT": "0",
        "BATCH_IDLE_DURATION": "300ms",
        "FEATURE_GATES": "StaticCapacity=true",
        "KARPENTER_SERVICE": "karpenter",
        "SYSTEM_NAMESPACE": "kube-system",
    }


def _named(kind: str, version: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}
