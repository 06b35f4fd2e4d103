"""Fills nodes one after the other, each until nothing fits: busy nodes first, then idle ones.

Going node by node and asking "which shape suits what is left here" opens far fewer nodes than
going pod by pod and asking "which node". Ten rules answer that question; none is best everywhere,
so all are tried and the best filling is kept (rules ``dot``: Grandl et al., Tetris, 2014; ``l2``:
Panigrahy et al., Heuristics for vector bin packing, 2011).

Equal nodes get the pattern of the first of them, and nodes that differ are filled side by side in
groups, so that the work grows with the number of different nodes and not with that of pods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from nightshift.domain.placement.pack_shapes import Bools, Floats, Ints, Problem

_GROUPS = 64
"""Nodes that differ are filled in about so many groups; weights are renewed for each."""
_REPEAT_DIVISOR = 3
"""A pattern is repeated for at most this part of the pods that are left, then weighed anew."""


class FitRule(StrEnum):
    """Which of the shapes that still fit is taken next."""

    DOT = "dot"  # its request points to where the room is
    L2 = "l2"  # it leaves the shortest remainder
    SUM = "sum"  # the largest, resources added up
    MAX = "max"  # the largest in its largest resource
    COSINE = "cosine"  # as dot, but size does not count


class Weighting(StrEnum):
    """How much a resource counts."""

    SCARCITY = "scarcity"  # what is asked of it, by what is free of it
    EQUAL = "equal"


@dataclass(frozen=True, slots=True)
class Rule:
    """One member of the portfolio."""

    fit: FitRule
    weighting: Weighting

    def __str__(self) -> str:
        """Write it for people and for the stored plan: ``dot/scarcity``."""
        return f"{self.fit}/{self.weighting}"


PORTFOLIO: tuple[Rule, ...] = tuple(
    Rule(fit, weighting) for weighting in Weighting for fit in FitRule
)


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """Which node gets how many pods of each shape.

    :param placed: (N, T) pods.
    :param left: (T,) pods that no node took.
    :param method: the rule, or what else made it.
    """

    placed: Ints
    left: Ints
    method: str

    @property
    def unplaced(self) -> int:
        """How many pods no node took."""
        return int(self.left.sum())

    def opened(self, busy: Bools) -> int:
        """Count the nodes that were idle and get a pod."""
        return int((self.placed.any(axis=1) & ~busy).sum())

    def score(self, busy: Bools) -> tuple[int, int, int]:
        """Less is better: unplaced pods, idle nodes opened, nodes in use."""
        return self.unplaced, self.opened(busy), int(self.placed.any(axis=1).sum())


def fill_best(problem: Problem, *, at_least: int = 0) -> Filling:
    """Try the rules, and keep the best filling; see ``fill_each``."""
    return best_of(fill_each(problem, at_least=at_least), problem.busy)


def fill_each(
    problem: Problem, *, at_least: int = 0, rules: Sequence[Rule] = PORTFOLIO
) -> list[Filling]:
    """Fill the nodes that welcome the pods by one rule after the other.

    :param at_least: how many idle nodes any filling opens; one that opens no more ends the search.
    """
    found = []
    for rule in rules:
        found.append(fill(problem, rule))
        if found[-1].score(problem.busy)[:2] <= (0, at_least):
            break
    return found


def best_of(fillings: Sequence[Filling], busy: Bools) -> Filling:
    """Give the first of the best fillings.

    :raises ValueError: if there is none.
    """
    return min(fillings, key=lambda filling: filling.score(busy))


def fill(problem: Problem, rule: Rule) -> Filling:
    """Fill the nodes that welcome the pods, by one rule."""
    filler = _Filler(problem, rule, problem.welcome, problem.free, problem.counts, problem.busy)
    filler.run()
    return Filling(filler.placed, filler.left, str(rule))


def fill_rest(problem: Problem, begun: Filling, rule: Rule) -> Filling:
    """Place what is left on nodes with a PreferNoSchedule taint too; nodes in use cost nothing."""
    if not begun.left.any() or not problem.reluctant.any():
        return begun
    free = problem.free - begun.placed @ problem.demand
    in_use = problem.busy | begun.placed.any(axis=1)
    doors = problem.welcome | problem.reluctant
    filler = _Filler(problem, rule, doors, free, begun.left, in_use)
    filler.run()
    return Filling(begun.placed + filler.placed, filler.left, begun.method)


class _Filler:
    """One filling in the making."""

    def __init__(
        self, problem: Problem, rule: Rule, doors: Bools, free: Ints, counts: Ints, in_use: Bools
    ) -> None:
        self._demand = problem.demand
        self._sizes = problem.demand.astype(float)
        self._rule = rule
        self._doors = doors
        self._free = free
        self._in_use = in_use
        self.left = counts.copy()
        self.placed = np.zeros(doors.shape, dtype=np.int64)
        self._scale = np.maximum(free.max(axis=0, initial=0), 1).astype(float)
        self._weights = np.zeros(problem.demand.shape[1])
        self._room = np.zeros(problem.demand.shape[1])

    def run(self) -> None:
        """Go through the nodes that could take any pod at all, in order."""
        useful = _useful(self._free, self._demand, self._doors & (self.left > 0))
        self._room = self._free[useful].sum(axis=0, dtype=float)
        self._weigh()
        order = self._order(np.flatnonzero(useful))
        lengths = self._equal_runs(order)
        group = max(1, -(-len(order) // _GROUPS))
        position = 0
        while position < len(order) and self.left.any():
            self._weigh()
            if lengths[position] > 1:
                position += self._fill_equal(order[position : position + lengths[position]])
            else:
                position += self._fill_group(order[position:], lengths[position:], group)

    def _weigh(self) -> None:
        """Renew the weights over what is left: the resource that runs out first counts most."""
        asked = self.left @ self._sizes
        if self._rule.weighting is Weighting.EQUAL:
            weights = (asked > 0).astype(float)
            weights[-1] *= not weights[:-1].any()  # slots count where nothing else is asked for
        else:
            weights = asked / np.maximum(self._room, 1.0)
        total = weights.sum()
        self._weights = weights / total if total > 0 else weights

    def _order(self, rows: Ints) -> Ints:
        """Busy nodes first, the smallest first; then idle ones, the largest first."""
        size = (self._free[rows] / self._scale) @ self._weights
        in_use = self._in_use[rows]
        key = np.round(np.where(in_use, size, -size), 12)  # equal rooms are equal to the last bit
        kinds = np.hstack([self._free[rows], self._doors[rows]])
        _, kind = np.unique(kinds, axis=0, return_inverse=True)
        return rows[np.lexsort((kind.reshape(-1), key, ~in_use))]

    def _equal_runs(self, order: Ints) -> Ints:
        """Give for each position how many nodes from there on are equal to it."""
        facts = np.hstack([self._free[order], self._doors[order], self._in_use[order, None]])
        ends = np.flatnonzero((facts[1:] != facts[:-1]).any(axis=1)) + 1
        stops = np.append(ends, len(order))
        positions = np.arange(len(order))
        return np.asarray(stops[np.searchsorted(stops, positions, side="right")] - positions)

    def _fill_equal(self, rows: Ints) -> int:
        """Fill the first of equal nodes, repeat its pattern; return how many are done with."""
        pattern = self._patterns(rows[:1])[0]
        used = pattern > 0
        if not used.any():
            return len(rows)
        repeats = int((self.left[used] // pattern[used]).min())
        times = min(len(rows), max(1, repeats // _REPEAT_DIVISOR))
        self._put(rows[:times], np.broadcast_to(pattern, (times, len(pattern))))
        return times

    def _fill_group(self, order: Ints, lengths: Ints, group: int) -> int:
        """Fill a few different nodes side by side; fewer when idle nodes would be opened."""
        in_use = bool(self._in_use[order[0]])
        if not in_use:
            group = min(group, max(1, self._still_needed(order) // _REPEAT_DIVISOR))
        same = (self._in_use[order[:group]] == in_use) & (lengths[:group] == 1)
        count = group if same.all() else int(same.argmin())
        rows = order[: max(1, count)]
        self._put(rows, self._patterns(rows))
        return len(rows)

    def _still_needed(self, order: Ints) -> int:
        """Estimate how many more nodes it takes, from volumes."""
        asked = self.left @ self._sizes
        room = self._room / len(order)
        needs = asked[room > 0] / room[room > 0]
        return int(needs.max(initial=1.0))

    def _put(self, rows: Ints, patterns: Ints) -> None:
        self.placed[rows] += patterns
        self.left = self.left - patterns.sum(axis=0)
        self._room -= self._free[rows].sum(axis=0, dtype=float)

    def _patterns(self, rows: Ints) -> Ints:
        """Fill nodes side by side, one pod each a step, and never more pods than are left."""
        free, doors, left = self._free[rows].copy(), self._doors[rows], self.left.copy()
        taken = np.zeros((len(rows), len(left)), dtype=np.int64)
        static = self._static_scores()
        while True:
            fits = doors & (left > 0) & (free[:, None, :] >= self._demand).all(axis=2)
            live = np.flatnonzero(fits.any(axis=1))
            if not len(live):
                return taken
            scores = static if static is not None else self._scores(free[live])
            picks = np.where(fits[live], scores, -np.inf).argmax(axis=1)
            wanted = np.bincount(picks, minlength=len(left))
            if (wanted > left).any():
                live, picks = _first_come(live, picks, left)
                wanted = np.bincount(picks, minlength=len(left))
            taken[live, picks] += 1
            free[live] -= self._demand[picks]
            left -= wanted

    def _static_scores(self) -> Floats | None:
        """Score shapes by the rules that do not look at the room."""
        parts = self._weights * self._sizes / self._scale
        if self._rule.fit is FitRule.SUM:
            return np.asarray(parts.sum(axis=1))
        if self._rule.fit is FitRule.MAX:
            return np.asarray(parts.max(axis=1))
        return None

    def _scores(self, free: Ints) -> Floats:
        room, sizes = free / self._scale, self._sizes / self._scale
        if self._rule.fit is FitRule.L2:
            rest = room[:, None, :] - sizes
            return np.asarray(-((rest * rest) @ self._weights))
        dot = room @ (sizes * self._weights).T
        if self._rule.fit is FitRule.DOT:
            return np.asarray(dot)
        lengths = np.sqrt((sizes * sizes) @ self._weights)  # the room's length is equal for all
        return np.asarray(dot / np.where(lengths > 0, lengths, 1.0))


def _useful(free: Ints, demand: Ints, doors: Bools) -> Bools:
    """Tell which nodes could take one pod of any shape, looking shape by shape to save memory."""
    useful = np.zeros(len(free), dtype=bool)
    for column, request in enumerate(demand):
        useful |= doors[:, column] & (free >= request).all(axis=1)
    return useful


def _first_come(rows: Ints, picks: Ints, left: Ints) -> tuple[Ints, Ints]:
    """Keep the first picks of each shape, as many as are left of it."""
    order = np.argsort(picks, kind="stable")
    ordered = picks[order]
    rank = np.arange(len(picks)) - np.searchsorted(ordered, ordered, side="left")
    kept = np.sort(order[rank < left[ordered]])
    return rows[kept], picks[kept]
