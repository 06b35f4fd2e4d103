"""Eviction: deletion that asks the disruption budgets first.

Source: pkg/registry/core/pod/storage/eviction.go, policy/v1.
"""

from dataclasses import replace
from http import HTTPStatus

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.deletions import DeleteOptions, delete_object, read_delete_options
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.requests import Target
from nightshift.embedded.kube.selectors import labels_match, requirements_of
from nightshift.embedded.kube.storage import timestamp

BUDGETS = "poddisruptionbudgets.policy"
MAX_DISRUPTED_PODS = 2000
NOT_OBSERVED_RETRY_SECONDS = 10


def evict_pod(api: Api, target: Target, eviction: Object, *, dry_run: bool = False) -> Object:
    """Delete a pod if its disruption budget allows it.

    A dry run answers as the real call would, and counts nothing down.

    :returns: a Status of success.
    :raises StatusError: 404, 409 (UID precondition), 429, 500 for two budgets, 403
        for a broken one.
    """
    options = _options(target, eviction, dry_run)
    pod = api.store.get(*target.place)
    delete_object(api, target, replace(options, dry_run=True))  # checks the preconditions
    budgets = [] if _needs_no_budget(pod) else _budgets_of(api, pod)
    if len(budgets) > 1:
        raise StatusError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does"
            " not support.",
        )
    if budgets and not _is_unhealthy_exempt(pod, budgets[0]):
        _check_budget(budgets[0])
        if not options.dry_run:
            _count_down(api, budgets[0], target.name)
    if not options.dry_run and "deletionTimestamp" not in pod["metadata"]:
        _mark_disrupted(api, target)
    delete_object(api, target, options)
    return statuses.success()


def _mark_disrupted(api: Api, target: Target) -> None:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(api.now),
    }

    def change(pod: Object) -> None:
        status = pod.setdefault("status", {})
        others = [c for c in status.get("conditions", []) if c["type"] != condition["type"]]
        status["conditions"] = [*others, condition]

    api.store.mutate(*target.place, change)


def _options(target: Target, eviction: Object, dry_run: bool) -> DeleteOptions:
    name = eviction["metadata"].get("name") or target.name
    if name != target.name:
        raise statuses.bad_request("name in URL does not match name in Eviction object")
    raw = eviction.get("deleteOptions") or {}
    if not isinstance(raw, dict):
        raise statuses.bad_request("deleteOptions must be an object")
    read = read_delete_options(raw)
    return DeleteOptions(
        read.grace_seconds, read.finalizer, read.uid, read.resource_version, read.dry_run or dry_run
    )


def _needs_no_budget(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in {"Succeeded", "Failed", "Pending"} or "deletionTimestamp" in pod["metadata"]


def _budgets_of(api: Api, pod: Object) -> list[Object]:
    budgets = api.store.list(BUDGETS, pod["metadata"]["namespace"])
    return [
        budget
        for budget in budgets
        if labels_match(requirements_of((budget.get("spec") or {}).get("selector")), pod)
    ]


def _is_unhealthy_exempt(pod: Object, budget: Object) -> bool:
    """Tell whether a pod that is not ready may go whatever the count says."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    if any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions):
        return False
    spec, status = budget.get("spec") or {}, budget.get("status") or {}
    if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    healthy, wanted = int(status.get("currentHealthy", 0)), int(status.get("desiredHealthy", 0))
    return healthy >= wanted > 0


def _is_observed(budget: Object) -> bool:
    observed = int((budget.get("status") or {}).get("observedGeneration", 0))
    return observed >= int(budget["metadata"].get("generation", 0))


def _check_budget(budget: Object) -> None:
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    if not _is_observed(budget):
        raise _refusal(
            message,
            f"The disruption budget {name} is still being processed by the server.",
            NOT_OBSERVED_RETRY_SECONDS,
        )
    allowed = int(status.get("disruptionsAllowed", 0))
    if allowed < 0:
        raise statuses.forbidden(BUDGETS, name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > MAX_DISRUPTED_PODS:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise statuses.forbidden(BUDGETS, name, why)
    if allowed == 0:
        healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
        raise _refusal(
            message,
            f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently",
            0,
        )


def _refusal(message: str, why: str, retry_after_seconds: int) -> StatusError:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds
    return StatusError(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", message, details)


def _count_down(api: Api, budget: Object, pod_name: str) -> None:
    metadata = budget["metadata"]

    def change(obj: Object) -> None:
        status = obj["status"]
        status["disruptionsAllowed"] = int(status["disruptionsAllowed"]) - 1
        status.setdefault("disruptedPods", {})[pod_name] = timestamp(api.now)

    api.store.mutate(BUDGETS, metadata["name"], metadata["namespace"], change)
