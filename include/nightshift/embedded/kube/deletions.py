"""Delete, as the API server does it: preconditions, grace, finalizers, propagation.

Source: k8s.io/apiserver/pkg/registry/rest/delete.go and pkg/registry/core/pod/strategy.go.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.conversions import to_served
from nightshift.embedded.kube.customresources import KEY as DEFINITION_KEY
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import Query, Target, is_dry_run, parse_json
from nightshift.embedded.kube.storage import timestamp

DEFAULT_GRACE_SECONDS = 30
_PROPAGATIONS = {"": "", "Background": "", "Foreground": "foregroundDeletion", "Orphan": "orphan"}
_ANSWERS_WITH_OBJECT = frozenset({
    "pods",
    "services",
    "serviceaccounts",
    "persistentvolumes",
    "persistentvolumeclaims",
    "podtemplates",
    "resourcequotas",
})


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete.

    :param grace_seconds: None takes the pod's own; 0 is at once.
    :param finalizer: what the propagation policy adds: "" (background), ``foregroundDeletion``
        or ``orphan``.
    :param uid: delete only this object, or answer 409; ``resource_version`` likewise.
    """

    grace_seconds: int | None = None
    finalizer: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def parse_delete_options(body: bytes, query: Query) -> DeleteOptions:
    """Read DeleteOptions from the body, or from the query where there is no body.

    :raises StatusError: 400, 422.
    """
    raw = parse_json(body) if body.strip() else {}
    if not isinstance(raw, dict):
        raise statuses.bad_request("delete options must be a JSON object")
    if not raw:
        raw = {
            "gracePeriodSeconds": query.integer("gracePeriodSeconds"),
            "propagationPolicy": query.text("propagationPolicy"),
        }
    options = read_delete_options(raw)
    return DeleteOptions(
        options.grace_seconds,
        options.finalizer,
        options.uid,
        options.resource_version,
        options.dry_run or query.dry_run,
    )


def read_delete_options(raw: Object) -> DeleteOptions:
    """Read a DeleteOptions object.

    :raises StatusError: 400, 422.
    """
    grace = raw.get("gracePeriodSeconds")
    policy = raw.get("propagationPolicy") or ""
    preconditions = raw.get("preconditions") or {}
    if not isinstance(grace, int | None) or isinstance(grace, bool) or (grace or 0) < 0:
        raise statuses.bad_request("gracePeriodSeconds must be a whole number, 0 or more")
    if policy not in _PROPAGATIONS:
        text = 'Unsupported value: supported values: "Background", "Foreground", "Orphan"'
        cause = ("FieldValueNotSupported", "propagationPolicy", text)
        raise statuses.invalid("DeleteOptions", "meta.k8s.io", "", [cause])
    if not isinstance(preconditions, dict):
        raise statuses.bad_request("preconditions must be an object")
    dry_run = raw.get("dryRun") or []
    return DeleteOptions(
        grace,
        _PROPAGATIONS[policy],
        str(preconditions.get("uid") or ""),
        str(preconditions.get("resourceVersion") or ""),
        is_dry_run(dry_run if isinstance(dry_run, list) else [dry_run]),
    )


def delete_object(api: Api, target: Target, options: DeleteOptions) -> Object:
    """Delete one object, or mark it for whoever has to end it first.

    :returns: the object as it is served, or a Status where Kubernetes answers with one.
    :raises StatusError: 403, 404, 409.
    """
    found = api.store.get(*target.place)
    _check_preconditions(target, found, options)
    api.admit(api.store, "DELETE", target.resource.stored_as, found, found)
    if options.dry_run:
        return to_served(target.resource, found)
    marked = _mark(api, target, found, options)
    if marked is not None:
        return to_served(target.resource, marked)
    gone = api.store.delete(*target.place)
    if target.resource.key == DEFINITION_KEY:
        _delete_custom_objects(api, target.name)
    if target.resource.key in _ANSWERS_WITH_OBJECT or gone["metadata"].get("finalizers"):
        return to_served(target.resource, gone)
    return _deleted_status(target, gone)


def delete_collection(
    api: Api, target: Target, objects: Iterable[Object], options: DeleteOptions
) -> list[Object]:
    """Delete objects one by one; one that is gone meanwhile is no error."""
    deleted = []
    for obj in objects:
        metadata = obj["metadata"]
        one = Target(target.resource, metadata.get("namespace"), metadata["name"])
        if api.store.find(*one.place) is not None:
            delete_object(api, one, options)
            deleted.append(to_served(target.resource, obj))
    return deleted


def grace_seconds(pod: Object, asked: int | None) -> int:
    """Tell how long a pod may take to end: 0 when it has no node, or has ended."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
        return 0
    if asked is not None:
        return asked
    own = spec.get("terminationGracePeriodSeconds")
    return int(own) if isinstance(own, int) else DEFAULT_GRACE_SECONDS


def _check_preconditions(target: Target, found: Object, options: DeleteOptions) -> None:
    metadata = found["metadata"]
    for wanted, field, label in (
        (options.uid, "uid", "UID"),
        (options.resource_version, "resourceVersion", "ResourceVersion"),
    ):
        if wanted and wanted != metadata[field]:
            raise statuses.conflict(
                target.resource.stored_as,
                target.name,
                f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta:"
                f" {metadata[field]}",
            )


def _mark(api: Api, target: Target, found: Object, options: DeleteOptions) -> Object | None:
    """Mark an object whose end someone else completes; None if it can go at once."""
    kind = target.resource.key
    grace = grace_seconds(found, options.grace_seconds) if kind == "pods" else 0
    waits = grace > 0 or bool(options.finalizer) or kind == "namespaces"
    if not waits:
        return None

    def change(obj: Object) -> None:
        metadata = obj["metadata"]
        if options.finalizer and "deletionTimestamp" not in metadata:
            metadata["finalizers"] = [*metadata.get("finalizers", []), options.finalizer]
        if "deletionTimestamp" not in metadata or grace < metadata.get(
            "deletionGracePeriodSeconds", 0
        ):
            due = api.now() + dt.timedelta(seconds=grace)
            metadata["deletionTimestamp"] = timestamp(lambda: due)
            metadata["deletionGracePeriodSeconds"] = grace
        if kind == "namespaces":
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}

    return api.store.mutate(*target.place, change)


def _delete_custom_objects(api: Api, definition: str) -> None:
    api.registry.stop_custom(definition)  # a definition is named for the key of its objects
    for obj in api.store.list(definition):
        metadata = obj["metadata"]
        api.store.delete(definition, metadata["name"], metadata.get("namespace", ""))


def _deleted_status(target: Target, gone: Object) -> Object:
    details = {
        "name": target.name,
        "group": target.resource.group,
        "kind": target.resource.plural,
        "uid": gone["metadata"]["uid"],
    }
    return statuses.success({field: value for field, value in details.items() if value})
