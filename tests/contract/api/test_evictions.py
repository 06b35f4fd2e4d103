"""Evictions and budgets

What a drain is answered (policy/v1), and what it must not take for a retry.
"""

from typing import Any

import httpx
import pytest

from tests.contract.access import Api, wait_for
from tests.contract.objects import budget


def evict(api: Api, name: str = "p", query: Any = None, **options: Any) -> httpx.Response:
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": api.namespace},
        **options,
    }
    return api.send("POST", api.path("pods", name, "eviction"), body, **(query or {}))


def is_going(api: Api) -> bool:
    answer = api.send("GET", api.path("pods", "p"))
    return answer.status_code == 404 or "deletionTimestamp" in answer.json()["metadata"]


def allow(api: Api, allowed: int, name: str = "b", **spec: Any) -> None:
    """Add a budget and wait until so many disruptions are allowed."""
    api.create("poddisruptionbudgets", budget(name, **spec))
    api.wait(
        "poddisruptionbudgets",
        name,
        lambda b: (
            b.get("status", {}).get("observedGeneration") == 1
            and b["status"].get("disruptionsAllowed") == allowed
        ),
        f"observed, with {allowed} allowed",
    )


@pytest.fixture
def running(api: Api) -> Api:
    api.start("p")
    return api


def test_eviction_without_a_budget_answers_201_success(running: Api) -> None:
    answer = evict(running)
    status = answer.json()
    assert answer.status_code == 201
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert is_going(running)


def test_eviction_within_the_budget_is_allowed_once(running: Api) -> None:
    running.start("q", "sleep 600")
    running.patch("pods", "q", body={"metadata": {"labels": {"app": "p"}}})
    allow(running, 1, minAvailable=1)
    assert evict(running).status_code == 201
    assert evict(running, "q").status_code == 429


def test_exhausted_budget_is_429_without_retry_after(running: Api) -> None:
    allow(running, 0, minAvailable=1)
    answer = evict(running)
    status = answer.json()
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    assert status["reason"] == "TooManyRequests"
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = status["details"]["causes"]
    assert cause["reason"] == "DisruptionBudget"
    assert cause["message"] == "The disruption budget b needs 1 healthy pods and has 1 currently"
    assert not is_going(running)


def test_budget_that_is_not_observed_is_429_with_retry_after(running: Api) -> None:
    """Budgets of shares need an owner that can be scaled; without one they are never observed."""
    owner = running.create("configmaps", {"metadata": {"name": "owner"}})["metadata"]
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["uid"],
        "controller": True,
    }
    running.patch("pods", "p", body={"metadata": {"ownerReferences": [reference]}})
    running.create("poddisruptionbudgets", budget(maxUnavailable="50%"))
    answer = evict(running)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "10"
    assert answer.json()["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert not is_going(running)


def test_two_budgets_are_500_for_ever(running: Api) -> None:
    allow(running, 1, "b", minAvailable=0)
    allow(running, 1, "c", minAvailable=0)
    for _ in range(2):
        status = evict(running).json()
        assert status["code"] == 500
        assert "reason" not in status
        assert "more than one PodDisruptionBudget" in status["message"]
    assert not is_going(running)


def test_pending_pod_needs_no_budget(api: Api) -> None:
    api.create("pods", api.gated())
    allow(api, 0, minAvailable=1)
    assert evict(api).status_code == 201
    wait_for(lambda: is_going(api), "the pod to go")


def test_ended_pod_needs_no_budget(api: Api) -> None:
    api.run(api.pod("p"))
    allow(api, 0, minAvailable=1)
    assert evict(api).status_code == 201
    wait_for(lambda: is_going(api), "the pod to go")


def test_unready_pod_goes_where_the_budget_always_allows_it(api: Api) -> None:
    pod = api.pod("p", "sleep 600")
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    pod["spec"]["containers"][0]["readinessProbe"] = probe
    api.create("pods", pod)
    api.wait_phase("p", "Running")
    allow(api, 0, "strict", minAvailable=1)
    assert evict(api).status_code == 429
    api.delete("poddisruptionbudgets", "strict")
    allow(api, 0, "kind", minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")
    assert evict(api).status_code == 201


def test_uid_of_another_pod_is_409_and_evicts_nothing(running: Api) -> None:
    other = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    answer = evict(running, deleteOptions=other)
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert not is_going(running)


def test_uid_of_the_pod_is_evicted(running: Api) -> None:
    uid = running.read("pods", "p")["metadata"]["uid"]
    assert evict(running, deleteOptions={"preconditions": {"uid": uid}}).status_code == 201
    assert is_going(running)


def test_missing_pod_is_404(api: Api) -> None:
    answer = evict(api)
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")


def test_dry_run_succeeds_again_and_again_and_counts_nothing(running: Api) -> None:
    allow(running, 1, minAvailable=0)
    for _ in range(3):
        assert evict(running, query={"dryRun": "All"}).status_code == 201
    assert running.read("poddisruptionbudgets", "b")["status"]["disruptionsAllowed"] == 1
    assert not is_going(running)


def test_dry_run_of_an_exhausted_budget_is_429(running: Api) -> None:
    allow(running, 0, minAvailable=1)
    assert evict(running, query={"dryRun": "All"}).status_code == 429


def test_budget_counts_healthy_pods(running: Api) -> None:
    allow(running, 1, minAvailable=0)
    status = running.read("poddisruptionbudgets", "b")["status"]
    shown = {k: status[k] for k in ("currentHealthy", "desiredHealthy", "expectedPods")}
    assert shown == {"currentHealthy": 1, "desiredHealthy": 0, "expectedPods": 1}


def test_budget_with_both_bounds_is_422(api: Api) -> None:
    both = budget(minAvailable=1, maxUnavailable=1)
    status = api.refused(422, "POST", api.path("poddisruptionbudgets"), both)
    assert "cannot be both set" in status["message"]
