"""Tables of workloads: what keeps pods running, runs them once, or scales them."""

import datetime as dt

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.tables_cells import (
    AGE,
    NAME,
    NONE,
    Column,
    age,
    at,
    field,
    human_duration,
    label_text,
    parse_time,
    template_columns,
)


def _number(name: str, path: str) -> Column:
    return Column(name, field(path, 0), "integer")


def _ratio(obj: Object, _: dt.datetime) -> str:
    return f"{at(obj, 'status.readyReplicas', 0)}/{at(obj, 'spec.replicas', 0)}"


def _completions(job: Object, _: dt.datetime) -> str:
    wanted = at(job, "spec.completions") or at(job, "spec.parallelism", 1)
    return f"{at(job, 'status.succeeded', 0)}/{wanted}"


def _job_status(job: Object, _: dt.datetime) -> str:
    true = {c["type"] for c in at(job, "status.conditions", []) if c.get("status") == "True"}
    for type_, word in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if type_ in true:
            return word
    return "Terminating" if "deletionTimestamp" in job["metadata"] else "Running"


def _job_duration(job: Object, now: dt.datetime) -> str:
    start = parse_time(at(job, "status.startTime"))
    end = parse_time(at(job, "status.completionTime")) or now
    return "" if start is None else human_duration((end - start).total_seconds())


def _last_schedule(cron: Object, now: dt.datetime) -> str:
    last = at(cron, "status.lastScheduleTime")
    return age(last, now) if last else NONE


def _scale_target(hpa: Object, _: dt.datetime) -> str:
    target = at(hpa, "spec.scaleTargetRef", {})
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _hpa_targets(hpa: Object, _: dt.datetime) -> str:
    now = {at(m, "resource.name"): m for m in at(hpa, "status.currentMetrics", [])}
    parts = []
    for metric in at(hpa, "spec.metrics", []):
        name = at(metric, "resource.name", at(metric, "type", ""))
        goal = at(metric, "resource.target.averageUtilization")
        current = at(now.get(name, {}), "resource.current.averageUtilization")
        shown = "<unknown>" if current is None else f"{current}%"
        parts.append(f"{name}: {shown}/{'<unknown>' if goal is None else f'{goal}%'}")
    return ", ".join(parts) or NONE


_REPLICAS = (
    _number("Desired", "spec.replicas"),
    _number("Current", "status.replicas"),
    _number("Ready", "status.readyReplicas"),
)

WORKLOAD_COLUMNS: dict[str, tuple[Column, ...]] = {
    "deployments.apps": (
        NAME,
        Column("Ready", _ratio),
        _number("Up-to-date", "status.updatedReplicas"),
        _number("Available", "status.availableReplicas"),
        AGE,
        *template_columns(),
    ),
    "replicasets.apps": (NAME, *_REPLICAS, AGE, *template_columns()),
    "replicationcontrollers": (NAME, *_REPLICAS, AGE),
    "statefulsets.apps": (NAME, Column("Ready", _ratio), AGE, *template_columns()[:2]),
    "daemonsets.apps": (
        NAME,
        _number("Desired", "status.desiredNumberScheduled"),
        _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"),
        _number("Up-to-date", "status.updatedNumberScheduled"),
        _number("Available", "status.numberAvailable"),
        Column(
            "Node Selector", lambda o, _: label_text(at(o, "spec.template.spec.nodeSelector"))
        ),
        AGE,
        *template_columns(),
    ),
    "jobs.batch": (
        NAME,
        Column("Status", _job_status),
        Column("Completions", _completions),
        Column("Duration", _job_duration),
        AGE,
        *template_columns(),
    ),
    "cronjobs.batch": (
        NAME,
        Column("Schedule", field("spec.schedule")),
        Column("Timezone", field("spec.timeZone", NONE)),
        Column("Suspend", lambda o, _: str(bool(at(o, "spec.suspend"))), "boolean"),
        Column("Active", lambda o, _: len(at(o, "status.active", [])), "integer"),
        Column("Last Schedule", _last_schedule),
        AGE,
        *template_columns("spec.jobTemplate.spec.template")[:2],
    ),
    "horizontalpodautoscalers.autoscaling": (
        NAME,
        Column("Reference", _scale_target),
        Column("Targets", _hpa_targets),
        Column("MinPods", lambda o, _: str(at(o, "spec.minReplicas", 1))),
        _number("MaxPods", "spec.maxReplicas"),
        _number("Replicas", "status.currentReplicas"),
        AGE,
    ),
}  # fmt: skip
