"""Delete: grace, preconditions, finalizers, propagation, collections."""

import datetime as dt
from typing import Any

import pytest

from tests.embedded.api_support import PODS, Rest, pod

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def test_pod_without_a_node_goes_at_once(rest: Rest) -> None:
    rest.ok("POST", PODS, pod())
    answer = rest.ok("DELETE", f"{PODS}/p")
    assert answer["kind"] == "Pod"
    status = rest.refused("GET", f"{PODS}/p")
    assert (status["code"], status["message"]) == (404, 'pods "p" not found')


@pytest.mark.parametrize(
    ("query", "body", "grace"),
    [
        ("", None, 30),
        ("", {}, 30),
        ("?gracePeriodSeconds=7", None, 7),
        ("", {"gracePeriodSeconds": 8}, 8),
        ("?gracePeriodSeconds=7", {"gracePeriodSeconds": 8}, 8),
    ],
)
def test_running_pod_is_marked_and_stays(rest: Rest, query: str, body: Any, grace: int) -> None:
    rest.ok("POST", PODS, pod(nodeName="n1"))
    marked = rest.ok("DELETE", f"{PODS}/p{query}", body)["metadata"]
    assert marked["deletionGracePeriodSeconds"] == grace
    due = dt.datetime.fromisoformat(marked["deletionTimestamp"])
    left = (due - dt.datetime.now(dt.UTC)).total_seconds()
    assert grace - 5 < left <= grace
    assert rest.ok("GET", f"{PODS}/p")["metadata"] == marked


def test_pods_own_grace_counts_when_none_is_asked_for(rest: Rest) -> None:
    rest.ok("POST", PODS, pod(nodeName="n1", terminationGracePeriodSeconds=3))
    assert rest.ok("DELETE", f"{PODS}/p")["metadata"]["deletionGracePeriodSeconds"] == 3


def test_second_deletion_can_only_shorten_the_grace(rest: Rest) -> None:
    rest.ok("POST", PODS, pod(nodeName="n1"))
    for asked, expected in ((20, 20), (25, 20), (5, 5)):
        answer = rest.ok("DELETE", f"{PODS}/p?gracePeriodSeconds={asked}")
        assert answer["metadata"]["deletionGracePeriodSeconds"] == expected
    rest.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    assert rest.refused("GET", f"{PODS}/p")["code"] == 404


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_ended_pod_goes_at_once(rest: Rest, phase: str) -> None:
    rest.ok("POST", PODS, pod(nodeName="n1"))
    rest.patch(f"{PODS}/p/status", {"status": {"phase": phase}})
    rest.ok("DELETE", f"{PODS}/p")
    assert rest.refused("GET", f"{PODS}/p")["code"] == 404


def test_other_kinds_answer_with_a_status(rest: Rest) -> None:
    created = rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    answer = rest.ok("DELETE", f"{CONFIGMAPS}/c")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    expected = {"name": "c", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert answer["details"] == expected


@pytest.mark.parametrize(
    ("preconditions", "text"),
    [
        ({"uid": "another"}, "UID in precondition: another"),
        ({"resourceVersion": "1"}, "ResourceVersion in precondition: 1"),
    ],
)
def test_precondition_that_does_not_hold(rest: Rest, preconditions: Any, text: str) -> None:
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    status = rest.refused("DELETE", f"{CONFIGMAPS}/c", {"preconditions": preconditions})
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert text in status["message"]
    rest.ok("GET", f"{CONFIGMAPS}/c")


def test_precondition_that_holds(rest: Rest) -> None:
    created = rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    uid = created["metadata"]["uid"]
    rest.ok("DELETE", f"{CONFIGMAPS}/c", {"preconditions": {"uid": uid}})
    assert rest.refused("GET", f"{CONFIGMAPS}/c")["code"] == 404


def test_dry_run_deletes_nothing(rest: Rest) -> None:
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    rest.ok("DELETE", f"{CONFIGMAPS}/c?dryRun=All")
    rest.ok("DELETE", f"{CONFIGMAPS}/c", {"dryRun": ["All"]})
    rest.ok("GET", f"{CONFIGMAPS}/c")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"gracePeriodSeconds": -1}, 400),
        ({"gracePeriodSeconds": "3"}, 400),
        ({"propagationPolicy": "Sideways"}, 422),
        ({"preconditions": []}, 200),
        ({"preconditions": [1]}, 400),
        ({"dryRun": ["Some"]}, 422),
        (b"{", 400),
        ([1], 400),
    ],
)
def test_bad_delete_options_are_refused(rest: Rest, body: Any, code: int) -> None:
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    assert rest.send("DELETE", f"{CONFIGMAPS}/c", body).status_code == code


def test_finalizer_holds_the_object_until_it_is_removed(rest: Rest) -> None:
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c", "finalizers": ["x.y/z"]}})
    marked = rest.ok("DELETE", f"{CONFIGMAPS}/c")
    assert marked["kind"] == "ConfigMap"
    assert "deletionTimestamp" in marked["metadata"]
    headers = {"Content-Type": "application/merge-patch+json"}
    added = {"metadata": {"finalizers": ["x.y/z", "new/one"]}}
    status = rest.refused("PATCH", f"{CONFIGMAPS}/c", added, headers=headers)
    assert (status["code"], status["reason"]) == (422, "Invalid")
    rest.patch(f"{CONFIGMAPS}/c", {"metadata": {"finalizers": None}})
    assert rest.refused("GET", f"{CONFIGMAPS}/c")["code"] == 404


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"])],
)
def test_propagation_is_left_to_the_garbage_collector(
    rest: Rest, policy: str, finalizers: list[str]
) -> None:
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": "c"}})
    marked = rest.ok("DELETE", f"{CONFIGMAPS}/c?propagationPolicy={policy}")["metadata"]
    assert marked["finalizers"] == finalizers
    assert "deletionTimestamp" in marked


def test_collection_is_deleted_as_far_as_it_is_selected(rest: Rest) -> None:
    for name, team in (("a", "red"), ("b", "blue"), ("c", "red")):
        rest.ok("POST", CONFIGMAPS, {"metadata": {"name": name, "labels": {"team": team}}})
    answer = rest.ok("DELETE", f"{CONFIGMAPS}?labelSelector=team=red")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "c"]
    left = rest.ok("GET", CONFIGMAPS)["items"]
    assert [item["metadata"]["name"] for item in left] == ["b"]


def test_namespace_is_terminating_until_it_is_finalized(rest: Rest) -> None:
    rest.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    marked = rest.ok("DELETE", "/api/v1/namespaces/team")
    assert marked["status"]["phase"] == "Terminating"
    status = rest.refused("POST", "/api/v1/namespaces/team/pods", pod())
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    done = {**marked, "spec": {"finalizers": []}}
    rest.ok("PUT", "/api/v1/namespaces/team/finalize", done)
    assert rest.refused("GET", "/api/v1/namespaces/team")["code"] == 404


def test_default_namespace_may_not_be_deleted(rest: Rest) -> None:
    status = rest.refused("DELETE", "/api/v1/namespaces/default")
    assert (status["code"], status["message"]) == (
        403,
        'namespaces "default" is forbidden: this namespace may not be deleted',
    )
