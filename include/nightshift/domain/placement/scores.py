"""Which feasible node is best? kube-scheduler's scores, in its own integer arithmetic.

    total = 3 * TaintToleration + 2 * NodeAffinity + NodeResourcesFit
            + NodeResourcesBalancedAllocation + ImageLocality         each 0 to 100

Spreading by PodTopologySpread and InterPodAffinity is not modelled: both are skipped for a pod that
states neither and that no Service selects, as scan pods are. Sources: kube-scheduler 1.36,
``framework/plugins/`` and ``apis/config/v1/default_plugins.go``.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from nightshift.domain.nodes import Taint, TaintEffect, Toleration, is_repelling, untolerated
from nightshift.domain.nodeterms import PreferredTerm
from nightshift.domain.placement.nodestates import NodeState
from nightshift.domain.pods import PodRequest

MAX_SCORE = 100
_MIB = 1024 * 1024
_SMALLEST_IMAGES = 23 * _MIB
_LARGEST_PER_CONTAINER = 1000 * _MIB

_Fit = Callable[[int, int], int]


class ScoringStrategy(StrEnum):
    """What NodeResourcesFit favours; an admin's profile may say MostAllocated."""

    LEAST_ALLOCATED = "LeastAllocated"
    MOST_ALLOCATED = "MostAllocated"


def total_scores(
    pod: PodRequest,
    nodes: Sequence[NodeState],
    strategy: ScoringStrategy,
    image_sizes: Mapping[str, int],
) -> list[int]:
    """Add up the weighted scores of each node, in the order of ``nodes``.

    :param nodes: the feasible ones; taints and affinity are scaled by the largest among them.
    :param image_sizes: bytes of the pod's images, scaled by how many nodes hold them.
    """
    fit = _least_allocated if strategy is ScoringStrategy.LEAST_ALLOCATED else _most_allocated
    best_effort = pod.need.cpu_millis == 0 and pod.need.memory_bytes == 0
    columns = zip(_taint_scores(pod, nodes), _affinity_scores(pod, nodes), nodes, strict=True)
    return [
        3 * taint
        + 2 * affinity
        + _fit_score(pod, state, fit)
        + (0 if best_effort else balance_score(pod, state))
        + (image_score(pod, state, image_sizes) if image_sizes else 0)
        for taint, affinity, state in columns
    ]


def _taint_scores(pod: PodRequest, nodes: Sequence[NodeState]) -> list[int]:
    if not any(state.node.taints for state in nodes):
        return [MAX_SCORE] * len(nodes)
    soft = tuple(t for t in pod.tolerations if t.effect in {None, TaintEffect.PREFER_NO_SCHEDULE})
    known: dict[tuple[Taint, ...], int] = {(): 0}
    counts = []
    for state in nodes:
        taints = state.node.taints
        if taints not in known:
            known[taints] = _count_repelling(taints, soft)
        counts.append(known[taints])
    most = max(counts)
    return [MAX_SCORE - (MAX_SCORE * count // most if most else 0) for count in counts]


def _count_repelling(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...]) -> int:
    soft = [taint for taint in taints if not is_repelling(taint)]
    return len(untolerated(soft, tolerations))


def _affinity_scores(pod: PodRequest, nodes: Sequence[NodeState]) -> list[int]:
    by_name, others = _split_terms(pod.preferred)
    raw = [
        by_name.get(state.name, 0)
        + sum(p.weight for p in others if p.term.matches(state.name, state.node.labels))
        for state in nodes
    ]
    most = max(raw, default=0)
    return [MAX_SCORE * score // most for score in raw] if most else raw


def _split_terms(
    preferred: Sequence[PreferredTerm],
) -> tuple[dict[str, int], list[PreferredTerm]]:
    """Sum the terms that only name one node by that name, so that each node costs one look-up."""
    by_name: dict[str, int] = {}
    others = []
    for item in preferred:
        names = item.term.node_names
        if (
            names is not None
            and len(names) == len(item.term.fields) == 1
            and not (item.term.expressions)
        ):
            (name,) = names
            by_name[name] = by_name.get(name, 0) + item.weight
        else:
            others.append(item)
    return by_name, others


def _least_allocated(used: int, allocatable: int) -> int:
    return (allocatable - used) * MAX_SCORE // allocatable if used <= allocatable else 0


def _most_allocated(used: int, allocatable: int) -> int:
    return min(used, allocatable) * MAX_SCORE // allocatable


def _fit_score(pod: PodRequest, state: NodeState, fit: _Fit) -> int:
    room = state.node.allocatable
    scores = []
    if room.cpu_millis:
        scores.append(fit(state.cpu_scored + pod.scoring.cpu_millis, room.cpu_millis))
    if room.memory_bytes:
        scores.append(fit(state.memory_scored + pod.scoring.memory_bytes, room.memory_bytes))
    return sum(scores) // len(scores) if scores else 0


def balance_score(pod: PodRequest, state: NodeState) -> int:
    """Score how much the pod evens out CPU and memory use: 75 changes nothing, 50 to 100."""
    need = pod.need
    without = _balance(state, state.cpu_used, state.memory_used)
    with_pod = _balance(
        state, state.cpu_used + need.cpu_millis, state.memory_used + need.memory_bytes
    )
    return MAX_SCORE // 2 + (MAX_SCORE // 2 + with_pod - without) // 2


def _balance(state: NodeState, cpu: int, memory: int) -> int:
    room = state.node.allocatable
    if not room.cpu_millis or not room.memory_bytes:
        return MAX_SCORE
    cpu_share = min(cpu / room.cpu_millis, 1.0)
    memory_share = min(memory / room.memory_bytes, 1.0)
    return int((1 - abs((cpu_share - memory_share) / 2)) * MAX_SCORE)


def image_score(pod: PodRequest, state: NodeState, image_sizes: Mapping[str, int]) -> int:
    """Score the bytes of the pod's images that are on the node already: 23 MiB is 0."""
    held = state.node.images
    total = sum(image_sizes.get(image, 0) for image in pod.images if image in held)
    most = _LARGEST_PER_CONTAINER * pod.containers
    counted = min(max(total, _SMALLEST_IMAGES), most)
    return MAX_SCORE * (counted - _SMALLEST_IMAGES) // (most - _SMALLEST_IMAGES)
