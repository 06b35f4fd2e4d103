"""K1 to K5: queries, selectors, creation, and how a pod's status moves."""

import json
from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.contract.access import Api, wait_phase

ORDER = ["Pending", "scheduled", "Running", "ended"]


@pytest.mark.parametrize("flag", ["True", "true", "1"])
def test_k01_booleans_of_any_case(api: Api, flag: str) -> None:
    with api.http() as client:
        client.post(api.pods, json=api.pod("p", "exit 0")).raise_for_status()
        watch = client.get(f"{api.pods}?watch={flag}&timeoutSeconds=1")
        assert json.loads(watch.text.splitlines()[0])["type"] == "ADDED"
        wait_phase(client, f"{api.pods}/p", "Succeeded")
        log = client.get(f"{api.pods}/p/log?container=base&follow={flag}&timestamps={flag}")
    assert log.status_code == 200


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=a", ["a"]),
        ("app!=a", ["b", "c"]),
        ("!team", ["c"]),
        ("team", ["a", "b"]),
        ("team in (red),app!=a", ["b"]),
        ("already_checked!=True,!airflow-worker,team=red", ["a", "b"]),
    ],
)
def test_k02_label_selectors(api: Api, selector: str, found: list[str]) -> None:
    with api.http() as client:
        for name in ("a", "b", "c"):
            pod = api.pod(name, "exit 0")
            if name != "c":
                pod["metadata"]["labels"]["team"] = "red"
            client.post(api.pods, json=pod).raise_for_status()
        listed = client.get(api.pods, params={"labelSelector": selector}).json()
    assert [item["metadata"]["name"] for item in listed["items"]] == found


def test_k02_events_of_one_object(api: Api) -> None:
    with api.http() as client:
        for name in ("a", "b"):
            client.post(api.pods, json=api.pod(name, "exit 0")).raise_for_status()
            wait_phase(client, f"{api.pods}/{name}", "Succeeded")
        query = {"fieldSelector": "involvedObject.name=a"}
        listed = client.get(api.events, params=query).json()["items"]
    assert {event["involvedObject"]["name"] for event in listed} == {"a"}
    assert {"Scheduled", "Started"} <= {event["reason"] for event in listed}


def test_k03_creation_gives_identity_and_refuses_a_namesake(api: Api, core: Any) -> None:
    pod = api.pod("p", "exit 0")
    created, code, _ = core.create_namespaced_pod_with_http_info(api.namespace, pod)
    assert code == 201
    assert created.metadata.uid
    assert created.metadata.creation_timestamp
    assert created.metadata.resource_version
    with pytest.raises(ApiException) as caught:
        core.create_namespaced_pod(api.namespace, pod)
    assert caught.value.status == 409
    assert json.loads(caught.value.body)["reason"] == "AlreadyExists"


def observe(api: Api, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Create a pod and give every version of it until it has ended."""
    seen = []
    with api.http() as client:
        created = client.post(api.pods, json=pod).json()
        seen.append(created)
        version = created["metadata"]["resourceVersion"]
        path = f"{api.pods}?watch=True&timeoutSeconds=60&resourceVersion={version}"
        with client.stream("GET", path) as stream:
            for line in stream.iter_lines():
                seen.append(json.loads(line)["object"])
                if seen[-1]["status"]["phase"] in {"Succeeded", "Failed"}:
                    return seen
    raise AssertionError("the pod did not end")


def stage(pod: dict[str, Any]) -> str:
    """Name the step of a pod's life that a version shows."""
    status = pod["status"]
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    if status["phase"] == "Pending":
        return "scheduled" if conditions.get("PodScheduled") == "True" else "Pending"
    return "Running" if status["phase"] == "Running" else "ended"


@pytest.mark.parametrize(
    ("script", "phase", "code"),
    [("sleep 0.5", "Succeeded", 0), ("sleep 0.5; exit 7", "Failed", 7)],
)
def test_k04_status_moves_in_order(api: Api, script: str, phase: str, code: int) -> None:
    seen = observe(api, api.pod("p", script))
    assert not seen[0]["status"].get("conditions")
    stages = [stage(pod) for pod in seen]
    assert stages == sorted(stages, key=ORDER.index)
    assert set(stages) == set(ORDER)
    waiting = [
        status["state"]["waiting"]["reason"]
        for pod in seen
        for status in pod["status"].get("containerStatuses", [])
        if "waiting" in status["state"]
    ]
    assert set(waiting) <= {"ContainerCreating"}
    assert seen[-1]["status"]["phase"] == phase
    ended = seen[-1]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == code
    assert ended["reason"] == ("Completed" if code == 0 else "Error")


def test_k05_container_statuses_always_name_the_base_container(api: Api) -> None:
    seen = observe(api, api.pod("p", "sleep 0.2"))
    with_statuses = [p for p in seen if p["status"].get("containerStatuses")]
    assert with_statuses
    for pod in with_statuses:
        assert [s["name"] for s in pod["status"]["containerStatuses"]] == ["base"]
