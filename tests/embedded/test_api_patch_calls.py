"""PATCH over HTTP: media types, versions, and what may not change."""

from typing import Any

import pytest

from tests.embedded.api_support import PODS, Rest, pod

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge-patch", {"metadata": {"labels": {"app": None, "new": "1"}}}),
        ("strategic-merge-patch", {"metadata": {"labels": {"app": None, "new": "1"}}}),
        (
            "json-patch",
            [
                {"op": "remove", "path": "/metadata/labels/app"},
                {"op": "add", "path": "/metadata/labels/new", "value": "1"},
            ],
        ),
    ],
)
def test_each_patch_type_changes_labels(rest: Rest, kind: str, patch: Any) -> None:
    rest.ok("POST", PODS, pod())
    assert rest.patch(f"{PODS}/p", patch, kind)["metadata"]["labels"] == {"new": "1"}


def test_patch_with_a_stale_version_is_a_conflict(rest: Rest) -> None:
    created = rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    rest.patch(f"{CONFIGMAPS}/c", {"data": {"a": "1"}})
    stale = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}}
    headers = {"Content-Type": "application/merge-patch+json"}
    assert rest.refused("PATCH", f"{CONFIGMAPS}/c", stale, headers=headers)["code"] == 409


def test_server_side_apply_is_refused_with_the_way_out(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    headers = {"Content-Type": "application/apply-patch+yaml"}
    status = rest.refused("PATCH", f"{PODS}/p?fieldManager=t", b"{}", headers=headers)
    assert status["code"] == 415
    assert "use client-side apply" in status["message"]


def test_what_may_not_change_in_a_pod_is_refused(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    headers = {"Content-Type": "application/merge-patch+json"}
    status = rest.refused("PATCH", f"{PODS}/p", {"spec": {"hostname": "h"}}, headers=headers)
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert "pod updates may not change fields other than" in status["message"]
