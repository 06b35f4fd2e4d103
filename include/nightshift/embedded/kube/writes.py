"""Create, update and patch, as the API server does them. Each call is one step of the loop.

Source: k8s.io/apiserver/pkg/registry/rest and registry/generic/registry/store.go.
"""

from collections.abc import Callable

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.conversions import to_served, to_stored
from nightshift.embedded.kube.customresources import complete_definition, serve_definition
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import Target, check_shape
from nightshift.embedded.kube.resources import Resource
from nightshift.embedded.kube.storage import timestamp
from nightshift.embedded.kube.strategies import (
    prepare_for_create,
    prepare_for_status_update,
    prepare_for_update,
)


def create_object(api: Api, target: Target, obj: Object, *, dry_run: bool = False) -> Object:
    """Store a new object of a collection.

    :returns: the object as it is served.
    :raises StatusError: 400, 403, 404 (no such namespace), 409, 422.
    """
    resource = target.resource
    addressed = _address(target, obj)
    if resource.namespaced:
        _require_namespace(api, resource, addressed)
    prepared = prepare_for_create(resource, to_stored(resource, addressed))
    if not prepared["metadata"].get("name"):
        prepared["metadata"]["name"] = api.store.generate_name(resource.stored_as, prepared)
    if api.store.find(resource.stored_as, *_place(prepared)) is not None:
        raise statuses.already_exists(resource.stored_as, prepared["metadata"]["name"])
    admitted = api.admit(api.store, "CREATE", resource.stored_as, prepared, None)
    admitted = complete_definition(resource, admitted, timestamp(api.now))
    if dry_run:
        return to_served(resource, api.store.prepare(resource.stored_as, admitted))
    created = api.store.create(resource.stored_as, admitted)
    serve_definition(api.registry, resource, created)
    return to_served(resource, created)


def replace_object(
    api: Api, target: Target, edit: Callable[[Object], Object], *, dry_run: bool = False
) -> Object:
    """Store a new version of an object, or of its status.

    :param edit: gives the wanted object for the one that is there (as it is served).
    :returns: the object as it is served.
    :raises StatusError: 400, 404, 409, 422; whatever ``edit`` raises passes through.
    """
    resource = target.resource
    old = api.store.get(*target.place)
    wanted = _address(target, check_shape(edit(to_served(resource, old))))
    _check_preconditions(resource, wanted, old)
    stored = to_stored(resource, wanted)
    if target.subresource == "status":
        updated = prepare_for_status_update(stored, old)
    else:
        prepared = prepare_for_update(resource, stored, old)
        admitted = api.admit(api.store, "UPDATE", resource.stored_as, prepared, old)
        updated = complete_definition(resource, admitted, timestamp(api.now))
    if dry_run:
        return to_served(resource, updated)

    def become(obj: Object) -> None:
        obj.clear()
        obj.update(updated)

    written = api.store.mutate(*target.place, become)
    if target.subresource != "status":
        serve_definition(api.registry, resource, written)
    return to_served(resource, written)


def _address(target: Target, obj: Object) -> Object:
    """Check that an object belongs where it was sent to, and complete its type and namespace."""
    resource = target.resource
    api_version = obj.get("apiVersion") or resource.api_version
    kind = obj.get("kind") or resource.kind
    if (api_version, kind) != (resource.api_version, resource.kind):
        raise statuses.bad_request(
            f"{kind} in version {api_version!r} cannot be handled as a {resource.kind} in version"
            f" {resource.api_version!r}"
        )
    metadata = dict(obj["metadata"])
    if target.name and metadata.setdefault("name", target.name) != target.name:
        raise statuses.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL"
            f" ({target.name})"
        )
    if not resource.namespaced:
        metadata.pop("namespace", None)
    elif (metadata.get("namespace") or target.namespace) != target.namespace:
        raise statuses.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    else:
        metadata["namespace"] = target.namespace
    return {**obj, "apiVersion": api_version, "kind": kind, "metadata": metadata}


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["name"], obj["metadata"].get("namespace", "")


def _require_namespace(api: Api, resource: Resource, obj: Object) -> None:
    name = obj["metadata"].get("namespace")
    if not name:
        raise statuses.bad_request("the object has no namespace: create it below /namespaces/NAME/")
    namespace = api.store.get("namespaces", name)
    if "deletionTimestamp" not in namespace["metadata"]:
        return
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {name} is being terminated",
        "field": "metadata.namespace",
    }
    why = f"unable to create new content in namespace {name} because it is being terminated"
    object_name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
    raise statuses.forbidden(resource.stored_as, object_name, why, {"causes": [cause]})


def _check_preconditions(resource: Resource, wanted: Object, old: Object) -> None:
    key, name = resource.stored_as, old["metadata"]["name"]
    uid = wanted["metadata"].get("uid")
    if uid and uid != old["metadata"]["uid"]:
        raise statuses.conflict(
            key,
            name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta:"
            f" {old['metadata']['uid']}",
        )
    version = wanted["metadata"].get("resourceVersion")
    if version and version != old["metadata"]["resourceVersion"]:
        raise statuses.modified(key, name)
