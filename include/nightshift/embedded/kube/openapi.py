"""The OpenAPI v3 documents that kubectl needs before it writes: which resources take which query.

They carry no schemas: kubectl then merges by its own built-in types, as it did before OpenAPI.
"""

import hashlib

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.discovery import VERSION
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Registry, Resource
from nightshift.embedded.kube.responses import encode

_FIELD_VALIDATION = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
_DRY_RUN = {"name": "dryRun", "in": "query", "schema": {"type": "string"}}


def index(registry: Registry) -> Object:
    """Answer GET /openapi/v3."""
    paths = {}
    for group, versions in registry.groups().items():
        for version in versions:
            place = f"apis/{group}/{version}" if group else f"api/{version}"
            content = encode(document(registry, place))
            digest = hashlib.sha256(content).hexdigest()
            paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}
    return {"paths": paths}


def document(registry: Registry, place: str) -> Object:
    """Answer GET /openapi/v3/PLACE, such as ``api/v1`` or ``apis/apps/v1``.

    :raises StatusError: 404.
    """
    paths: Object = {}
    for resource in registry:
        prefix = f"apis/{resource.group}" if resource.group else "api"
        if f"{prefix}/{resource.version}" == place:
            paths.update(_paths(resource, place))
    if not paths:
        raise statuses.path_not_found()
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}


def _paths(resource: Resource, place: str) -> Object:
    scope = "namespaces/{namespace}/" if resource.namespaced else ""
    collection = f"/{place}/{scope}{resource.plural}"
    paths: Object = {collection: {"post": _operation(resource, "post")}}
    if "patch" in resource.verbs:
        verbs = {verb: _operation(resource, verb) for verb in ("put", "patch", "delete")}
        paths[f"{collection}/{{name}}"] = verbs
    return paths


def _operation(resource: Resource, action: str) -> Object:
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
        "parameters": [_DRY_RUN] if action == "delete" else [_DRY_RUN, _FIELD_VALIDATION],
        "responses": {"200": {"description": "OK"}},
    }
