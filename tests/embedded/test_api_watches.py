"""Watches: what is streamed, from when on, until when."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.embedded.api_support import PODS, Rest, open_rest, pod

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def read_all(rest: Rest, query: str) -> list[tuple[str, str]]:
    """Read a watch to its end as (type, name)."""
    response = rest.send("GET", f"{CONFIGMAPS}?watch=1&{query}")
    assert response.status_code == 200, response.text
    events = [json.loads(line) for line in response.text.splitlines()]
    return [(e["type"], e["object"].get("metadata", {}).get("name", "")) for e in events]


@contextmanager
def open_watch(rest: Rest, path: str) -> Iterator[Iterator[dict[str, Any]]]:
    with rest.client.stream("GET", path, timeout=10) as response:
        assert response.status_code == 200
        yield (json.loads(line) for line in response.iter_lines())


def version(rest: Rest) -> str:
    return str(rest.ok("GET", CONFIGMAPS)["metadata"]["resourceVersion"])


def create(rest: Rest, name: str, **labels: str) -> None:
    rest.ok("POST", CONFIGMAPS, {"metadata": {"name": name, "labels": labels}})


def test_watch_starts_with_what_exists_and_ends_in_time(rest: Rest) -> None:
    create(rest, "a")
    start = time.monotonic()
    for query in ("timeoutSeconds=1", "resourceVersion=0&timeoutSeconds=1"):
        assert read_all(rest, query) == [("ADDED", "a")]
    assert 1.9 < time.monotonic() - start < 6


def test_watch_since_a_version_streams_what_came_after(rest: Rest) -> None:
    create(rest, "old")
    since = version(rest)
    create(rest, "new")
    rest.patch(f"{CONFIGMAPS}/old", {"data": {"a": "b"}})
    rest.ok("DELETE", f"{CONFIGMAPS}/new")
    found = read_all(rest, f"resourceVersion={since}&timeoutSeconds=1")
    assert found == [("ADDED", "new"), ("MODIFIED", "old"), ("DELETED", "new")]


def test_change_is_streamed_while_the_watch_is_open(rest: Rest) -> None:
    since = version(rest)
    path = f"{CONFIGMAPS}?watch=True&resourceVersion={since}&timeoutSeconds=20"
    with open_watch(rest, path) as events:
        create(rest, "a")
        first = next(events)
        rest.ok("DELETE", f"{CONFIGMAPS}/a")
        second = next(events)
    assert [first["type"], second["type"]] == ["ADDED", "DELETED"]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in (first, second)]
    assert int(since) < versions[0] < versions[1]


def test_selection_decides_what_a_change_means(rest: Rest) -> None:
    create(rest, "a", team="red")
    create(rest, "b", team="blue")
    since = version(rest)
    rest.patch(f"{CONFIGMAPS}/b", {"metadata": {"labels": {"team": "red"}}})
    rest.patch(f"{CONFIGMAPS}/a", {"metadata": {"labels": {"team": "green"}}})
    rest.ok("DELETE", f"{CONFIGMAPS}/a")
    rest.patch(f"{CONFIGMAPS}/b", {"data": {"x": "y"}})
    query = f"labelSelector=team=red&resourceVersion={since}&timeoutSeconds=1"
    assert read_all(rest, query) == [("ADDED", "b"), ("DELETED", "a"), ("MODIFIED", "b")]


def test_watch_of_one_object_by_its_path(rest: Rest) -> None:
    rest.ok("POST", PODS, pod("a"))
    rest.ok("POST", PODS, pod("b"))
    with open_watch(rest, f"{PODS}/b?watch=true&timeoutSeconds=1") as events:
        assert [e["object"]["metadata"]["name"] for e in events] == ["b"]


def test_forgotten_history_is_an_error_event_as_in_kubernetes(running_cluster: Any) -> None:
    with open_rest(running_cluster(controllers=False, history=3)) as client:
        rest = Rest(client)
        since = version(rest)
        for number in range(4):
            create(rest, f"c{number}")
        response = rest.send("GET", f"{CONFIGMAPS}?watch=1&resourceVersion={since}")
    assert response.status_code == 200
    event = json.loads(response.text)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_initial_events_end_with_a_bookmark_when_asked(rest: Rest) -> None:
    create(rest, "a")
    query = (
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        "&timeoutSeconds=1"
    )
    response = rest.send("GET", f"{CONFIGMAPS}?watch=1&{query}")
    added, bookmark, *_ = (json.loads(line) for line in response.text.splitlines())
    assert added["object"]["metadata"]["name"] == "a"
    assert bookmark["type"] == "BOOKMARK"
    metadata = bookmark["object"]["metadata"]
    assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(metadata["resourceVersion"]) >= int(added["object"]["metadata"]["resourceVersion"])


def test_initial_events_need_their_match(rest: Rest) -> None:
    status = rest.refused("GET", f"{CONFIGMAPS}?watch=1&sendInitialEvents=true")
    assert status["code"] == 422
    assert "resourceVersionMatch=NotOlderThan" in status["message"]


@pytest.mark.parametrize(
    "query", ["watch=1&timeoutSeconds=x", "watch=1&resourceVersion=x", "watch=perhaps"]
)
def test_bad_watch_options_are_refused(rest: Rest, query: str) -> None:
    assert rest.refused("GET", f"{CONFIGMAPS}?{query}")["code"] == 400


def test_bookmarks_tell_how_far_a_quiet_watch_has_come(rest: Rest) -> None:
    since = version(rest)
    rest.ok("POST", PODS, pod())
    path = f"{CONFIGMAPS}?watch=1&resourceVersion={since}&timeoutSeconds=1"
    with open_watch(rest, f"{path}&allowWatchBookmarks=true") as events:
        bookmarks = list(events)
    assert [e["type"] for e in bookmarks] == ["BOOKMARK"]
    assert int(bookmarks[0]["object"]["metadata"]["resourceVersion"]) > int(since)
    assert rest.send("GET", path).text == ""


def test_watch_as_table_has_one_row_an_event(rest: Rest) -> None:
    create(rest, "a")
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    response = rest.send("GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1", headers=accept)
    event = json.loads(response.text)
    assert (event["type"], event["object"]["kind"]) == ("ADDED", "Table")
    assert event["object"]["rows"][0]["cells"][0] == "a"


def test_stopping_the_server_ends_open_watches(running_cluster: Any) -> None:
    cluster = running_cluster(controllers=False)
    with (
        open_rest(cluster) as client,
        client.stream("GET", f"{CONFIGMAPS}?watch=1", timeout=10) as response,
    ):
        start = time.monotonic()
        cluster.stop()
        with pytest.raises(httpx.HTTPError):
            response.read()
    assert time.monotonic() - start < 3
