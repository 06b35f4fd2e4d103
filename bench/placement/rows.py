"""For one kind of pod and every node: does it fit, and what do its fixed scores add up to.

A row is brought up to date before it is used, and only where nodes have changed since. Fixed are
the scores that other nodes have no part in: NodeResourcesFit and NodeResourcesBalancedAllocation,
with the arithmetic of ``nightshift.domain.placement.scores``.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.placement.tables import Bools, Ints, NodeTable
from nightshift.domain.nodes import Toleration, is_cordoned_for, is_repelling, untolerated
from nightshift.domain.placement.scores import MAX_SCORE, ScoringStrategy
from nightshift.domain.pods import PodRequest

_NOTHING = -(2**62)
"""Asked of a resource that a pod does not need: it fits an over-committed node too."""

At = npt.NDArray[np.intp] | slice


@dataclass(frozen=True, slots=True)
class Kind:
    """What pods must share to share a row."""

    cpu: int
    memory: int
    cpu_scored: int
    memory_scored: int
    tolerations: tuple[Toleration, ...]


def kind_of(pod: PodRequest) -> Kind:
    """Read a pod's kind; see Kind."""
    need, scoring = pod.need, pod.scoring
    return Kind(
        need.cpu_millis,
        need.memory_bytes,
        scoring.cpu_millis,
        scoring.memory_bytes,
        pod.tolerations,
    )


class Row:
    """One kind of pod against every node."""

    def __init__(self, kind: Kind, table: NodeTable, scoring: ScoringStrategy) -> None:
        self._table = table
        self._most_allocated = scoring is ScoringStrategy.MOST_ALLOCATED
        self._need = np.array([[kind.cpu], [kind.memory]], dtype=np.int64)
        self._scored = np.array([[kind.cpu_scored], [kind.memory_scored]], dtype=np.int64)
        self._asked = np.where(self._need > 0, self._need, _NOTHING)
        self._open = _open_nodes(table, kind.tolerations)
        counts = _soft_taints(table, kind.tolerations)
        self.soft_taints: Ints | None = counts if counts.any() else None
        """Untolerated PreferNoSchedule taints of each node; None if there are none at all."""
        self.fits: Bools = np.zeros(len(table), dtype=np.bool_)
        self.score: Ints = np.zeros(len(table), dtype=np.int64)
        self._seen = len(table.changes)
        self._renew(slice(None))

    def refresh(self) -> None:
        """Count what has changed on nodes since the last time."""
        changes = self._table.changes
        fresh = len(changes) - self._seen
        if not fresh:
            return
        changed = changes[self._seen :]
        self._seen = len(changes)
        self._renew(slice(None) if fresh > len(self.fits) else np.array(changed, dtype=np.intp))

    def fits_at(self, i: int, own: Ints, own_slots: int) -> bool:
        """Tell whether node ``i`` takes the pod, which has ``own`` promised to it there."""
        t, at = self._table, slice(i, i + 1)
        free = t.room[:, at] - t.used[:, at] - t.promised[:, at] + own
        slots = t.slots[i] - t.slots_used[i] - t.slots_promised[i] + own_slots
        return bool(self._open[i] and slots > 0 and (self._asked <= free).all())

    def _renew(self, at: At) -> None:
        t = self._table
        room, used = t.room[:, at], t.used[:, at]
        fits = (self._asked <= room - used - t.promised[:, at]).all(axis=0)
        fits &= t.slots_used[at] + t.slots_promised[at] < t.slots[at]
        self.fits[at] = fits & self._open[at]
        score = self._fit_score(t.scored[:, at] + self._scored, room)
        if self._need.any():
            half = MAX_SCORE // 2
            gain = _balance(used + self._need, room) - _balance(used, room)
            score += half + (half + gain) // 2
        self.score[at] = score

    def _fit_score(self, used: Ints, room: Ints) -> Ints:
        amount = np.minimum(used, room) if self._most_allocated else np.maximum(room - used, 0)
        known = room > 0
        shares = np.where(known, amount * MAX_SCORE // np.maximum(room, 1), 0)
        result: Ints = shares.sum(axis=0) // np.maximum(known.sum(axis=0), 1)
        return result


def _balance(used: Ints, room: Ints) -> Ints:
    shares = np.minimum(used / np.maximum(room, 1), 1.0)
    balance = ((1 - np.abs((shares[0] - shares[1]) / 2)) * MAX_SCORE).astype(np.int64)
    result: Ints = np.where((room > 0).all(axis=0), balance, MAX_SCORE)
    return result


def _open_nodes(table: NodeTable, tolerations: tuple[Toleration, ...]) -> Bools:
    return np.array(
        [
            not is_cordoned_for(node, tolerations)
            and not any(is_repelling(t) for t in untolerated(node.taints, tolerations))
            for node in table.nodes
        ],
        dtype=np.bool_,
    )


def _soft_taints(table: NodeTable, tolerations: tuple[Toleration, ...]) -> Ints:
    return np.array(
        [
            sum(not is_repelling(t) for t in untolerated(node.taints, tolerations))
            for node in table.nodes
        ],
        dtype=np.int64,
    )
