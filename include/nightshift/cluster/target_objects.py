"""Kubernetes objects as ``LiveTarget``: converted at the door, nobody else sees the raw shape."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from nightshift.cluster.client import Object
from nightshift.cluster.objects import parse_time
from nightshift.cluster.target_kinds import TARGET_RESOURCES
from nightshift.domain.capacity.targets import (
    FieldManager,
    FieldName,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Owner,
    TargetId,
)
from nightshift.domain.kubejson import as_int, as_mapping, as_objects, as_strings

_BOOLEANS = frozenset({FieldName.SUSPEND, FieldName.UNSCHEDULABLE})
_WHOLE_SPEC_KEPT = frozenset({ObjectKind.AUTOSCALER, ObjectKind.SCALED_OBJECT})
_SCALED_KINDS = {str(kind): kind for kind in (ObjectKind.DEPLOYMENT, ObjectKind.STATEFUL_SET)}


def parse_target(kind: ObjectKind, obj: Object) -> LiveTarget:
    """Read an object of a kind.

    :raises ValueError: with the object's name and the path of the fault.
    """
    meta, spec, status = (as_mapping(obj.get(key), key) for key in ("metadata", "spec", "status"))
    namespace, name = str(meta.get("namespace", "")), str(meta.get("name", ""))
    try:
        return LiveTarget(
            id=TargetId(kind, namespace, name, str(meta.get("uid", ""))),
            resource_version=str(meta.get("resourceVersion", "")),
            fields=_fields(kind, spec),
            labels=as_strings(meta.get("labels"), "metadata.labels"),
            annotations=as_strings(meta.get("annotations"), "metadata.annotations"),
            pod_labels=_pod_labels(spec),
            owner=_owner(meta.get("ownerReferences")),
            managers=tuple(_managers(kind, meta.get("managedFields"))),
            status=_status(kind, meta, spec, status),
            scales=_scales(kind, namespace, spec),
            saved=_canonical(spec) if kind in _WHOLE_SPEC_KEPT else "",
        )
    except ValueError as error:
        raise ValueError(f"{kind} {namespace}/{name}: {error}") from error


def _fields(kind: ObjectKind, spec: Mapping[str, Any]) -> Mapping[FieldName, FieldValue]:
    names = TARGET_RESOURCES[kind].fields
    return MappingProxyType({name: _value(name, spec.get(key), key) for name, key in names.items()})


def _value(name: FieldName, raw: object, key: str) -> FieldValue:
    if raw is None:
        return None
    if name in _BOOLEANS:
        if not isinstance(raw, bool):
            raise ValueError(f"spec.{key}: expected true or false")
        return raw
    return as_int(raw, f"spec.{key}")


def _pod_labels(spec: Mapping[str, Any]) -> Mapping[str, str]:
    template = as_mapping(spec.get("template"), "spec.template")
    meta = as_mapping(template.get("metadata"), "spec.template.metadata")
    return as_strings(meta.get("labels"), "spec.template.metadata.labels")


def _owner(raw: object) -> Owner | None:
    for one in as_objects(raw, "metadata.ownerReferences"):
        if one.get("controller") is True:
            return Owner(*(str(one.get(key, "")) for key in ("kind", "name", "uid")))
    return None


def _managers(kind: ObjectKind, raw: object) -> Iterable[FieldManager]:
    """Give who wrote our fields last; entries for annotations or status alone are left out."""
    names = TARGET_RESOURCES[kind].fields
    for entry in as_objects(raw, "metadata.managedFields"):
        written = as_mapping(entry.get("fieldsV1"), "metadata.managedFields.fieldsV1")
        spec = as_mapping(written.get("f:spec"), "metadata.managedFields.fieldsV1.f:spec")
        fields = frozenset(name for name, key in names.items() if f"f:{key}" in spec)
        if fields:
            at = entry.get("time")
            yield FieldManager(
                str(entry.get("manager", "")), fields, parse_time(str(at)) if at else None
            )


def _status(
    kind: ObjectKind, meta: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]
) -> LiveStatus:
    match kind:
        case ObjectKind.DEPLOYMENT | ObjectKind.STATEFUL_SET:
            return LiveStatus(
                replicas=as_int(status.get("replicas"), "status.replicas"),
                ready=as_int(status.get("readyReplicas"), "status.readyReplicas"),
                rolling_out=_is_rolling_out(kind, meta, spec, status),
            )
        case ObjectKind.AUTOSCALER:
            return LiveStatus(replicas=as_int(status.get("currentReplicas"), "status"))
        case ObjectKind.CRON_JOB:
            last = status.get("lastScheduleTime")
            return LiveStatus(last_schedule_at=parse_time(str(last)) if last else None)
        case _:
            return LiveStatus()


def _is_rolling_out(
    kind: ObjectKind, meta: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]
) -> bool:
    """Tell whether the controller has not caught up, as ``kubectl rollout status`` does."""
    generation = as_int(meta.get("generation"), "metadata.generation")
    if as_int(status.get("observedGeneration"), "status.observedGeneration") < generation:
        return True
    if kind is ObjectKind.DEPLOYMENT:
        wanted = spec.get("replicas")
        updated = as_int(status.get("updatedReplicas"), "status.updatedReplicas")
        return updated < (1 if wanted is None else as_int(wanted, "spec.replicas"))
    strategy = as_mapping(spec.get("updateStrategy"), "spec.updateStrategy")
    rolling = as_mapping(strategy.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate")
    if strategy.get("type") == "OnDelete" or rolling.get("partition"):
        return False  # a person moves the rest when it suits them
    return bool(status.get("updateRevision") != status.get("currentRevision"))


def _scales(kind: ObjectKind, namespace: str, spec: Mapping[str, Any]) -> TargetId | None:
    if kind not in {ObjectKind.AUTOSCALER, ObjectKind.SCALED_OBJECT}:
        return None
    ref = as_mapping(spec.get("scaleTargetRef"), "spec.scaleTargetRef")
    scaled = _SCALED_KINDS.get(str(ref.get("kind") or ObjectKind.DEPLOYMENT))
    return TargetId(scaled, namespace, str(ref.get("name", ""))) if scaled else None


def _canonical(spec: Mapping[str, Any]) -> str:
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))
