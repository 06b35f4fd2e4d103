"""Read what can be lowered, and write to it: fields and annotations in one conditional PATCH."""

import dataclasses
from collections.abc import Iterable, Iterator

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import read_object
from nightshift.cluster.target_kinds import TARGET_RESOURCES
from nightshift.cluster.target_objects import parse_target
from nightshift.domain.capacity.targets import (
    OUR_MANAGER,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.errors import NotFound

KUBERNETES_KINDS = tuple(TARGET_RESOURCES)
"""The kinds that this module reads and writes."""


def list_targets(cluster: Cluster, kind: ObjectKind) -> list[LiveTarget]:
    """List every object of a kind in all namespaces, page by page to the end.

    A kind that the server does not serve (KEDA's, where it is not installed) has none.

    :raises Forbidden: if we may not list them.
    :raises Invalid: if one of them cannot be understood; the text names it.
    """
    try:
        return list(_iterate(cluster, kind))
    except NotFound:
        return []


def read_target(cluster: Cluster, target: TargetId) -> LiveTarget | None:
    """Read one object by its name; None if there is none of that name.

    An autoscaler comes with the ready replicas of what it scales.
    """
    try:
        obj = cluster.get(TARGET_RESOURCES[target.kind].path(target))
    except NotFound:
        return None
    live = read_object(cluster, obj, lambda raw: parse_target(target.kind, raw))
    if live.scales is None:
        return live
    scaled = read_target(cluster, live.scales)
    return with_scaled(live, [scaled] if scaled else [])


def patch_target(cluster: Cluster, target: TargetId, patch: Patch) -> LiveTarget:
    """Write fields and annotations together, if the object is still as it was read.

    :returns: the object as the server has it now.
    :raises Conflict: if somebody has changed it since; nothing was written.
    :raises NotFound: if it is gone.
    """
    resource = TARGET_RESOURCES[target.kind]
    body: Object = {"metadata": {"resourceVersion": patch.resource_version}}
    if patch.annotations:
        body["metadata"]["annotations"] = dict(patch.annotations)
    if patch.fields:
        body["spec"] = {resource.fields[name]: value for name, value in patch.fields.items()}
    written = cluster.patch(resource.path(target), body, manager=OUR_MANAGER)
    return read_object(cluster, written, lambda raw: parse_target(target.kind, raw))


def with_scaled(live: LiveTarget, workloads: Iterable[LiveTarget]) -> LiveTarget:
    """Tell an autoscaler how many replicas of what it scales there are, and how many are ready."""
    for one in workloads:
        if live.scales is not None and one.id.is_same_name(live.scales):
            status = dataclasses.replace(
                live.status, replicas=one.status.replicas, ready=one.status.ready
            )
            return dataclasses.replace(live, status=status)
    return live


def _iterate(cluster: Cluster, kind: ObjectKind) -> Iterator[LiveTarget]:
    for obj in cluster.iterate(TARGET_RESOURCES[kind].everywhere):
        yield read_object(cluster, obj, lambda raw: parse_target(kind, raw))
