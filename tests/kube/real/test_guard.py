"""deploy/guard on a real API server: what it refuses, and what it lets pass."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.kube.api import Api
from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.installing import NAMESPACE, install
from tests.kube.waits import wait_for

GUARD = CHECKOUT / "deploy" / "guard"
SLOW = {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:nightshift-airflow"
POLICY_SECONDS = 60.0
QUOTA = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/nightshift-scans"


def scaler(name: str, most: int, behavior: dict[str, Any] | None) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec: dict[str, Any] = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": most}
    return {"metadata": {"name": name}, "spec": spec | ({"behavior": behavior} if behavior else {})}


def scalers(namespace: str) -> str:
    return f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"


def create(api: Api, path: str, body: dict[str, Any], *, dry: bool = True) -> httpx.Response:
    return api.client.post(path, params={"dryRun": "All"} if dry else {}, json=body)


@pytest.fixture(scope="module")
def guard(cluster: Cluster) -> Iterator[None]:
    install(cluster)
    cluster.kubectl("apply", "-k", str(GUARD))
    yield
    cluster.kubectl("delete", "-k", str(GUARD))


@pytest.fixture
def guarded(guard: None, api: Api, namespace: str) -> str:
    """A namespace with the label, once the policy is in force: seconds after its object."""
    path = f"/api/v1/namespaces/{namespace}"
    api.patch(path, {"metadata": {"labels": {"nightshift/guard": "true"}}})

    def refused() -> bool:
        return create(api, scalers(namespace), scaler("probe", 999, SLOW)).is_error

    wait_for("the admission policy to be in force", refused, POLICY_SECONDS)
    return namespace


def test_an_autoscaler_over_the_cap_is_refused_with_what_to_do(guarded: str, api: Api) -> None:
    answer = create(api, scalers(guarded), scaler("web", 21, SLOW))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "maxReplicas 21 is above the cap of 20" in answer.json()["message"]
    assert create(api, scalers(guarded), scaler("web", 20, SLOW)).is_success
    annotations = {"nightshift/max-replicas": "30"}
    api.patch(f"/api/v1/namespaces/{guarded}", {"metadata": {"annotations": annotations}})
    wait_for(
        "the namespace's own cap",
        lambda: create(api, scalers(guarded), scaler("web", 30, SLOW)).is_success,
        POLICY_SECONDS,
    )
    answer = create(api, scalers(guarded), scaler("web", 31, SLOW))
    assert "maxReplicas 31 is above the cap of 30" in answer.json()["message"]


@pytest.mark.parametrize(
    "behavior",
    [
        None,
        {"scaleDown": {"stabilizationWindowSeconds": 300}},
        {"scaleUp": {"selectPolicy": "Max"}},
    ],
    ids=["no behavior", "only the way down", "no policies"],
)
def test_an_autoscaler_that_does_not_say_how_fast_is_refused(
    guarded: str, api: Api, behavior: dict[str, Any] | None
) -> None:
    answer = create(api, scalers(guarded), scaler("web", 5, behavior))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "say how fast it may go up" in answer.json()["message"]


def test_a_frozen_way_up_passes(guarded: str, api: Api) -> None:
    frozen = {"scaleUp": {"selectPolicy": "Disabled"}}
    assert create(api, scalers(guarded), scaler("web", 5, frozen)).is_success


def test_a_namespace_without_the_label_is_left_alone(
    guarded: str, api: Api, request: pytest.FixtureRequest
) -> None:
    assert create(api, scalers("default"), scaler("web", 500, None)).is_success


def test_what_was_too_high_before_may_come_down_and_not_go_up(guarded: str, api: Api) -> None:
    path = f"/api/v1/namespaces/{guarded}"
    api.patch(path, {"metadata": {"labels": {"nightshift/guard": "false"}}})
    wait_for(
        "the label to be off",
        lambda: create(api, scalers(guarded), scaler("old", 50, None), dry=False).is_success,
        POLICY_SECONDS,
    )
    api.patch(path, {"metadata": {"labels": {"nightshift/guard": "true"}}})
    wait_for(
        "the label to be on",
        lambda: create(api, scalers(guarded), scaler("new", 50, SLOW)).is_error,
        POLICY_SECONDS,
    )
    old = f"{scalers(guarded)}/old"
    headers = {"content-type": "application/merge-patch+json"}

    def patch(body: dict[str, Any], **more: str) -> httpx.Response:
        return api.client.patch(old, json=body, headers=headers | more)

    assert patch({"metadata": {"labels": {"a": "b"}}}).is_success
    assert patch({"spec": {"maxReplicas": 40}}).is_success
    assert patch({"spec": {"maxReplicas": 41}}).is_error
    assert patch({"spec": {"maxReplicas": 45}}, **{"Impersonate-User": "alice",
                 "Impersonate-Group": "system:masters"}).is_error  # fmt: skip
    monday = {"Impersonate-User": ACCOUNT, "Impersonate-Group": "system:masters"}
    assert patch({"spec": {"maxReplicas": 50}}, **monday).is_success, "a Monday is never held up"


def pod(cpu: str | None, priority: str = "") -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main",
        "image": "image:1",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu, "memory": "1Gi"}}
    spec = {"containers": [container], **({"priorityClassName": priority} if priority else {})}
    return {"metadata": {"generateName": "guard-"}, "spec": spec}


def test_scans_take_no_more_than_their_quota_and_others_are_not_counted(
    guard: None, api: Api
) -> None:
    wait_for("the quota's count", lambda: bool(api.get(QUOTA)["status"].get("hard")), 30)
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    answer = create(api, path, pod("65", "nightshift-scans"))
    assert answer.status_code == httpx.codes.FORBIDDEN
    assert "exceeded quota: nightshift-scans" in answer.json()["message"]
    made = create(api, path, pod("64", "nightshift-scans"))
    assert made.is_success, made.text
    assert made.json()["spec"]["priority"] == -11
    assert made.json()["spec"]["preemptionPolicy"] == "Never"
    assert create(api, path, pod("65")).is_success


def test_a_pod_that_asks_for_nothing_gets_a_little_and_what_stays_ranks_above(
    guard: None, api: Api
) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    made = create(api, path, pod(None, "nightshift-keep"))
    assert made.is_success, made.text
    (container,) = made.json()["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert made.json()["spec"]["priority"] == 1000
    assert made.json()["spec"]["preemptionPolicy"] == "PreemptLowerPriority"
