"""What steering reads of a scan pod: where it is, what holds it back, which nomination is ours.

Plain camelCase JSON goes in, whoever read it. Must not import a Kubernetes client.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.domain.ids import NodeName
from nightshift.domain.kubejson import as_mapping, as_objects, as_strings
from nightshift.domain.placement.affinity import POOL_LABEL

GATE = "nightshift/steering"
"""The scheduling gate that holds a pod back until it has been nominated."""
NOMINATED = "nightshift/nominated"
"""An annotation: the nodes that we have nominated the pod to, by comma, the latest first. The name
is written before the nomination, so that ours can be told from the scheduler's after a crash."""
SHARD_LABEL = "nightshift/shard"
MAX_NOMINATIONS = 8
"""Of one pod; it is left to the scheduler after that."""
MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class ScanPod:
    """A scan pod at one moment.

    :param shard: "" if it does not say.
    :param node: "" before it is bound.
    :param nominated: status.nominatedNodeName, whoever set it.
    :param gates: the names of its scheduling gates.
    :param ours: the nodes that we have nominated it to, the latest first.
    :param version: its resourceVersion, so that a change can be refused when it is stale.
    :param message: why the scheduler does not place it, as it says.
    :param scheduled_at: when it was bound to its node; None before.
    """

    name: str
    shard: str
    created_at: dt.datetime
    phase: str = "Pending"
    node: str = ""
    nominated: str = ""
    gates: tuple[str, ...] = ()
    ours: tuple[NodeName, ...] = ()
    deleting: bool = False
    version: str = ""
    message: str = ""
    scheduled_at: dt.datetime | None = None

    @property
    def is_gated(self) -> bool:
        """Tell whether our gate holds it back."""
        return GATE in self.gates

    @property
    def is_unbound(self) -> bool:
        """Tell whether it waits for a node, behind a gate or not."""
        return self.phase == "Pending" and not self.node and not self.deleting

    @property
    def has_our_nomination(self) -> bool:
        """Tell whether the nomination it has is one that we made."""
        return bool(self.nominated) and self.nominated in self.ours

    def age_seconds(self, now: dt.datetime) -> float:
        """Say for how long it has been there."""
        return (now - self.created_at).total_seconds()

    def waited_seconds(self, now: dt.datetime) -> float:
        """Say for how long it has waited for a node, or had when it got one."""
        return max(0.0, ((self.scheduled_at or now) - self.created_at).total_seconds())


def parse_scan_pod(obj: Mapping[str, Any]) -> ScanPod:
    """Read a pod.

    :raises ValueError: with the path of the fault.
    """
    meta, spec, status = (as_mapping(obj.get(key), key) for key in ("metadata", "spec", "status"))
    labels = as_strings(meta.get("labels"), "metadata.labels")
    annotations = as_strings(meta.get("annotations"), "metadata.annotations")
    conditions = as_objects(status.get("conditions"), "status.conditions")
    told = next((c for c in conditions if c.get("type") == "PodScheduled"), {})
    bound_at = told.get("lastTransitionTime") if told.get("status") == "True" else None
    return ScanPod(
        name=str(meta.get("name", "")),
        shard=labels.get(SHARD_LABEL, ""),
        created_at=_parse_time(meta.get("creationTimestamp", "")),
        phase=str(status.get("phase", "Unknown")),
        node=str(spec.get("nodeName") or ""),
        nominated=str(status.get("nominatedNodeName") or ""),
        gates=gate_names(spec.get("schedulingGates")),
        ours=parse_nominations(annotations.get(NOMINATED, "")),
        deleting=meta.get("deletionTimestamp") is not None,
        version=str(meta.get("resourceVersion", "")),
        message=" ".join(str(told.get("message") or "").split())[:MAX_MESSAGE],
        scheduled_at=_parse_time(bound_at) if bound_at else None,
    )


def _parse_time(raw: object) -> dt.datetime:
    return dt.datetime.fromisoformat(str(raw)).astimezone(dt.UTC)


def gate_names(raw: object) -> tuple[str, ...]:
    """List the names of ``spec.schedulingGates``."""
    return tuple(str(gate.get("name", "")) for gate in as_objects(raw, "spec.schedulingGates"))


def parse_nominations(text: str) -> tuple[NodeName, ...]:
    """Read the annotation's value.

    >>> parse_nominations("n2,n1"), parse_nominations("")
    (('n2', 'n1'), ())
    """
    return tuple(NodeName(name) for name in text.split(",") if name)


def format_nominations(names: Sequence[NodeName]) -> str:
    """Write the annotation's value; each node once, the latest first."""
    return ",".join(list(dict.fromkeys(names))[:MAX_NOMINATIONS])


def requires_pool(affinity: Mapping[str, Any]) -> bool:
    """Tell whether a pod with this affinity may only go to nodes of the pool."""
    node = as_mapping(affinity.get("nodeAffinity"), "affinity.nodeAffinity")
    hard = node.get("requiredDuringSchedulingIgnoredDuringExecution")
    terms = as_mapping(hard, "required").get("nodeSelectorTerms")
    return any(
        expression.get("key") == POOL_LABEL
        for term in as_objects(terms, "nodeSelectorTerms")
        for expression in as_objects(term.get("matchExpressions"), "matchExpressions")
    )
