"""Watches

What the triggerer sees of pods and events while it waits.
"""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import kubernetes
import pytest
from kubernetes.client import ApiException

from tests.contract.access import Api, Object, wait_for

GROUP = "contract.nightshift.example"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def watch(api: Api, plural: str = "configmaps", **query: Any) -> Iterator[Object]:
    """Stream a watch's events until it ends or the caller stops."""
    params = {"watch": "true", "timeoutSeconds": 20, **query}
    with (
        api.connection.open() as client,
        client.stream("GET", api.path(plural), params=params) as stream,
    ):
        for line in stream.iter_lines():
            yield json.loads(line)


def version(api: Api, plural: str = "configmaps") -> str:
    found: str = api.ok("GET", api.path(plural))["metadata"]["resourceVersion"]
    return found


def add(api: Api, name: str, **labels: str) -> Object:
    return api.create("configmaps", {"metadata": {"name": name, "labels": labels}})


def short(events: list[Object]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def test_watch_without_a_version_starts_with_what_exists(api: Api) -> None:
    add(api, "a")
    found = next(e for e in watch(api) if e["object"]["metadata"]["name"] == "a")
    assert found["type"] == "ADDED"
    assert found["object"]["kind"] == "ConfigMap"


def test_watch_since_a_version_streams_what_came_after(api: Api) -> None:
    since = version(api)
    add(api, "a")
    api.patch("configmaps", "a", body={"data": {"k": "v"}})
    api.delete("configmaps", "a")
    events = watch(api, resourceVersion=since, fieldSelector="metadata.name=a")
    seen = [next(events) for _ in range(3)]
    assert short(seen) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


def test_change_is_streamed_while_the_watch_is_open(api: Api) -> None:
    since = version(api)
    late = threading.Timer(0.5, add, (api, "late"))
    late.start()
    try:
        found = next(watch(api, resourceVersion=since, fieldSelector="metadata.name=late"))
    finally:
        late.join()
    assert short([found]) == [("ADDED", "late")]


def test_selection_decides_whether_a_change_is_an_addition_or_a_removal(api: Api) -> None:
    add(api, "a", team="red")
    since = version(api)
    for team in ("blue", "red"):
        api.patch("configmaps", "a", body={"metadata": {"labels": {"team": team}}})
    events = watch(api, resourceVersion=since, labelSelector="team=red")
    assert [next(events)["type"] for _ in range(2)] == ["DELETED", "ADDED"]


def test_k08_watch_ends_at_its_timeout(api: Api, core: Any) -> None:
    start = time.monotonic()
    stream = kubernetes.watch.Watch()
    events = list(stream.stream(core.list_namespaced_event, api.namespace, timeout_seconds=1))
    assert events == []
    assert 0.9 < time.monotonic() - start < 10


@pytest.fixture
def things(api: Api) -> Iterator[str]:
    """Define a kind, whose history begins after version 1; gives its plural."""
    plural = f"things-{api.namespace}"
    names = {"plural": plural, "singular": plural, "kind": "Thing", "listKind": "ThingList"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    served = {"name": "v1", "served": True, "storage": True, "schema": schema}
    name = f"{plural}.{GROUP}"
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [served]}
    api.ok("POST", DEFINITIONS, {"metadata": {"name": name}, "spec": spec})
    path = f"/apis/{GROUP}/v1/namespaces/{api.namespace}/{plural}"
    wait_for(lambda: api.send("GET", path).is_success, f"{plural} to be served")
    yield plural
    api.ok("DELETE", f"{DEFINITIONS}/{name}")


def test_k08_forgotten_version_is_an_error_event_of_code_410(api: Api, things: str) -> None:
    path = f"/apis/{GROUP}/v1/namespaces/{api.namespace}/{things}"
    answer = api.send("GET", path, watch="true", timeoutSeconds=5, resourceVersion=1)
    event = json.loads(answer.text.splitlines()[0])
    assert answer.status_code == 200
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: 1 (")


def test_k08_forgotten_version_is_410_to_the_client(api: Api, core: Any, things: str) -> None:
    custom = kubernetes.client.CustomObjectsApi(core.api_client)
    place = (GROUP, "v1", api.namespace, things)
    stream = kubernetes.watch.Watch()
    with pytest.raises(ApiException) as caught:
        list(
            stream.stream(
                custom.list_namespaced_custom_object,
                *place,
                resource_version="1",
                timeout_seconds=5,
            )
        )
    assert caught.value.status == 410


def test_initial_events_end_with_a_bookmark(api: Api) -> None:
    add(api, "a")
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "labelSelector": "!none",
    }
    seen = []
    for event in watch(api, **query):
        seen.append(event)
        if event["type"] == "BOOKMARK":
            break
    metadata = seen[-1]["object"]["metadata"]
    assert "a" in [event["object"]["metadata"].get("name") for event in seen[:-1]]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert metadata["resourceVersion"].isdigit()


def test_initial_events_without_their_match_are_422(api: Api) -> None:
    query = {"watch": "true", "sendInitialEvents": "true"}
    assert api.refused(422, "GET", api.path("pods"), **query)["reason"] == "Invalid"


def test_bookmarks_tell_how_far_a_quiet_watch_has_come(api: Api) -> None:
    since = version(api)
    query: dict[str, Any] = {
        "resourceVersion": since,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": 6,
        "labelSelector": "none=here",
    }
    add(api, "a")
    marks = [event for event in watch(api, **query) if event["type"] == "BOOKMARK"]
    assert marks
    assert int(marks[-1]["object"]["metadata"]["resourceVersion"]) > int(since)
    assert marks[-1]["object"]["kind"] == "ConfigMap"


def test_k08_events_have_identity_and_are_listed_not_older_than(api: Api, core: Any) -> None:
    api.create("pods", api.pod("p"))
    selector = {"field_selector": "involvedObject.name=p"}

    def listed(**more: str) -> Any:
        return core.list_namespaced_event(api.namespace, **selector, **more)

    wait_for(lambda: listed().items, "an event of the pod")
    first = listed()
    again = listed(
        resource_version=first.metadata.resource_version, resource_version_match="NotOlderThan"
    )
    assert {e.metadata.uid for e in first.items} <= {e.metadata.uid for e in again.items}
    assert all(event.metadata.resource_version for event in first.items)


def test_k02_events_are_selected_by_the_object_they_are_about(api: Api) -> None:
    for name in ("a", "b"):
        api.create("pods", api.pod(name))
    wait_for(lambda: api.events_of("a") and api.events_of("b"), "events of both pods")
    assert {event["involvedObject"]["name"] for event in api.events_of("a")} == {"a"}


def test_k08_events_are_watched_as_they_happen(api: Api) -> None:
    since = version(api, "events")
    api.create("pods", api.pod("p"))
    query = {"resourceVersion": since, "fieldSelector": "involvedObject.name=p"}
    first = next(watch(api, "events", **query))
    assert first["type"] == "ADDED"
    assert first["object"]["reason"] == "Scheduled"
    assert f"Successfully assigned {api.namespace}/p to " in first["object"]["message"]
