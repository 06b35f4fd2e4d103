"""kube-scheduler for whole batches: the rules of SchedulerModel on arrays, some 100 times faster.

The same filters, the same walk over a sample, the same integer scores and the same way to settle
ties; a property test holds both to the same node for every pod. Left out, and refused when a pod
asks for it: extended resources, host ports, images, required terms by node name, and pods of
unequal priority. Nodes do not come and go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.placement.rows import Kind, Row, kind_of
from bench.placement.tables import Bools, Indexes, Ints, NodeTable, amounts_of
from nightshift.domain.nodes import Node
from nightshift.domain.nodeterms import NodeTerm, PreferredTerm
from nightshift.domain.placement.scheduler_model import nodes_to_score
from nightshift.domain.placement.scores import MAX_SCORE, ScoringStrategy
from nightshift.domain.pods import PodRequest

_TAINT_WEIGHT = 3
_AFFINITY_WEIGHT = 2
_NONE = np.zeros((2, 1), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Held:
    """What a pod takes on a node, or keeps others from taking while it is nominated there."""

    node: int
    pod: PodRequest


class FastScheduler:
    """A scheduler with its cache; see SchedulerModel, whose decisions it gives.

    :param percentage: percentageOfNodesToScore; 0 is adaptive, the default.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        scoring: ScoringStrategy = ScoringStrategy.LEAST_ALLOCATED,
        percentage: int = 0,
    ) -> None:
        self.table = NodeTable(nodes)
        self._scoring = scoring
        self._wanted = nodes_to_score(len(self.table), percentage)
        self._rank = heap_preorder(self._wanted)
        self._unit = self._wanted + 1
        self._rows: dict[Kind, Row] = {}
        self._masks: dict[object, Bools] = {}
        self._masks_made_at = 0
        self._scratch: Ints = np.zeros(len(self.table), dtype=np.int64)
        self._placed: dict[str, _Held] = {}
        self._promised: dict[str, _Held] = {}
        self._priority: int | None = None
        self._start = 0

    def node_of(self, key: str) -> str | None:
        """Say where a pod is; None if nowhere."""
        held = self._placed.get(key)
        return None if held is None else self.table.names[held.node]

    def set_labels(self, key: str, values: Mapping[str, str]) -> None:
        """Give nodes a value of the label ``key``, by name; the others lose it."""
        self.table.set_labels(key, values)

    def add_pod(self, pod: PodRequest) -> None:
        """Tell of a pod that has a node, or is nominated to one; a known one is told anew.

        :raises ValueError: if it needs what is left out here, or its node is unknown.
        """
        self._check(pod)
        self.remove_pod(pod.key)
        if pod.node:
            held = _Held(self.table.index_of[pod.node], pod)
            self._placed[pod.key] = held
            self._count(held, 1)
        elif pod.nominated in self.table.index_of:
            held = _Held(self.table.index_of[pod.nominated], pod)
            self._promised[pod.key] = held
            self._promise(held, 1)

    def remove_pod(self, key: str) -> None:
        """Stop counting a pod; an unknown key is fine."""
        placed = self._placed.pop(key, None)
        if placed is not None:
            self._count(placed, -1)
        self._withdraw(key)

    def schedule(self, pod: PodRequest) -> str | None:
        """Decide where ``pod`` goes and count it there at once; None if no node takes it.

        :raises ValueError: if it needs what is left out here.
        """
        self._check(pod)
        kind = kind_of(pod)
        row = self._rows.get(kind)
        if row is None:
            row = self._rows[kind] = Row(kind, self.table, self._scoring)
        node = self._decide(pod, row)
        if node is None:
            return None
        self.remove_pod(pod.key)
        held = _Held(node, pod)
        self._placed[pod.key] = held
        self._count(held, 1)
        return self.table.names[node]

    def _decide(self, pod: PodRequest, row: Row) -> int | None:
        mask = self._mask(pod)
        nominee = self.table.index_of.get(pod.nominated, -1)
        if nominee >= 0 and (mask is None or mask[nominee]) and self._may_claim(pod, row, nominee):
            return nominee
        row.refresh()
        fits = row.fits if mask is None else row.fits & mask
        found = self._walk(fits, nominee)
        if found.size < 2:
            return int(found[0]) if found.size else None
        totals = row.score[found]
        if row.soft_taints is not None:
            totals += _TAINT_WEIGHT * _taint_scores(row.soft_taints[found])
        if pod.preferred:
            totals += _AFFINITY_WEIGHT * self._affinity_scores(pod.preferred, found)
        return int(found[(totals * self._unit - self._rank[: found.size]).argmax()])

    def _walk(self, fits: Bools, nominee: int) -> Indexes:
        """Find the feasible nodes from where the last walk ended until one more than enough."""
        count, start = len(self.table), self._start
        tail = np.flatnonzero(fits[start:]) + start
        enough = self._wanted + 1
        if tail.size < enough:
            head = np.flatnonzero(fits[:start])[: enough - tail.size]
            tail = np.concatenate((tail, head))
        if tail.size < enough:
            visited = count
        else:
            tail = tail[:enough]
            visited = (int(tail[-1]) - start) % count  # the last one is met, not counted
            tail = tail[:-1]
            if nominee >= 0 and (nominee - start) % count >= visited:
                visited += 1  # refused before the walk, and counted with it
        self._start = (start + visited) % count
        return tail

    def _may_claim(self, pod: PodRequest, row: Row, nominee: int) -> bool:
        own = self._promised.get(pod.key)
        if own is None or own.node != nominee:
            return row.fits_at(nominee, _NONE, 0)
        return row.fits_at(nominee, amounts_of(own.pod.need), 1)

    def _affinity_scores(self, preferred: Sequence[PreferredTerm], found: Indexes) -> Ints:
        raw = self._scratch
        touched = [(self.table.matching(item.term), item.weight) for item in preferred]
        for indexes, weight in touched:
            raw[indexes] += weight
        scores: Ints = raw[found]
        for indexes, _ in touched:
            raw[indexes] = 0
        most = int(scores.max())
        return MAX_SCORE * scores // most if most else scores

    def _mask(self, pod: PodRequest) -> Bools | None:
        """Say which nodes selector and required terms allow; None if all."""
        if not pod.node_selector and pod.required is None:
            return None
        if self._masks_made_at != self.table.label_changes:
            self._masks.clear()
            self._masks_made_at = self.table.label_changes
        key = (tuple(sorted(pod.node_selector.items())), pod.required)
        if key not in self._masks:
            self._masks[key] = np.array(
                [pod.may_run_on(n.name, n.labels) for n in self.table.nodes], dtype=np.bool_
            )
        return self._masks[key]

    def _count(self, held: _Held, sign: int) -> None:
        t, i, pod = self.table, held.node, held.pod
        t.used[0, i] += sign * pod.need.cpu_millis
        t.used[1, i] += sign * pod.need.memory_bytes
        t.scored[0, i] += sign * pod.scoring_placed.cpu_millis
        t.scored[1, i] += sign * pod.scoring_placed.memory_bytes
        t.slots_used[i] += sign
        t.changes.append(i)

    def _promise(self, held: _Held, sign: int) -> None:
        t, i, need = self.table, held.node, held.pod.need
        t.promised[0, i] += sign * need.cpu_millis
        t.promised[1, i] += sign * need.memory_bytes
        t.slots_promised[i] += sign
        t.changes.append(i)

    def _withdraw(self, key: str) -> None:
        promised = self._promised.pop(key, None)
        if promised is not None:
            self._promise(promised, -1)

    def _check(self, pod: PodRequest) -> None:
        if self._priority is None:
            self._priority = pod.priority
        left_out = {
            "extended resources": any(pod.need.extended.values()),
            "host ports": bool(pod.host_ports),
            "images": bool(pod.images),
            "gates": pod.gated,
            "what no scheduler model does": bool(pod.unsupported),
            "priorities": pod.priority != self._priority,
            "required node names": any(_names_nodes(term) for term in pod.required or ()),
        }
        refused = [what for what, asked in left_out.items() if asked]
        if refused:
            raise ValueError(f"pod {pod.key}: the simulator leaves out {', '.join(refused)}")


def heap_preorder(size: int) -> Ints:
    """Rank the places of a binary heap in pre-order: a place, its left subtree, its right one.

    Why: Go's ``heap.Init`` brings to the top, of several largest totals, the one whose place comes
    first in this order; a child only wins by being larger, the left one before the right one. So
    the scheduler's way to settle ties becomes one comparison. See ``goheap.heap_top``.
    """
    places = np.arange(1, size + 1, dtype=np.int64)  # as text in base 2, 1 is the root
    depth = np.frexp(places.astype(np.float64))[1].astype(np.int64)
    deepest = int(depth.max(initial=1))
    order = np.lexsort((depth, places << (deepest - depth)))
    rank: Ints = np.empty(size, dtype=np.int64)
    rank[order] = np.arange(size)
    return rank


def _taint_scores(counts: Ints) -> Ints:
    most = int(counts.max())
    return MAX_SCORE - MAX_SCORE * counts // max(most, 1)


def _names_nodes(term: NodeTerm) -> bool:
    return bool(term.fields)
