"""Faults on purpose: what a client can be made to see."""

import time

import httpx
import pytest

from nightshift.embedded.kube.background import BackgroundCluster
from tests.embedded.api_support import PODS, Rest, pod


def test_planned_answer_comes_as_often_as_planned(cluster: BackgroundCluster, rest: Rest) -> None:
    cluster.call(lambda c: c.faults.add("GET", r"/pods", 500, times=2))
    codes = [rest.send("GET", PODS).status_code for _ in range(3)]
    assert codes == [500, 500, 200]


def test_retry_after_is_sent(cluster: BackgroundCluster, rest: Rest) -> None:
    cluster.call(lambda c: c.faults.add("*", r"/pods\?", 429, retry_after=3))
    assert rest.send("GET", PODS).status_code == 200
    answer = rest.send("GET", f"{PODS}?limit=1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json()["details"]["retryAfterSeconds"] == 3


def test_dropped_reply_leaves_the_work_done(cluster: BackgroundCluster, rest: Rest) -> None:
    cluster.call(lambda c: c.faults.add("POST", "/pods$", drop_reply=True))
    with pytest.raises(httpx.HTTPError):
        rest.send("POST", PODS, pod())
    assert rest.ok("GET", f"{PODS}/p")["metadata"]["name"] == "p"
    assert rest.refused("POST", PODS, pod())["reason"] == "AlreadyExists"


def test_delay_comes_before_the_answer(cluster: BackgroundCluster, rest: Rest) -> None:
    cluster.call(lambda c: c.faults.add("GET", "/pods", delay=0.3))
    start = time.monotonic()
    assert rest.send("GET", PODS).status_code == 200
    assert time.monotonic() - start >= 0.3


def test_other_methods_and_paths_are_left_alone(cluster: BackgroundCluster, rest: Rest) -> None:
    cluster.call(lambda c: c.faults.add("POST", "/pods", 500))
    assert rest.send("GET", PODS).status_code == 200
    assert rest.send("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}}).status_code == 201
    cluster.call(lambda c: c.faults.clear())
    assert rest.send("POST", PODS, pod()).status_code == 201
