"""Create, update and patch, as the API server does them. Each call is one step of the loop.

Source: k8s.io/apiserver/pkg/registry/rest and registry/generic/registry/store.go.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.conversions import to_served, to_stored
from nightshift.embedded.kube.customresources import complete_definition, serve_definition
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import Target, check_shape
from nightshift.embedded.kube.resources import Resource
from nightshift.embedded.kube.storage import timestamp
from nightshift.embedded.kube.strategies import (
    note_gates,
    prepare_for_create,
    prepare_for_status_update,
    prepare_for_update,
)
from nightshift.embedded.kube.validation_schema import decode, strict_error


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write.

    :param dry_run: check everything, store nothing.
    :param strict: refuse unknown fields instead of dropping them with a warning.
    """

    dry_run: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The object as it is served, and what its sender should be told."""

    obj: Object
    warnings: tuple[str, ...] = ()


def create_object(api: Api, target: Target, obj: Object, options: WriteOptions) -> Written:
    """Store a new object of a collection.

    :raises StatusError: 400, 403, 404 (no such namespace), 409, 422.
    """
    resource = target.resource
    kind = resource.stored_as
    sent = to_stored(resource, _address(target, obj))
    warnings = _unknown_fields(kind, sent, options)
    prepared = prepare_for_create(resource, sent)
    metadata = prepared["metadata"]
    if not metadata.get("name"):
        metadata["name"] = api.store.generate_name(kind, prepared)
    if api.store.find(kind, metadata["name"], metadata.get("namespace", "")) is not None:
        raise statuses.already_exists(kind, metadata["name"])
    admitted = api.admit(api.store, "CREATE", kind, prepared, None)
    admitted = complete_definition(resource, admitted, timestamp(api.now))
    note_gates(kind, admitted, timestamp(api.now))
    if options.dry_run:
        return Written(to_served(resource, api.store.prepare(kind, admitted)), warnings)
    created = api.store.create(kind, admitted)
    serve_definition(api.registry, resource, created)
    return Written(to_served(resource, created), warnings)


def replace_object(
    api: Api, target: Target, edit: Callable[[Object], Object], options: WriteOptions
) -> Written:
    """Store a new version of an object, or of its status.

    :param edit: gives the wanted object for the one that is there (as it is served).
    :raises StatusError: 400, 404, 409, 422; whatever ``edit`` raises passes through.
    """
    resource = target.resource
    old = api.store.get(*target.place)
    wanted = _address(target, check_shape(edit(to_served(resource, old))))
    _check_preconditions(resource, wanted, old)
    sent = to_stored(resource, wanted)
    warnings = _unknown_fields(resource.stored_as, sent, options)
    if target.subresource == "status":
        updated = prepare_for_status_update(sent, old)
    else:
        prepared = prepare_for_update(resource, sent, old)
        admitted = api.admit(api.store, "UPDATE", resource.stored_as, prepared, old)
        updated = complete_definition(resource, admitted, timestamp(api.now))
    if not options.dry_run:
        updated = api.store.mutate(*target.place, lambda obj: _become(obj, updated))
        serve_definition(api.registry, resource, updated)
    return Written(to_served(resource, updated), warnings)


def _become(obj: Object, wanted: Object) -> None:
    obj.clear()
    obj.update(wanted)


def _unknown_fields(kind: str, obj: Object, options: WriteOptions) -> tuple[str, ...]:
    _, unknown = decode(kind, obj)
    if unknown and options.strict:
        raise strict_error(kind, unknown)
    return tuple(unknown)


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
