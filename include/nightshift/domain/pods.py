"""Pods and nodes read from Kubernetes JSON, and the snapshot that the planner and scheduler share.

Plain dicts in camelCase go in, whoever read them (a client that made its objects plain, or the
embedded cluster); our values come out. Must not import a Kubernetes client.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nightshift.domain.ids import NodeName
from nightshift.domain.kubejson import as_int, as_list, as_mapping, as_objects, as_strings
from nightshift.domain.nodes import Node, Taint, TaintEffect, Toleration
from nightshift.domain.nodeterms import (
    NodeTerm,
    PreferredTerm,
    parse_node_terms,
    parse_preferred_terms,
)
from nightshift.domain.requests import effective_requests, parse_resource_list
from nightshift.domain.resources import Resources, sum_resources

OUR_LABELS: Mapping[str, str] = MappingProxyType({"app.kubernetes.io/part-of": "nightshift"})
"""Labels that tell our pods from others; a node that holds others' pods is busy."""

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_ANY = "0.0.0.0"  # noqa: S104 - Kubernetes' value for every address of a node; nothing is bound here


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that a container takes for itself."""

    port: int
    protocol: str = "TCP"
    ip: str = _ANY

    def conflicts_with(self, other: "HostPort") -> bool:
        """Tell whether both cannot be on one node: equal port and protocol, a shared address."""
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return self.ip == other.ip or _ANY in {self.ip, other.ip}


@dataclass(frozen=True, slots=True)
class PodRequest:
    """What the scheduler has to know of a pod.

    :param key: ``namespace/name``, unique among living pods.
    :param need: effective requests; ``scoring`` and ``scoring_placed`` are what scores count
        (see nightshift.domain.requests).
    :param required: alternatives, one of which a node must match; None when there are none.
        An empty tuple matches no node.
    :param images: names of its containers' images, with a tag or digest; repeated when shared.
    :param containers: how many it has, init containers included.
    :param node: spec.nodeName, empty before it is bound.
    :param nominated: status.nominatedNodeName.
    :param gated: has scheduling gates, so it is not to be scheduled yet.
    :param ended: Succeeded or Failed: takes no room any more.
    :param unmovable: a DaemonSet's pod or a mirror of a static one: its node is not busy by it.
    :param unsupported: why our scheduler must refuse it, empty if it need not.
    """

    key: str
    need: Resources
    scoring: Resources
    scoring_placed: Resources
    tolerations: tuple[Toleration, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[NodeTerm, ...] | None = None
    preferred: tuple[PreferredTerm, ...] = ()
    images: tuple[str, ...] = ()
    containers: int = 1
    host_ports: tuple[HostPort, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    priority: int = 0
    node: str = ""
    nominated: str = ""
    gated: bool = False
    ended: bool = False
    unmovable: bool = False
    unsupported: str = ""

    def may_run_on(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether nodeSelector and required node affinity allow a node."""
        if any(labels.get(key) != value for key, value in self.node_selector.items()):
            return False
        return self.required is None or any(term.matches(name, labels) for term in self.required)


def parse_pod(obj: Mapping[str, Any]) -> PodRequest:
    """Read a pod.

    :raises ValueError: with the pod's name and the path of the fault.
    """
    meta, spec, status = (as_mapping(obj.get(key), key) for key in ("metadata", "spec", "status"))
    key = f"{meta.get('namespace', 'default')}/{meta.get('name', '')}"
    try:
        requests = effective_requests(obj)
        affinity = as_mapping(spec.get("affinity"), "spec.affinity")
        required, preferred = _node_affinity(affinity)
        return PodRequest(
            key=key,
            need=requests.need,
            scoring=requests.scoring,
            scoring_placed=requests.scoring_placed,
            tolerations=parse_tolerations(spec.get("tolerations"), "spec.tolerations"),
            node_selector=as_strings(spec.get("nodeSelector"), "spec.nodeSelector"),
            required=required,
            preferred=preferred,
            images=_images(spec),
            containers=len(_containers(spec)),
            host_ports=_host_ports(spec),
            labels=as_strings(meta.get("labels"), "metadata.labels"),
            priority=as_int(spec.get("priority"), "spec.priority"),
            node=str(spec.get("nodeName") or ""),
            nominated=str(status.get("nominatedNodeName") or ""),
            gated=bool(spec.get("schedulingGates")),
            ended=status.get("phase") in {"Succeeded", "Failed"},
            unmovable=_is_unmovable(meta),
            unsupported=_unsupported(spec, affinity),
        )
    except ValueError as error:
        raise ValueError(f"pod {key}: {error}") from error


def parse_node(obj: Mapping[str, Any], pods: Iterable[PodRequest] = ()) -> Node:
    """Read a node and count ``pods``, which are those on it that have not ended.

    Allocatable falls back to capacity as the API server does. A node that never reported Ready is
    not ready.

    :raises ValueError: with the node's name and the path of the fault.
    """
    meta, spec, status = (as_mapping(obj.get(key), key) for key in ("metadata", "spec", "status"))
    name = str(meta.get("name", ""))
    held = tuple(pods)
    try:
        allocatable = parse_resource_list(
            status.get("allocatable") or status.get("capacity"), "status.allocatable"
        )
        not_ready = _not_ready_reason(status)
        return Node(
            name=NodeName(name),
            allocatable=_without_pods(allocatable),
            requested=sum_resources(pod.need for pod in held),
            pod_slots=allocatable.get("pods"),
            pods=len(held),
            labels=as_strings(meta.get("labels"), "metadata.labels"),
            taints=_taints(spec.get("taints")),
            unschedulable=bool(spec.get("unschedulable")),
            ready=not not_ready,
            not_ready_reason=not_ready,
            images=_node_images(status),
        )
    except ValueError as error:
        raise ValueError(f"node {name}: {error}") from error


def snapshot(
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    ours: Mapping[str, str] = OUR_LABELS,
) -> list[Node]:
    """Put nodes and the pods of every namespace together, in the order of ``nodes``.

    Counted are pods that have a node and have not ended, and pods nominated to a node: they are as
    good as there. ``busy`` is a node with a pod that is neither ours nor unmovable.

    :raises ValueError: as parse_pod and parse_node.
    """
    held: dict[str, list[PodRequest]] = {}
    for pod in map(parse_pod, pods):
        where = pod.node or pod.nominated
        if where and not pod.ended:
            held.setdefault(where, []).append(pod)
    return [_with_busy(obj, held, ours) for obj in nodes]


def parse_tolerations(raw: Any, where: str = "tolerations") -> tuple[Toleration, ...]:
    """Read tolerations.

    :raises ValueError: with the path of the fault.
    """
    return tuple(
        Toleration(
            key=str(item.get("key") or ""),
            operator=str(item.get("operator") or "Equal"),
            value=str(item.get("value") or ""),
            effect=_effect(item["effect"], where) if item.get("effect") else None,
        )
        for item in as_objects(raw, where)
    )


def _with_busy(
    obj: Mapping[str, Any], held: Mapping[str, list[PodRequest]], ours: Mapping[str, str]
) -> Node:
    name = as_mapping(obj.get("metadata"), "metadata").get("name", "")
    pods = held.get(name, [])
    node = parse_node(obj, pods)
    busy = any(not pod.unmovable and not _has_labels(pod, ours) for pod in pods)
    return dataclasses.replace(node, busy=busy)


def _has_labels(pod: PodRequest, wanted: Mapping[str, str]) -> bool:
    return all(pod.labels.get(key) == value for key, value in wanted.items())


def _without_pods(amounts: Resources) -> Resources:
    rest = {name: amount for name, amount in amounts.extended.items() if name != "pods"}
    return dataclasses.replace(amounts, extended=MappingProxyType(rest))


def _node_affinity(
    affinity: Mapping[str, Any],
) -> tuple[tuple[NodeTerm, ...] | None, tuple[PreferredTerm, ...]]:
    where = "spec.affinity.nodeAffinity"
    node = as_mapping(affinity.get("nodeAffinity"), where)
    hard, soft = (
        f"{kind}DuringSchedulingIgnoredDuringExecution" for kind in ("required", "preferred")
    )
    preferred = parse_preferred_terms(node.get(soft), f"{where}.{soft}")
    if node.get(hard) is None:
        return None, preferred
    terms = as_mapping(node[hard], f"{where}.{hard}").get("nodeSelectorTerms")
    return parse_node_terms(terms, f"{where}.{hard}.nodeSelectorTerms"), preferred


def _unsupported(spec: Mapping[str, Any], affinity: Mapping[str, Any]) -> str:
    hard = "requiredDuringSchedulingIgnoredDuringExecution"
    for kind in ("podAffinity", "podAntiAffinity"):
        if as_mapping(affinity.get(kind), f"spec.affinity.{kind}").get(hard):
            return f"required {kind} is not supported by this scheduler"
    constraints = as_objects(
        spec.get("topologySpreadConstraints"), "spec.topologySpreadConstraints"
    )
    if any(c.get("whenUnsatisfiable") != "ScheduleAnyway" for c in constraints):
        return "topology spread with DoNotSchedule is not supported by this scheduler"
    if spec.get("resourceClaims"):
        return "resource claims are not supported by this scheduler"
    return ""


def _containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    inits = as_objects(spec.get("initContainers"), "spec.initContainers")
    return [*inits, *as_objects(spec.get("containers"), "spec.containers")]


def _images(spec: Mapping[str, Any]) -> tuple[str, ...]:
    names = [item.get("image") for item in _containers(spec)]
    for volume in as_objects(spec.get("volumes"), "spec.volumes"):
        names.append(as_mapping(volume.get("image"), "spec.volumes.image").get("reference"))
    return tuple(tagged_image(str(name)) for name in names if name)


def tagged_image(name: str) -> str:
    """Add ``:latest`` to an image's name that has neither tag nor digest, as the scheduler does."""
    return name if name.rfind(":") > name.rfind("/") else f"{name}:latest"


def _host_ports(spec: Mapping[str, Any]) -> tuple[HostPort, ...]:
    sidecars = [
        item
        for item in as_objects(spec.get("initContainers"), "spec.initContainers")
        if item.get("restartPolicy") == "Always"
    ]
    return tuple(
        HostPort(number, str(port.get("protocol") or "TCP"), str(port.get("hostIP") or _ANY))
        for item in [*sidecars, *as_objects(spec.get("containers"), "spec.containers")]
        for port in as_objects(item.get("ports"), "ports")
        if (number := as_int(port.get("hostPort"), "ports.hostPort")) > 0
    )


def _is_unmovable(meta: Mapping[str, Any]) -> bool:
    annotations = as_mapping(meta.get("annotations"), "metadata.annotations")
    owners = as_objects(meta.get("ownerReferences"), "metadata.ownerReferences")
    return "kubernetes.io/config.mirror" in annotations or any(
        owner.get("kind") == "DaemonSet" and owner.get("controller") for owner in owners
    )


def _taints(raw: Any) -> tuple[Taint, ...]:
    return tuple(
        Taint(
            key=str(item.get("key", "")),
            effect=_effect(item.get("effect"), "spec.taints"),
            value=str(item.get("value") or ""),
        )
        for item in as_objects(raw, "spec.taints")
    )


def _effect(raw: Any, where: str) -> TaintEffect:
    try:
        return TaintEffect(raw)
    except ValueError as error:
        raise ValueError(f"{where}.effect: {error}") from error


def _not_ready_reason(status: Mapping[str, Any]) -> str:
    conditions = {
        str(item.get("type")): item for item in as_objects(status.get("conditions"), "conditions")
    }
    ready = conditions.get("Ready")
    if ready is None:
        return "Ready was never reported"
    if ready.get("status") != "True":
        return f"Ready is {ready.get('status')} ({ready.get('reason') or 'no reason given'})"
    pressing = [kind for kind in _PRESSURES if conditions.get(kind, {}).get("status") == "True"]
    return ", ".join(pressing)


def _node_images(status: Mapping[str, Any]) -> Mapping[str, int]:
    return MappingProxyType({
        str(name): as_int(item.get("sizeBytes"), "status.images.sizeBytes")
        for item in as_objects(status.get("images"), "status.images")
        for name in as_list(item.get("names"), "status.images.names")
    })
