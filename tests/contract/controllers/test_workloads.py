"""Deployments, ReplicaSets, StatefulSets

What scaling down for a weekend and back relies on.
"""

import json
from typing import Any

import pytest

from tests.contract.access import Api, Object, is_ready, wait_for
from tests.contract.objects import workload


def pods_of(api: Api, app: str = "w") -> list[Object]:
    """List an app's pods that are not on their way out."""
    found = api.items("pods", labelSelector=f"app={app}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def wait_ready(api: Api, plural: str, replicas: int, name: str = "w") -> Object:
    """Wait until so many replicas are ready, and no more are there."""
    return api.wait(
        plural,
        name,
        lambda w: (
            w["status"].get("readyReplicas", 0) == replicas
            and w["status"].get("replicas", 0) == replicas
            and w["status"].get("observedGeneration") == w["metadata"]["generation"]
        ),
        f"of {replicas} ready replicas",
    )


def scale(api: Api, plural: str, replicas: int, name: str = "w") -> Object:
    return api.patch(plural, name, "scale", body={"spec": {"replicas": replicas}})


SCALABLE = ["deployments", "replicasets", "statefulsets"]


@pytest.mark.parametrize("plural", SCALABLE)
def test_scale_is_read_patched_and_replaced(api: Api, plural: str) -> None:
    made = api.create(plural, workload(api, "w", 0))
    shown = api.read(plural, "w", "scale")
    assert (shown["kind"], shown["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert shown["metadata"]["uid"] == made["metadata"]["uid"]
    assert shown["spec"].get("replicas", 0) == 0
    assert shown["status"]["selector"] == "app=w"
    shown["spec"]["replicas"] = 1
    del shown["metadata"]["resourceVersion"]  # its controller may have written meanwhile
    replaced = api.ok("PUT", api.path(plural, "w", "scale"), shown)
    assert replaced["spec"]["replicas"] == 1
    assert scale(api, plural, 0)["spec"].get("replicas", 0) == 0
    assert api.read(plural, "w")["spec"]["replicas"] == 0


def test_scale_of_an_old_version_is_409(api: Api) -> None:
    api.create("deployments", workload(api, "w", 0))
    old = api.read("deployments", "w", "scale")
    api.patch("deployments", "w", body={"metadata": {"labels": {"a": "b"}}})
    old["spec"]["replicas"] = 1
    assert api.refused(409, "PUT", api.path("deployments", "w", "scale"), old)


def test_negative_scale_is_422(api: Api) -> None:
    api.create("deployments", workload(api, "w", 0))
    body = {"spec": {"replicas": -1}}
    path = api.path("deployments", "w", "scale")
    status = api.refused(422, "PATCH", path, body, patch="merge")
    assert status["reason"] == "Invalid"


@pytest.mark.parametrize("plural", SCALABLE)
def test_scaled_down_to_nothing_and_back(api: Api, plural: str) -> None:
    api.create(plural, workload(api, "w", 2, **_serial(plural)))
    wait_ready(api, plural, 2)
    scale(api, plural, 0)
    wait_for(lambda: not api.items("pods"), "no pods to be left")
    wait_ready(api, plural, 0)
    scale(api, plural, 1)
    wait_ready(api, plural, 1)
    assert len(pods_of(api)) == 1


def test_deployment_owns_a_replica_set_that_owns_the_pods(api: Api) -> None:
    made = api.create("deployments", workload(api, "w", 1))
    done = wait_ready(api, "deployments", 1)
    (replica_set,) = api.items("replicasets")
    (pod,) = pods_of(api)
    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
    assert pod["metadata"]["labels"]["pod-template-hash"]
    assert done["status"]["availableReplicas"] == 1
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_pod_that_costs_least_is_given_up_first(api: Api) -> None:
    api.create("deployments", workload(api, "w", 3))
    wait_ready(api, "deployments", 3)
    names = [pod["metadata"]["name"] for pod in pods_of(api)]
    cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1000"}}}
    for name in names[1:]:
        api.patch("pods", name, body=cost)
    scale(api, "deployments", 1)
    wait_ready(api, "deployments", 1)
    wait_for(lambda: len(pods_of(api)) == 1, "one pod to be left")
    assert [pod["metadata"]["name"] for pod in pods_of(api)] == names[:1]


def test_deleted_pod_of_a_replica_set_is_replaced(api: Api) -> None:
    api.create("replicasets", workload(api, "w", 1))
    wait_ready(api, "replicasets", 1)
    (first,) = pods_of(api)
    api.delete("pods", first["metadata"]["name"])
    wait_for(
        lambda: [p for p in pods_of(api) if p["metadata"]["uid"] != first["metadata"]["uid"]],
        "another pod",
    )


def test_changed_template_rolls_to_a_new_replica_set(api: Api) -> None:
    api.create("deployments", workload(api, "w", 1))
    wait_ready(api, "deployments", 1)
    (first,) = pods_of(api)
    annotated = {"metadata": {"annotations": {"restarted": "now"}}}
    api.patch("deployments", "w", body={"spec": {"template": annotated}})

    def rolled() -> bool:
        left = pods_of(api)
        uids = {pod["metadata"]["uid"] for pod in left}
        return len(left) == 1 and first["metadata"]["uid"] not in uids and is_ready(left[0])

    wait_for(rolled, "the new pod alone to be left")
    assert len(api.items("replicasets")) == 2


def test_paused_deployment_does_not_roll(api: Api) -> None:
    api.create("deployments", workload(api, "w", 0, paused=True))
    api.wait("deployments", "w", lambda w: w["status"].get("observedGeneration") == 1, "seen")
    annotated = {"metadata": {"annotations": {"restarted": "now"}}}
    api.patch("deployments", "w", body={"spec": {"template": annotated}})
    api.wait("deployments", "w", lambda w: w["status"].get("observedGeneration") == 2, "seen")
    assert not api.items("replicasets")


def test_deployment_takes_its_pods_along(api: Api) -> None:
    api.create("deployments", workload(api, "w", 1))
    wait_ready(api, "deployments", 1)
    api.delete("deployments", "w", {"propagationPolicy": "Foreground"})
    api.wait_gone("deployments", "w")
    assert not api.items("replicasets")
    assert not pods_of(api)


def observe(api: Api, since: str, until: str) -> list[tuple[str, str]]:
    """Watch pods: when each is added, when ready, when it goes, until the last word is met."""
    told: list[tuple[str, str]] = []
    query: dict[str, Any] = {"watch": "true", "timeoutSeconds": 60, "resourceVersion": since}
    with (
        api.connection.open() as client,
        client.stream("GET", api.path("pods"), params=query) as stream,
    ):
        for line in stream.iter_lines():
            event = json.loads(line)
            pod = event["object"]
            word = "ready" if is_ready(pod) and event["type"] == "MODIFIED" else event["type"]
            step = (pod["metadata"]["name"], word)
            if step not in told:
                told.append(step)
            if step == tuple(until.split()):
                return told
    raise AssertionError(f"{until} did not come: {told}")


def test_stateful_set_starts_its_pods_in_order(api: Api) -> None:
    since = api.ok("GET", api.path("pods"))["metadata"]["resourceVersion"]
    api.create("statefulsets", workload(api, "w", 2, serviceName="w"))
    steps = observe(api, since, "w-1 ready")
    order = [("w-0", "ADDED"), ("w-0", "ready"), ("w-1", "ADDED"), ("w-1", "ready")]
    assert [step for step in steps if step in order] == order


def test_stateful_set_gives_up_the_last_pod_first(api: Api) -> None:
    api.create("statefulsets", workload(api, "w", 2, serviceName="w"))
    wait_ready(api, "statefulsets", 2)
    since = api.ok("GET", api.path("pods"))["metadata"]["resourceVersion"]
    scale(api, "statefulsets", 0)
    steps = observe(api, since, "w-0 DELETED")
    gone = [name for name, word in steps if word == "DELETED"]
    assert gone == ["w-1", "w-0"]


def test_stateful_set_keeps_the_claims_of_pods_that_it_gives_up(api: Api) -> None:
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "contract-none",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    template = {"metadata": {"name": "data"}, "spec": wanted}
    body = workload(api, "w", 1, serviceName="w", volumeClaimTemplates=[template])
    api.create("statefulsets", body)
    wait_for(lambda: api.names("persistentvolumeclaims"), "a claim")
    wait_for(lambda: api.exists("pods", "w-0"), "the pod")
    scale(api, "statefulsets", 0)
    api.wait_gone("pods", "w-0")
    (claim,) = api.items("persistentvolumeclaims")
    assert claim["metadata"]["name"] == "data-w-0"
    assert "deletionTimestamp" not in claim["metadata"]


def test_evicted_pod_of_a_stateful_set_comes_back_under_its_name(api: Api) -> None:
    api.create("statefulsets", workload(api, "w", 1, serviceName="w"))
    wait_ready(api, "statefulsets", 1)
    first = api.read("pods", "w-0")["metadata"]["uid"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "w-0"}}
    api.ok("POST", api.path("pods", "w-0", "eviction"), body)

    def is_another() -> bool:
        answer = api.send("GET", api.path("pods", "w-0"))
        return answer.is_success and answer.json()["metadata"]["uid"] != first

    wait_for(is_another, "another w-0")


def test_budget_of_a_deployment_follows_its_replicas(api: Api) -> None:
    api.create("deployments", workload(api, "w", 2))
    wait_ready(api, "deployments", 2)
    spec = {"selector": {"matchLabels": {"app": "w"}}, "maxUnavailable": "50%"}
    api.create("poddisruptionbudgets", {"metadata": {"name": "b"}, "spec": spec})
    found = api.wait(
        "poddisruptionbudgets",
        "b",
        lambda b: b.get("status", {}).get("observedGeneration") == 1,
        "observed",
    )
    shown = {
        k: found["status"][k] for k in ("disruptionsAllowed", "desiredHealthy", "expectedPods")
    }
    assert shown == {"disruptionsAllowed": 1, "desiredHealthy": 1, "expectedPods": 2}


def _serial(plural: str) -> Object:
    return {"podManagementPolicy": "Parallel"} if plural == "statefulsets" else {}
