"""Faults in autoscalers, disruption budgets, volumes, quotas, priorities and configuration.

Source: pkg/apis/{autoscaling,policy,core,scheduling,storage}/validation, Kubernetes 1.36.
"""

import re
from typing import Any

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_affinity import check_taints
from nightshift.embedded.kube.validation_faults import Faults, items
from nightshift.embedded.kube.validation_names import (
    check_int_or_percent,
    config_key,
    dns_subdomain,
    port_number,
)
from nightshift.embedded.kube.validation_selectors import check_selector

_METRIC_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_MAX_STABILIZATION_SECONDS = 3600
_MAX_PERIOD_SECONDS = 1800
_MAX_USER_PRIORITY = 1_000_000_000
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_MAX_DATA_BYTES = 1024 * 1024


def check_autoscaler(faults: Faults, obj: Object) -> None:
    """Check a HorizontalPodAutoscaler (autoscaling/v2)."""
    spec = obj.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if low is not None and low < 1:
        path = "spec.minReplicas"
        faults.invalid(path, low, "must be greater than or equal to 1")
    if high == 0:
        faults.required("spec.maxReplicas", "must be set and greater than 0")
    elif high < 0:
        faults.invalid("spec.maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        detail = "must be greater than or equal to `minReplicas`"
        faults.invalid("spec.maxReplicas", high, detail)
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            faults.required(f"spec.scaleTargetRef.{field}")
    for index, metric in enumerate(items(spec, "metrics")):
        _check_metric(faults, f"spec.metrics[{index}]", metric)
    for direction, rules in (spec.get("behavior") or {}).items():
        _check_scaling_rules(faults, f"spec.behavior.{direction}", rules)


def _check_metric(faults: Faults, path: str, metric: Object) -> None:
    kind = metric.get("type", "")
    if not kind:
        faults.required(f"{path}.type", "must specify a metric source type")
    elif kind not in _METRIC_TYPES:
        faults.not_supported(f"{path}.type", kind, _METRIC_TYPES)
    else:
        source = kind[0].lower() + kind[1:]
        if metric.get(source) is None:
            detail = "must populate information for the given metric source"
            faults.required(f"{path}.{source}", detail)


def _check_scaling_rules(faults: Faults, path: str, rules: Object | None) -> None:
    if rules is None:
        return
    window = rules.get("stabilizationWindowSeconds")
    where = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        faults.invalid(where, window, "must be greater than or equal to zero")
    if window is not None and window > _MAX_STABILIZATION_SECONDS:
        faults.invalid(where, window, "must be less than or equal to 3600")
    allowed = ("Disabled", "Max", "Min")
    if rules.get("selectPolicy") is not None and rules["selectPolicy"] not in allowed:
        faults.not_supported(f"{path}.selectPolicy", rules["selectPolicy"], allowed)
    if not items(rules, "policies"):
        faults.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(items(rules, "policies")):
        _check_scaling_policy(faults, f"{path}.policies[{index}]", policy)


def _check_scaling_policy(faults: Faults, path: str, policy: Object) -> None:
    if policy.get("type") not in {"Pods", "Percent"}:
        faults.not_supported(f"{path}.type", policy.get("type", ""), ("Percent", "Pods"))
    for field in ("value", "periodSeconds"):
        if policy.get(field, 0) <= 0:
            faults.invalid(f"{path}.{field}", policy.get(field, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > _MAX_PERIOD_SECONDS:
        detail = "must be less than or equal to 1800"
        faults.invalid(f"{path}.periodSeconds", policy["periodSeconds"], detail)


def check_budget(faults: Faults, obj: Object) -> None:
    """Check a PodDisruptionBudget."""
    spec = obj.get("spec") or {}
    given = [f for f in ("minAvailable", "maxUnavailable") if spec.get(f) is not None]
    if len(given) == 2:
        detail = "minAvailable and maxUnavailable cannot be both set"
        faults.invalid("spec", spec, detail)
    for field in given:
        _check_share(faults, f"spec.{field}", spec[field])
    check_selector(faults, "spec.selector", spec.get("selector"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in {None, "AlwaysAllow", "IfHealthyBudget"}:
        allowed = ("AlwaysAllow", "IfHealthyBudget")
        faults.not_supported("spec.unhealthyPodEvictionPolicy", policy, allowed)


def _check_share(faults: Faults, path: str, value: Any) -> None:  # noqa: ANN401 - number or text
    check_int_or_percent(faults, path, value)
    percent = re.fullmatch("([0-9]+)%", str(value))
    if percent and int(percent[1]) > 100:
        faults.invalid(path, value, "must not be greater than 100%")


def check_claim(faults: Faults, obj: Object) -> None:
    """Check a PersistentVolumeClaim."""
    spec = obj.get("spec") or {}
    _check_access_modes(faults, spec)
    check_selector(faults, "spec.selector", spec.get("selector"))
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        faults.required("spec.resources[storage]")
    elif parse_quantity(size) <= 0:
        faults.invalid("spec.resources[storage]", size, "must be greater than zero")
    if spec.get("storageClassName"):
        name = spec["storageClassName"]
        faults.each("spec.storageClassName", name, dns_subdomain(name))
    if spec.get("volumeMode") not in {None, "Block", "Filesystem"}:
        allowed = ("Block", "Filesystem")
        faults.not_supported("spec.volumeMode", spec["volumeMode"], allowed)


def check_volume(faults: Faults, obj: Object) -> None:
    """Check a PersistentVolume."""
    spec = obj.get("spec") or {}
    _check_access_modes(faults, spec)
    size = (spec.get("capacity") or {}).get("storage")
    if size is None:
        faults.required("spec.capacity")
    elif parse_quantity(size) <= 0:
        faults.invalid("spec.capacity[storage]", size, "must be greater than zero")
    policy = spec.get("persistentVolumeReclaimPolicy", "Retain")
    if policy not in {"Delete", "Recycle", "Retain"}:
        allowed = ("Delete", "Recycle", "Retain")
        faults.not_supported("spec.persistentVolumeReclaimPolicy", policy, allowed)


def _check_access_modes(faults: Faults, spec: Object) -> None:
    modes = items(spec, "accessModes")
    if not modes:
        faults.required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            faults.not_supported("spec.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        faults.forbidden("spec.accessModes", detail)


def check_priority_class(faults: Faults, obj: Object) -> None:
    """Check a PriorityClass."""
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    known = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    if name.startswith("system-") and known.get(name) != value:
        detail = (
            "priority class names with 'system-' prefix are reserved for system use only. error:"
            f" {name} is not a known system priority class"
        )
        faults.forbidden("metadata.name", detail)
    elif value > _MAX_USER_PRIORITY and name not in known:
        detail = f"maximum allowed value of a user defined priority is {_MAX_USER_PRIORITY}"
        faults.forbidden("value", detail)
    if obj.get("preemptionPolicy") not in {None, "Never", "PreemptLowerPriority"}:
        allowed = ("Never", "PreemptLowerPriority")
        faults.not_supported("preemptionPolicy", obj["preemptionPolicy"], allowed)


def check_quota(faults: Faults, obj: Object) -> None:
    """Check a ResourceQuota."""
    for name, amount in ((obj.get("spec") or {}).get("hard") or {}).items():
        if parse_quantity(amount) < 0:
            faults.invalid(f"spec.hard[{name}]", amount, "must be greater than or equal to 0")


def check_node(faults: Faults, obj: Object) -> None:
    """Check a Node."""
    check_taints(faults, "spec.taints", items(obj.get("spec"), "taints"))


def check_service(faults: Faults, obj: Object) -> None:
    """Check a Service's type and ports."""
    spec = obj.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    allowed = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if kind not in allowed:
        faults.not_supported("spec.type", kind, allowed)
    ports = items(spec, "ports")
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        faults.required("spec.ports")
    for index, port in enumerate(ports):
        where, number = f"spec.ports[{index}]", port.get("port", 0)
        faults.each(f"{where}.port", number, port_number(number))
        if len(ports) > 1 and not port.get("name"):
            faults.required(f"{where}.name")


def check_data(faults: Faults, obj: Object) -> None:
    """Check the keys and the size of a ConfigMap or Secret."""
    size = 0
    for field in ("data", "binaryData"):
        for key, value in (obj.get(field) or {}).items():
            faults.each(f"{field}[{key}]", key, config_key(key))
            size += len(value.encode())
    if size > _MAX_DATA_BYTES:
        faults.too_long("data", _MAX_DATA_BYTES)
