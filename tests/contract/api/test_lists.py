"""Lists and selectors

How the planner, the triggerer and the janitor find objects again.
"""

import pytest

from nightshift.cluster.client import Cluster
from tests.contract.access import Api


@pytest.fixture
def three(api: Api) -> Api:
    for name, team in (("a", "red"), ("b", "red"), ("c", "")):
        pod = api.gated(name)
        if team:
            pod["metadata"]["labels"]["team"] = team
        api.create("pods", pod)
    return api


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=a", ["a"]),
        ("app==a", ["a"]),
        ("app!=a", ["b", "c"]),
        ("!team", ["c"]),
        ("team", ["a", "b"]),
        ("team in (red),app!=a", ["b"]),
        ("team notin (red)", ["c"]),
        ("app in (a, c)", ["a", "c"]),
        ("already_checked!=True,!airflow-worker,team=red", ["a", "b"]),
    ],
)
def test_k02_label_selectors(three: Api, selector: str, found: list[str]) -> None:
    assert three.names("pods", labelSelector=selector) == found


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b", "c"]),
        ("status.phase=Pending", ["a", "b", "c"]),
        ("status.phase!=Pending", []),
        ("spec.nodeName=", ["a", "b", "c"]),
        ("spec.restartPolicy=Never,metadata.name=b", ["b"]),
    ],
)
def test_field_selectors(three: Api, selector: str, found: list[str]) -> None:
    assert three.names("pods", fieldSelector=selector) == found


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a=b=c"},
        {"labelSelector": "team in red"},
        {"fieldSelector": "spec.containers=x"},
        {"fieldSelector": "metadata.labels=x"},
        {"limit": "many"},
        {"resourceVersion": "x"},
        {"continue": "nonsense"},
    ],
    ids=lambda query: "&".join(f"{k}={v}" for k, v in query.items()),
)
def test_malformed_list_query_is_400(three: Api, query: dict[str, str]) -> None:
    status = three.refused(400, "GET", three.path("pods"), **query)
    assert status["reason"] == "BadRequest"


def test_resource_version_match_without_a_version_is_422(three: Api) -> None:
    query = {"resourceVersionMatch": "Exact"}
    status = three.refused(422, "GET", three.path("pods"), **query)
    assert status["reason"] == "Invalid"


def test_list_has_its_kind_and_version_and_items_without_theirs(three: Api) -> None:
    listed = three.ok("GET", three.path("pods"))
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    assert listed["metadata"]["resourceVersion"].isdigit()
    assert all("kind" not in item for item in listed["items"])


def test_items_come_in_order_of_their_names(api: Api) -> None:
    for name in ("c", "a", "b"):
        api.create("configmaps", {"metadata": {"name": name}})
    names = [name for name in api.names("configmaps") if name != "kube-root-ca.crt"]
    assert names == ["a", "b", "c"]


def test_pages_together_are_the_list_of_one_version(three: Api) -> None:
    first = three.ok("GET", three.path("pods"), limit=2)
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    three.delete("pods", "c", gracePeriodSeconds=0)
    token = first["metadata"]["continue"]
    rest = three.ok("GET", three.path("pods"), **{"limit": 2, "continue": token})
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert not rest["metadata"].get("continue")


def test_our_client_reads_every_page(three: Api, client: Cluster) -> None:
    path = three.path("pods")
    found = [pod["metadata"]["name"] for pod in client.iterate(path, labelSelector="team=red")]
    assert found == ["a", "b"]


def test_exact_version_shows_the_past(three: Api) -> None:
    before = three.ok("GET", three.path("pods"))["metadata"]["resourceVersion"]
    three.delete("pods", "a", gracePeriodSeconds=0)
    assert three.names("pods") == ["b", "c"]
    past = three.names("pods", resourceVersion=before, resourceVersionMatch="Exact")
    assert past == ["a", "b", "c"]


def test_list_not_older_than_a_version_shows_what_that_version_had(three: Api) -> None:
    version = three.ok("GET", three.path("pods"))["metadata"]["resourceVersion"]
    query = {"resourceVersion": version, "resourceVersionMatch": "NotOlderThan"}
    assert three.names("pods", **query) == ["a", "b", "c"]


def test_all_namespaces_are_listed_together(three: Api) -> None:
    listed = three.ok("GET", "/api/v1/pods", labelSelector="team=red")["items"]
    ours = [p for p in listed if p["metadata"]["namespace"] == three.namespace]
    assert [p["metadata"]["name"] for p in ours] == ["a", "b"]
