"""A real Kubernetes API on the loopback, and our client connected to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.cluster.client import Cluster
from nightshift.embedded.kube.background import BackgroundCluster
from tests.cluster.kube_support import connected_to, running_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundCluster]:
    """An API server on which nothing acts by itself: tests play kubelet and controllers."""
    with running_server(tmp_path / "cluster") as running:
        yield running


@pytest.fixture
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    """Our client, in the namespace ``default``."""
    with connected_to(server) as connected:
        yield connected
