"""One batch that does not fit at once, from its first pod to its last, event by event."""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence

from bench.placement.simulator import FastScheduler
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.pods import PodRequest
from nightshift.domain.steering.brake import PendingBrake


def run_night(
    nodes: Sequence[Node],
    batch: Sequence[ShardDemand],
    order: Sequence[int],
    brake: PendingBrake | None,
) -> list[float]:
    """Give the second at which each pod starts; each runs for exactly its ``expected_seconds``.

    :param order: positions in ``batch``, first to be created first.
    :param brake: holds pods back while too many wait; without one all are created at once.
    :raises ValueError: if a pod fits no node even when all others have ended.
    """
    cluster, gate = _Cluster(nodes, batch), _Gate(brake)
    starts = [-1.0] * len(batch)
    running: list[tuple[float, int]] = []
    now, created = 0.0, 0

    def start_waiting() -> None:
        for position in cluster.start_all():
            starts[position] = now
            heapq.heappush(running, (now + batch[position].expected_seconds, position))

    while created < len(order) or cluster.has_pending():
        while created < len(order) and gate.is_open(now, cluster):
            cluster.create(order[created], now)
            created += 1
            if brake is not None or created == len(order):
                start_waiting()
        if not running:
            raise ValueError("a pod fits no node")
        now, ended = heapq.heappop(running)
        cluster.end(ended)
        start_waiting()
    return starts


class _Cluster:
    """Pods that exist: those that wait, by kind in order of creation, and those that run."""

    def __init__(self, nodes: Sequence[Node], batch: Sequence[ShardDemand]) -> None:
        self._scheduler = FastScheduler(nodes)
        self._batch = batch
        self._created = 0
        self._queues: dict[tuple[int, int], deque[tuple[int, int, float]]] = {}

    def has_pending(self) -> bool:
        """Tell whether a pod waits for room."""
        return any(self._queues.values())

    def ages(self, now: float) -> list[float]:
        """Say for how many seconds each pod that waits has done so."""
        return [now - since for queue in self._queues.values() for _, _, since in queue]

    def create(self, position: int, now: float) -> None:
        """Add a pod to those that wait."""
        request = self._batch[position].request
        kind = (request.cpu_millis, request.memory_bytes)
        self._queues.setdefault(kind, deque()).append((self._created, position, now))
        self._created += 1

    def start_all(self) -> Iterator[int]:
        """Start what has room, oldest first; a kind of pod that has none lets others pass."""
        waiting = [queue for queue in self._queues.values() if queue]
        while waiting:
            queue = min(waiting, key=lambda one: one[0])
            demand = self._batch[queue[0][1]]
            pod = PodRequest(str(demand.shard), demand.request, demand.request, demand.request)
            if self._scheduler.schedule(pod) is None:
                waiting.remove(queue)
                continue
            yield queue.popleft()[1]
            waiting = [one for one in waiting if one]

    def end(self, position: int) -> None:
        """Take a pod that has ended off its node."""
        self._scheduler.remove_pod(str(self._batch[position].shard))


class _Gate:
    """The brake at work: shut once it engages, until enough of the pods that wait have gone."""

    def __init__(self, brake: PendingBrake | None) -> None:
        self._brake = brake
        self._engaged_at: int | None = None

    def is_open(self, now: float, cluster: _Cluster) -> bool:
        """Tell whether the next pod may be created."""
        if self._brake is None:
            return True
        ages = cluster.ages(now)
        if self._engaged_at is not None and not self._brake.holds(ages, self._engaged_at):
            self._engaged_at = None
        if self._engaged_at is None and self._brake.engages(ages):
            self._engaged_at = len(ages)
        return self._engaged_at is None
