"""K11: how clients take answers that ask for patience.

Only the embedded cluster makes faults to order, so these are no cases of the contract suite.
"""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import kubernetes
import pytest

from nightshift.embedded.kube.background import BackgroundCluster
from tests.embedded.api_support import PODS, Rest, pod


@pytest.fixture
def core(cluster: BackgroundCluster) -> Iterator[Any]:
    """The official client's CoreV1Api."""
    client = kubernetes.config.new_client_from_config(str(cluster.kubeconfig))
    yield kubernetes.client.CoreV1Api(client)
    client.close()
    client.rest_client.pool_manager.clear()


def test_k11_client_waits_as_told_by_429(cluster: BackgroundCluster, core: Any) -> None:
    cluster.call(lambda c: c.faults.add("GET", f"{PODS}$", 429, retry_after=1))
    start = time.monotonic()
    assert core.list_namespaced_pod("default").items == []
    assert time.monotonic() - start >= 1


def test_k11_server_error_is_a_status(cluster: BackgroundCluster, rest: Rest) -> None:
    cluster.call(lambda c: c.faults.add("GET", f"{PODS}/p$", 500))
    assert rest.refused("GET", f"{PODS}/p")["code"] == 500
    assert rest.refused("GET", f"{PODS}/p")["code"] == 404


def test_k11_lost_reply_then_a_conflict_then_found_by_its_labels(
    cluster: BackgroundCluster, rest: Rest
) -> None:
    cluster.call(lambda c: c.faults.add("POST", f"{PODS}$", drop_reply=True))
    with pytest.raises(httpx.HTTPError):
        rest.send("POST", PODS, pod())
    assert rest.refused("POST", PODS, pod())["reason"] == "AlreadyExists"
    found = rest.ok("GET", f"{PODS}?labelSelector=app=x")["items"]
    assert [item["metadata"]["name"] for item in found] == ["p"]
