"""Which cluster the contract suite talks to: the embedded one, or one that you name.

``NIGHTSHIFT_CONTRACT_KUBECONFIG`` names a kubeconfig whose user may do everything; its nodes must
have or get ``NIGHTSHIFT_CONTRACT_IMAGE`` (Python's official image by default; any with ``sh`` and
``python3`` will do). Run it there with ``-n 1``: some cases cordon and label nodes, or add one.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nightshift.cluster.client import Cluster, connect
from nightshift.embedded.kube.background import cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.settings import Settings
from tests.contract.access import Api, Object, condition
from tests.contract.connections import Connection, read_kubeconfig

KUBECONFIG_VARIABLE = "NIGHTSHIFT_CONTRACT_KUBECONFIG"
IMAGE = os.environ.get("NIGHTSHIFT_CONTRACT_IMAGE", "python:3.13-slim")
FAKE_NODE = "kwok.x-k8s.io/node"


@pytest.fixture(scope="session")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """One cluster for the whole suite."""
    chosen = os.environ.get(KUBECONFIG_VARIABLE)
    if chosen:
        yield read_kubeconfig(Path(chosen))
        return
    folder = tmp_path_factory.mktemp("contract")
    options = ClusterOptions(
        folder,
        nodes=(NodeSpec("n1", "4", "8Gi"), NodeSpec("n2", "4", "8Gi")),
        kubelet=KubeletOptions(folder / "kubelet", images={IMAGE: Image(host=True)}),
    )
    with cluster_in_background(options) as cluster:
        yield read_kubeconfig(cluster.kubeconfig)


@pytest.fixture(scope="session")
def whole_cluster(
    connection: Connection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """The cluster with the nodes that can run containers."""
    with connection.open() as client:
        api = Api(connection, client, IMAGE)
        if KUBECONFIG_VARIABLE not in os.environ:
            api = replace(api, volumes=str(tmp_path_factory.mktemp("volumes")))
        nodes = api.items("nodes")
        usable = tuple(node["metadata"]["name"] for node in nodes if _is_usable(node))
        assert len(usable) >= 2, "the suite needs two nodes that are ready, untainted, not cordoned"
        steering = {} if len(usable) == len(nodes) else {"affinity": _only(usable)}
        yield replace(api, nodes=usable, steering=steering)


@pytest.fixture
def api(whole_cluster: Api) -> Iterator[Api]:
    """The API with a namespace of the test's own, removed after it."""
    with whole_cluster.in_namespace(f"contract-{uuid.uuid4().hex[:8]}") as scoped:
        yield scoped


@pytest.fixture
def core(api: Api) -> Iterator[Any]:
    """The official client's CoreV1Api."""
    with api.core() as client:
        yield client


@pytest.fixture
def client(api: Api) -> Iterator[Cluster]:
    """The client of our own tasks."""
    settings = Settings(kubeconfig=str(api.connection.kubeconfig), namespace=api.namespace)
    connected = connect(settings)
    yield connected
    connected.close()


def _is_usable(node: Object) -> bool:
    spec = node["spec"]
    blocked = any(taint["effect"] != "PreferNoSchedule" for taint in spec.get("taints", []))
    ready = condition(node, "Ready").get("status") == "True"
    fake = FAKE_NODE in node["metadata"].get("annotations", {})
    return ready and not blocked and not spec.get("unschedulable") and not fake


def _only(names: tuple[str, ...]) -> Object:
    fields = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
        for name in names
    ]
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": fields}
        }
    }
