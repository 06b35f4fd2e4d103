"""PodDisruptionBudgets: how many pods may be evicted now.

The eviction API counts ``disruptionsAllowed`` down and notes the pod in ``disruptedPods``; here it
is counted anew from the pods. Source: pkg/controller/disruption, Kubernetes 1.36.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from nightshift.embedded.kube.controllers.changes import Change, Key, Plan, Tell, set_status
from nightshift.embedded.kube.controllers.loops import Controller, by_itself, controller_of
from nightshift.embedded.kube.controllers.podstates import (
    is_ready,
    is_terminal,
    is_terminating,
    parse_time,
    put_condition,
    scaled,
)
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.resources import key_of_object
from nightshift.embedded.kube.validation_selectors import selected

KIND = "poddisruptionbudgets.policy"
DELETION_TIMEOUT = dt.timedelta(minutes=2)
"""How long an eviction may be announced before its pod counts as healthy again."""

Scales = Callable[[Object], tuple[str, int] | None]
"""For a pod: uid and wanted replicas of what keeps its number, None for a bare pod.

Raises ``Unscalable`` where something else owns the pod.
"""


class Unscalable(Exception):
    """A pod's owner has no number of replicas, so shares of it mean nothing."""


def plan_budget(budget: Object, pods: Sequence[Object], scales: Scales, now: dt.datetime) -> Plan:
    """Plan the status of a budget.

    :param pods: those that its selector matches.
    """
    pods = [pod for pod in pods if not is_terminal(pod)]
    try:
        expected, desired = _targets(budget["spec"], pods, scales)
    except Unscalable as error:
        return Plan(_fail_safe(budget, str(error), now))
    disrupted = _disrupted(budget, pods, now)
    healthy = sum(_is_healthy(pod, disrupted) for pod in pods)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    old = budget.get("status") or {}
    enough = allowed > 0
    told = {
        "type": "DisruptionAllowed",
        "status": "True" if enough else "False",
        "reason": "SufficientPods" if enough else "InsufficientPods",
        "message": "",
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    status = {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": budget["metadata"].get("generation", 0),
        **({"disruptedPods": disrupted} if disrupted else {}),
        "conditions": put_condition(list(old.get("conditions") or ()), told, now),
    }
    ends = [parse_time(since) + DELETION_TIMEOUT for since in disrupted.values()]
    return Plan(set_status(KIND, budget, status), min(ends, default=None))


def _fail_safe(budget: Object, why: str, now: dt.datetime) -> list[Change]:
    """Allow nothing; the budget counts as not observed, so evictions are told to come back."""
    old = budget.get("status") or {}
    told = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": why}
    counts = ("currentHealthy", "desiredHealthy", "expectedPods")
    status = {
        **dict.fromkeys(counts, 0),
        **old,
        "disruptionsAllowed": 0,
        "conditions": put_condition(list(old.get("conditions") or ()), told, now),
    }
    changes = set_status(KIND, budget, status)
    if changes:
        message = f"Failed to calculate the number of expected pods: {why}"
        changes.append(Tell(budget, "CalculateExpectedPodCountFailed", message, "Warning"))
    return changes


def _targets(spec: Object, pods: Sequence[Object], scales: Scales) -> tuple[int, int]:
    """Give how many pods are expected, and how many must stay healthy."""
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if isinstance(least, int):
        return len(pods), least
    expected = sum(dict(filter(None, map(scales, pods))).values())
    if least is not None:
        return expected, scaled(least, expected, round_up=True)
    if most is not None:
        return expected, max(0, expected - scaled(most, expected, round_up=True))
    return 0, 0


def _disrupted(budget: Object, pods: Sequence[Object], now: dt.datetime) -> dict[str, str]:
    """Keep announced evictions whose pod is still there, not yet going, and not overdue."""
    staying = {p["metadata"]["name"] for p in pods if not is_terminating(p)}
    announced = (budget.get("status") or {}).get("disruptedPods") or {}
    return {
        name: since
        for name, since in announced.items()
        if name in staying and parse_time(since) + DELETION_TIMEOUT > now
    }


def _is_healthy(pod: Object, disrupted: dict[str, str]) -> bool:
    return is_ready(pod) and not is_terminating(pod) and pod["metadata"]["name"] not in disrupted


def scales_in(store: ObjectStore) -> Scales:
    """Look up who keeps the number of a pod: its controller, or that one's Deployment."""

    def scale(pod: Object) -> tuple[str, int] | None:
        if controller_of(pod) is None:
            return None
        owner = _owner(store, pod)
        if owner is None:
            raise Unscalable(f'found no controllers for pod "{pod["metadata"]["name"]}"')
        above = _owner(store, owner) if owner["kind"] == "ReplicaSet" else None
        owner = above or owner
        replicas = (owner.get("spec") or {}).get("replicas")
        if replicas is None:
            what = key_of_object(owner)
            raise Unscalable(f"{what} does not implement the scale subresource")
        return owner["metadata"]["uid"], int(replicas)

    return scale


def _owner(store: ObjectStore, obj: Object) -> Object | None:
    reference = controller_of(obj)
    kind = key_of_object(reference) if reference else None
    if reference is None or kind is None:
        return None
    found = store.find(kind, reference["name"], obj["metadata"].get("namespace", ""))
    return found if found and found["metadata"]["uid"] == reference["uid"] else None


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    if not name:
        budgets = store.list(KIND, namespace)
    else:
        found = store.find(KIND, name, namespace)
        budgets = [found] if found else []
    plans = [_plan_one(store, budget, now) for budget in budgets]
    times = [plan.again_at for plan in plans if plan.again_at is not None]
    return Plan([c for plan in plans for c in plan.changes], min(times, default=None))


def _plan_one(store: ObjectStore, budget: Object, now: dt.datetime) -> Plan:
    pods = store.list("pods", budget["metadata"]["namespace"])
    matching = selected(budget["spec"].get("selector"), pods)
    return plan_budget(budget, matching, scales_in(store), now)


def _all_of_namespace(obj: Object) -> Iterable[Key]:
    return ((obj["metadata"]["namespace"], ""),)


CONTROLLER = Controller(
    "disruption-controller",
    {
        KIND: by_itself,
        "pods": _all_of_namespace,
        "replicasets.apps": _all_of_namespace,
        "deployments.apps": _all_of_namespace,
        "statefulsets.apps": _all_of_namespace,
    },
    _plan,
)
