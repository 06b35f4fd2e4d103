"""One snapshot of nodes and of the pods on them, and what is free there.

Free is allocatable less the effective requests of every pod that has a node and has not ended,
in every namespace: terminating pods and pods not yet started count; capacity, limits and metrics
never do. Source: kube-scheduler 1.36 (NodeResourcesFit) and component-helpers/resource.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from nightshift.domain.ids import NodeName
from nightshift.domain.quantities import format_bytes, format_cpu
from nightshift.domain.resources import Resources

UNSCHEDULABLE_TAINT_KEY = "node.kubernetes.io/unschedulable"
"""A pod that tolerates this taint (NoSchedule) may also go to a cordoned node."""


class TaintEffect(StrEnum):
    """What an untolerated taint does."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint."""

    key: str
    effect: TaintEffect
    value: str = ""

    def __str__(self) -> str:
        """Write it as kubectl does: ``key=value:effect``."""
        return (
            f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"
        )


@dataclass(frozen=True, slots=True)
class Toleration:
    """A pod's toleration, as in the Kubernetes API: an empty key with Exists matches everything."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: TaintEffect | None = None

    def tolerates(self, taint: Taint) -> bool:
        """Tell whether it covers ``taint``; an empty effect or key covers every one.

        The operators Lt and Gt never match: their feature gate is off in 1.36.
        """
        if self.effect is not None and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or (
            self.operator in {"", "Equal"} and self.value == taint.value
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A node at the moment of the snapshot.

    :param allocatable: what pods may use.
    :param requested: the effective requests of the pods on it.
    :param pod_slots: allocatable pods; ``pods`` of them are taken.
    :param busy: holds a pod that is neither ours, a DaemonSet's nor a mirror, so it cannot be
        emptied anyway.
    :param ready: condition Ready is True and no pressure condition is.
    :param images: bytes of every container image it holds, by each of the image's names.
    """

    name: NodeName
    allocatable: Resources
    requested: Resources = field(default_factory=Resources)
    pod_slots: int = 110
    pods: int = 0
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    ready: bool = True
    not_ready_reason: str = ""
    busy: bool = False
    images: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def free(self) -> Resources:
        """What is left for new pods; below zero where the node is over-committed."""
        return self.allocatable - self.requested

    @property
    def free_slots(self) -> int:
        """How many more pods it takes."""
        return self.pod_slots - self.pods


def untolerated(taints: Iterable[Taint], tolerations: Iterable[Toleration]) -> tuple[Taint, ...]:
    """List the taints that no toleration covers, of all three effects."""
    covers = tuple(tolerations)
    return tuple(taint for taint in taints if not any(c.tolerates(taint) for c in covers))


def is_repelling(taint: Taint) -> bool:
    """Tell whether an untolerated ``taint`` keeps new pods away (PreferNoSchedule does not)."""
    return taint.effect is not TaintEffect.PREFER_NO_SCHEDULE


def is_cordoned_for(node: Node, tolerations: Iterable[Toleration]) -> bool:
    """Tell whether the node is cordoned and the pod does not tolerate that."""
    cordon = Taint(UNSCHEDULABLE_TAINT_KEY, TaintEffect.NO_SCHEDULE)
    return node.unschedulable and not any(t.tolerates(cordon) for t in tolerations)


def why_not(node: Node, request: Resources, tolerations: Iterable[Toleration] = ()) -> str | None:
    """Say why a pod cannot go to ``node`` now, in the scheduler's words; None if it can."""
    return why_closed(node, tolerations) or why_no_room(node, request)


def why_closed(node: Node, tolerations: Iterable[Toleration] = ()) -> str | None:
    """Say why ``node`` takes no pod with these tolerations, however small; None if it does.

    We are stricter than the scheduler in one case: it sees only taints, we also refuse a node that
    is not ready.
    """
    covers = tuple(tolerations)
    if is_cordoned_for(node, covers):
        return "node(s) were unschedulable"
    repelling = [str(taint) for taint in untolerated(node.taints, covers) if is_repelling(taint)]
    if repelling:
        return f"node(s) had untolerated taint(s): {', '.join(repelling)}"
    if not node.ready:
        return f"not ready: {node.not_ready_reason or 'no reason given'}"
    return None


def has_room(node: Node, request: Resources) -> bool:
    """Tell whether the request fits now; the same as ``why_no_room(..) is None``, but fast."""
    return node.free_slots > 0 and all(
        asked <= 0 or asked <= node.allocatable.get(name) - node.requested.get(name)
        for name, asked in request.items()
    )


def why_no_room(node: Node, request: Resources) -> str | None:
    """Say which amounts or pod slots are short; None if the request fits now.

    ``too_large`` says that the node could not take the pod even when empty.
    """
    if not request.fits_in(node.allocatable) or node.pod_slots < 1:
        return f"too_large: {_shortages(request, node.allocatable, 'allocatable')}"
    if node.free_slots < 1:
        return f"Too many pods: {node.pods} of {node.pod_slots}"
    if not request.fits_in(node.free):
        return _shortages(request, node.free, "free")
    return None


def format_amount(name: str, amount: int) -> str:
    """Write an amount of the resource called ``name`` as a Kubernetes quantity.

    >>> format_amount("cpu", 1500), format_amount("memory", 2**30), format_amount("x.com/gpu", 2)
    ('1500m', '1Gi', '2')
    """
    if name == "cpu":
        return format_cpu(amount)
    sized = name in {"memory", "ephemeral-storage"} or name.startswith("hugepages-")
    return format_bytes(amount) if sized else str(amount)


def describe_resources(amounts: Resources) -> str:
    """Write amounts for people: ``cpu 500m, memory 2Gi``; resources at zero are left out."""
    shown = [f"{name} {format_amount(name, amount)}" for name, amount in amounts.items() if amount]
    return ", ".join(shown) or "nothing"


def _shortages(request: Resources, room: Resources, word: str) -> str:
    short = [
        f"Insufficient {name} ({format_amount(name, asked)} asked, "
        f"{format_amount(name, room.get(name))} {word})"
        for name, asked in request.items()
        if asked > 0 and asked > room.get(name)
    ]
    return ", ".join(short) or "no pod slots"
