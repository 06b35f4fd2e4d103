"""Faults in workloads, autoscalers, budgets and claims."""

from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object, StatusError
from tests.embedded.controllers_support import NS, World, container, job, workload

HPA, PDB = "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy"
CRON, CLAIMS = "cronjobs.batch", "persistentvolumeclaims"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def named(spec: Object, name: str = "x") -> Object:
    return {"metadata": {"name": name, "namespace": NS}, "spec": spec}


def scaler(**spec: Any) -> Object:
    return named({"scaleTargetRef": TARGET, "maxReplicas": 3, **spec})


def cron(name: str = "x", **spec: Any) -> Object:
    template = {"jobTemplate": {"spec": job()["spec"]}}
    return named({"schedule": "0 20 * * 5", **template, **spec}, name)


def rolling(surge: Any, missing: Any) -> Object:
    update = {"maxSurge": surge, "maxUnavailable": missing}
    return workload("Deployment", strategy={"type": "RollingUpdate", "rollingUpdate": update})


def claim(**spec: Any) -> Object:
    size = {"requests": {"storage": "1Gi"}}
    return named({"accessModes": ["ReadWriteOnce"], "resources": size, **spec})


def restarting(policy: str) -> Object:
    return {"spec": {"restartPolicy": policy, "containers": [container()]}}


CASES: dict[str, tuple[str, Object, str]] = {
    "autoscaler: min above max": (
        HPA,
        scaler(minReplicas=4),
        "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`",
    ),
    "autoscaler: min of nothing": (
        HPA,
        scaler(minReplicas=0),
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
    ),
    "autoscaler: no max": (
        HPA,
        scaler(maxReplicas=0),
        "spec.maxReplicas: Required value: must be set and greater than 0",
    ),
    "autoscaler: a policy of nothing": (
        HPA,
        scaler(behavior={"scaleUp": {"policies": [{"type": "Pods", "periodSeconds": 60}]}}),
        "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
    ),
    "autoscaler: a window of hours": (
        HPA,
        scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 7200}}),
        "stabilizationWindowSeconds: Invalid value: 7200: must be less than or equal to 3600",
    ),
    "budget: both bounds": (
        PDB,
        named({"minAvailable": 1, "maxUnavailable": 1}),
        "minAvailable and maxUnavailable cannot be both set",
    ),
    "budget: more than everything": (
        PDB,
        named({"maxUnavailable": "120%"}),
        'spec.maxUnavailable: Invalid value: "120%": must not be greater than 100%',
    ),
    "budget: no percentage": (
        PDB,
        named({"minAvailable": "half"}),
        'spec.minAvailable: Invalid value: "half": a valid percent string must be a numeric string',
    ),
    "deployment: selector of others": (
        "deployments.apps",
        workload("Deployment", selector={"matchLabels": {"app": "other"}}),
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match'
        " template `labels`",
    ),
    "deployment: no selector": (
        "deployments.apps",
        workload("Deployment", selector=None),
        "spec.selector: Required value",
    ),
    "deployment: empty selector": (
        "deployments.apps",
        workload("Deployment", selector={"matchLabels": {}, "matchExpressions": []}),
        "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
    ),
    "deployment: nothing may move": (
        "deployments.apps",
        rolling(0, 0),
        "maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    "deployment: pods that end": (
        "deployments.apps",
        workload(
            "Deployment",
            template={"metadata": {"labels": {"app": "web"}}, **restarting("Never")},
        ),
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    "job: pods that never end": (
        "jobs.batch",
        job(template={"spec": {"containers": [container()]}}),
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    "job: indexed without count": (
        "jobs.batch",
        job(completionMode="Indexed", parallelism=2),
        "spec.completions: Required value: when completion mode is Indexed",
    ),
    "job: less than no retry": (
        "jobs.batch",
        job(backoffLimit=-1),
        "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0",
    ),
    "cronjob: no schedule": (CRON, cron(schedule=""), "spec.schedule: Required value"),
    "cronjob: four fields": (
        CRON,
        cron(schedule="0 20 * *"),
        'spec.schedule: Invalid value: "0 20 * *": expected exactly 5 fields, found 4',
    ),
    "cronjob: minute 61": (CRON, cron(schedule="61 * * * *"), "spec.schedule: Invalid value"),
    "cronjob: zone in the schedule": (
        CRON,
        cron(schedule="TZ=UTC 0 20 * * 5"),
        "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
    ),
    "cronjob: no such zone": (
        CRON,
        cron(timeZone="Europe/Atlantis"),
        'spec.timeZone: Invalid value: "Europe/Atlantis": unknown time zone Europe/Atlantis',
    ),
    "cronjob: a name too long for its jobs": (
        CRON,
        cron("x" * 53),
        "must be no more than 52 characters",
    ),
    "statefulset: a service with dots": (
        "statefulsets.apps",
        workload("StatefulSet", serviceName="a.b"),
        'spec.serviceName: Invalid value: "a.b": must not contain dots',
    ),
    "claim: no size": (
        CLAIMS,
        claim(resources={}),
        "spec.resources[storage]: Required value",
    ),
    "claim: no mode": (
        CLAIMS,
        claim(accessModes=[]),
        "spec.accessModes: Required value: at least 1 access mode is required",
    ),
    "claim: an unknown mode": (
        CLAIMS,
        claim(accessModes=["WriteOnly"]),
        'spec.accessModes: Unsupported value: "WriteOnly": supported values: "ReadOnlyMany"',
    ),
    "priority: reserved for people": (
        "priorityclasses.scheduling.k8s.io",
        {"metadata": {"name": "huge"}, "value": 2_000_000_000},
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
    ),
    "node: a taint without effect": (
        "nodes",
        {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a"}]}},
        "spec.taints[0].effect: Required value",
    ),
    "configmap: a key with a slash": (
        "configmaps",
        {"metadata": {"name": "c", "namespace": NS}, "data": {"a/b": "x"}},
        'data[a/b]: Invalid value: "a/b": a valid config key must consist of',
    ),
}


@pytest.mark.parametrize(("kind", "obj", "said"), CASES.values(), ids=CASES)
def test_a_bad_object_is_refused_in_kubernetes_words(kind: str, obj: Object, said: str) -> None:
    with pytest.raises(StatusError) as caught:
        World().create(kind, obj)
    assert caught.value.code == 422
    assert said in caught.value.message


def test_a_group_is_part_of_the_kind_in_messages() -> None:
    with pytest.raises(StatusError) as caught:
        World().create(HPA, scaler(minReplicas=4))
    assert caught.value.message.startswith('HorizontalPodAutoscaler.autoscaling "x" is invalid: ')
    assert caught.value.details["group"] == "autoscaling"


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        (HPA, scaler(minReplicas=3)),
        (PDB, named({"maxUnavailable": "100%"})),
        (PDB, named({"minAvailable": 0})),
        ("deployments.apps", rolling("25%", 0)),
        ("jobs.batch", job(completionMode="Indexed", completions=3)),
        ("jobs.batch", job(template=restarting("OnFailure"))),
        (CRON, cron("x" * 52, schedule="@weekly", timeZone="Europe/Berlin")),
        (CRON, cron(schedule="*/5 8-18 * * MON-FRI")),
    ],
    ids=["min equals max", "all may go", "none is needed", "surge only", "indexed", "in place",
         "a macro in a zone", "names of days"],
)  # fmt: skip
def test_what_is_just_allowed_passes(kind: str, obj: Object) -> None:
    assert World().create(kind, obj)["metadata"]["uid"]
