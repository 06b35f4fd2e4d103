"""Lists: selection, pages, and what resourceVersion means."""

from typing import Any

import pytest

from tests.embedded.api_support import PODS, Rest, open_rest, pod

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def names(listed: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


@pytest.fixture
def three(rest: Rest) -> Rest:
    for name, team in (("c", "red"), ("a", "blue"), ("b", "red")):
        rest.ok("POST", CONFIGMAPS, {"metadata": {"name": name, "labels": {"team": team}}})
    return rest


def test_list_has_kind_version_and_items_by_name(three: Rest) -> None:
    listed = three.ok("GET", CONFIGMAPS)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(listed) == ["a", "b", "c"]
    assert listed["metadata"]["resourceVersion"].isdigit()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=team=red", ["b", "c"]),
        ("labelSelector=team in (blue,green)", ["a"]),
        ("labelSelector=!team", []),
        ("fieldSelector=metadata.name=b", ["b"]),
        ("fieldSelector=metadata.name!=b&labelSelector=team=red", ["c"]),
    ],
)
def test_selectors_narrow_a_list(three: Rest, query: str, expected: list[str]) -> None:
    assert names(three.ok("GET", f"{CONFIGMAPS}?{query}")) == expected


def test_all_namespaces_are_listed_together(three: Rest) -> None:
    three.ok("POST", "/api/v1/namespaces/kube-system/configmaps", {"metadata": {"name": "d"}})
    listed = three.ok("GET", "/api/v1/configmaps")
    places = [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in listed["items"]]
    assert places == [(ns, n) for ns, n in sorted(places)]
    assert ("kube-system", "d") in places
    only = three.ok("GET", "/api/v1/configmaps?fieldSelector=metadata.namespace=kube-system")
    assert names(only) == ["d"]


def test_pods_are_selected_by_node_and_phase(rest: Rest) -> None:
    rest.ok("POST", PODS, pod("here", nodeName="n1"))
    rest.ok("POST", PODS, pod("there", nodeName="n2"))
    rest.patch(f"{PODS}/there/status", {"status": {"phase": "Succeeded"}})
    assert names(rest.ok("GET", "/api/v1/pods?fieldSelector=spec.nodeName=n1")) == ["here"]
    assert names(rest.ok("GET", "/api/v1/pods?fieldSelector=status.phase=Succeeded")) == ["there"]


def test_pages_together_are_the_list_of_one_version(three: Rest) -> None:
    first = three.ok("GET", f"{CONFIGMAPS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 1
    three.ok("DELETE", f"{CONFIGMAPS}/c")
    three.ok("POST", CONFIGMAPS, {"metadata": {"name": "d"}})
    token = first["metadata"]["continue"]
    second = three.ok("GET", f"{CONFIGMAPS}?limit=2&continue={token}")
    assert names(first) + names(second) == ["a", "b", "c"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]


def test_page_of_forgotten_history_is_gone(running_cluster: Any) -> None:
    with open_rest(running_cluster(controllers=False, history=4)) as client:
        rest = Rest(client)
        for name in ("a", "b"):
            rest.ok("POST", CONFIGMAPS, {"metadata": {"name": name}})
        token = rest.ok("GET", f"{CONFIGMAPS}?limit=1")["metadata"]["continue"]
        for number in range(5):
            rest.patch(f"{CONFIGMAPS}/a", {"data": {"n": str(number)}})
        status = rest.refused("GET", f"{CONFIGMAPS}?limit=1&continue={token}")
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert "start a new list without the continue parameter" in status["message"]


def test_exact_version_shows_the_past(three: Rest) -> None:
    version = three.ok("GET", CONFIGMAPS)["metadata"]["resourceVersion"]
    three.ok("DELETE", f"{CONFIGMAPS}/a")
    past = f"{CONFIGMAPS}?resourceVersion={version}&resourceVersionMatch=Exact"
    newer = f"{CONFIGMAPS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan"
    assert names(three.ok("GET", past)) == ["a", "b", "c"]
    assert names(three.ok("GET", newer)) == ["b", "c"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersion=1&resourceVersionMatch=Exact", 410),
        (f"resourceVersion={2**62}", 504),
        ("resourceVersion=abc", 400),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=1&resourceVersionMatch=Nearly", 422),
        ("limit=-1", 400),
        ("limit=x", 400),
        ("continue=nonsense", 400),
        ("labelSelector=a b", 400),
        ("fieldSelector=data.a=b", 400),
    ],
)
def test_bad_list_options_are_refused(three: Rest, query: str, code: int) -> None:
    assert three.refused("GET", f"{CONFIGMAPS}?{query}")["code"] == code


def test_metadata_clients_get_metadata_only(three: Rest) -> None:
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    listed = three.ok("GET", CONFIGMAPS, headers=accept)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert set(listed["items"][0]) == {"kind", "apiVersion", "metadata"}
