"""The patch types of the Kubernetes API: JSON patch, JSON merge patch, strategic merge patch.

Source: k8s.io/apimachinery/pkg/util/strategicpatch and the patchMergeKey tags of
k8s.io/api. ``$setElementOrder`` is ignored: merged lists keep their order, new items are added.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jsonpatch

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import parse_json
from nightshift.embedded.kube.storage import copy_json

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

MAX_JSON_PATCH_OPERATIONS = 10_000  # as kube-apiserver

_MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "schedulingGates": "name",
    "resourceClaims": "name",
    "ownerReferences": "uid",
    "conditions": "type",
    "addresses": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
    "secrets": "name",
    "ports": "port",
}
_CONTAINER_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_MERGED_PRIMITIVES = frozenset({"finalizers", "podCIDRs"})
_DIRECTIVE = "$patch"


def apply_json_patch(obj: Object, operations: object) -> Object:
    """Apply RFC 6902 operations.

    :raises StatusError: 400 for a malformed patch, 422 when it does not fit the object.
    """
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise statuses.bad_request("a JSON patch is a list of operations")
    if len(operations) > MAX_JSON_PATCH_OPERATIONS:
        raise statuses.bad_request(
            f"a JSON patch may have at most {MAX_JSON_PATCH_OPERATIONS} operations"
        )
    try:
        patched: object = jsonpatch.apply_patch(copy_json(obj), operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise statuses.unprocessable(
            f"the server rejected our request due to an error in our request: {error}"
        ) from error
    return _expect_object(patched)


def apply_merge_patch(obj: Object, patch: object) -> Object:
    """Apply RFC 7386: maps are merged, null removes, everything else replaces.

    :raises StatusError: 400 when the patch is not an object.
    """
    return _expect_object(_merge(copy_json(obj), _expect_object(patch)))


def apply_strategic_patch(obj: Object, patch: object) -> Object:
    """Merge as kubectl does: known lists are merged by their key, others are replaced.

    Only for built-in kinds, as in Kubernetes.

    :raises StatusError: 400 when the patch is not an object, an item lacks its merge key, or a
        directive is unknown.
    """
    merged = _merge_map(copy_json(obj), _expect_object(patch), "")
    return _expect_object(merged)


def _expect_object(value: object) -> Object:
    if not isinstance(value, dict):
        raise statuses.bad_request("the patch, and what comes of it, must be a JSON object")
    return value


def _merge(target: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(patch, dict):
        return copy_json(patch)
    result = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _merge_map(target: Object, patch: Object, parent: str) -> Object:
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        replaced: Object = _without_directives(patch)
        return replaced
    if directive not in {None, "merge"}:
        raise statuses.bad_request(f"unknown patch directive: $patch: {directive}")
    kept = patch.get("$retainKeys")
    if kept is not None:
        target = {key: value for key, value in target.items() if key in kept}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            _remove_primitives(target, key.partition("/")[2], value)
        elif not key.startswith("$"):
            _merge_field(target, key, value, parent)
    return target


def _merge_field(target: Object, key: str, value: Any, parent: str) -> None:  # noqa: ANN401 - JSON
    if value is None:
        target.pop(key, None)
    elif isinstance(value, dict):
        current = target.get(key)
        merged = _merge_map(current if isinstance(current, dict) else {}, value, key)
        if value.get(_DIRECTIVE) == "delete":
            target.pop(key, None)
        else:
            target[key] = merged
    elif isinstance(value, list):
        target[key] = _merge_list(target.get(key), value, key, parent)
    else:
        target[key] = value


def _merge_list(target: Any, patch: list[Any], field: str, parent: str) -> list[Any]:  # noqa: ANN401 - JSON
    current = target if isinstance(target, list) else []
    if {_DIRECTIVE: "replace"} in patch:
        return [_without_directives(item) for item in patch if item != {_DIRECTIVE: "replace"}]
    if field in _MERGED_PRIMITIVES:
        return [*current, *(item for item in patch if item not in current)]
    merge_key = _merge_key(field, parent)
    if merge_key is None or not all(isinstance(item, dict) for item in patch):
        return [_without_directives(item) for item in patch]
    for item in patch:
        current = _merge_item(current, item, merge_key, field)
    return current


def _merge_item(current: list[Any], item: Object, merge_key: str, field: str) -> list[Any]:
    wanted = item.get(merge_key)
    if wanted is None:
        raise statuses.bad_request(
            f"map: {item} does not contain declared merge key: {merge_key} (in {field})"
        )
    position = next((i for i, old in enumerate(current) if old.get(merge_key) == wanted), None)
    if item.get(_DIRECTIVE) == "delete":
        return [old for old in current if old.get(merge_key) != wanted]
    if position is None:
        return [*current, _without_directives(item)]
    merged = _merge_map(current[position], item, field)
    return [*current[:position], merged, *current[position + 1 :]]


def _merge_key(field: str, parent: str) -> str | None:
    if field == "ports":
        return "containerPort" if parent in _CONTAINER_LISTS else "port"
    return _MERGE_KEYS.get(field)


def _remove_primitives(target: Object, field: str, values: list[Any]) -> None:
    current = target.get(field)
    if isinstance(current, list):
        target[field] = [item for item in current if item not in values]


def _without_directives(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if not key.startswith(("$patch", "$setElementOrder/", "$deleteFromPrimitiveList/"))
            and key != "$retainKeys"
            and item is not None
        }
    if isinstance(value, list):
        return [_without_directives(item) for item in value]
    return value


def parse_patch(content_type: str, body: bytes, schemaless: bool) -> Callable[[Object], Object]:
    """Read a patch; the returned function applies it to an object.

    :param schemaless: the kind is a custom resource, which knows no strategic merge.
    :raises StatusError: 400, 415.
    """
    types = {JSON_PATCH: apply_json_patch, MERGE_PATCH: apply_merge_patch}
    if not schemaless:
        types[STRATEGIC_PATCH] = apply_strategic_patch
    apply = types.get(content_type)
    if apply is None:
        hint = "; server-side apply is not served here, use client-side apply"
        offered = ", ".join(types) + (hint if content_type == APPLY_PATCH else "")
        raise statuses.unsupported_media_type(content_type, offered)
    patch = parse_json(body)
    return lambda obj: apply(obj, patch)
