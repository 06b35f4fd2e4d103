"""CronJobs: a Job at each due time.

A suspended CronJob misses its runs; when it is resumed the latest missed one starts at once,
unless ``startingDeadlineSeconds`` says that it is too late. Taking that deadline away before the
next run fires the missed one after all. Source: pkg/controller/cronjob of Kubernetes 1.36.
"""

import datetime as dt
from collections.abc import Sequence

from nightshift.embedded.kube.controllers.changes import (
    Change,
    Create,
    Delete,
    Key,
    Plan,
    Tell,
    set_status,
)
from nightshift.embedded.kube.controllers.jobs import is_finished
from nightshift.embedded.kube.controllers.loops import (
    Controller,
    by_itself,
    by_owner,
    owned_by,
    reference_to,
)
from nightshift.embedded.kube.controllers.podstates import (
    created_at,
    format_time,
    holds,
    is_terminating,
    parse_time,
)
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.storage import copy_json
from nightshift.embedded.kube.validation_schedules import count_runs, latest_run, next_run

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY_MISSED = 100


def plan_cronjob(cronjob: Object, jobs: Sequence[Object], now: dt.datetime) -> Plan:
    """Plan one step of a CronJob.

    :param jobs: those that the CronJob controls.
    """
    if is_terminating(cronjob):
        return Plan()
    spec = cronjob["spec"]
    active = [job for job in jobs if not is_finished(job)]
    status = _status(cronjob, jobs, active)
    changes: list[Change] = list(_old_jobs(spec, jobs, cronjob))
    if spec.get("suspend"):
        return Plan([*changes, *set_status("cronjobs.batch", cronjob, status)])
    again = next_run(spec["schedule"], _zone(spec), now)
    due, said = _due_run(cronjob, now)
    changes += said
    if due is not None:
        status, started = _start(cronjob, jobs, active, status, due)
        changes += started
    return Plan([*changes, *set_status("cronjobs.batch", cronjob, status)], again)


def _zone(spec: Object) -> str:
    return str(spec.get("timeZone") or "UTC")


def _status(cronjob: Object, jobs: Sequence[Object], active: list[Object]) -> Object:
    status = {k: v for k, v in (cronjob.get("status") or {}).items() if k != "active"}
    if active:
        status["active"] = [_reference(job) for job in active]
    ended = [job["status"]["completionTime"] for job in jobs if holds(job, "Complete")]
    latest = max([*ended, *filter(None, [status.get("lastSuccessfulTime")])], default=None)
    return {**status, "lastSuccessfulTime": latest} if latest else status


def _reference(job: Object) -> Object:
    metadata = job["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        **({"uid": metadata["uid"]} if "uid" in metadata else {}),
    }


def _old_jobs(spec: Object, jobs: Sequence[Object], cronjob: Object) -> list[Delete]:
    """Choose finished Jobs beyond the history limits, the oldest first."""
    doomed: list[Delete] = []
    for kind, field in (
        ("Complete", "successfulJobsHistoryLimit"),
        ("Failed", "failedJobsHistoryLimit"),
    ):
        finished = sorted((j for j in jobs if holds(j, kind)), key=created_at)
        surplus = max(0, len(finished) - spec[field])
        doomed += [Delete("jobs.batch", job, cronjob) for job in finished[:surplus]]
    return doomed


def _due_run(cronjob: Object, now: dt.datetime) -> tuple[dt.datetime | None, list[Change]]:
    """Find the run to start now: the latest one missed, if it is not too late for it."""
    spec = cronjob["spec"]
    last = (cronjob.get("status") or {}).get("lastScheduleTime")
    since = parse_time(last) if last else created_at(cronjob)
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - dt.timedelta(seconds=deadline))
    zone = _zone(spec)
    due = latest_run(spec["schedule"], zone, since, now)
    if due is None:
        return None, []
    missed = count_runs(spec["schedule"], zone, since, now, _MANY_MISSED + 1)
    if missed <= _MANY_MISSED:
        return due, []
    message = (
        "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock"
        " skew"
    )
    return due, [Tell(cronjob, "TooManyMissedTimes", message, "Warning")]


def _start(
    cronjob: Object, jobs: Sequence[Object], active: list[Object], status: Object, due: dt.datetime
) -> tuple[Object, list[Change]]:
    job = build_job(cronjob, due)
    started = {**status, "lastScheduleTime": format_time(due)}
    if any(j["metadata"]["name"] == job["metadata"]["name"] for j in jobs):
        return started, []
    policy, changes = cronjob["spec"]["concurrencyPolicy"], list[Change]()
    if policy == "Forbid" and active:
        message = (
            "Not starting job because prior execution is running and concurrency policy is Forbid"
        )
        return status, [Tell(cronjob, "JobAlreadyActive", message)]
    if policy == "Replace":
        changes += [Delete("jobs.batch", old, cronjob) for old in active]
        started.pop("active", None)
    started["active"] = [*started.get("active", []), _reference(job)]
    return started, [*changes, Create("jobs.batch", job, cronjob)]


def build_job(cronjob: Object, due: dt.datetime) -> Object:
    """Build the Job of one due time; its name says which, so that it exists once."""
    template = copy_json(cronjob["spec"]["jobTemplate"])
    metadata = template.get("metadata") or {}
    name = f"{cronjob['metadata']['name']}-{int(due.timestamp()) // 60}"
    annotations = {**metadata.get("annotations", {}), SCHEDULED: format_time(due)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": cronjob["metadata"]["namespace"],
            "annotations": annotations,
            **({"labels": metadata["labels"]} if metadata.get("labels") else {}),
            "ownerReferences": [reference_to(cronjob)],
        },
        "spec": template["spec"],
    }


def _plan(store: ObjectStore, key: Key, now: dt.datetime) -> Plan:
    namespace, name = key
    cronjob = store.find("cronjobs.batch", name, namespace)
    if cronjob is None:
        return Plan()
    return plan_cronjob(cronjob, owned_by(cronjob, store.list("jobs.batch", namespace)), now)


CONTROLLER = Controller(
    "cronjob-controller",
    {"cronjobs.batch": by_itself, "jobs.batch": by_owner("CronJob")},
    _plan,
)
