"""How many idle nodes any placement must open: bounds that hold whatever the scheduler does.

``volume`` adds rooms up, resource by resource, and needs no time. ``relaxation`` lets patterns be
used in parts (the configuration LP of Gilmore and Gomory, A linear programming approach to the
cutting-stock problem, 1961). Its dual asks what a pod of each shape is worth: any worth gives a
bound, the best worth gives the best one. It has one variable a shape, so it is climbed by cutting
planes (Kelley 1960), queried half-way to the best point so far (in-out: Ben-Ameur and Neto 2007).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from nightshift.domain.placement.pack_classes import Classes, Prices
from nightshift.domain.placement.pack_shapes import Bools, Floats, Ints, Problem

_MARGIN = 1e-6
"""Bounds are rounded up to whole nodes only above this, for what floats lose."""
_APART = 24
"""So many idle classes at most are priced one by one; the rest counts in one sum."""


def volume_bound(problem: Problem, doors: Bools) -> int:
    """Give the least number of idle nodes whose rooms, with those of busy nodes, hold the batch.

    Rooms are added up for each resource alone, over nodes that could take any pod at all.
    """
    fits = (problem.takes(doors) & (problem.counts > 0)).any(axis=1)
    asked = problem.counts @ problem.demand
    short = asked - problem.free[fits & problem.busy].sum(axis=0)
    idle = -np.sort(-problem.free[fits & ~problem.busy], axis=0)
    held = np.cumsum(idle, axis=0)
    needed = [
        int(np.searchsorted(held[:, r], short[r])) + 1 for r in range(len(short)) if short[r] > 0
    ]
    return min(max(needed, default=0), len(idle))


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """What the relaxation found.

    :param bound: no placement opens fewer idle nodes.
    :param converged: the bound is as good as this relaxation gets.
    :param patterns: (K,) lists of patterns worth a look, (.., T) each.
    """

    bound: int
    converged: bool
    patterns: tuple[Ints, ...]


def relax(problem: Problem, classes: Classes, prices: Prices, goal: int, climbs: int) -> Relaxation:
    """Bound the number of idle nodes from below, and collect the patterns that mattered.

    :param goal: idle nodes of the best filling known; a bound that reaches it ends the search.
    :param climbs: steps at most.
    """
    climb = _Climb(problem, classes, prices)
    converged = False
    while not converged and climb.rounds < climbs:
        ceiling = climb.step()
        reached = _whole(climb.best)
        converged = reached >= min(goal, _whole(ceiling)) or ceiling - climb.best < _MARGIN
    return Relaxation(_whole(climb.best), converged, climb.patterns())


def _whole(nodes: float) -> int:
    return max(0, math.ceil(nodes - _MARGIN))


class _Climb:
    """The dual: max n.y - sum of what patterns are worth beyond their cost, over worths y >= 0.

    Idle classes with many nodes are cut one by one (y.a <= 1 + w_k, at a price of m_k w_k); all
    other classes share one variable, their worth in all.
    """

    def __init__(self, problem: Problem, classes: Classes, prices: Prices) -> None:
        self._counts = problem.counts.astype(float)
        self._cost = (~classes.busy).astype(float)
        self._sizes = classes.sizes
        self._prices = prices
        idle = np.flatnonzero(~classes.busy)
        by_size = idle[np.argsort(-self._sizes[idle], kind="stable")]
        self._apart = np.sort(by_size[:_APART])
        self._rest = np.setdiff1d(np.arange(len(self._sizes)), self._apart)
        self._cuts: list[Floats] = []
        self._limits: list[float] = []
        self._seen: list[set[bytes]] = [set() for _ in self._sizes]
        self.best = 0.0
        self.rounds = 0
        self._at = self._first_worth(problem, classes)
        self._query(self._at)

    def step(self) -> float:
        """Go one step up; return what the best worth could give at most."""
        self.rounds += 1
        worth, ceiling = self._look_ahead()
        self._query((worth + self._at) / 2 if self.rounds % 4 else worth)
        return ceiling

    def patterns(self) -> tuple[Ints, ...]:
        """Give the patterns that were best of their class at some worth, sorted."""
        shapes = len(self._counts)
        return tuple(
            np.array(
                [np.frombuffer(one, dtype=np.int64) for one in sorted(seen)], dtype=np.int64
            ).reshape(-1, shapes)
            for seen in self._seen
        )

    def _first_worth(self, problem: Problem, classes: Classes) -> Floats:
        """Start with a pod worth its part of an idle node, in the scarcest resource."""
        idle = classes.free[~classes.busy]
        if not len(idle):
            return np.zeros(len(self._counts))
        asked = problem.counts @ problem.demand
        room = (classes.free * self._sizes[:, None]).sum(axis=0)
        scarce = int((asked / np.maximum(room, 1)).argmax())
        return np.asarray(problem.demand[:, scarce] / max(int(idle[:, scarce].max()), 1))

    def _query(self, worth: Floats) -> None:
        """Price every class at this worth: gives a bound, patterns, and cuts for the next look."""
        patterns, values = self._prices.best(worth)
        for k, pattern in enumerate(patterns):
            self._seen[k].add(pattern.tobytes())
        most = float(values[self._apart].max(initial=0.0))
        for scale in {1.0, 1.0 / max(most, 1.0)}:  # scaled down, no class is worth its cost
            gains = np.maximum(values * scale - self._cost, 0.0)
            bound = float(self._counts @ worth * scale - gains @ self._sizes)
            if bound > self.best:
                self.best, self._at = bound, worth * scale
        self._add_cuts(patterns, values)

    def _add_cuts(self, patterns: Ints, values: Floats) -> None:
        shapes = len(self._counts)
        width = shapes + len(self._apart) + 1
        for place, k in enumerate(self._apart):
            cut = np.zeros(width)
            cut[:shapes] = patterns[k]
            cut[shapes + place] = -1.0
            self._cuts.append(cut)
            self._limits.append(1.0)
        used = self._rest[values[self._rest] > self._cost[self._rest]]
        cut = np.zeros(width)
        cut[:shapes] = self._sizes[used] @ patterns[used]
        cut[-1] = -1.0
        self._cuts.append(cut)
        self._limits.append(float(self._sizes[used] @ self._cost[used]))

    def _look_ahead(self) -> tuple[Floats, float]:
        """Find the worth that is best as far as the cuts tell."""
        prices = np.concatenate([-self._counts, self._sizes[self._apart], [1.0]])
        alone = [(0.0, 1.0)] * len(self._counts)  # a pod is worth no more than a node for itself
        bounds = alone + [(0.0, None)] * (len(self._apart) + 1)
        answer = linprog(prices, np.array(self._cuts), np.array(self._limits), bounds=bounds)
        return np.asarray(answer.x[: len(self._counts)]), -float(answer.fun)
