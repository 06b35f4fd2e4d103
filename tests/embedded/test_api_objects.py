"""Create, read, update, patch: what the API server stores, keeps and refuses."""

from typing import Any

import pytest

from tests.embedded.api_support import PODS, Rest, pod

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def deployment(name: str = "d", replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod()["spec"]},
        },
    }


def test_created_object_has_identity_and_is_read_back(rest: Rest) -> None:
    response = rest.send("POST", PODS, pod())
    created = response.json()
    assert response.status_code == 201
    assert created["metadata"]["uid"]
    assert created["metadata"]["resourceVersion"].isdigit()
    assert created["metadata"]["creationTimestamp"].endswith("Z")
    assert created["metadata"]["namespace"] == "default"
    assert created["status"]["phase"] == "Pending"
    assert rest.ok("GET", f"{PODS}/p") == created


def test_generated_names_differ_and_keep_their_prefix(rest: Rest) -> None:
    template = {**pod(), "metadata": {"generateName": "scan-"}}
    names = {rest.ok("POST", PODS, template)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("scan-") and len(name) == 10 for name in names)


def test_dry_run_answers_as_if_it_were_stored_and_stores_nothing(rest: Rest) -> None:
    answer = rest.send("POST", f"{PODS}?dryRun=All", pod())
    assert answer.status_code == 201
    assert answer.json()["metadata"]["uid"]
    assert rest.refused("GET", f"{PODS}/p")["code"] == 404


MISSING = (404, "NotFound", 'pods "x" not found')
NO_PATH = (404, "NotFound", "the server could not find the requested resource")
NO_VERB = (405, "MethodNotAllowed", "the server does not allow this method")
NO_JSON = (400, "BadRequest", "couldn't read the body as JSON")

REFUSALS: dict[str, tuple[str, str, Any, tuple[int, str, str]]] = {
    "get what is not there": ("GET", f"{PODS}/x", None, MISSING),
    "delete what is not there": ("DELETE", f"{PODS}/x", None, MISSING),
    "update what is not there": ("PUT", f"{PODS}/x", pod("x"), MISSING),
    "the group is named": (
        "GET",
        f"{DEPLOYMENTS}/x",
        None,
        (404, "NotFound", 'deployments.apps "x" not found'),
    ),
    "create twice": ("POST", PODS, pod("there"), (409, "AlreadyExists", '"there" already exists')),
    "no such namespace": (
        "POST",
        "/api/v1/namespaces/none/pods",
        pod(),
        (404, "NotFound", 'namespaces "none" not found'),
    ),
    "no such resource": ("GET", "/api/v1/nonsense", None, NO_PATH),
    "no such path": ("GET", "/nonsense", None, NO_PATH),
    "no such subresource": ("GET", f"{PODS}/there/nonsense", None, NO_PATH),
    "cluster resource in a namespace": ("GET", "/api/v1/namespaces/default/nodes", None, NO_PATH),
    "patch of a collection": ("PATCH", PODS, {}, NO_VERB),
    "create without a namespace": ("POST", "/api/v1/pods", pod(), NO_VERB),
    "broken JSON": ("POST", PODS, b"{", NO_JSON),
    "NaN": ("POST", PODS, b'{"spec": NaN}', NO_JSON),
    "endless nesting": ("POST", PODS, b"[" * 100_000, NO_JSON),
    "a list": ("POST", PODS, [], (400, "BadRequest", "must be a JSON object")),
    "metadata is no object": (
        "POST",
        PODS,
        {"metadata": 3},
        (400, "BadRequest", "metadata must be an object"),
    ),
    "label is no string": (
        "POST",
        PODS,
        {"metadata": {"labels": {"a": 1}}},
        (400, "BadRequest", "metadata.labels must be a map of strings"),
    ),
    "another kind": (
        "POST",
        PODS,
        {**pod(), "kind": "Node"},
        (400, "BadRequest", "cannot be handled as a Pod"),
    ),
    "another namespace": (
        "POST",
        PODS,
        {**pod(), "metadata": {"name": "a", "namespace": "kube-system"}},
        (400, "BadRequest", "does not match the namespace sent on the request"),
    ),
    "no name": ("POST", PODS, {**pod(), "metadata": {}}, (422, "Invalid", "name or generateName")),
    "another name": (
        "PUT",
        f"{PODS}/there",
        pod("other"),
        (400, "BadRequest", "does not match the name on the URL"),
    ),
    "half a dry run": ("POST", f"{PODS}?dryRun=Some", pod(), (422, "Invalid", "dryRun")),
}


@pytest.mark.parametrize(("method", "path", "body", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_speak_as_kubernetes_does(
    rest: Rest, method: str, path: str, body: Any, expected: tuple[int, str, str]
) -> None:
    rest.ok("POST", PODS, pod("there"))
    status = rest.refused(method, path, body)
    code, reason, message = expected
    assert (status["code"], status["reason"]) == (code, reason)
    assert message in status["message"]


def test_not_found_names_the_object_in_its_details(rest: Rest) -> None:
    details = rest.refused("GET", f"{DEPLOYMENTS}/x")["details"]
    assert details == {"name": "x", "group": "apps", "kind": "deployments"}


def test_body_above_three_mebibytes_is_refused(rest: Rest) -> None:
    huge = {"metadata": {"name": "c"}, "data": {"k": "x" * (3 * 1024 * 1024)}}
    assert rest.refused("POST", CONFIGMAPS, huge)["code"] == 413


@pytest.mark.parametrize("media_type", ["application/yaml", "application/vnd.kubernetes.protobuf"])
def test_body_in_another_format_is_refused(rest: Rest, media_type: str) -> None:
    status = rest.refused("POST", PODS, b"x", headers={"Content-Type": media_type})
    assert (status["code"], status["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/vnd.kubernetes.protobuf, application/json", 200),
        ("application/vnd.kubernetes.protobuf", 406),
        ("text/html", 406),
    ],
)
def test_formats_that_the_client_accepts(rest: Rest, accept: str, code: int) -> None:
    assert rest.send("GET", PODS, headers={"Accept": accept}).status_code == code


def test_update_needs_the_current_version_if_it_names_one(rest: Rest) -> None:
    first = rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    second = rest.ok("PUT", f"{CONFIGMAPS}/c", {**first, "data": {"a": "2"}})
    status = rest.refused("PUT", f"{CONFIGMAPS}/c", {**first, "data": {"a": "3"}})
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert "the object has been modified" in status["message"]
    without = {"metadata": {"name": "c"}, "data": {"a": "4"}}
    assert rest.ok("PUT", f"{CONFIGMAPS}/c", without)["data"] == {"a": "4"}
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])


def test_update_of_an_object_that_was_replaced_is_a_conflict(rest: Rest) -> None:
    first = rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    rest.ok("DELETE", f"{CONFIGMAPS}/c")
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    first["metadata"].pop("resourceVersion")
    status = rest.refused("PUT", f"{CONFIGMAPS}/c", first)
    assert status["code"] == 409
    assert "UID in precondition" in status["message"]


def test_update_keeps_identity_and_status(rest: Rest) -> None:
    created = rest.ok("POST", DEPLOYMENTS, deployment())
    changed = {
        **created,
        "metadata": {**created["metadata"], "creationTimestamp": "2000-01-01T00:00:00Z"},
        "status": {"replicas": 7},
    }
    updated = rest.ok("PUT", f"{DEPLOYMENTS}/d", changed)
    assert updated["metadata"]["creationTimestamp"] == created["metadata"]["creationTimestamp"]
    assert updated.get("status") == created.get("status")


def test_generation_counts_changes_of_the_spec_alone(rest: Rest) -> None:
    assert rest.ok("POST", DEPLOYMENTS, deployment())["metadata"]["generation"] == 1
    relabelled = rest.patch(f"{DEPLOYMENTS}/d", {"metadata": {"labels": {"a": "b"}}})
    assert relabelled["metadata"]["generation"] == 1
    scaled = rest.patch(f"{DEPLOYMENTS}/d", {"spec": {"replicas": 2}})
    assert scaled["metadata"]["generation"] == 2
    status = rest.patch(f"{DEPLOYMENTS}/d/status", {"status": {"replicas": 2}})
    assert status["metadata"]["generation"] == 2


def test_status_is_written_through_its_subresource_only(rest: Rest) -> None:
    rest.ok("POST", DEPLOYMENTS, deployment())
    both = {"spec": {"replicas": 5}, "status": {"replicas": 3}}
    assert "replicas" not in rest.patch(f"{DEPLOYMENTS}/d", both).get("status", {})
    answer = rest.patch(
        f"{DEPLOYMENTS}/d/status", {"spec": {"replicas": 9}, "status": {"replicas": 3}}
    )
    assert answer["status"] == {"replicas": 3}
    assert answer["spec"]["replicas"] == 5


@pytest.mark.parametrize("status", [3, {"conditions": {}}, {"containerStatuses": ["x"]}])
def test_status_of_the_wrong_shape_is_refused(rest: Rest, status: Any) -> None:
    rest.ok("POST", PODS, pod())
    headers = {"Content-Type": "application/merge-patch+json"}
    refused = rest.refused("PATCH", f"{PODS}/p/status", {"status": status}, headers=headers)
    assert refused["code"] == 400


def test_unknown_fields_are_dropped_with_a_warning_or_refused(rest: Rest) -> None:
    misspelt = pod(restartPolicyy="Never")
    answer = rest.send("POST", PODS, misspelt)
    assert answer.status_code == 201
    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.restartPolicyy\\""'
    assert "restartPolicyy" not in answer.json()["spec"]
    path = f"{PODS}/p?fieldValidation=Strict"
    headers = {"Content-Type": "application/merge-patch+json"}
    status = rest.refused("PATCH", path, {"metadata": {"labelz": {}}}, headers=headers)
    assert status["code"] == 400
    assert 'strict decoding error: unknown field "metadata.labelz"' in status["message"]


def test_status_is_removed_through_its_subresource(rest: Rest) -> None:
    rest.ok("POST", DEPLOYMENTS, deployment())
    rest.patch(f"{DEPLOYMENTS}/d/status", {"status": {"replicas": 3}})
    assert "status" not in rest.patch(f"{DEPLOYMENTS}/d/status", {"status": None})


def test_write_that_changes_nothing_makes_no_new_version(rest: Rest) -> None:
    created = rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    same = rest.patch(f"{CONFIGMAPS}/c", {"data": {"a": "1"}})
    assert same["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_events_are_one_thing_in_two_versions(rest: Rest) -> None:
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "message": "words",
        "reason": "Why",
        "type": "Normal",
    }
    rest.ok("POST", "/api/v1/namespaces/default/events", event)
    newer = rest.ok("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert newer["apiVersion"] == "events.k8s.io/v1"
    assert (newer["regarding"]["name"], newer["note"]) == ("p", "words")
    assert "message" not in newer
