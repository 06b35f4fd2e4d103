"""Makes a good filling better: whole patterns first, then the few pods that are left, exactly.

The relaxation may use patterns in parts, but at a vertex hardly more patterns are broken than there
are shapes. So: solve it over the patterns that mattered, keep what is whole, and place the rest, a
handful of pods on a handful of nodes, with the portfolio and with an integer program (HiGHS,
through ``scipy.optimize.milp``). If that is not the optimum yet, some more nodes are emptied again
and the rest, now larger, gets another try.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from nightshift.domain.placement.pack_bounds import Relaxation
from nightshift.domain.placement.pack_classes import Classes, Prices
from nightshift.domain.placement.pack_exact import Effort, place_exactly
from nightshift.domain.placement.pack_fill import Filling, best_of, fill_best
from nightshift.domain.placement.pack_shapes import Bools, Floats, Ints, Problem

METHOD = "patterns"
_WHOLE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Patterns, and the class that each belongs to."""

    patterns: Ints
    owner: Ints


def polish(
    problem: Problem,
    classes: Classes,
    prices: Prices,
    relaxed: Relaxation,
    known: Sequence[Filling],
    effort: Effort,
) -> Filling:
    """Look for a filling that opens fewer idle nodes than any known one; give the best of all.

    :param prices: finds patterns to price in.
    :param known: fillings, of which the best places every pod.
    """
    best = best_of(known, problem.busy)
    columns = _collect(classes, relaxed, known)
    parts = _solve(problem, classes, prices, columns, relaxed.bound, effort)
    if parts is None:
        return best
    columns, amounts = parts
    placed = _put_whole(problem, classes, columns, np.floor(amounts + _WHOLE).astype(np.int64))
    for attempt in range(effort.repairs + 1 if prices.is_exact else 1):
        found = _finish(problem, placed, relaxed.bound, best, effort)
        if found.score(problem.busy) < best.score(problem.busy):
            best = found
        if best.opened(problem.busy) <= relaxed.bound:
            break
        placed = _empty_some(problem, placed, 1 + attempt)
    return best


def _collect(classes: Classes, relaxed: Relaxation, known: Sequence[Filling]) -> _Columns:
    """Put together the patterns that mattered and those of fillings."""
    patterns, owner = [], []
    for k, rows in enumerate(classes.rows):
        used = {row.tobytes() for filling in known for row in filling.placed[rows]}
        both = used | {row.tobytes() for row in relaxed.patterns[k]}
        patterns += sorted(both)
        owner += [k] * len(both)
    shapes = relaxed.patterns[0].shape[1]
    found = np.frombuffer(b"".join(patterns), dtype=np.int64).reshape(-1, shapes)
    something = found.any(axis=1)
    return _Columns(found[something], np.array(owner, dtype=np.int64)[something])


def _solve(
    problem: Problem,
    classes: Classes,
    prices: Prices,
    columns: _Columns,
    bound: int,
    effort: Effort,
) -> tuple[_Columns, Floats] | None:
    """Solve the relaxation over the columns; price in more of them while that lowers its value."""
    amounts: Floats | None = None
    for _ in range(effort.pricings):
        if len(columns.owner) > effort.columns:
            break
        answer = _linear(problem, classes, columns)
        if answer is None:
            break
        amounts, value, worth, price = answer
        if value <= bound + _WHOLE:
            break
        patterns, values = prices.best(worth)
        better = np.flatnonzero(values > (~classes.busy) + price + _WHOLE)
        if not len(better):
            break
        known = len(columns.owner)
        columns = _Columns(
            np.vstack([columns.patterns, patterns[better]]), np.append(columns.owner, better)
        )
        amounts = np.append(amounts, np.zeros(len(columns.owner) - known))
    return None if amounts is None else (columns, amounts)


def _linear(
    problem: Problem, classes: Classes, columns: _Columns
) -> tuple[Floats, float, Floats, Floats] | None:
    """Give amounts, value, the worth of a pod of each shape and the price of a node of a class."""
    count, shapes = len(columns.owner), len(problem.counts)
    cost = (~classes.busy)[columns.owner].astype(float)
    members = sparse.csr_matrix(
        (np.ones(count), (columns.owner, np.arange(count))), shape=(len(classes.rows), count)
    )
    rows = sparse.vstack([sparse.csr_matrix(-columns.patterns.T.astype(float)), members], "csr")
    limits = np.concatenate([-problem.counts, classes.sizes])
    answer = linprog(cost, rows, limits, method="highs-ds")
    if answer.status != 0:
        return None
    duals = -np.asarray(answer.ineqlin.marginals)
    return np.asarray(answer.x), float(answer.fun), duals[:shapes], duals[shapes:]


def _put_whole(problem: Problem, classes: Classes, columns: _Columns, whole: Ints) -> Ints:
    """Give nodes the patterns that are whole; pods that patterns hold too many of are left out."""
    placed = np.zeros((len(problem.free), len(problem.counts)), dtype=np.int64)
    for k, rows in enumerate(classes.rows):
        mine = np.flatnonzero((columns.owner == k) & (whole > 0))
        patterns = np.repeat(columns.patterns[mine], whole[mine], axis=0)[: len(rows)]
        placed[rows[: len(patterns)]] = patterns
    before = np.cumsum(placed, axis=0) - placed
    return np.asarray(np.clip(problem.counts - before, 0, placed))


def _finish(problem: Problem, placed: Ints, bound: int, best: Filling, effort: Effort) -> Filling:
    """Place what is left, on nodes in use and on as few others as can be."""
    in_use = placed.any(axis=1)
    begun = int((in_use & ~problem.busy).sum())
    rest = replace(
        problem,
        counts=problem.counts - placed.sum(axis=0),
        free=problem.free - placed @ problem.demand,
        busy=problem.busy | in_use,
    )
    greedy = fill_best(rest, at_least=max(bound - begun, 0))
    found = Filling(placed + greedy.placed, greedy.left, METHOD)
    if found.unplaced == 0 and found.opened(problem.busy) <= bound:
        return found
    spare = min(best.opened(problem.busy), _opened_or_all(found, problem.busy)) - begun - 1
    exact = place_exactly(rest, spare, effort)
    return found if exact is None else Filling(placed + exact, rest.counts * 0, METHOD)


def _opened_or_all(found: Filling, busy: Bools) -> int:
    return len(busy) if found.unplaced else found.opened(busy)


def _empty_some(problem: Problem, placed: Ints, count: int) -> Ints:
    """Empty the nodes whose patterns waste most: ``count`` busy ones and as many idle ones."""
    left = (problem.free - placed @ problem.demand) / np.maximum(problem.free, 1)
    waste = np.where(placed.any(axis=1), left.min(axis=1), -1.0)
    emptied = placed.copy()
    for side in (problem.busy, ~problem.busy):
        order = np.argsort(-np.where(side, waste, -1.0), kind="stable")[:count]
        emptied[order] = 0
    return emptied
