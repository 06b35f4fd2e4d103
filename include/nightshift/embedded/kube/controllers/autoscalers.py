"""HorizontalPodAutoscalers, without metrics: they hold the bounds and say that they see nothing.

Outside its bounds a target is set to the bound at once, past ``behavior``, as Kubernetes does; at 0
replicas it is left alone. Source: pkg/controller/podautoscaler/horizontal.go, Kubernetes 1.36.
"""

import datetime as dt
from collections.abc import Iterable

from nightshift.embedded.kube.controllers.changes import (
    Change,
    Key,
    Plan,
    Tell,
    Update,
    set_status,
)
from nightshift.embedded.kube.controllers.loops import Controller, by_itself
from nightshift.embedded.kube.controllers.podstates import format_time, put_condition
from nightshift.embedded.kube.interfaces import Object, ObjectStore

KIND = "horizontalpodautoscalers.autoscaling"
TARGETS = {
    "Deployment": "deployments.apps",
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
}
SYNC_PERIOD = dt.timedelta(seconds=15)


def plan_autoscaler(autoscaler: Object, target: Object | None, now: dt.datetime) -> Plan:
    """Plan one step of an autoscaler.

    :param target: what it scales, None if there is no such thing.
    """
    if target is None:
        return _without_target(autoscaler, now)
    spec = autoscaler["spec"]
    current = int(target["spec"].get("replicas", 1))
    desired, why = _clamp(current, spec.get("minReplicas", 1), spec["maxReplicas"])
    told = _conditions(autoscaler, current, why)
    status: Object = {
        **_kept(autoscaler),
        "currentReplicas": int((target.get("status") or {}).get("replicas", 0)),
        "desiredReplicas": desired,
        "currentMetrics": None,
    }
    changes: list[Change] = []
    if desired != current:
        status["lastScaleTime"] = format_time(now)
        changes = _rescale(autoscaler, target, desired, why)
    status["conditions"] = _merge(autoscaler, told, now)
    return Plan([*changes, *set_status(KIND, autoscaler, status)])


def _clamp(current: int, low: int, high: int) -> tuple[int, str]:
    if current == 0:
        return 0, ""
    if current > high:
        return high, "Current number of replicas above Spec.MaxReplicas"
    if current < low:
        return low, "Current number of replicas below Spec.MinReplicas"
    return current, ""


def _rescale(autoscaler: Object, target: Object, size: int, why: str) -> list[Change]:
    def change(obj: Object) -> None:
        obj["spec"]["replicas"] = size

    message = f"New size: {size}; reason: {why}"
    return [
        Update(TARGETS[target["kind"]], target, change),
        Tell(autoscaler, "SuccessfulRescale", message),
    ]


def _kept(autoscaler: Object) -> Object:
    old = autoscaler.get("status") or {}
    return {k: old[k] for k in ("lastScaleTime",) if k in old}


def _conditions(autoscaler: Object, current: int, why: str) -> list[tuple[str, str, str, str]]:
    """List (type, status, reason, message)."""
    able = ("AbleToScale", "True")
    if current == 0:
        message = "scaling is disabled since the replica count of the target is zero"
        return [
            (*able, "SucceededGetScale", "the HPA controller was able to get the target's"
             " current scale"),
            ("ScalingActive", "False", "ScalingDisabled", message),
        ]  # fmt: skip
    if why:
        size = f"the HPA controller was able to update the target scale: {why}"
        return [(*able, "SucceededRescale", size)]
    text = "the HPA controller was able to get the target's current scale"
    name = _first_resource(autoscaler)
    message = (
        "the HPA was unable to compute the replica count: failed to get"
        f" {name} utilization: unable to get metrics for resource {name}: no metrics are served by"
        " this cluster"
    )
    return [
        (*able, "SucceededGetScale", text),
        ("ScalingActive", "False", "FailedGetResourceMetric", message),
    ]


def _first_resource(autoscaler: Object) -> str:
    metrics = autoscaler["spec"].get("metrics") or [{}]
    return str((metrics[0].get("resource") or {}).get("name", "metric"))


def _merge(
    autoscaler: Object, told: Iterable[tuple[str, str, str, str]], now: dt.datetime
) -> list[Object]:
    conditions = list((autoscaler.get("status") or {}).get("conditions") or ())
    for kind, status, reason, message in told:
        wanted = {"type": kind, "status": status, "reason": reason, "message": message}
        conditions = put_condition(conditions, wanted, now)
    return conditions


def _without_target(autoscaler: Object, now: dt.datetime) -> Plan:
    reference = autoscaler["spec"]["scaleTargetRef"]
    kind = TARGETS.get(reference["kind"], reference["kind"])
    message = (
        f"the HPA controller was unable to get the target's current scale: {kind}"
        f' "{reference["name"]}" not found'
    )
    told = [("AbleToScale", "False", "FailedGetScale", message)]
    status = {
        **_kept(autoscaler),
        "currentReplicas": 0,
        "desiredReplicas": 0,
        "currentMetrics": None,
        "conditions": _merge(autoscaler, told, now),
    }
    changes = set_status(KIND, autoscaler, status)
    tell = [Tell(autoscaler, "FailedGetScale", message, "Warning")] if changes else []
    return Plan([*changes, *tell], now + SYNC_PERIOD)


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    if not name:
        found = list(store.list(KIND, namespace))
    else:
        found = [o for o in (store.find(KIND, name, namespace),) if o is not None]
    plans = [plan_autoscaler(o, _target(store, o), now) for o in found]
    times = [plan.again_at for plan in plans if plan.again_at is not None]
    return Plan([c for plan in plans for c in plan.changes], min(times, default=None))


def _target(store: ObjectStore, autoscaler: Object) -> Object | None:
    reference = autoscaler["spec"]["scaleTargetRef"]
    kind = TARGETS.get(reference["kind"])
    namespace = autoscaler["metadata"]["namespace"]
    return store.find(kind, reference["name"], namespace) if kind else None


def _all_of_namespace(obj: Object) -> Iterable[Key]:
    return ((obj["metadata"]["namespace"], ""),)


CONTROLLER = Controller(
    "horizontal-pod-autoscaler",
    {KIND: by_itself, **dict.fromkeys(TARGETS.values(), _all_of_namespace)},
    _plan,
)
