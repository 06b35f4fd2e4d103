"""K6 to K9: logs, events and their watches, strategic merge of metadata."""

import datetime as dt
import json
import time
from typing import Any

import httpx
import kubernetes
import pytest
from kubernetes.client import ApiException

from tests.contract.access import Api, wait_for, wait_phase


def read_log(client: httpx.Client, api: Api, name: str, **query: Any) -> httpx.Response:
    return client.get(f"{api.pods}/{name}/log", params={"container": "base", **query})


def test_k06_log_of_a_waiting_container_is_refused_at_once(api: Api) -> None:
    missing = {"secretRef": {"name": "missing"}}
    pod = api.pod("p", "exit 0")
    pod["spec"]["containers"][0]["envFrom"] = [missing]
    with api.http() as client:
        client.post(api.pods, json=pod).raise_for_status()

        def is_waiting() -> bool:
            found = client.get(f"{api.pods}/p").json()["status"].get("containerStatuses", [])
            return any("waiting" in status["state"] for status in found)

        wait_for(is_waiting, "the container to wait")
        for follow in ("True", "False"):
            start = time.monotonic()
            answer = read_log(client, api, "p", follow=follow)
            assert time.monotonic() - start < 5
            assert answer.status_code == 400
            assert "is waiting to start" in answer.json()["message"]


def test_k07_followed_log_comes_as_it_is_written_and_ends_with_the_container(api: Api) -> None:
    script = "for i in 1 2 3; do echo line $i; sleep 1; done"
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", script)).raise_for_status()
        wait_phase(client, f"{api.pods}/p", "Running", "Succeeded")
        arrived = []
        query = {"container": "base", "follow": "True", "timestamps": "True"}
        with client.stream("GET", f"{api.pods}/p/log", params=query) as stream:
            assert stream.headers["Transfer-Encoding"] == "chunked"
            for line in stream.iter_lines():
                arrived.append((time.monotonic(), line))
        assert arrived[-1][0] - arrived[0][0] > 1
        wait_phase(client, f"{api.pods}/p", "Succeeded")
    stamps, texts = zip(*(line.split(" ", 1) for _, line in arrived), strict=True)
    assert list(texts) == ["line 1", "line 2", "line 3"]
    times = [dt.datetime.fromisoformat(stamp) for stamp in stamps]
    assert times == sorted(times)
    assert all(t.tzinfo is not None for t in times)


def test_k07_prefix_comes_only_with_timestamps(api: Api) -> None:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "echo out; echo err >&2")).raise_for_status()
        wait_phase(client, f"{api.pods}/p", "Succeeded")
        plain = read_log(client, api, "p").text
        stamped = read_log(client, api, "p", timestamps="True").text
        last = read_log(client, api, "p", tailLines=1).text
    assert sorted(plain.splitlines()) == ["err", "out"]
    assert [line.split(" ", 1)[1] for line in stamped.splitlines()] == plain.splitlines()
    assert last.splitlines() == plain.splitlines()[-1:]


def test_k07_since_seconds_leaves_out_what_is_older(api: Api) -> None:
    with api.http() as client:
        script = "echo old; sleep 4; echo new; sleep 2"
        client.post(api.pods, json=api.pod("p", script)).raise_for_status()
        wait_for(lambda: "new" in read_log(client, api, "p").text, "the second line")
        recent = read_log(client, api, "p", sinceSeconds=2).text
    assert recent.splitlines() == ["new"]


def test_k07_log_ends_without_a_line_break_too(api: Api) -> None:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "printf abc")).raise_for_status()
        wait_phase(client, f"{api.pods}/p", "Succeeded")
        assert read_log(client, api, "p", follow="True").text == "abc"


def test_k08_events_have_identity_and_are_listed_not_older_than(api: Api, core: Any) -> None:
    core.create_namespaced_pod(api.namespace, api.pod("p", "exit 0"))
    selector = {"field_selector": "involvedObject.name=p"}
    wait_for(
        lambda: core.list_namespaced_event(api.namespace, **selector).items, "an event of the pod"
    )
    listed = core.list_namespaced_event(api.namespace, **selector)
    again = core.list_namespaced_event(
        api.namespace,
        resource_version=listed.metadata.resource_version,
        resource_version_match="NotOlderThan",
        **selector,
    )
    first = {event.metadata.uid for event in listed.items}
    assert first <= {event.metadata.uid for event in again.items}
    assert all(event.metadata.resource_version for event in listed.items)


def test_k08_watch_ends_at_its_timeout(api: Api, core: Any) -> None:
    start = time.monotonic()
    watch = kubernetes.watch.Watch()
    events = list(watch.stream(core.list_namespaced_event, api.namespace, timeout_seconds=1))
    assert events == []
    assert 0.9 < time.monotonic() - start < 10


def test_k08_stale_version_is_expired_and_says_so_to_the_client(api: Api, core: Any) -> None:
    with pytest.raises(ApiException) as caught:
        list(
            kubernetes.watch.Watch().stream(
                core.list_namespaced_event, api.namespace, resource_version="1", timeout_seconds=5
            )
        )
    assert caught.value.status == 410


def test_k08_watch_delivers_events_as_they_happen(api: Api) -> None:
    with api.http() as client:
        version = client.get(api.events).json()["metadata"]["resourceVersion"]
        path = f"{api.events}?watch=True&timeoutSeconds=30&resourceVersion={version}"
        with client.stream("GET", f"{path}&fieldSelector=involvedObject.name=p") as stream:
            with api.http() as other:
                other.post(api.pods, json=api.pod("p", "exit 0")).raise_for_status()
            reasons = []
            for line in stream.iter_lines():
                reasons.append(json.loads(line)["object"]["reason"])
                if "Started" in reasons:
                    break
    assert reasons[0] == "Scheduled"


def test_k09_strategic_merge_labels_a_pod(api: Api, core: Any) -> None:
    core.create_namespaced_pod(api.namespace, api.pod("p", "exit 0"))
    body = {"metadata": {"labels": {"already_checked": "True"}}}
    patched = core.patch_namespaced_pod("p", api.namespace, body)
    assert patched.metadata.labels == {"app": "p", "already_checked": "True"}
    with api.http() as client:
        removed = client.patch(
            f"{api.pods}/p",
            content=json.dumps({"metadata": {"labels": {"app": None}}}),
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        )
    assert removed.json()["metadata"]["labels"] == {"already_checked": "True"}
