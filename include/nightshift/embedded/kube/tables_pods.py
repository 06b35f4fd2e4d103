"""The table of pods, whose STATUS column says more than the phase.

Source: printPod in pkg/printers/internalversion/printers.go.
"""

import datetime as dt

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.tables_cells import (
    AGE,
    NAME,
    NONE,
    Column,
    age,
    at,
    joined,
    parse_time,
)


def pod_status(pod: Object) -> str:
    """Name a pod's state as kubectl does: the phase, or the reason that matters more."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    return _initial_reason(pod) or _container_reason(pod) or _phase(pod)


def _phase(pod: Object) -> str:
    if at(pod, "status.phase") == "Pending":
        for condition in at(pod, "status.conditions", []):
            if condition.get("reason") == "SchedulingGated":
                return "SchedulingGated"
    return str(at(pod, "status.reason") or at(pod, "status.phase", "Unknown"))


def _initial_reason(pod: Object) -> str:
    statuses = at(pod, "status.initContainerStatuses", [])
    total = len(at(pod, "spec.initContainers", []))
    if at(pod, "status.phase") in {"Succeeded", "Failed"}:
        return ""
    for index, status in enumerate(statuses):
        ended = at(status, "state.terminated")
        if (ended and ended.get("exitCode") == 0) or status.get("started"):
            continue
        if ended:
            return f"Init:{_ended_reason(ended)}"
        waiting = at(status, "state.waiting.reason", "")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{total}"
    return ""


def _container_reason(pod: Object) -> str:
    reason, running = "", False
    for status in reversed(at(pod, "status.containerStatuses", [])):
        waiting, ended = at(status, "state.waiting.reason"), at(status, "state.terminated")
        if waiting:
            reason = str(waiting)
        elif ended:
            reason = _ended_reason(ended)
        elif status.get("ready"):
            running = True
    if reason == "Completed" and running:
        return "Running"
    return reason


def _ended_reason(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _ready(pod: Object, _: dt.datetime) -> str:
    statuses = at(pod, "status.containerStatuses", [])
    ready = sum(1 for status in statuses if status.get("ready"))
    return f"{ready}/{len(at(pod, 'spec.containers', []))}"


def _restarts(pod: Object, now: dt.datetime) -> str:
    statuses = at(pod, "status.containerStatuses", [])
    count = sum(int(status.get("restartCount", 0)) for status in statuses)
    ends = [at(status, "lastState.terminated.finishedAt") for status in statuses]
    known = [end for end in ends if parse_time(end)]
    return f"{count} ({age(max(known), now)} ago)" if count and known else str(count)


def _gates(pod: Object, _: dt.datetime) -> str:
    gates = at(pod, "spec.readinessGates", [])
    if not gates:
        return NONE
    true = {c["type"] for c in at(pod, "status.conditions", []) if c.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate['conditionType'] in true)}/{len(gates)}"


POD_COLUMNS: tuple[Column, ...] = (
    NAME,
    Column("Ready", _ready),
    Column("Status", lambda pod, _: pod_status(pod)),
    Column("Restarts", _restarts),
    AGE,
    Column("IP", lambda pod, _: joined(filter(None, [at(pod, "status.podIP")])), priority=1),
    Column("Node", lambda pod, _: at(pod, "spec.nodeName") or NONE, priority=1),
    Column(
        "Nominated Node", lambda pod, _: at(pod, "status.nominatedNodeName") or NONE, priority=1
    ),
    Column("Readiness Gates", _gates, priority=1),
)
