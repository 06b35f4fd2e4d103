"""Equal nodes as one, and every pattern that could stand on a node.

A *class* is all nodes with equal room and equal doors: idle nodes of one machine type are one
class, each busy node is mostly its own. A *pattern* says how many pods of each shape stand on one
node. Patterns of all shapes but the smallest are listed once for all classes; how many of the
smallest still fit beside them follows by division, so that a table of classes by patterns gives
the best pattern of every class at once.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nightshift.domain.placement.pack_shapes import Bools, Floats, Ints, Problem

_WEIGHTS = np.array([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]])
"""Of CPU and memory, when patterns are guessed."""


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The nodes that could take a pod of the batch, equal ones together.

    :param free: (K, R) room of one node.
    :param doors: (K, T) which shapes it takes.
    :param busy: (K,) using it costs nothing.
    :param rows: the positions of its nodes in the problem, ascending.
    """

    free: Ints
    doors: Bools
    busy: Bools
    rows: tuple[Ints, ...]

    @property
    def sizes(self) -> Ints:
        """(K,) how many nodes each class has."""
        return np.array([len(rows) for rows in self.rows], dtype=np.int64)


def group_nodes(problem: Problem, doors: Bools) -> Classes:
    """Sort the useful nodes into classes; these are sorted by content, so always alike."""
    fits = problem.takes(doors) & (problem.counts > 0)
    useful = np.flatnonzero(fits.any(axis=1))
    facts = np.hstack([problem.busy[useful, None], problem.free[useful], fits[useful]])
    kinds, kind = np.unique(facts, axis=0, return_inverse=True)
    order = np.argsort(kind.reshape(-1), kind="stable")
    cuts = np.searchsorted(kind.reshape(-1)[order], np.arange(1, len(kinds)))
    resources = problem.free.shape[1]
    return Classes(
        free=kinds[:, 1 : resources + 1],
        doors=kinds[:, resources + 1 :].astype(bool),
        busy=kinds[:, 0].astype(bool),
        rows=tuple(np.split(useful[order], cuts)) if len(kinds) else (),
    )


class Prices(Protocol):
    """Finds a pattern for every class that is worth most, or nearly so."""

    is_exact: bool
    """Whether no pattern is worth more than the one found, so that bounds may be made of it."""

    def best(self, worth: Floats) -> tuple[Ints, Floats]:
        """Give each class a pattern, given what a pod of each shape is worth.

        :param worth: (T,) zero or more.
        :returns: (K, T) patterns and (K,) what they are worth; never below 0, as nothing is one.
        """
        ...


class GuessedPatterns:
    """Good patterns where there are too many to list them: densest shape first, in several ways.

    What a pod is worth is held against what it takes, with resources weighed in several ways; the
    first shape of each order is also tried with a pod less and two, which leaves room for others.
    """

    is_exact = False

    def __init__(self, problem: Problem, classes: Classes) -> None:
        self._problem = problem
        self._classes = classes
        scale = np.maximum(classes.free.max(axis=0, initial=1), 1)
        self._sizes = problem.demand / scale
        self._most = np.where(classes.doors, problem.counts, 0)

    def best(self, worth: Floats) -> tuple[Ints, Floats]:
        """Give each class a good pattern; see Prices."""
        found = np.zeros(self._classes.doors.shape, dtype=np.int64)
        values = np.zeros(len(found))
        for weights in _WEIGHTS:
            taken = (self._sizes[:, :2] @ weights) + self._sizes[:, 2:].sum(axis=1) * 0.1
            order = np.argsort(-worth / np.maximum(taken, 1e-12), kind="stable")
            for fewer in range(3):
                patterns = self._fill(order, fewer)
                totals = patterns @ worth
                better = totals > values + 1e-12
                found[better], values[better] = patterns[better], totals[better]
        return found, values

    def _fill(self, order: Ints, fewer: int) -> Ints:
        patterns = np.zeros_like(self._most)
        left = self._classes.free.copy()
        for place, shape in enumerate(order):
            request = self._problem.demand[shape]
            asked = request > 0
            count = np.minimum((left[:, asked] // request[asked]).min(axis=1), self._most[:, shape])
            count = np.maximum(count - (fewer if place == 0 else 0), 0)
            patterns[:, shape] = count
            left -= count[:, None] * request
        return patterns


class PatternTable:
    """The best pattern of every class, for any worth of pods."""

    is_exact = True

    def __init__(self, beginnings: Ints, last: Ints, smallest: int) -> None:
        self._beginnings = beginnings
        self._last = last
        self._smallest = smallest

    def best(self, worth: Floats) -> tuple[Ints, Floats]:
        """Give each class the pattern that is worth most; see Prices."""
        begun = self._beginnings @ worth
        totals = np.where(self._last >= 0, begun + worth[self._smallest] * self._last, -np.inf)
        picks = totals.argmax(axis=1)
        classes = np.arange(len(picks))
        patterns = self._beginnings[picks]
        patterns[:, self._smallest] = self._last[classes, picks]
        return patterns, totals[classes, picks]


def list_patterns(problem: Problem, classes: Classes, cells: int) -> PatternTable | None:
    """List every beginning of a pattern, and what fits beside it in each class.

    :param cells: classes times beginnings at most.
    :returns: None if there are more, or when there is nothing to place or nowhere to place it.
    """
    shapes, nodes = len(problem.counts), len(classes.rows)
    if not shapes or not nodes:
        return None
    largest = classes.free.max(axis=0)
    most = np.minimum(_how_many(largest[None, :], problem.demand).min(axis=0), problem.counts)
    smallest = int(most.argmax())
    beginnings = _begin(problem.demand, most, smallest, largest, cells // nodes)
    if beginnings is None:
        return None
    last = np.empty((nodes, len(beginnings)), dtype=np.int64)
    taken = beginnings @ problem.demand
    for k in range(nodes):
        left = classes.free[k] - taken
        fits = (left >= 0).all(axis=1) & ~(beginnings[:, ~classes.doors[k]] > 0).any(axis=1)
        more = np.minimum(_how_many(left, problem.demand[[smallest]])[:, 0], most[smallest])
        last[k] = np.where(fits, more * classes.doors[k, smallest], -1)
    return PatternTable(beginnings, last, smallest)


def _how_many(rooms: Ints, demand: Ints) -> Ints:
    """(rooms, shapes) how many pods of a shape alone a room takes."""
    asked = np.maximum(demand, 1)
    each = np.where(demand[None] > 0, rooms[:, None, :] // asked[None], np.iinfo(np.int64).max)
    return np.asarray(each.min(axis=2))


def _begin(demand: Ints, most: Ints, smallest: int, room: Ints, limit: int) -> Ints | None:
    """List what the largest node takes of all shapes but the smallest; None if over limit."""
    found = np.zeros((1, len(demand)), dtype=np.int64)
    for shape in np.argsort(most, kind="stable"):
        if shape == smallest:
            continue
        left = room - found @ demand
        counts = np.minimum(_how_many(left, demand[[shape]])[:, 0], most[shape]) + 1
        if counts.sum() > limit:
            return None
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        found = np.repeat(found, counts, axis=0)
        found[:, shape] = np.arange(len(found)) - starts
    return found
