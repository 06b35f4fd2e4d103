"""Jobs: pods that run to their end, counted once each.

A pod carries a finalizer until the Job has counted it, so that no deletion loses a result. Source:
pkg/controller/job of Kubernetes 1.36. Not supported, and said so on the Job: backoffLimitPerIndex,
podFailurePolicy, successPolicy.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    Tell,
    Update,
    set_status,
    without_finalizer,
)
from nightshift.embedded.kube.controllers.jobindexes import (
    INDEX,
    format_indexes,
    index_of,
    parse_indexes,
)
from nightshift.embedded.kube.controllers.loops import (
    Controller,
    by_itself,
    by_owner,
    owned_by,
    reference_to,
)
from nightshift.embedded.kube.controllers.podstates import (
    condition,
    created_at,
    format_time,
    holds,
    is_active,
    is_ready,
    is_terminal,
    is_terminating,
    parse_time,
    phase,
    put_condition,
)
from nightshift.embedded.kube.defaults_pods import template_pod
from nightshift.embedded.kube.interfaces import Object, ObjectStore

TRACKING = "batch.kubernetes.io/job-tracking"
_FIRST_BACKOFF_SECONDS = 10.0
_LAST_BACKOFF_SECONDS = 600.0
_UNSUPPORTED = ("backoffLimitPerIndex", "podFailurePolicy", "successPolicy")


@dataclass(frozen=True, slots=True)
class _Pods:
    """A Job's pods, by what they mean to it."""

    active: list[Object]
    terminating: list[Object]
    new_succeeded: list[Object]
    new_failed: list[Object]
    finished: list[Object]


def plan_job(job: Object, pods: Sequence[Object], now: dt.datetime) -> Plan:
    """Plan one step of a Job.

    :param pods: those that the Job controls.
    """
    if is_terminating(job):
        return Plan([_release(pod) for pod in pods if _is_tracked(pod)])
    if is_finished(job):
        return _plan_finished(job, pods, now)
    sorted_pods = _sort(job, pods)
    status = _count(job, sorted_pods)
    ending = _ending(job, sorted_pods, status, now)
    if ending is not None:
        return Plan(_end(job, sorted_pods, status, ending, now))
    return _continue(job, sorted_pods, status, now)


def is_finished(job: Object) -> bool:
    """Tell whether a Job is Complete or Failed."""
    return holds(job, "Complete") or holds(job, "Failed")


def _is_tracked(pod: Object) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def _release(pod: Object) -> Change:
    return Update("pods", pod, without_finalizer(TRACKING))


def _plan_finished(job: Object, pods: Sequence[Object], now: dt.datetime) -> Plan:
    changes: list[Change] = [_release(pod) for pod in pods if _is_tracked(pod)]
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return Plan(changes)
    ended = condition(job, "Complete") if holds(job, "Complete") else condition(job, "Failed")
    due = parse_time(ended["lastTransitionTime"]) + dt.timedelta(seconds=ttl)
    return Plan([*changes, Delete("jobs.batch", job)]) if due <= now else Plan(changes, due)


def _sort(job: Object, pods: Sequence[Object]) -> _Pods:
    only_failed = job["spec"].get("podReplacementPolicy") == "Failed"

    def has_failed(pod: Object) -> bool:
        if phase(pod) == "Failed":
            return True
        if only_failed:
            return is_terminating(pod) and phase(pod) == "Pending"
        return is_terminating(pod) and phase(pod) != "Succeeded"

    new = [pod for pod in pods if _is_tracked(pod)]
    return _Pods(
        active=[p for p in pods if is_active(p)],
        terminating=[p for p in pods if is_terminating(p) and not is_terminal(p)],
        new_succeeded=[p for p in new if phase(p) == "Succeeded"],
        new_failed=[p for p in new if has_failed(p)],
        finished=[p for p in pods if is_terminal(p)],
    )


def _count(job: Object, pods: _Pods) -> Object:
    """Give the Job's status with the pods that ended since it was written last."""
    old = job.get("status") or {}
    spec = job["spec"]
    status: Object = {
        **old,
        "active": len(pods.active),
        "ready": sum(map(is_ready, pods.active)),
        "terminating": len(pods.terminating),
        "failed": old.get("failed", 0) + len(pods.new_failed),
        "succeeded": old.get("succeeded", 0) + len(pods.new_succeeded),
        "uncountedTerminatedPods": {},
    }
    if spec.get("completionMode") == "Indexed":
        done = parse_indexes(old.get("completedIndexes", ""))
        done |= {index_of(pod) for pod in pods.new_succeeded}
        done = {i for i in done if 0 <= i < spec["completions"]}
        status["succeeded"] = len(done)
        if done:
            status["completedIndexes"] = format_indexes(done)
    return status


@dataclass(frozen=True, slots=True)
class _Ending:
    kind: str  # Complete or Failed
    reason: str
    message: str


def _ending(job: Object, pods: _Pods, status: Object, now: dt.datetime) -> _Ending | None:
    """Tell how the Job ends, None if it goes on."""
    for kind, early in (("Failed", "FailureTarget"), ("Complete", "SuccessCriteriaMet")):
        if holds(job, early):
            told = condition(job, early)
            return _Ending(kind, told["reason"], told["message"])
    spec = job["spec"]
    missing = [field for field in _UNSUPPORTED if spec.get(field) is not None]
    if missing:
        message = f"{missing[0]} is not supported by this cluster"
        return _Ending("Failed", "UnsupportedByEmbeddedCluster", message)
    if status["failed"] > spec["backoffLimit"] or _restarts_exceed(spec, pods):
        message = "Job has reached the specified backoff limit"
        return _Ending("Failed", "BackoffLimitExceeded", message)
    due = _deadline(job)
    if due is not None and due <= now:
        message = "Job was active longer than specified deadline"
        return _Ending("Failed", "DeadlineExceeded", message)
    wanted = spec.get("completions")
    if wanted is None:
        is_complete = status["succeeded"] > 0 and not pods.active
    else:
        is_complete = status["succeeded"] >= wanted and not spec.get("suspend")
    message = "Reached expected number of succeeded pods"
    return _Ending("Complete", "CompletionsReached", message) if is_complete else None


def _restarts_exceed(spec: Object, pods: _Pods) -> bool:
    """Count restarts inside pods against the limit, where pods restart in place."""
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        int(container.get("restartCount", 0))
        for pod in pods.active
        for field in ("containerStatuses", "initContainerStatuses")
        for container in (pod.get("status") or {}).get(field) or ()
    )
    limit: int = spec["backoffLimit"]
    return restarts > 0 if limit == 0 else restarts >= limit


def _deadline(job: Object) -> dt.datetime | None:
    seconds = job["spec"].get("activeDeadlineSeconds")
    start = (job.get("status") or {}).get("startTime")
    if seconds is None or start is None or job["spec"].get("suspend"):
        return None
    return parse_time(start) + dt.timedelta(seconds=seconds)


def _end(
    job: Object, pods: _Pods, status: Object, ending: _Ending, now: dt.datetime
) -> list[Change]:
    """End the Job: first a target condition and no more pods, then the final one."""
    early = "FailureTarget" if ending.kind == "Failed" else "SuccessCriteriaMet"
    told = {"status": "True", "reason": ending.reason, "message": ending.message}
    conditions = put_condition(list(status.get("conditions") or ()), {"type": early, **told}, now)
    status = {**status, "conditions": conditions, "active": 0, "ready": 0}
    status.setdefault("startTime", format_time(now))
    changes: list[Change] = []
    if ending.kind == "Failed":
        status["failed"] += len(pods.active)
    if not pods.active and not pods.terminating:
        status["conditions"] = put_condition(conditions, {"type": ending.kind, **told}, now)
        completed = ending.kind == "Complete"
        if completed:
            status["completionTime"] = format_time(now)
        reason = "Completed" if completed else ending.reason
        message = "Job completed" if completed else ending.message
        changes.append(Tell(job, reason, message, "Normal" if completed else "Warning"))
    else:
        status["terminating"] = len(pods.active) + len(pods.terminating)
    counted = [*pods.new_succeeded, *pods.new_failed]
    return [
        *set_status("jobs.batch", job, status),
        *(_release(pod) for pod in counted),
        *(Delete("pods", pod, job, release=TRACKING) for pod in pods.active),
        *changes,
    ]


def _continue(job: Object, pods: _Pods, status: Object, now: dt.datetime) -> Plan:
    spec = job["spec"]
    status, told = _suspension(job, status, now)
    changes: list[Change] = [_release(pod) for pod in (*pods.new_succeeded, *pods.new_failed)]
    wanted = _wanted(spec, pods, status)
    surplus = pods.active[wanted:] if len(pods.active) > wanted else []
    missing = wanted - len(pods.active)
    if spec.get("podReplacementPolicy") == "Failed":
        missing -= len(pods.terminating)
    ready_at = _backoff_until(pods)
    again = _deadline({**job, "status": status})
    if missing > 0 and ready_at is not None and ready_at > now:
        again = min(again, ready_at) if again else ready_at
        missing = 0
    status = {**status, "active": len(pods.active) - len(surplus)}
    deletions = [Delete("pods", pod, job, release=TRACKING) for pod in reversed(surplus)]
    creations = _creations(job, pods, status, missing)
    return Plan(
        [*set_status("jobs.batch", job, status), *changes, *told, *deletions, *creations], again
    )


def _wanted(spec: Object, pods: _Pods, status: Object) -> int:
    if spec.get("suspend"):
        return 0
    parallelism: int = spec["parallelism"]
    if spec.get("completions") is None:
        return min(parallelism, len(pods.active)) if status["succeeded"] else parallelism
    return int(min(parallelism, max(0, spec["completions"] - status["succeeded"])))


def _suspension(job: Object, status: Object, now: dt.datetime) -> tuple[Object, list[Change]]:
    """Note that the Job starts, is suspended or goes on."""
    conditions, spec = list(status.get("conditions") or ()), job["spec"]
    was = holds(job, "Suspended")
    if spec.get("suspend"):
        status = {k: v for k, v in status.items() if k != "startTime"}
        told = {"status": "True", "reason": "JobSuspended", "message": "Job suspended"}
        status["conditions"] = put_condition(conditions, {"type": "Suspended", **told}, now)
        return status, [] if was else [Tell(job, "Suspended", "Job suspended")]
    if was:
        told = {"status": "False", "reason": "JobResumed", "message": "Job resumed"}
        conditions = put_condition(conditions, {"type": "Suspended", **told}, now)
        status = {**status, "conditions": conditions, "startTime": format_time(now)}
        return status, [Tell(job, "Resumed", "Job resumed")]
    return {"startTime": format_time(now), **status}, []


def _backoff_until(pods: _Pods) -> dt.datetime | None:
    """Wait longer with each failure since the last success: 10 s, 20 s, .. 10 min."""
    ends = sorted(((_ended_at(pod), phase(pod)) for pod in pods.finished), reverse=True)
    failures = 0
    for _, how in ends:
        if how == "Succeeded":
            break
        failures += 1
    if not failures:
        return None
    seconds = min(_LAST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 10))
    return ends[0][0] + dt.timedelta(seconds=seconds)


def _ended_at(pod: Object) -> dt.datetime:
    times = [
        parse_time(ended["finishedAt"])
        for container in (pod.get("status") or {}).get("containerStatuses") or ()
        if (ended := (container.get("state") or {}).get("terminated") or {}).get("finishedAt")
    ]
    return max(times, default=created_at(pod))


def _creations(job: Object, pods: _Pods, status: Object, missing: int) -> list[Change]:
    if missing <= 0:
        return []
    if job["spec"].get("completionMode") != "Indexed":
        return [Create("pods", build_pod(job), job) for _ in range(missing)]
    taken = parse_indexes(status.get("completedIndexes", ""))
    taken |= {index_of(pod) for pod in pods.active}
    free = [i for i in range(job["spec"]["completions"]) if i not in taken]
    return [Create("pods", build_pod(job, index), job) for index in free[:missing]]


def build_pod(job: Object, index: int | None = None) -> Object:
    """Build a pod of a Job; ``index`` is its completion index, None without one."""
    pod = template_pod(job["spec"]["template"])
    name = job["metadata"]["name"]
    metadata = pod["metadata"]
    metadata["generateName"] = f"{name}-"
    metadata["namespace"] = job["metadata"]["namespace"]
    metadata["ownerReferences"] = [reference_to(job)]
    metadata["finalizers"] = [TRACKING]
    if index is not None:
        metadata["generateName"] = f"{name}-{index}-"
        for field in ("annotations", "labels"):
            metadata[field] = {**metadata.get(field, {}), INDEX: str(index)}
        pod["spec"].setdefault("hostname", f"{name}-{index}")
        variable = {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
        for container in pod["spec"]["containers"]:
            container["env"] = [*container.get("env", []), variable]
    return pod


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    job = store.find("jobs.batch", name, namespace)
    if job is None:
        return Plan([_release(p) for p in _orphans(store, key) if _is_tracked(p)])
    return plan_job(job, owned_by(job, store.list("pods", namespace)), now)


def _orphans(store: ObjectStore, key: Key) -> list[Object]:
    """Find pods whose Job is gone, which nobody would count any more."""
    namespace, name = key
    is_of = by_owner("Job")
    return [pod for pod in store.list("pods", namespace) if (namespace, name) in is_of(pod)]


CONTROLLER = Controller("job-controller", {"jobs.batch": by_itself, "pods": by_owner("Job")}, _plan)
