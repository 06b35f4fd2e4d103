"""How many pods of each workload a plan leaves, and which pods end by it.

Two counts, each the careful one for its use: what is *sure* to go makes room for others, and what
*may* be all that is left is what disruption budgets and quorums are asked about.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain.capacity.preflight import Weekend
from nightshift.domain.capacity.snapshots import PodFacts
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    FieldValue,
    LiveTarget,
    ObjectKind,
    capacity_of,
)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A workload, or its autoscaler, and what its fields are in the window.

    :param fields: all that count, lowered or not.
    """

    live: LiveTarget
    fields: Fields


@dataclass(frozen=True, slots=True)
class Staying:
    """What stays of the workloads.

    :param sure: an autoscaler keeps its maximum: no more than that can stay.
    :param least: an autoscaler goes to its minimum: no fewer than that can stay.
    """

    sure: Weekend
    least: Weekend


def staying_of(lowered: Iterable[Lowered], quorums: Mapping[str, int]) -> Staying:
    """Count what stays of each workload.

    :param quorums: members that must be ready at all times, by ref.
    """
    rows = list(lowered)
    return Staying(
        _weekend(rows, FieldName.MAX_REPLICAS, quorums),
        _weekend(rows, FieldName.MIN_REPLICAS, quorums),
    )


def _weekend(rows: Sequence[Lowered], bound: FieldName, quorums: Mapping[str, int]) -> Weekend:
    stay: dict[str, int] = {}
    now: dict[str, int] = {}
    for one in rows:
        name = FieldName.REPLICAS if one.live.scales is None else bound
        if name not in one.fields:
            continue
        ref = (one.live.scales or one.live.id).ref
        here = one.live.status.replicas
        value: FieldValue = one.fields[name]
        now[ref], stay[ref] = here, min(here, capacity_of(one.live.id.kind, name, value))
    return Weekend(stay, now, quorums)


def plan_endings(
    pods: Sequence[PodFacts], weekend: Weekend, victims: Collection[str]
) -> frozenset[str]:
    """Choose the pods that end when the workloads are lowered; gives their keys.

    A StatefulSet ends its highest ordinals. A ReplicaSet ends those that are not bound or not
    ready, then those with the lowest ``pod-deletion-cost``, which we set on the nodes that go.
    Source: pkg/controller/controller_utils.go, ActivePodsWithRanks.

    :param victims: names of the nodes that are to go.
    """
    by_workload: dict[str, list[PodFacts]] = {}
    for pod in pods:
        if pod.workload is not None and not pod.drain.deleting and not pod.drain.ended:
            by_workload.setdefault(pod.workload.ref, []).append(pod)
    ending: set[str] = set()
    for ref in weekend.stay:
        own = sorted(by_workload.get(ref, ()), key=lambda one: _rank(one, victims))
        ending.update(pod.key for pod in own[: weekend.leaving(ref)])
    return frozenset(ending)


def _rank(pod: PodFacts, victims: Collection[str]) -> tuple[int, bool, bool, bool, str]:
    """Give a pod's place among its workload's pods; the first end first."""
    if pod.workload is not None and pod.workload.kind is ObjectKind.STATEFUL_SET:
        return -ordinal_of(pod.drain.name), False, False, False, pod.key
    return 0, bool(pod.node), pod.drain.ready, pod.node not in victims, pod.key


def ordinal_of(name: str) -> int:
    """Give the number in the name of a StatefulSet's pod; 0 where there is none.

    >>> ordinal_of("store-12")
    12
    """
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() and digits.isascii() else 0
