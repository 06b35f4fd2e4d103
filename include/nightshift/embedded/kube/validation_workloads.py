"""Faults in what makes pods: Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs.

Source: pkg/apis/apps/validation and pkg/apis/batch/validation, Kubernetes 1.36.
"""

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import Faults, items
from nightshift.embedded.kube.validation_names import (
    check_int_or_percent,
    check_labels,
    dns_label,
)
from nightshift.embedded.kube.validation_pods import check_template
from nightshift.embedded.kube.validation_schedules import schedule_fault, zone_fault
from nightshift.embedded.kube.validation_selectors import check_selector, is_empty, selects

_MAX_CRON_NAME = 52  # a job's name adds 11 bytes and must stay below 64
_KINDS = {
    "deployments.apps": ("deployment", "ReplicaSet"),
    "replicasets.apps": ("deployment", "ReplicaSet"),
    "statefulsets.apps": ("statefulset", "StatefulSet"),
    "daemonsets.apps": ("daemonset", "DaemonSet"),
}
"""How Kubernetes names each kind in its messages on selectors and on deadlines."""


def check_workload(faults: Faults, kind: str, obj: Object) -> None:
    """Check a Deployment, ReplicaSet, StatefulSet or DaemonSet."""
    spec = obj.get("spec") or {}
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        faults.non_negative(f"spec.{field}", spec.get(field))
    _check_pod_selector(faults, kind, spec)
    _check_endless_template(faults, kind, spec)
    if kind == "deployments.apps":
        _check_deployment(faults, spec)
    elif kind == "statefulsets.apps":
        _check_statefulset(faults, spec)


def _check_pod_selector(faults: Faults, kind: str, spec: Object) -> None:
    selector, (word, _) = spec.get("selector"), _KINDS[kind]
    if selector is None:
        faults.required("spec.selector")
        return
    before = len(faults)
    check_selector(faults, "spec.selector", selector)
    if is_empty(selector):
        faults.invalid("spec.selector", selector, f"empty selector is invalid for {word}")
    if len(faults) == before:
        _check_labels_match(faults, spec)


def _check_labels_match(faults: Faults, spec: Object) -> None:
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not selects(spec["selector"], labels):
        detail = "`selector` does not match template `labels`"
        faults.invalid("spec.template.metadata.labels", labels, detail)


def _check_endless_template(faults: Faults, kind: str, spec: Object) -> None:
    """Check a template whose pods never end."""
    template = spec.get("template") or {}
    claims = [
        {"name": claim["metadata"].get("name", ""), "persistentVolumeClaim": {"claimName": "x"}}
        for claim in items(spec, "volumeClaimTemplates")
        if claim.get("metadata")
    ]
    pod = template.get("spec") or {}
    if claims:
        names = {claim["name"] for claim in claims}
        kept = [volume for volume in items(pod, "volumes") if volume.get("name") not in names]
        pod = {**pod, "volumes": [*claims, *kept]}
    check_template(faults, "spec.template", {**template, "spec": pod})
    path = "spec.template.spec"
    if pod.get("restartPolicy") != "Always":
        faults.not_supported(f"{path}.restartPolicy", pod.get("restartPolicy"), ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {_KINDS[kind][1]} is not Supported"
        faults.forbidden(f"{path}.activeDeadlineSeconds", detail)


def _check_deployment(faults: Faults, spec: Object) -> None:
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            faults.forbidden("spec.strategy.rollingUpdate", detail)
    elif strategy.get("type") != "RollingUpdate":
        faults.not_supported("spec.strategy", strategy, ("Recreate", "RollingUpdate"))
    elif rolling:
        _check_rolling(faults, "spec.strategy.rollingUpdate", rolling)
    deadline = spec.get("progressDeadlineSeconds")
    faults.non_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        faults.invalid("spec.progressDeadlineSeconds", deadline, detail)


def _check_rolling(faults: Faults, path: str, rolling: Object) -> None:
    for field in ("maxUnavailable", "maxSurge"):
        check_int_or_percent(faults, f"{path}.{field}", rolling.get(field, 0))
    if all(rolling.get(field) in {0, "0%"} for field in ("maxUnavailable", "maxSurge")):
        detail = "may not be 0 when `maxSurge` is 0"
        faults.invalid(f"{path}.maxUnavailable", rolling["maxUnavailable"], detail)


def _check_statefulset(faults: Faults, spec: Object) -> None:
    policy = spec.get("podManagementPolicy", "")
    if policy not in {"OrderedReady", "Parallel"}:
        detail = "must be 'OrderedReady' or 'Parallel'"
        faults.invalid("spec.podManagementPolicy", policy, detail)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") not in {"RollingUpdate", "OnDelete"}:
        faults.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    if spec.get("serviceName"):
        faults.each("spec.serviceName", spec["serviceName"], dns_label(spec["serviceName"]))


def check_job(faults: Faults, obj: Object) -> None:
    """Check a Job."""
    spec = obj.get("spec") or {}
    check_job_spec(faults, "spec", spec)
    if spec.get("selector") is None:
        faults.required("spec.selector")
    else:
        check_selector(faults, "spec.selector", spec["selector"])
        _check_labels_match(faults, spec)


def check_job_spec(faults: Faults, path: str, spec: Object) -> None:
    """Check what a Job and a CronJob's template have in common."""
    for field in (
        "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
        "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes",
    ):  # fmt: skip
        faults.non_negative(f"{path}.{field}", spec.get(field))
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in {"NonIndexed", "Indexed"}:
        faults.not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed" and spec.get("completions") is None:
        faults.required(f"{path}.completions", "when completion mode is Indexed")
    if mode == "NonIndexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                faults.invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    replacement = spec.get("podReplacementPolicy")
    if replacement not in {None, "Failed", "TerminatingOrFailed"}:
        allowed = ("Failed", "TerminatingOrFailed")
        faults.not_supported(f"{path}.podReplacementPolicy", replacement, allowed)
    check_template(faults, f"{path}.template", spec.get("template"))
    _check_ending(faults, f"{path}.template.spec.restartPolicy", spec)


def _check_ending(faults: Faults, path: str, spec: Object) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if policy in {None, "Always"}:
        faults.required(path, 'valid values: "OnFailure", "Never"')
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        detail = 'only "Never" is supported when podFailurePolicy is specified'
        faults.invalid(path, policy, detail)


def check_cronjob(faults: Faults, obj: Object) -> None:
    """Check a CronJob."""
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    if len(name) > _MAX_CRON_NAME:
        faults.invalid("metadata.name", name, "must be no more than 52 characters")
    for field in (
        "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit",
    ):  # fmt: skip
        faults.non_negative(f"spec.{field}", spec.get(field))
    if spec.get("schedule"):
        _check_schedule(faults, spec["schedule"])
    else:
        faults.required("spec.schedule")
    if spec.get("timeZone") is not None:
        _check_zone(faults, spec["timeZone"])
    policies = ("Allow", "Forbid", "Replace")
    faults.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), policies)
    template = spec.get("jobTemplate") or {}
    labels = (template.get("metadata") or {}).get("labels")
    check_labels(faults, "spec.jobTemplate.metadata.labels", labels)
    inner = template.get("spec") or {}
    check_job_spec(faults, "spec.jobTemplate.spec", inner)
    if inner.get("manualSelector"):
        path = "spec.jobTemplate.spec.manualSelector"
        faults.not_supported(path, True, ("nil", "false"))


def _check_schedule(faults: Faults, schedule: str) -> None:
    if "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        faults.invalid("spec.schedule", schedule, detail)
        return
    fault = schedule_fault(schedule)
    if fault:
        faults.invalid("spec.schedule", schedule, fault)


def _check_zone(faults: Faults, name: str) -> None:
    fault = zone_fault(name)
    if fault:
        faults.invalid("spec.timeZone", name, fault)
