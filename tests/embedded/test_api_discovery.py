"""Discovery, versions, health, OpenAPI: what clients ask before they do anything."""

from typing import Any

import pytest

from tests.embedded.api_support import Rest

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
OLD_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/ping"])
def test_health(rest: Rest, path: str) -> None:
    assert rest.send("GET", path).text == "ok"


def test_version_is_the_one_whose_api_is_spoken(rest: Rest) -> None:
    version = rest.ok("GET", "/version")
    assert (version["major"], version["minor"]) == ("1", "36")
    assert version["gitVersion"].startswith("v1.36.")


def test_groups_and_resources(rest: Rest) -> None:
    assert rest.ok("GET", "/api")["versions"] == ["v1"]
    groups = {
        g["name"]: g["preferredVersion"]["version"] for g in rest.ok("GET", "/apis")["groups"]
    }
    assert {
        "apps": "v1",
        "batch": "v1",
        "policy": "v1",
        "autoscaling": "v2",
    }.items() <= groups.items()
    assert rest.ok("GET", "/apis/apps")["name"] == "apps"
    found = {r["name"]: r for r in rest.ok("GET", "/api/v1")["resources"]}
    assert found["pods"]["shortNames"] == ["po"]
    assert found["nodes"]["namespaced"] is False
    assert (found["pods/eviction"]["group"], found["pods/eviction"]["kind"]) == (
        "policy",
        "Eviction",
    )
    assert found["pods/log"]["verbs"] == ["get"]


@pytest.mark.parametrize("path", ["/apis/none", "/apis/none/v1", "/apis/apps/v9", "/api/v2"])
def test_unknown_group_is_not_found(rest: Rest, path: str) -> None:
    assert rest.refused("GET", path)["code"] == 404


def test_discovery_is_read_only(rest: Rest) -> None:
    assert rest.refused("POST", "/apis", {})["code"] == 405


def aggregated(rest: Rest, path: str, accept: str) -> dict[str, Any]:
    return rest.ok("GET", path, headers={"Accept": accept})


def test_aggregated_discovery_says_the_same(rest: Rest) -> None:
    accept = f"{AGGREGATED},{OLD_AGGREGATED},application/json"
    response = rest.send("GET", "/apis", headers={"Accept": accept})
    assert response.headers["Content-Type"] == AGGREGATED
    items = {item["metadata"]["name"]: item for item in response.json()["items"]}
    plain = {g["name"] for g in rest.ok("GET", "/apis")["groups"]}
    assert set(items) == plain
    deployments = next(
        r for r in items["apps"]["versions"][0]["resources"] if r["resource"] == "deployments"
    )
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {s["subresource"] for s in deployments["subresources"]} == {"scale", "status"}
    core = aggregated(rest, "/api", AGGREGATED)["items"]
    assert [item["metadata"]["name"] for item in core] == [""]


def test_client_of_an_older_aggregation_gets_the_plain_form(rest: Rest) -> None:
    answer = aggregated(rest, "/apis", f"{OLD_AGGREGATED},application/json")
    assert answer["kind"] == "APIGroupList"


def test_openapi_names_the_queries_that_writes_take(rest: Rest) -> None:
    index = rest.ok("GET", "/openapi/v3")["paths"]
    document = rest.ok("GET", index["api/v1"]["serverRelativeURL"])
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Pod"
    assert {p["name"] for p in patch["parameters"]} == {"dryRun", "fieldValidation"}
    assert set(index) >= {"apis/apps/v1", "apis/batch/v1"}
    assert rest.refused("GET", "/openapi/v3/apis/none/v1")["code"] == 404
