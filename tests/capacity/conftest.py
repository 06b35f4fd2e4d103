"""An API server on the loopback on which tests play kubelet and controllers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.cluster.client import Cluster
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.store.engines import Engine, writer_engine
from tests.capacity.capacity_support import NS, Hand, end_terminating
from tests.capacity.weekend_support import World, empty_store, populate
from tests.cluster.kube_support import connected_to, running_server

NODES = (NodeSpec("n1", "4", "16Gi"), NodeSpec("n2", "4", "16Gi"), NodeSpec("n3", "4", "16Gi"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BackgroundCluster]:
    with running_server(tmp_path / "cluster", NODES) as running:
        yield running


@pytest.fixture
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    with connected_to(server, "nightshift") as connected:
        for name in ("nightshift", NS):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            connected.create("/api/v1/namespaces", body)
        yield connected


@pytest.fixture
def hand(cluster: Cluster) -> Hand:
    """A clock; whenever somebody sleeps, pods that were asked to end are gone."""
    return Hand(others=[lambda: end_terminating(cluster)])


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    """An empty store."""
    engine = writer_engine(migrated_url)
    empty_store(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def world(server: BackgroundCluster, cluster: Cluster, engine: Engine) -> World:
    populate(cluster)
    return World(server, cluster, engine, Hand())
