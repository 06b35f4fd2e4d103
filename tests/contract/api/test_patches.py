"""Patches

Strategic merge, merge and JSON patches, and what they are refused for.
"""

import pytest

from tests.contract.access import Api, Object, wait_for
from tests.contract.objects import cron_job, workload


@pytest.fixture
def pod(api: Api) -> Object:
    pod = api.gated()
    pod["spec"]["containers"].append({"name": "side", "image": api.image})
    return api.create("pods", pod)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("strategic", {"metadata": {"labels": {"already_checked": "True", "app": None}}}),
        ("merge", {"metadata": {"labels": {"already_checked": "True", "app": None}}}),
        (
            "json",
            [{"op": "replace", "path": "/metadata/labels", "value": {"already_checked": "True"}}],
        ),
    ],
    ids=["strategic", "merge", "json"],
)
def test_k09_patch_of_each_kind_sets_and_removes_labels(
    api: Api, pod: Object, kind: str, body: Object
) -> None:
    patched = api.patch("pods", "p", body=body, kind=kind)
    assert patched["metadata"]["labels"] == {"already_checked": "True"}
    assert patched["metadata"]["uid"] == pod["metadata"]["uid"]
    assert patched["metadata"]["resourceVersion"] != pod["metadata"]["resourceVersion"]


def test_strategic_merge_finds_containers_by_name_and_keeps_the_others(
    api: Api, pod: Object
) -> None:
    body = {"spec": {"containers": [{"name": "side", "image": "other:1"}]}}
    patched = api.patch("pods", "p", body=body, kind="strategic")
    images = {c["name"]: c["image"] for c in patched["spec"]["containers"]}
    assert images == {"base": api.image, "side": "other:1"}
    assert pod["spec"]["containers"][0] in patched["spec"]["containers"]


def test_merge_patch_replaces_a_list_whole(api: Api, pod: Object) -> None:
    body = {"spec": {"containers": [pod["spec"]["containers"][0]]}}
    status = api.refused(422, "PATCH", api.path("pods", "p"), body, patch="merge")
    assert status["reason"] == "Invalid"
    assert "may not add or remove containers" in status["message"]


def test_strategic_merge_adds_to_a_set_and_deletes_from_it(api: Api) -> None:
    api.create("configmaps", {"metadata": {"name": "c", "finalizers": ["example.com/a"]}})
    add = {"metadata": {"finalizers": ["example.com/b"]}}
    grown = api.patch("configmaps", "c", body=add, kind="strategic")
    assert sorted(grown["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    drop = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a", "example.com/b"]}}
    left = api.patch("configmaps", "c", body=drop, kind="strategic")
    assert "finalizers" not in left["metadata"]


def test_patch_with_a_stale_version_is_409_conflict(api: Api, pod: Object) -> None:
    api.patch("pods", "p", body={"metadata": {"labels": {"a": "1"}}})
    version = pod["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": version, "labels": {"a": "2"}}}
    status = api.refused(409, "PATCH", api.path("pods", "p"), body, patch="merge")
    assert status["reason"] == "Conflict"
    assert api.read("pods", "p")["metadata"]["labels"]["a"] == "1"


def test_patch_that_changes_nothing_keeps_the_version(api: Api, pod: Object) -> None:
    patched = api.patch("pods", "p", body={"metadata": {"labels": {"app": "p"}}})
    assert patched["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([{"op": "test", "path": "/metadata/name", "value": "q"}], 422),
        ([{"op": "remove", "path": "/metadata/labels/none"}], 422),
        ([{"op": "jump", "path": "/metadata"}], 422),
        ({"metadata": {}}, 400),
    ],
    ids=["a test that fails", "nothing to remove", "no such operation", "an object"],
)
def test_json_patch_that_cannot_be_applied_is_refused(
    api: Api, pod: Object, body: Object, code: int
) -> None:
    api.refused(code, "PATCH", api.path("pods", "p"), body, patch="json")
    assert api.read("pods", "p") == pod


def test_unknown_kind_of_patch_is_415(api: Api, pod: Object) -> None:
    answer = api.client.patch(
        api.path("pods", "p"), content=b"{}", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 415
    assert answer.json()["reason"] == "UnsupportedMediaType"
    assert api.read("pods", "p") == pod


def test_patch_of_a_missing_object_is_404(api: Api) -> None:
    status = api.refused(404, "PATCH", api.path("pods", "p"), {}, patch="merge")
    assert status["reason"] == "NotFound"


def test_status_is_changed_through_its_subresource_only(api: Api, pod: Object) -> None:
    body = {"status": {"message": "from outside"}}
    assert "message" not in api.patch("pods", "p", body=body)["status"]
    assert api.patch("pods", "p", "status", body=body)["status"]["message"] == "from outside"


def test_spec_is_not_changed_through_the_status(api: Api, pod: Object) -> None:
    body = {"spec": {"activeDeadlineSeconds": 5}, "status": {"message": "m"}}
    patched = api.patch("pods", "p", "status", body=body)
    assert "activeDeadlineSeconds" not in patched["spec"]


def test_generation_counts_changes_of_the_spec_only(api: Api) -> None:
    selector = {"matchLabels": {"app": "a"}}
    made = api.create(
        "poddisruptionbudgets",
        {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": selector}},
    )
    assert made["metadata"]["generation"] == 1
    labelled = api.patch("poddisruptionbudgets", "b", body={"metadata": {"labels": {"a": "1"}}})
    assert labelled["metadata"]["generation"] == 1
    changed = api.patch("poddisruptionbudgets", "b", body={"spec": {"minAvailable": 2}})
    assert changed["metadata"]["generation"] == 2


def test_claim_and_change_go_in_one_patch_or_not_at_all(api: Api) -> None:
    api.create("deployments", workload(api, "w", 0))
    path = api.path("deployments", "w")

    def claim(version: str, holder: str, *, paused: bool) -> int:
        noted = {"resourceVersion": version, "annotations": {"nightshift/lease": holder}}
        body = {"metadata": noted, "spec": {"paused": paused}}
        return api.send("PATCH", path, body, patch="merge").status_code

    def claim_now() -> str:
        """Controllers write too: read again until nobody was in between."""
        version: str = api.read("deployments", "w")["metadata"]["resourceVersion"]
        return version if claim(version, "first", paused=True) == 200 else ""

    version = wait_for(claim_now, "a claim without a conflict")
    assert claim(version, "second", paused=False) == 409
    left = api.read("deployments", "w")
    assert left["metadata"]["annotations"]["nightshift/lease"] == "first"
    assert left["spec"]["paused"] is True


def test_suspension_and_deadline_of_a_cron_job_go_in_one_patch(api: Api) -> None:
    api.create("cronjobs", cron_job(api, suspend=True))
    both = {"suspend": True, "startingDeadlineSeconds": 15}
    assert both.items() <= api.patch("cronjobs", "c", body={"spec": both})["spec"].items()
    back = api.patch("cronjobs", "c", body={"spec": {"startingDeadlineSeconds": None}})
    assert "startingDeadlineSeconds" not in back["spec"]
