"""Discovery: which groups, versions and resources there are, in both forms that clients ask for.

Source: Kubernetes API concepts; KEP-3352 (aggregated discovery).
"""

from collections.abc import Iterable

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Registry, Resource
from nightshift.embedded.kube.responses import Rendering

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+nightshift",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
"""The answer to GET /version: the Kubernetes version whose API is spoken."""

AGGREGATED = {"APIGroupDiscoveryList": "v2"}
AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {  # kind, group, version, verbs
    "binding": ("Binding", "", "v1", ("create",)),
    "eviction": ("Eviction", "policy", "v1", ("create",)),
    "exec": ("PodExecOptions", "", "v1", ("create", "get")),
    "finalize": ("Namespace", "", "v1", ("update",)),
    "log": ("Pod", "", "v1", ("get",)),
    "scale": ("Scale", "autoscaling", "v1", ("get", "patch", "update")),
}


def core_versions() -> Object:
    """Answer GET /api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: Registry) -> Object:
    """Answer GET /apis."""
    groups = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Object:
    """Answer GET /apis/GROUP.

    :raises StatusError: 404.
    """
    versions = registry.groups().get(name)
    if not name or not versions:
        raise statuses.path_not_found()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resource_list(registry: Registry, group_name: str, version: str) -> Object:
    """Answer GET /api/v1 and GET /apis/GROUP/VERSION.

    :raises StatusError: 404.
    """
    found = _resources(registry, group_name, version)
    if not found:
        raise statuses.path_not_found()
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": [entry for resource in found for entry in _entries(resource)],
    }


def aggregated(registry: Registry, *, core: bool) -> Object:
    """Answer GET /api or GET /apis for a client that takes everything at once."""
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None},
            "versions": [
                {
                    "version": version,
                    "resources": [_summary(r) for r in _resources(registry, name, version)],
                    "freshness": "Current",
                }
                for version in versions
            ],
        }
        for name, versions in registry.groups().items()
        if core is (name == "")
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def is_aggregated(rendering: Rendering) -> bool:
    """Tell whether the client asked for aggregated discovery."""
    return rendering.as_ in AGGREGATED


def _resources(registry: Registry, group_name: str, version: str) -> list[Resource]:
    return [r for r in registry if (r.group, r.version) == (group_name, version)]


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _entries(resource: Resource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for name in resource.subresources:
        kind, group_name, version, verbs = _subresource(resource, name)
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": list(verbs),
            **({"group": group_name, "version": version} if group_name else {}),
        }


def _summary(resource: Resource) -> Object:
    return {
        "resource": resource.plural,
        "responseKind": _kind(resource.kind, resource.group, resource.version),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "subresources": [_subresource_summary(resource, name) for name in resource.subresources],
    }


def _subresource_summary(resource: Resource, name: str) -> Object:
    kind, group_name, version, verbs = _subresource(resource, name)
    return {
        "subresource": name,
        "responseKind": _kind(kind, group_name, version),
        "verbs": list(verbs),
    }


def _subresource(resource: Resource, name: str) -> tuple[str, str, str, tuple[str, ...]]:
    if name == "status":
        return resource.kind, resource.group, resource.version, ("get", "patch", "update")
    return _SUBRESOURCES[name]


def _kind(kind: str, group_name: str, version: str) -> Object:
    return {"group": group_name, "version": version, "kind": kind}
