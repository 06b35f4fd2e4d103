"""One real cluster for all tests here; ``make test-kube`` runs them, plain ``make test`` does not.

``NIGHTSHIFT_KUBE_DATA`` names the data directory of a cluster that runs and is left as it is;
without it one is started, in the default place, and ended.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.api import Api
from tests.kube.clusters import Cluster, find_cluster, running_cluster
from tests.kube.options import Options
from tests.kube.suites import DATA_VARIABLE


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    data = os.environ.get(DATA_VARIABLE)
    if data:
        yield find_cluster(Path(data))
        return
    with running_cluster(Options(nodes=2, scanner=True)) as running:
        yield running


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    with cluster.api() as opened:
        yield opened


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"real-{uuid.uuid4().hex[:8]}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.delete(f"/api/v1/namespaces/{name}")
