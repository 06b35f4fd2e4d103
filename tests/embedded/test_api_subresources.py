"""Scale, binding, reviews, custom resources, and logs where no pod runs."""

from typing import Any

import pytest

from tests.embedded.api_support import PODS, Rest, patch_type, pod

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
POOLS = "/apis/pools.example/v1/namespaces/default/machinepools"


@pytest.fixture
def deployed(rest: Rest) -> Rest:
    labels = {"app": "d"}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod()["spec"]},
    }
    rest.ok("POST", DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    return rest


def test_scale_shows_replicas_and_selector(deployed: Rest) -> None:
    scale = deployed.ok("GET", f"{DEPLOYMENTS}/d/scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 0, "selector": "app=d"}


def test_scale_is_patched_and_replaced(deployed: Rest) -> None:
    patched = deployed.patch(f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 3}})
    assert patched["spec"] == {"replicas": 3}
    scale = deployed.ok("PUT", f"{DEPLOYMENTS}/d/scale", {**patched, "spec": {"replicas": 0}})
    assert scale["spec"] == {"replicas": 0}
    stored = deployed.ok("GET", f"{DEPLOYMENTS}/d")
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (0, 3)


def test_scale_of_an_old_version_is_a_conflict(deployed: Rest) -> None:
    scale = deployed.ok("GET", f"{DEPLOYMENTS}/d/scale")
    deployed.patch(f"{DEPLOYMENTS}/d", {"metadata": {"labels": {"a": "b"}}})
    assert deployed.refused("PUT", f"{DEPLOYMENTS}/d/scale", scale)["code"] == 409


@pytest.mark.parametrize(("replicas", "code"), [(-1, 422), ("two", 400), (True, 400)])
def test_impossible_scale_is_refused(deployed: Rest, replicas: Any, code: int) -> None:
    body = {"spec": {"replicas": replicas}}
    path = f"{DEPLOYMENTS}/d/scale"
    headers = patch_type("merge-patch")
    assert deployed.refused("PATCH", path, body, headers=headers)["code"] == code


def test_dry_run_scales_nothing(deployed: Rest) -> None:
    deployed.patch(f"{DEPLOYMENTS}/d/scale?dryRun=All", {"spec": {"replicas": 9}})
    assert deployed.ok("GET", f"{DEPLOYMENTS}/d")["spec"]["replicas"] == 2


def test_binding_puts_a_pod_on_its_node_once(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert rest.send("POST", f"{PODS}/p/binding", binding).status_code == 201
    bound = rest.ok("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    status = rest.refused("POST", f"{PODS}/p/binding", binding)
    assert status["code"] == 409
    assert 'already assigned to node "n1"' in status["message"]


def test_binding_without_a_node_is_refused(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    assert rest.refused("POST", f"{PODS}/p/binding", {"target": {}})["code"] == 400


def test_log_of_a_pod_without_a_node_is_empty(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    answer = rest.send("GET", f"{PODS}/p/log?follow=True")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("container=other", "container other is not valid for pod p"),
        ("", "a container name must be specified for pod p, choose one of: [base second]"),
        ("container=base&tailLines=many", "invalid number for tailLines"),
        ("container=base&follow=maybe", "invalid boolean for follow"),
    ],
)
def test_bad_log_request_is_refused(rest: Rest, query: str, message: str) -> None:
    containers = [{"name": name, "image": "i"} for name in ("base", "second")]
    rest.ok("POST", PODS, pod(containers=containers))
    status = rest.refused("GET", f"{PODS}/p/log?{query}")
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert message in status["message"]


def test_exec_without_a_websocket_is_refused(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    status = rest.refused("GET", f"{PODS}/p/exec?command=ls")
    assert status["code"] == 400
    assert "Upgrade request required" in status["message"]


def test_access_reviews_allow_everything(rest: Rest) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = rest.send("POST", path, review)
    assert answer.status_code == 201
    assert answer.json()["status"]["allowed"] is True
    assert answer.json()["spec"] == review["spec"]
    assert rest.refused("GET", path)["code"] == 405


def definition(**changes: Any) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size"}},
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
    }
    names = {"plural": "machinepools", "singular": "machinepool", "kind": "MachinePool"}
    spec = {"group": "pools.example", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "machinepools.pools.example"}, "spec": {**spec, **changes}}


def test_custom_resources_are_served_while_they_are_defined(rest: Rest) -> None:
    created = rest.ok("POST", DEFINITIONS, definition())
    conditions = {c["type"]: c["status"] for c in created["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    pool = {"apiVersion": "pools.example/v1", "kind": "MachinePool", "metadata": {"name": "m"}}
    rest.ok("POST", POOLS, {**pool, "spec": {"size": 3}})
    assert rest.ok("GET", f"{POOLS}/m/scale")["spec"] == {"replicas": 3}
    rest.patch(f"{POOLS}/m/scale", {"spec": {"replicas": 5}})
    assert rest.ok("GET", f"{POOLS}/m")["spec"] == {"size": 5}
    table = rest.ok(
        "GET", POOLS, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    )
    assert table["rows"][0]["cells"] == ["m", 5]
    rest.ok("DELETE", f"{DEFINITIONS}/machinepools.pools.example")
    assert rest.refused("GET", POOLS)["code"] == 404


def test_custom_resources_refuse_strategic_merge(rest: Rest) -> None:
    rest.ok("POST", DEFINITIONS, definition())
    rest.ok("POST", POOLS, {"metadata": {"name": "m"}})
    status = rest.refused("PATCH", f"{POOLS}/m", {}, headers=patch_type("strategic-merge-patch"))
    assert status["code"] == 415


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"group": "other.example"}, "metadata.name"),
        ({"versions": []}, "spec.versions"),
        ({"versions": [{}]}, "spec.versions[0].name"),
        ({"names": {"plural": "machinepools"}}, "spec.names.kind"),
        ({"names": None}, "spec.names.plural"),
    ],
)
def test_definition_that_cannot_be_served_is_refused(
    rest: Rest, changes: dict[str, Any], field: str
) -> None:
    status = rest.refused("POST", DEFINITIONS, definition(**changes))
    assert status["code"] == 422
    assert field in [cause["field"] for cause in status["details"]["causes"]]
