"""CustomResourceDefinitions: which resources they add.

Objects are stored as they come; schemas are neither checked nor used for defaults.
"""

from collections.abc import Iterator
from typing import Any

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Registry, Resource

KEY = "customresourcedefinitions.apiextensions.k8s.io"


def serve_definition(registry: Registry, resource: Resource, obj: Object) -> None:
    """Serve what ``obj`` defines, if it is a CustomResourceDefinition."""
    if resource.key == KEY:
        registry.serve_custom(obj["metadata"]["name"], resources_of(obj))


def complete_definition(resource: Resource, obj: Object, now: str) -> Object:
    """Check a CustomResourceDefinition and set its status; another object stays as it is.

    :raises StatusError: 422 Invalid when it lacks what serving it needs.
    """
    if resource.key != KEY:
        return obj
    faults = [*_faults(obj)]
    if faults:
        raise statuses.invalid(resource.kind, resource.group, obj["metadata"]["name"], faults)
    return {**obj, "status": _established(obj, now)}


def _faults(definition: Object) -> Iterator[tuple[str, str, str]]:
    spec = definition.get("spec") or {}
    names = spec.get("names")
    names = names if isinstance(names, dict) else {}
    required = {
        "spec.group": spec.get("group"),
        "spec.names.plural": names.get("plural"),
        "spec.names.kind": names.get("kind"),
    }
    for path, value in required.items():
        if not isinstance(value, str) or not value:
            yield "FieldValueRequired", path, "Required value"
    versions = spec.get("versions")
    if not isinstance(versions, list) or not versions:
        yield "FieldValueRequired", "spec.versions", "Required value"
        return
    for index, version in enumerate(versions):
        if not isinstance(version, dict) or not isinstance(version.get("name"), str):
            yield "FieldValueRequired", f"spec.versions[{index}].name", "Required value"
    expected = f"{required['spec.names.plural']}.{required['spec.group']}"
    if definition["metadata"]["name"] != expected:
        text = f'Invalid value: must be spec.names.plural+"."+spec.group, {expected}'
        yield "FieldValueInvalid", "metadata.name", text


def resources_of(definition: Object) -> tuple[Resource, ...]:
    """Read the resources of a definition: one for each served version."""
    spec = definition.get("spec") or {}
    served = [version for version in spec.get("versions") or [] if version.get("served")]
    return tuple(_resource(spec, version) for version in served)


def _resource(spec: Object, version: Object) -> Resource:
    names: dict[str, Any] = spec.get("names") or {}
    subresources: dict[str, Any] = version.get("subresources") or {}
    scale = subresources.get("scale") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec.get("scope") != "Cluster",
        short_names=tuple(names.get("shortNames") or ()),
        subresources=tuple(name for name in ("scale", "status") if name in subresources),
        categories=tuple(names.get("categories") or ()),
        has_generation=True,
        schemaless=True,
        columns=tuple(
            (column["name"], column["type"], column["jsonPath"], int(column.get("priority", 0)))
            for column in version.get("additionalPrinterColumns") or ()
        ),
        singular=names.get("singular") or "",
        scale_paths=(
            scale.get("specReplicasPath", ".spec.replicas"),
            scale.get("statusReplicasPath", ".status.replicas"),
            scale.get("labelSelectorPath", ""),
        ),
    )


def _established(definition: Object, now: str) -> Object:
    """Build the status of a definition that is served."""
    conditions = [
        {
            "type": type_,
            "status": "True",
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }
        for type_, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    spec = definition["spec"]
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    return {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}
