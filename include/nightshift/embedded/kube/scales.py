"""The scale subresource: autoscaling/v1 Scale for whatever has replicas."""

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Resource
from nightshift.embedded.kube.storage import copy_json

_SYSTEM_FIELDS = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(resource: Resource, obj: Object) -> Object:
    """Read an object's Scale."""
    spec_path, status_path, _ = resource.scale_paths
    status: Object = {"replicas": _number(_read(obj, status_path))}
    selector = _selector_text(resource, obj)
    if selector:
        status["selector"] = selector
    metadata = obj["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in _SYSTEM_FIELDS if field in metadata},
        "spec": {"replicas": _number(_read(obj, spec_path))},
        "status": status,
    }


def with_scale(resource: Resource, obj: Object, scale: Object) -> Object:
    """Give a copy of ``obj`` with the replicas that a Scale asks for.

    :raises StatusError: 400, 422.
    """
    spec = scale.get("spec")
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise statuses.bad_request("spec.replicas must be a whole number")
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        cause = ("FieldValueInvalid", "spec.replicas", text)
        raise statuses.invalid("Scale", "autoscaling", obj["metadata"]["name"], [cause])
    scaled: Object = copy_json(obj)
    for field in ("uid", "resourceVersion"):  # preconditions, checked where the object is written
        if scale["metadata"].get(field):
            scaled["metadata"][field] = scale["metadata"][field]
    *parents, last = resource.scale_paths[0].strip(".").split(".")
    place = scaled
    for part in parents:
        place = place.setdefault(part, {})
    place[last] = replicas
    return scaled


def _read(obj: Object, path: str) -> object:
    value: object = obj
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _selector_text(resource: Resource, obj: Object) -> str:
    path = resource.scale_paths[2]
    if path:
        return str(_read(obj, path) or "")
    selector = (obj.get("spec") or {}).get("selector") or {}
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    equal = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    return ",".join([*equal, *map(_expression_text, selector.get("matchExpressions") or ())])


def _expression_text(expression: Object) -> str:
    key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
    match expression["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case _:
            return f"!{key}"
