"""A pod's status from what is known of its containers: phase, conditions, container statuses.

Pure. Source: pkg/kubelet/kubelet_pods.go (getPhase) and pkg/kubelet/status/generate.go.
"""

import datetime as dt
from collections.abc import Sequence

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.states import (
    ContainerRecord,
    PodRecord,
    Role,
    Running,
    Terminated,
    Waiting,
)

_ADDRESS = "127.0.0.1"
_EPOCH = "1970-01-01T00:00:00Z"


def build_status(pod: Object, record: PodRecord, now: dt.datetime) -> Object:
    """Compute the status; conditions of others, and times of unchanged ones, are kept."""
    old = pod.get("status") or {}
    is_running = any(isinstance(c.state, Running) for c in record.containers)
    verdict = None if is_running else record.verdict
    phase, reason, message = verdict or (find_phase(record), "", "")
    status: Object = {
        **old,
        "phase": phase,
        "conditions": _merge_conditions(old, _build_conditions(phase, record), now),
        "hostIP": _ADDRESS,
        "hostIPs": [{"ip": _ADDRESS}],
        "startTime": _format(record.started_at),
        "containerStatuses": [_build_container(c) for c in record.of_role(Role.MAIN)],
    }
    if record.sandboxed:
        status |= {"podIP": _ADDRESS, "podIPs": [{"ip": _ADDRESS}]}
    first = record.of_role(Role.INIT, Role.SIDECAR)
    if first:
        status["initContainerStatuses"] = [_build_container(c) for c in first]
    for key, text in (("reason", reason), ("message", message)):
        status.pop(key, None)
        if text:
            status[key] = text
    return status


def find_phase(record: PodRecord) -> str:
    """Tell the phase that the containers' states give."""
    if not _is_initialized(record):
        failed = [c for c in record.of_role(Role.INIT) if _is_final_failure(c, record)]
        return "Failed" if failed else "Pending"
    main = record.of_role(Role.MAIN)
    if any(isinstance(c.state, Waiting) and c.last is None for c in main):
        return "Pending"
    ended = [c.state for c in main if isinstance(c.state, Terminated)]
    attended = any(isinstance(c.state, Running) for c in record.of_role(Role.SIDECAR))
    if attended or len(ended) < len(main) or record.restart_policy == "Always":
        return "Running"
    if all(state.exit_code == 0 for state in ended):
        return "Succeeded"
    return "Running" if record.restart_policy == "OnFailure" else "Failed"


def _is_final_failure(container: ContainerRecord, record: PodRecord) -> bool:
    return (
        isinstance(container.state, Terminated)
        and container.state.exit_code != 0
        and record.restart_policy == "Never"
    )


def _is_initialized(record: PodRecord) -> bool:
    sidecars = all(
        c.started or isinstance(c.state, Terminated) or c.last for c in record.of_role(Role.SIDECAR)
    )
    return sidecars and all(c.has_succeeded for c in record.of_role(Role.INIT))


def _build_conditions(phase: str, record: PodRecord) -> list[Object]:
    uninitialized = [
        c.name
        for c in record.of_role(Role.INIT, Role.SIDECAR)
        if not (c.has_succeeded if c.role is Role.INIT else c.started)
    ]
    unready = [c.name for c in record.of_role(Role.MAIN, Role.SIDECAR) if not c.ready]
    is_terminal = phase in {"Succeeded", "Failed"}
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    return [
        _condition("PodReadyToStartContainers", record.sandboxed and not is_terminal),
        _named("Initialized", [] if phase == "Succeeded" else uninitialized, ended, "Initialized"),
        _named("Ready", unready, ended, "Ready"),
        _named("ContainersReady", unready, ended, "Ready"),
    ]


def _named(kind: str, lacking: Sequence[str], ended: str, what: str) -> Object:
    """Build a condition that is false while containers lack something."""
    is_over = bool(ended) and kind != "Initialized"
    condition = _condition(kind, not lacking and not is_over)
    if ended and (is_over or ended == "PodCompleted"):
        return {**condition, "reason": ended}
    if not lacking:
        return condition
    word = {"Ready": "unready", "Initialized": "incomplete"}[what]
    text = f"containers with {word} status: [{' '.join(lacking)}]"
    return {**condition, "reason": f"ContainersNot{what}", "message": text}


def _condition(kind: str, holds: bool) -> Object:
    return {"type": kind, "status": "True" if holds else "False"}


def _merge_conditions(old: Object, ours: Sequence[Object], now: dt.datetime) -> list[Object]:
    before = {c["type"]: c for c in old.get("conditions") or []}
    merged = dict(before)
    for condition in ours:
        same = before.get(condition["type"], {})
        changed = same.get("status") != condition["status"]
        since = _format(now) if changed else same.get("lastTransitionTime", _format(now))
        merged[condition["type"]] = {
            **condition,
            "lastProbeTime": None,
            "lastTransitionTime": since,
        }
    merged.setdefault(
        "PodScheduled",
        {**_condition("PodScheduled", True), "lastTransitionTime": _format(now)},
    )
    return list(merged.values())


def _build_container(container: ContainerRecord) -> Object:
    is_running = isinstance(container.state, Running)
    return {
        "name": container.name,
        "image": container.image,
        "imageID": container.image if container.container_id else "",
        "containerID": container.container_id,
        "ready": container.ready,
        "started": is_running and container.started,
        "restartCount": container.restarts,
        "state": _build_state(container.state),
        "lastState": _build_state(container.last) if container.last else {},
    }


def _build_state(state: Waiting | Running | Terminated) -> Object:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": _format(started_at)}}
        case Terminated():
            ended = {
                "exitCode": state.exit_code,
                "reason": state.reason,
                "startedAt": _format(state.started_at) if state.started_at else _EPOCH,
                "finishedAt": _format(state.finished_at),
                "containerID": state.container_id,
                **({"message": state.message} if state.message else {}),
            }
            return {"terminated": ended}


def _format(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
