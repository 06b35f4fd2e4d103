"""The benchmark for a real scheduler, run whole on the embedded cluster's."""

from collections.abc import Iterator

import pytest

from bench.placement.kube import run_work
from bench.placement.kube_arms import list_arms
from bench.placement.kube_objects import NAMESPACE, clear, prepare
from bench.placement.results import Record
from bench.placement.workloads import Mix, Workload
from nightshift.cluster.client import Cluster, connect
from nightshift.embedded.kube.background import cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.settings import Settings

WORK = Workload(Mix.MEMORY, 20, 4, largest=1 / 2)
PATIENCE = 3.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An embedded cluster without nodes of its own."""
    options = ClusterOptions(tmp_path_factory.mktemp("bench"), nodes=())
    with cluster_in_background(options) as embedded:
        client = connect(Settings(kubeconfig=str(embedded.kubeconfig), namespace=NAMESPACE))
        prepare(client)
        yield client
        client.close()


def run(cluster: Cluster, share: float, *names: str) -> dict[str, Record]:
    arms = [arm for arm in list_arms(WORK.nodes, share > 0) if arm.name in names]
    records = run_work(cluster, WORK, share, arms, PATIENCE)
    return {record.result.arm: record for record in records}


def test_pack_opens_the_bound_and_the_default_opens_all(cluster: Cluster) -> None:
    found = run(cluster, 0.0, "default", "pack soft")
    packed = found["pack soft"]
    assert (packed.result.opened, packed.result.unplaced) == (packed.bound, 0)
    assert packed.result.hits == 1.0
    assert found["default"].result.opened == 14  # as many as were idle


def test_following_up_on_drift_loses_no_pod_and_opens_no_more(cluster: Cluster) -> None:
    found = run(cluster, 0.3, "pack soft", "pack soft, followed up")
    alone, followed = found["pack soft"], found["pack soft, followed up"]
    assert followed.result.unplaced == 0
    assert followed.result.pods == alone.result.pods
    assert alone.result.hits is not None
    assert alone.result.hits < 1.0
    assert followed.result.opened < alone.result.opened
    assert followed.bound is not None
    assert followed.result.opened >= followed.bound


def test_a_cluster_with_nodes_of_others_is_refused(cluster: Cluster) -> None:
    cluster.create("/api/v1/nodes", {"metadata": {"name": "theirs"}})
    with pytest.raises(SystemExit, match="has nodes of its own"):
        prepare(cluster)
    cluster.delete("/api/v1/nodes/theirs")


def test_nothing_of_the_benchmark_is_left(cluster: Cluster) -> None:
    run(cluster, 0.0, "pack soft")
    clear(cluster)
    assert not list(cluster.iterate("/api/v1/nodes"))
    assert not list(cluster.iterate(f"/api/v1/namespaces/{NAMESPACE}/pods"))
