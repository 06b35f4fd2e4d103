"""What the API server itself sets or keeps when an object of a kind is written.

Source: the strategy.go files below pkg/registry of Kubernetes 1.36.
"""

from nightshift.domain.placement.scheduler_model import GATED
from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Resource
from nightshift.embedded.kube.storage import copy_json

_FIRST_STATUS: dict[str, Object] = {
    "pods": {"phase": "Pending"},
    "namespaces": {"phase": "Active"},
    "persistentvolumeclaims": {"phase": "Pending"},
    "persistentvolumes": {"phase": "Pending"},
    "services": {"loadBalancer": {}},
    "resourcequotas": {},
    "jobs.batch": {},
    "cronjobs.batch": {},
    "deployments.apps": {},
    "replicasets.apps": {"replicas": 0},
    "statefulsets.apps": {"replicas": 0, "availableReplicas": 0},
    "horizontalpodautoscalers.autoscaling": {"desiredReplicas": 0, "currentMetrics": None},
    "poddisruptionbudgets.policy": {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    },
}
_KEEPS_STATUS_ON_CREATE = frozenset({"nodes", "customresourcedefinitions.apiextensions.k8s.io"})
_SYSTEM_METADATA = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "namespace",
    "name",
    "generateName",
)


def prepare_for_create(resource: Resource, obj: Object) -> Object:
    """Give a new object its first status; what a client sent as status is dropped.

    :returns: a changed copy.
    """
    created: Object = copy_json(obj)
    if "status" in resource.subresources and resource.key not in _KEEPS_STATUS_ON_CREATE:
        created.pop("status", None)
        if resource.key in _FIRST_STATUS:
            created["status"] = copy_json(_FIRST_STATUS[resource.key])
    if resource.key == "namespaces":
        created.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
        labels = created["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = created["metadata"].get("name", "")
    return created


def note_gates(kind: str, obj: Object, now: str) -> None:
    """Say in a new pod's status that its gates hold it back; changes ``obj``."""
    if kind != "pods" or not obj["spec"].get("schedulingGates"):
        return
    told = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": GATED,
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    obj.setdefault("status", {}).setdefault("conditions", []).append(told)


def prepare_for_update(resource: Resource, obj: Object, old: Object) -> Object:
    """Keep what an update of the object itself must not change: identity and status.

    :returns: a changed copy.
    :raises StatusError: 422 for a finalizer added to an object that is being deleted.
    """
    updated = _with_system_metadata(obj, old)
    if "status" in resource.subresources:
        updated.pop("status", None)
        if "status" in old:
            updated["status"] = copy_json(old["status"])
    _check_finalizers(resource, updated, old)
    return updated


def prepare_for_status_update(obj: Object, old: Object) -> Object:
    """Take only the status from ``obj``; everything else stays.

    :returns: a changed copy.
    """
    updated: Object = copy_json(old)
    updated.pop("status", None)
    if obj.get("status") is not None:
        updated["status"] = copy_json(obj["status"])
    return updated


def _with_system_metadata(obj: Object, old: Object) -> Object:
    updated: Object = copy_json(obj)
    metadata = updated["metadata"]
    for field in (*_SYSTEM_METADATA, "resourceVersion"):
        metadata.pop(field, None)
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not metadata.get(field):
            metadata.pop(field, None)
    updated["apiVersion"], updated["kind"] = old["apiVersion"], old["kind"]
    return updated


def _check_finalizers(resource: Resource, updated: Object, old: Object) -> None:
    if "deletionTimestamp" not in old["metadata"]:
        return
    known = old["metadata"].get("finalizers", [])
    added = [name for name in updated["metadata"].get("finalizers", []) if name not in known]
    if added:
        text = (
            "Forbidden: no new finalizers can be added if the object is being deleted,"
            f" found new finalizers {added}"
        )
        cause = ("FieldValueForbidden", "metadata.finalizers", text)
        raise statuses.invalid(resource.kind, resource.group, updated["metadata"]["name"], [cause])
