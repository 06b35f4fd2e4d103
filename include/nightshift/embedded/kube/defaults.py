"""What the API server fills into objects of each kind, so that clients read it back.

Source: pkg/apis/{apps,batch,autoscaling,core,storage,scheduling}/.../defaults.go and the
strategies of jobs, Kubernetes 1.36. The functions change the object that they are given.
"""

import base64
import uuid
from collections.abc import Callable

from nightshift.embedded.kube.defaults_pods import default_pod, default_pod_spec
from nightshift.embedded.kube.interfaces import Object

JOB_NAME = "batch.kubernetes.io/job-name"
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
_LEGACY = {JOB_NAME: "job-name", CONTROLLER_UID: "controller-uid"}
_SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def fill_defaults(kind: str, obj: Object) -> None:
    """Complete ``obj`` in place; kinds without defaults stay as they are."""
    fill = _FILLERS.get(kind)
    if fill is not None:
        fill(obj)


def _spec(obj: Object) -> Object:
    spec: Object = obj.setdefault("spec", {})
    return spec


def _template(spec: Object) -> None:
    template = spec.setdefault("template", {})
    default_pod_spec(template.setdefault("spec", {}))


def _deployment(obj: Object) -> None:
    spec = _spec(obj)
    _template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")


def _replicaset(obj: Object) -> None:
    spec = _spec(obj)
    _template(spec)
    spec.setdefault("replicas", 1)


def _statefulset(obj: Object) -> None:
    spec = _spec(obj)
    _template(spec)
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        _claim(claim)


def _daemonset(obj: Object) -> None:
    spec = _spec(obj)
    _template(spec)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)


def _job(obj: Object) -> None:
    spec = _spec(obj)
    job_spec(spec)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def job_spec(spec: Object) -> None:
    """Complete a Job's spec, in a Job or in a CronJob's template."""
    _template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    per_index = spec.get("backoffLimitPerIndex") is not None
    spec.setdefault("backoffLimit", 2**31 - 1 if per_index else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    fails = spec.get("podFailurePolicy") is not None
    spec.setdefault("podReplacementPolicy", "Failed" if fails else "TerminatingOrFailed")


def select_own_pods(job: Object, resource_version: int) -> None:
    """Give a new Job the labels and selector that only its own pods carry.

    Kubernetes takes the Job's uid. Where the store sets the uid only later, we take another UUID
    that is as unique: it is made of the Job's name and the store's version.
    """
    spec, metadata = job["spec"], job["metadata"]
    if spec.get("manualSelector"):
        return
    place = f"{metadata.get('namespace')}/{metadata.get('name')}/{resource_version}"
    uid = metadata.get("uid") or str(uuid.uuid5(uuid.NAMESPACE_URL, place))
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for key, value in ((JOB_NAME, metadata.get("name", "")), (CONTROLLER_UID, uid)):
        labels.setdefault(key, value)
        labels.setdefault(_LEGACY[key], value)
    if not metadata.get("labels"):
        metadata["labels"] = dict(labels)
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(CONTROLLER_UID, uid)


def _cronjob(obj: Object) -> None:
    spec = _spec(obj)
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    inner = spec.setdefault("jobTemplate", {}).setdefault("spec", {})
    default_pod_spec(inner.setdefault("template", {}).setdefault("spec", {}))


def _autoscaler(obj: Object) -> None:
    spec = _spec(obj)
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        behavior["scaleUp"] = {**_SCALE_UP, **(behavior.get("scaleUp") or {})}
        behavior["scaleDown"] = {**_SCALE_DOWN, **(behavior.get("scaleDown") or {})}


def _claim(obj: Object) -> None:
    spec = _spec(obj)
    spec.setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def _volume(obj: Object) -> None:
    spec = _spec(obj)
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    if spec.get("hostPath") is not None:
        spec["hostPath"].setdefault("type", "")


def _storage_class(obj: Object) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _priority_class(obj: Object) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _secret(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _service(obj: Object) -> None:
    spec = _spec(obj)
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))


def _limit_range(obj: Object) -> None:
    for item in _spec(obj).get("limits", ()):
        if item.get("type") != "Container":
            continue
        default = {**item.get("max", {}), **item.get("default", {})}
        requests = {**item.get("min", {}), **default, **item.get("defaultRequest", {})}
        for field, amounts in (("default", default), ("defaultRequest", requests)):
            if amounts:
                item[field] = amounts


def _network_policy(obj: Object) -> None:
    spec = _spec(obj)
    spec.setdefault("podSelector", {})
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for port in rule.get("ports", ()):
            port["protocol"] = port.get("protocol") or "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _node(obj: Object) -> None:
    _spec(obj)
    status = obj.get("status") or {}
    if status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])


_FILLERS: dict[str, Callable[[Object], None]] = {
    "pods": default_pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replicaset,
    "statefulsets.apps": _statefulset,
    "daemonsets.apps": _daemonset,
    "jobs.batch": _job,
    "cronjobs.batch": _cronjob,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "limitranges": _limit_range,
    "nodes": _node,
    "networkpolicies.networking.k8s.io": _network_policy,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "storageclasses.storage.k8s.io": _storage_class,
    "priorityclasses.scheduling.k8s.io": _priority_class,
    "secrets": _secret,
    "services": _service,
}
