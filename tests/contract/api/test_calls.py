"""Calls, connections and answers

What every client relies on: identity of new objects, Status bodies of refusals, connections.
"""

import json
from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.contract.access import Api


def test_k01_query_booleans_of_any_case(api: Api) -> None:
    api.create("pods", api.gated())
    for flag in ("True", "true", "1"):
        watch = api.send("GET", api.path("pods"), watch=flag, timeoutSeconds=1)
        assert json.loads(watch.text.splitlines()[0])["type"] == "ADDED"


def test_k03_creation_answers_201_with_uid_time_and_version(api: Api) -> None:
    answer = api.send("POST", api.path("pods"), api.gated())
    assert answer.status_code == 201
    made = answer.json()["metadata"]
    assert made["uid"]
    assert made["creationTimestamp"].endswith("Z")
    assert made["resourceVersion"].isdigit()
    assert made["namespace"] == api.namespace


def test_k03_namesake_is_refused_with_409_already_exists(api: Api, core: Any) -> None:
    api.create("pods", api.gated("p"))
    with pytest.raises(ApiException) as caught:
        core.create_namespaced_pod(api.namespace, api.gated("p"))
    status = json.loads(caught.value.body)
    assert caught.value.status == 409
    assert status["reason"] == "AlreadyExists"
    assert status["message"] == 'pods "p" already exists'


def test_missing_object_is_404_with_a_status(api: Api) -> None:
    status = api.refused(404, "GET", api.path("pods", "p"))
    assert status["reason"] == "NotFound"
    assert status["message"] == 'pods "p" not found'
    assert status["details"] == {"name": "p", "kind": "pods"}


def test_missing_object_of_a_group_is_404_and_names_the_group(api: Api) -> None:
    status = api.refused(404, "GET", api.path("jobs", "j"))
    assert status["message"] == 'jobs.batch "j" not found'
    assert status["details"] == {"name": "j", "group": "batch", "kind": "jobs"}


def test_missing_namespace_is_404(api: Api) -> None:
    path = f"/api/v1/namespaces/{api.namespace}-missing/pods"
    pod = api.gated()
    status = api.refused(404, "POST", path, pod)
    assert status["message"] == f'namespaces "{api.namespace}-missing" not found'


def test_unknown_path_is_404(api: Api) -> None:
    assert api.send("GET", "/apis/nightshift.example/v9/things").status_code == 404


def test_other_namespace_in_the_body_is_400(api: Api) -> None:
    pod = api.gated()
    pod["metadata"]["namespace"] = "other"
    status = api.refused(400, "POST", api.path("pods"), pod)
    assert status["reason"] == "BadRequest"
    assert "does not match the namespace" in status["message"]


def test_body_that_is_no_json_is_400(api: Api) -> None:
    answer = api.client.post(
        api.path("pods"), content=b"{", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["reason"] == "BadRequest"


def test_generated_name_keeps_its_prefix_and_is_new_each_time(api: Api) -> None:
    pod = api.gated()
    pod["metadata"].pop("name")
    pod["metadata"]["generateName"] = "scan-"
    first, second = (api.create("pods", pod)["metadata"]["name"] for _ in range(2))
    assert first != second
    assert first.startswith("scan-")
    assert len(first) == len("scan-") + 5


def test_dry_run_answers_as_if_and_stores_nothing(api: Api) -> None:
    answer = api.send("POST", api.path("pods"), api.gated(), dryRun="All")
    assert answer.status_code == 201
    assert answer.json()["metadata"]["uid"]
    assert not api.exists("pods", "p")


def test_put_of_a_stale_version_is_409_conflict(api: Api) -> None:
    first = api.create("configmaps", {"metadata": {"name": "c"}, "data": {"k": "1"}})
    api.patch("configmaps", "c", body={"data": {"k": "2"}})
    first["data"]["k"] = "3"
    status = api.refused(409, "PUT", api.path("configmaps", "c"), first)
    assert status["reason"] == "Conflict"
    assert "the object has been modified" in status["message"]
    assert api.read("configmaps", "c")["data"] == {"k": "2"}


def test_delete_with_the_uid_of_another_is_409_and_deletes_nothing(api: Api) -> None:
    api.create("configmaps", {"metadata": {"name": "c"}})
    body = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    status = api.refused(409, "DELETE", api.path("configmaps", "c"), body)
    assert status["reason"] == "Conflict"
    assert api.exists("configmaps", "c")


def test_delete_of_a_plain_object_answers_success_with_its_uid(api: Api) -> None:
    made = api.create("configmaps", {"metadata": {"name": "c"}})
    status = api.delete("configmaps", "c")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"]["uid"] == made["metadata"]["uid"]
    assert not api.exists("configmaps", "c")


def test_delete_of_a_collection_takes_the_selected_ones(api: Api) -> None:
    for name in ("a", "b"):
        api.create("configmaps", {"metadata": {"name": name, "labels": {"app": name}}})
    api.ok("DELETE", api.path("configmaps"), labelSelector="app=a")
    assert not api.exists("configmaps", "a")
    assert api.exists("configmaps", "b")


def test_finalizer_keeps_a_deleted_object_until_it_is_taken_off(api: Api) -> None:
    metadata = {"name": "c", "finalizers": ["nightshift.example/hold"]}
    api.create("configmaps", {"metadata": metadata})
    api.delete("configmaps", "c")
    assert "deletionTimestamp" in api.read("configmaps", "c")["metadata"]
    api.patch("configmaps", "c", body={"metadata": {"finalizers": None}})
    assert not api.exists("configmaps", "c")


def test_metadata_only_clients_get_metadata_only(api: Api) -> None:
    api.create("pods", api.gated())
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = api.client.get(api.path("pods"), headers={"Accept": accept}).json()
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "spec" not in listed["items"][0]
    assert listed["items"][0]["metadata"]["name"] == "p"


def test_self_review_says_that_the_user_may(api: Api) -> None:
    attributes = {"namespace": api.namespace, "verb": "create", "resource": "pods"}
    review = api.ok(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {"spec": {"resourceAttributes": attributes}},
    )
    assert review["status"]["allowed"] is True


def test_version_names_a_kubernetes_release(api: Api) -> None:
    version = api.ok("GET", "/version")
    assert version["major"] == "1"
    assert version["gitVersion"].startswith(f"v1.{version['minor'].rstrip('+')}.")


def test_k13_many_short_connections(api: Api) -> None:
    api.create("pods", api.gated())
    for _ in range(20):
        with api.connection.open() as client:
            assert client.get(api.path("pods", "p")).status_code == 200


def test_k13_one_connection_carries_many_calls(api: Api) -> None:
    opened = []

    def trace(name: str, info: dict[str, Any]) -> None:
        if name == "connection.connect_tcp.complete":
            opened.append(info)

    with api.connection.open() as client:
        for _ in range(20):
            client.get(api.path("pods"), extensions={"trace": trace}).raise_for_status()
    assert len(opened) == 1
