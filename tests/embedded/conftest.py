"""A real API server on a free port for each test, and clients that talk to it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.background import BackgroundCluster, cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.nodespecs import NodeSpec
from tests.embedded.api_support import Rest, open_rest

NODES = (NodeSpec("n1", "4", "16Gi"), NodeSpec("n2", "4", "16Gi"))

RunningCluster = Callable[..., BackgroundCluster]


@pytest.fixture
def running_cluster(tmp_path: Path) -> Iterator[RunningCluster]:
    """Start clusters that end with the test; keyword arguments are those of ClusterOptions."""
    with ExitStack() as stack:

        def start(**options: Any) -> BackgroundCluster:
            data_dir = options.pop("data_dir", tmp_path / "cluster")
            chosen = ClusterOptions(data_dir, **{"nodes": NODES, **options})
            running: AbstractContextManager[BackgroundCluster] = cluster_in_background(chosen)
            return stack.enter_context(running)

        yield start


@pytest.fixture
def cluster(running_cluster: RunningCluster) -> BackgroundCluster:
    """An API server and nothing else: no controller, no scheduler and no kubelet acts."""
    return running_cluster(controllers=False)


@pytest.fixture
def rest(cluster: BackgroundCluster) -> Iterator[Rest]:
    """A client of ``cluster``."""
    with open_rest(cluster) as client:
        yield Rest(client)
