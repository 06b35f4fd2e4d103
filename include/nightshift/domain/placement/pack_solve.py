"""The packing of a batch: portfolio, bound, polish, and who waits when not everything fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nightshift.domain.placement.pack_bounds import Relaxation, relax, volume_bound
from nightshift.domain.placement.pack_classes import (
    Classes,
    GuessedPatterns,
    PatternTable,
    group_nodes,
    list_patterns,
)
from nightshift.domain.placement.pack_exact import Effort
from nightshift.domain.placement.pack_fill import (
    PORTFOLIO,
    Filling,
    Rule,
    best_of,
    fill,
    fill_each,
    fill_rest,
)
from nightshift.domain.placement.pack_polish import polish
from nightshift.domain.placement.pack_shapes import Ints, Problem

_SMALL = 50_000
"""Nodes times shapes; beyond, fewer rules are tried, as each takes a quarter of a second."""
_PREFIX_STEPS = 10
"""The part of a batch that fits at once is found to a thousandth; the rest fills what is left."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A filling, and how far it is from the best one.

    :param bound: idle nodes that any placement of the whole batch opens; None when pods are left.
    :param bound_by: ``volume`` or ``relaxation``, empty without a bound.
    :param cut_off: ``size`` if there were too many patterns to look at, ``search`` if a better
        filling may exist but was not found, else empty.
    """

    filling: Filling
    bound: int | None
    bound_by: str
    cut_off: str


def solve(problem: Problem, order: Callable[[], Ints], effort: Effort) -> Solution:
    """Pack as many pods as can be, on as few idle nodes as can be.

    :param order: gives the shape of each pod, first to start first; asked when not all fit.
    """
    volume = volume_bound(problem, problem.welcome)
    classes = group_nodes(problem, problem.welcome)
    table = list_patterns(problem, classes, effort.cells)
    known = fill_each(problem, at_least=volume, rules=_rules(problem, table))
    best = best_of(known, problem.busy)
    if best.unplaced and len(known) < len(PORTFOLIO):
        known = fill_each(problem, at_least=volume)
        best = best_of(known, problem.busy)
    if best.unplaced:
        spread = fill_rest(problem, best, PORTFOLIO[0])
        waits = spread.unplaced > 0
        return Solution(_in_order(problem, order()) if waits else spread, None, "", "")
    if best.opened(problem.busy) <= volume:
        return _judge(problem, best, volume, "volume", "")
    if table is None:
        return _judge(
            problem, _guess(problem, classes, known, volume, effort), volume, "volume", "size"
        )
    found = relax(problem, classes, table, best.opened(problem.busy), effort.climbs)
    if best.opened(problem.busy) > found.bound:
        best = polish(problem, classes, table, found, known, effort)
    by = "volume" if found.bound <= volume else "relaxation"
    return _judge(problem, best, max(found.bound, volume), by, "")


def _guess(
    problem: Problem, classes: Classes, known: Sequence[Filling], volume: int, effort: Effort
) -> Filling:
    """Polish with guessed patterns, as far as linear programs stay small; they prove nothing."""
    prices = GuessedPatterns(problem, classes)
    climbs = min(effort.climbs, effort.columns // (2 * len(classes.rows)))
    nothing = np.zeros((0, len(problem.counts)), dtype=np.int64)
    found = Relaxation(volume, False, (nothing,) * len(classes.rows))
    if len(classes.rows) <= effort.guessed_classes:
        goal = best_of(known, problem.busy).opened(problem.busy)
        found = replace(relax(problem, classes, prices, goal, climbs), bound=volume)
    return polish(problem, classes, prices, found, known, replace(effort, pricings=1))


def _rules(problem: Problem, table: PatternTable | None) -> Sequence[Rule]:
    """Choose how many rules to try: two are enough to begin with where patterns are priced."""
    if table is not None:
        return PORTFOLIO[:2]
    return PORTFOLIO if problem.welcome.size <= _SMALL else PORTFOLIO[:4]


def solve_rest(
    problem: Problem, order: Callable[[], Ints], settled: Ints, effort: Effort
) -> Solution:
    """Pack what is left when some pods have their nodes already; these count in what is found.

    :param settled: (N, T) pods.
    """
    if not settled.any():
        return solve(problem, order, effort)
    counts = problem.counts - settled.sum(axis=0)
    rest = replace(
        problem,
        counts=counts,
        free=np.maximum(problem.free - settled @ problem.demand, 0),
        busy=problem.busy | settled.any(axis=1),
    )
    found = solve(rest, lambda: _last_of(order(), counts), effort)
    filling = replace(found.filling, placed=found.filling.placed + settled)
    if found.bound is None:
        return replace(found, filling=filling)
    bound = volume_bound(problem, problem.welcome | problem.reluctant)
    return replace(found, filling=filling, bound=bound, bound_by="volume")


def _last_of(order: Ints, counts: Ints) -> Ints:
    """Leave out the first pods of each shape, so many that ``counts`` are left."""
    kept = []
    left = counts.tolist()
    for shape in order[::-1].tolist():
        if left[shape]:
            left[shape] -= 1
            kept.append(shape)
    return np.array(kept[::-1], dtype=np.int64)


def _judge(problem: Problem, best: Filling, bound: int, by: str, cut_off: str) -> Solution:
    """State a bound that also holds for placements on nodes with a PreferNoSchedule taint."""
    if problem.reluctant.any():
        bound, by = volume_bound(problem, problem.welcome | problem.reluctant), "volume"
    if best.opened(problem.busy) <= bound:
        return Solution(best, bound, by, "")
    return Solution(best, bound, by, cut_off or "search")


def _in_order(problem: Problem, order: Ints) -> Filling:
    """Place the longest beginning of the batch that fits at once, then what fits beside it.

    Why: whatever comes first must not wait for what comes later and happens to fit better. Shapes
    that no node has room for now are left out; they would hold up all others.
    """
    doors = problem.welcome | problem.reluctant
    fits = [
        bool((doors[:, t] & (problem.free >= request).all(axis=1)).any())
        for t, request in enumerate(problem.demand)
    ]
    queue = order[np.array(fits, dtype=bool)[order]]
    kept, least, most = _place_first(problem, queue, 0), 0, len(queue)
    for _ in range(_PREFIX_STEPS):
        middle = (least + most + 1) // 2
        if least == most:
            break
        tried = _place_first(problem, queue, middle)
        if tried.unplaced:
            most = middle - 1
        else:
            kept, least = tried, middle
    rest = replace(
        problem,
        counts=problem.counts - kept.placed.sum(axis=0),
        free=problem.free - kept.placed @ problem.demand,
        busy=problem.busy | kept.placed.any(axis=1),
        welcome=doors,
    )
    more = fill(rest, PORTFOLIO[0])
    return Filling(kept.placed + more.placed, more.left, kept.method)


def _place_first(problem: Problem, queue: Ints, count: int) -> Filling:
    counts = np.bincount(queue[:count], minlength=len(problem.counts)).astype(np.int64)
    part = replace(problem, counts=counts)
    return fill_rest(part, fill(part, PORTFOLIO[0]), PORTFOLIO[0])
