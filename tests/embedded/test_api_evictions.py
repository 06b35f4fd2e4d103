"""Eviction: what the API server answers for each state of pod and budgets."""

from typing import Any

import pytest

from tests.embedded.api_support import PODS, Rest, pod

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
UNREADY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}


def add_pod(rest: Rest, status: dict[str, Any], name: str = "p") -> dict[str, Any]:
    rest.ok("POST", PODS, pod(name, nodeName="n1"))
    return rest.patch(f"{PODS}/{name}/status", {"status": status})


def add_budget(rest: Rest, name: str = "b", policy: str | None = None, **status: Any) -> None:
    spec: dict[str, Any] = {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    rest.ok("POST", BUDGETS, {"metadata": {"name": name}, "spec": spec})
    filled = {
        "observedGeneration": 1,
        "disruptionsAllowed": 0,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "expectedPods": 1,
        **status,
    }
    rest.patch(f"{BUDGETS}/{name}/status", {"status": filled})


def evict(rest: Rest, query: str = "", **options: Any) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}, **options}
    return rest.send("POST", f"{PODS}/p/eviction{query}", body)


def is_evicted(rest: Rest) -> bool:
    response = rest.send("GET", f"{PODS}/p")
    return response.status_code == 404 or "deletionTimestamp" in response.json()["metadata"]


def test_allowed_eviction_marks_the_pod_and_counts_down(rest: Rest) -> None:
    add_pod(rest, READY)
    add_budget(rest, disruptionsAllowed=2)
    answer = evict(rest)
    assert (answer.status_code, answer.json()["status"]) == (201, "Success")
    assert is_evicted(rest)
    conditions = rest.ok("GET", f"{PODS}/p")["status"]["conditions"]
    assert {c["type"]: c.get("reason") for c in conditions}["DisruptionTarget"] == (
        "EvictionByEvictionAPI"
    )
    status = rest.ok("GET", f"{BUDGETS}/b")["status"]
    assert status["disruptionsAllowed"] == 1
    assert list(status["disruptedPods"]) == ["p"]


def test_pod_without_a_budget_is_evicted(rest: Rest) -> None:
    add_pod(rest, READY)
    assert evict(rest).status_code == 201
    assert is_evicted(rest)


def test_exhausted_budget_refuses_without_retry_after(rest: Rest) -> None:
    add_pod(rest, READY)
    add_budget(rest)
    answer = evict(rest)
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers
    status = answer.json()
    assert status["reason"] == "TooManyRequests"
    assert status["message"] == (
        "Cannot evict pod as it would violate the pod's disruption budget."
    )
    cause = status["details"]["causes"][0]
    assert cause["reason"] == "DisruptionBudget"
    assert cause["message"] == ("The disruption budget b needs 1 healthy pods and has 1 currently")
    assert not is_evicted(rest)


def test_budget_not_yet_observed_asks_to_come_back(rest: Rest) -> None:
    add_pod(rest, READY)
    add_budget(rest, observedGeneration=0, disruptionsAllowed=1)
    answer = evict(rest)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert not is_evicted(rest)


def test_two_budgets_are_a_server_error_that_never_ends(rest: Rest) -> None:
    add_pod(rest, READY)
    add_budget(rest, "b", disruptionsAllowed=1)
    add_budget(rest, "c", disruptionsAllowed=1)
    answer = evict(rest)
    assert answer.status_code == 500
    assert "more than one PodDisruptionBudget" in answer.json()["message"]
    assert "reason" not in answer.json()
    assert not is_evicted(rest)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pod_that_does_not_run_needs_no_budget(rest: Rest, phase: str) -> None:
    add_pod(rest, {"phase": phase})
    add_budget(rest)
    add_budget(rest, "c")
    assert evict(rest).status_code == 201
    assert is_evicted(rest)


@pytest.mark.parametrize(
    ("policy", "healthy", "code"),
    [
        (None, 1, 201),
        (None, 0, 429),
        ("IfHealthyBudget", 0, 429),
        ("AlwaysAllow", 0, 201),
    ],
)
def test_unready_pod_may_go_while_the_others_are_healthy(
    rest: Rest, policy: str | None, healthy: int, code: int
) -> None:
    add_pod(rest, UNREADY)
    add_budget(rest, policy=policy, currentHealthy=healthy)
    assert evict(rest).status_code == code


def test_dry_run_succeeds_again_and_again_and_counts_nothing(rest: Rest) -> None:
    add_pod(rest, READY)
    add_budget(rest, disruptionsAllowed=1)
    for _ in range(3):
        assert evict(rest, "?dryRun=All").status_code == 201
        assert evict(rest, deleteOptions={"dryRun": ["All"]}).status_code == 201
    assert not is_evicted(rest)
    assert rest.ok("GET", f"{BUDGETS}/b")["status"]["disruptionsAllowed"] == 1


def test_uid_of_another_pod_is_a_conflict_and_costs_nothing(rest: Rest) -> None:
    add_pod(rest, READY)
    add_budget(rest, disruptionsAllowed=1)
    answer = evict(rest, deleteOptions={"preconditions": {"uid": "another"}})
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert rest.ok("GET", f"{BUDGETS}/b")["status"]["disruptionsAllowed"] == 1


def test_pod_that_is_gone_is_not_found(rest: Rest) -> None:
    assert evict(rest).status_code == 404


@pytest.mark.parametrize(
    "status",
    [{"disruptionsAllowed": -1}, {"disruptedPods": {f"p{i}": "t" for i in range(2001)}}],
    ids=["negative", "too many disrupted pods"],
)
def test_broken_budget_is_forbidden(rest: Rest, status: dict[str, Any]) -> None:
    add_pod(rest, READY)
    add_budget(rest, **{"disruptionsAllowed": 1, **status})
    assert evict(rest).status_code == 403


def test_name_of_another_pod_is_a_bad_request(rest: Rest) -> None:
    add_pod(rest, READY)
    assert evict(rest, metadata={"name": "q"}).status_code == 400
