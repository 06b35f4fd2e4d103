"""What happens to an object between a request and the store: completed, checked, allowed or not.

The order is the API server's: decoding, mutating plugins and defaults, validation, then the
plugins that only refuse (Pod Security, quotas). Controllers create their pods through here too.
Source: the default admission plugins of kube-apiserver 1.36.
"""

from collections.abc import Iterable

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.defaults import fill_defaults, select_own_pods
from nightshift.embedded.kube.defaults_pods import all_containers, qos_class
from nightshift.embedded.kube.interfaces import Object, ObjectStore, StatusError
from nightshift.embedded.kube.resources import resource_of_key
from nightshift.embedded.kube.storage import copy_json
from nightshift.embedded.kube.validation import validate
from nightshift.embedded.kube.validation_faults import items
from nightshift.embedded.kube.validation_quotas import counts, refusal, total, usage_of
from nightshift.embedded.kube.validation_schema import decode
from nightshift.embedded.kube.validation_security import ENFORCE_LABEL, violations

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_UNDELETABLE = ("default", "kube-system", "kube-public")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"
_SYSTEM_PRIORITIES = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
}


def admit(store: ObjectStore, operation: str, kind: str, obj: Object, old: Object | None) -> Object:
    """Complete and check an object that is about to be written or deleted.

    :param operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
    :param kind: the storage key: ``pods``, ``deployments.apps``.
    :param old: the object as it is, for UPDATE and DELETE.
    :returns: the object to store; ``obj`` itself is not modified.
    :raises StatusError: 400, 403, 404, 422 in Kubernetes' own words.
    """
    if operation == "DELETE":
        _check_delete(kind, old or obj)
        return obj
    decoded, _ = decode(kind, obj)
    admitted: Object = copy_json(decoded)
    if operation == "CREATE":
        return _admit_new(store, kind, admitted)
    if old is None:
        raise statuses.internal_error(f"an update of {kind} needs the object that it replaces")
    if admitted == old:
        return admitted
    fill_defaults(kind, admitted)
    _keep_admitted(kind, admitted, old)
    validate(kind, admitted, old)
    return admitted


def _admit_new(store: ObjectStore, kind: str, obj: Object) -> Object:
    namespace = _check_namespace(store, kind, obj)
    if kind == "pods":
        _apply_limit_ranges(store, obj)
        _set_priority(store, obj)
    fill_defaults(kind, obj)
    if kind == "pods":
        _check_account(store, obj)
    _complete_new(store, kind, obj)
    validate(kind, obj, None)
    if kind == "pods":
        _check_security(obj, namespace)
    _check_quotas(store, kind, obj)
    return obj


def _check_delete(kind: str, obj: Object) -> None:
    name = obj["metadata"]["name"]
    if kind == "namespaces" and name in _UNDELETABLE:
        raise statuses.forbidden(kind, name, "this namespace may not be deleted")


def _check_namespace(store: ObjectStore, kind: str, obj: Object) -> Object | None:
    """Require that the object's namespace exists and stays; give it."""
    resource = resource_of_key(kind)
    name = obj["metadata"].get("namespace")
    if (resource is not None and not resource.namespaced) or not name:
        return None
    namespace = store.get("namespaces", name)
    if "deletionTimestamp" in namespace["metadata"]:
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        why = f"unable to create new content in namespace {name} because it is being terminated"
        raise statuses.forbidden(kind, _name(obj), why, {"causes": [cause]})
    return namespace


def _name(obj: Object) -> str:
    metadata = obj["metadata"]
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _complete_new(store: ObjectStore, kind: str, obj: Object) -> None:
    """Set what depends on other objects, or on the object as a whole."""
    if kind == "pods":
        obj.setdefault("status", {"phase": "Pending"})["qosClass"] = qos_class(obj["spec"])
    elif kind == "jobs.batch":
        select_own_pods(obj, store.resource_version)
    elif kind == "persistentvolumeclaims":
        _add_finalizer(obj, CLAIM_PROTECTION)
        if "storageClassName" not in obj["spec"]:
            default = default_storage_class(store.list("storageclasses.storage.k8s.io"))
            if default is not None:
                obj["spec"]["storageClassName"] = default["metadata"]["name"]
    elif kind == "persistentvolumes":
        _add_finalizer(obj, VOLUME_PROTECTION)


def _add_finalizer(obj: Object, finalizer: str) -> None:
    present = items(obj["metadata"], "finalizers")
    if finalizer not in present:
        obj["metadata"]["finalizers"] = [*present, finalizer]


def default_storage_class(classes: Iterable[Object]) -> Object | None:
    """Find the class for claims that name none: the newest one marked as default."""
    marked = [
        c for c in classes if (c["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    return max(marked, key=lambda c: str(c["metadata"]["creationTimestamp"]), default=None)


_KEPT = {
    "pods": ("priority", "preemptionPolicy", "nodeName"),
    "jobs.batch": ("selector", "completions"),
    "persistentvolumeclaims": ("storageClassName", "volumeName"),
}


def _keep_admitted(kind: str, obj: Object, old: Object) -> None:
    """Keep what admission had set where an update leaves it out."""
    for field in _KEPT.get(kind, ()):
        if field in old["spec"]:
            obj["spec"].setdefault(field, old["spec"][field])


def _set_priority(store: ObjectStore, pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    given, name = spec.get("priority"), spec.get("priorityClassName")
    priority_class = _priority_class(store, pod, name)
    value = 0 if priority_class is None else int(priority_class["value"])
    if given is not None and given != value:
        why = (
            f"the integer value of priority ({given}) must not be provided in pod spec; priority"
            f" admission controller computed {value} from the given PriorityClass name"
        )
        raise _refused_pod(pod, why)
    spec["priority"] = value
    policy = (priority_class or {}).get("preemptionPolicy", "PreemptLowerPriority")
    if spec.get("preemptionPolicy") not in {None, policy}:
        why = (
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be"
            f" provided in pod spec; priority admission controller computed {policy} from the"
            " given PriorityClass name"
        )
        raise _refused_pod(pod, why)
    spec["preemptionPolicy"] = policy
    if priority_class is not None:
        spec["priorityClassName"] = priority_class["metadata"]["name"]


def _check_account(store: ObjectStore, pod: Object) -> None:
    """Require the service account; ``default`` is taken for granted: it comes with a namespace."""
    name, namespace = pod["spec"]["serviceAccountName"], pod["metadata"].get("namespace", "")
    if name != "default" and store.find("serviceaccounts", name, namespace) is None:
        why = f'service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise _refused_pod(pod, f"error looking up {why}")


def _priority_class(store: ObjectStore, pod: Object, name: str | None) -> Object | None:
    kind = "priorityclasses.scheduling.k8s.io"
    if not name:
        marked = [c for c in store.list(kind) if c.get("globalDefault")]
        return min(marked, key=lambda c: int(c["value"]), default=None)
    found = store.find(kind, name)
    if found is None and name in _SYSTEM_PRIORITIES:
        return {"metadata": {"name": name}, "value": _SYSTEM_PRIORITIES[name]}
    if found is None:
        raise _refused_pod(pod, f"no PriorityClass with name {name} was found")
    return found


def _refused_pod(pod: Object, why: str) -> StatusError:
    return statuses.forbidden("pods", _name(pod), why)


def _apply_limit_ranges(store: ObjectStore, pod: Object) -> None:
    """Fill in and check what LimitRanges say about containers."""
    for limit_range in store.list("limitranges", pod["metadata"].get("namespace", "")):
        for item in items(limit_range.get("spec"), "limits"):
            if item.get("type") == "Container":
                for container in all_containers(pod.get("spec") or {}):
                    _apply_limit(pod, container, item)


def _apply_limit(pod: Object, container: Object, item: Object) -> None:
    resources = container.setdefault("resources", {})
    given = dict(resources.get("limits") or {})
    limits = {**(item.get("default") or {}), **given}
    requests = {**(item.get("defaultRequest") or {}), **given, **(resources.get("requests") or {})}
    for field, amounts in (("limits", limits), ("requests", requests)):
        if amounts:
            resources[field] = amounts
    for bound, word, field, amounts in (
        ("max", "maximum", "limit", limits),
        ("min", "minimum", "request", requests),
    ):
        for resource, allowed in (item.get(bound) or {}).items():
            said = _outside(amounts.get(resource), allowed, field)
            if said:
                why = f"{word} {resource} usage per Container is {allowed}{said}"
                raise _refused_pod(pod, why)


def _outside(asked: str | None, allowed: str, field: str) -> str:
    """Say how an amount misses a LimitRange's bound; "" when it does not."""
    if asked is None:
        return f".  No {field} is specified"
    difference = parse_quantity(asked) - parse_quantity(allowed)
    is_outside = difference > 0 if field == "limit" else difference < 0
    return f", but {field} is {asked}" if is_outside else ""


def _check_security(pod: Object, namespace: Object | None) -> None:
    labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    level = labels.get(ENFORCE_LABEL, "")
    found = violations(level, pod["spec"])
    if found:
        version = labels.get(f"{ENFORCE_LABEL}-version", "latest")
        raise _refused_pod(pod, f'violates PodSecurity "{level}:{version}": {found}')


def _check_quotas(store: ObjectStore, kind: str, obj: Object) -> None:
    namespace = obj["metadata"].get("namespace", "")
    quotas = [q for q in store.list("resourcequotas", namespace) if counts(q, kind, obj)]
    if not quotas or not namespace:
        return
    for quota in quotas:
        hard = (quota.get("spec") or {}).get("hard") or {}
        present = (o for o in store.list(kind, namespace) if counts(quota, kind, o))
        used = total(usage_of(kind, o, hard) for o in present)
        asked = usage_of(kind, obj, hard)
        why = refusal(quota, used, asked, obj if kind == "pods" else None)
        if why:
            raise statuses.forbidden(kind, _name(obj), why)
