"""Where the contract suite runs: on the embedded cluster, or on a real one.

With ``NIGHTSHIFT_CONTRACT_KUBECONFIG`` set the same tests talk to that cluster, whose nodes must be
able to pull ``NIGHTSHIFT_CONTRACT_IMAGE`` (busybox by default; any image with ``sh`` will do).
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.background import cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from nightshift.embedded.kube.nodespecs import NodeSpec
from tests.contract.access import Api, open_api

KUBECONFIG_VARIABLE = "NIGHTSHIFT_CONTRACT_KUBECONFIG"
IMAGE = os.environ.get("NIGHTSHIFT_CONTRACT_IMAGE", "busybox")


@pytest.fixture(scope="session")
def contract_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One cluster for the whole suite."""
    chosen = os.environ.get(KUBECONFIG_VARIABLE)
    if chosen:
        yield open_api(Path(chosen), IMAGE, None)
        return
    folder = tmp_path_factory.mktemp("contract")
    options = ClusterOptions(
        folder,
        nodes=(NodeSpec("n1", "8", "16Gi"), NodeSpec("n2", "8", "16Gi")),
        kubelet=KubeletOptions(folder / "kubelet", images={IMAGE: Image(host=True)}),
    )
    with cluster_in_background(options) as cluster:
        yield open_api(cluster.kubeconfig, IMAGE, cluster)


@pytest.fixture
def core(api: Api) -> Iterator[Any]:
    """The official client's CoreV1Api."""
    with api.core() as client:
        yield client


@pytest.fixture
def api(contract_api: Api) -> Iterator[Api]:
    """The API with a namespace of the test's own, removed after it."""
    namespace = f"contract-{uuid.uuid4().hex[:8]}"
    with contract_api.in_namespace(namespace) as scoped:
        yield scoped
