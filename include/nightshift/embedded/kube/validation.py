"""What is wrong with an object? Names, values and changes, as the API server would say it.

Pure: looks at the object and its predecessor only; what depends on other objects (quotas, Pod
Security, priorities) is in admission.
"""

from collections.abc import Callable

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import resource_of_key
from nightshift.embedded.kube.validation_faults import Faults
from nightshift.embedded.kube.validation_names import (
    Check,
    check_metadata,
    dns1035_label,
    dns_label,
    dns_subdomain,
    path_segment,
)
from nightshift.embedded.kube.validation_networks import check_lease, check_network_policy
from nightshift.embedded.kube.validation_pods import check_pod
from nightshift.embedded.kube.validation_policies import (
    check_autoscaler,
    check_budget,
    check_claim,
    check_data,
    check_node,
    check_priority_class,
    check_quota,
    check_service,
    check_volume,
)
from nightshift.embedded.kube.validation_updates import check_update
from nightshift.embedded.kube.validation_workloads import check_cronjob, check_job, check_workload

_NAMES: dict[str, Check] = {
    "namespaces": dns_label,
    "services": dns1035_label,
    "statefulsets.apps": dns_label,
    **dict.fromkeys(("roles", "rolebindings", "clusterroles", "clusterrolebindings"), path_segment),
}
"""Kinds whose names are not DNS subdomains; RBAC's by plural."""

_CHECKS: dict[str, Callable[[Faults, Object], None]] = {
    "pods": check_pod,
    "jobs.batch": check_job,
    "cronjobs.batch": check_cronjob,
    "horizontalpodautoscalers.autoscaling": check_autoscaler,
    "poddisruptionbudgets.policy": check_budget,
    "leases.coordination.k8s.io": check_lease,
    "networkpolicies.networking.k8s.io": check_network_policy,
    "persistentvolumeclaims": check_claim,
    "persistentvolumes": check_volume,
    "priorityclasses.scheduling.k8s.io": check_priority_class,
    "resourcequotas": check_quota,
    "nodes": check_node,
    "services": check_service,
    "configmaps": check_data,
    "secrets": check_data,
}
_WORKLOADS = frozenset({
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
})


def validate(kind: str, obj: Object, old: Object | None) -> None:
    """Check an object that is written; ``old`` is what it replaces, None when it is new.

    :raises StatusError: 422 Invalid, with every fault as a cause.
    """
    faults = Faults()
    resource = resource_of_key(kind)
    check_metadata(
        faults,
        obj["metadata"],
        namespaced=resource is None or resource.namespaced,
        name=_NAMES.get(kind) or _NAMES.get(kind.partition(".")[0]) or dns_subdomain,
    )
    if old is None or obj.get("spec") != old.get("spec") or kind not in _SPEC_ONLY:
        _check_kind(faults, kind, obj)
    if old is not None:
        check_update(faults, kind, obj, old)
    group = kind.partition(".")[2]
    error = faults.error(str(obj.get("kind", kind)), group, str(obj["metadata"].get("name", "")))
    if error is not None:
        raise error


_SPEC_ONLY = frozenset({"pods", "jobs.batch", "cronjobs.batch", *_WORKLOADS})


def _check_kind(faults: Faults, kind: str, obj: Object) -> None:
    if kind in _WORKLOADS:
        check_workload(faults, kind, obj)
    elif kind in _CHECKS:
        _CHECKS[kind](faults, obj)
