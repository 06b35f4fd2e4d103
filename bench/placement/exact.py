"""The optimum by a second way: one integer program over all nodes, solved by HiGHS alone.

Shares nothing with the planner but the reading of nodes and pods, so that the planner's bound can
be held against it: idle nodes of one class by the maximal patterns, busy ones pod by pod.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from nightshift.domain.nodes import Node
from nightshift.domain.placement.pack_shapes import Ints, Problem, build_problem, group_shapes
from nightshift.domain.placement.plans import ShardDemand


def dual_bound(nodes: Sequence[Node], batch: Sequence[ShardDemand], seconds: float) -> int | None:
    """Prove how many idle nodes any placement opens at least; None if there are too many patterns.

    :param seconds: for the search; the bound is true whenever it ends.
    """
    problem = build_problem(nodes, group_shapes(batch))
    idle = [i for i in range(len(nodes)) if not problem.busy[i]]
    kinds, sizes = np.unique(problem.free[idle], axis=0, return_counts=True)
    patterns = [_maximal(problem, kind) for kind in kinds]
    if any(one is None for one in patterns):
        return None
    known = [one for one in patterns if one is not None]
    return _solve(problem, known, sizes, seconds)


def _solve(problem: Problem, patterns: Sequence[Ints], sizes: Ints, seconds: float) -> int | None:
    shapes, resources = problem.demand.shape
    busy = np.flatnonzero(problem.busy & (problem.free >= problem.demand.min(axis=0)).all(axis=1))
    unit = np.maximum(problem.free.max(axis=0), 1).astype(float)
    every = np.vstack(patterns)
    owner = np.repeat(np.arange(len(patterns)), [len(one) for one in patterns])
    each = sparse.eye_array(len(busy))
    placed = sparse.hstack([
        sparse.kron(np.ones((1, len(busy))), sparse.eye_array(shapes)),
        sparse.csr_matrix(every.T),
    ])
    rooms = sparse.hstack([
        sparse.kron(each, (problem.demand / unit).T),
        sparse.csr_matrix((len(busy) * resources, len(every))),
    ])
    members = sparse.hstack([
        sparse.csr_matrix((len(sizes), len(busy) * shapes)),
        sparse.csr_matrix(np.arange(len(sizes))[:, None] == owner),
    ])
    variables = len(busy) * shapes + len(every)
    answer = milp(
        np.concatenate([np.zeros(len(busy) * shapes), np.ones(len(every))]),
        constraints=[
            LinearConstraint(placed, problem.counts, np.inf),
            LinearConstraint(rooms, -np.inf, (problem.free[busy] / unit).ravel()),
            LinearConstraint(members, -np.inf, sizes),
        ],
        integrality=np.ones(variables),
        bounds=Bounds(0, np.inf),
        options={"time_limit": seconds, "mip_rel_gap": 1e-4},
    )
    bound = answer.mip_dual_bound
    return None if bound is None else max(0, math.ceil(bound - 1e-6))


def _maximal(problem: Problem, room: Ints, limit: int = 3000) -> Ints | None:
    """List the patterns to which nothing can be added; None if more than ``limit`` are met."""
    found: list[list[int]] = []
    demand, counts = problem.demand.tolist(), problem.counts.tolist()

    def extend(shape: int, left: list[int], pattern: list[int]) -> None:
        if len(found) > limit:
            return
        fits = [have // need for have, need in zip(left, demand[shape], strict=True) if need > 0]
        most = min(min(fits), counts[shape])
        last = shape == len(demand) - 1
        for count in range(most, most - 1 if last else -1, -1):
            rest = [a - count * b for a, b in zip(left, demand[shape], strict=True)]
            if last:
                found.append([*pattern, count])
            else:
                extend(shape + 1, rest, [*pattern, count])

    extend(0, room.tolist(), [])
    if len(found) > limit:
        return None
    listed = np.array(found, dtype=np.int64)
    left = room - listed @ problem.demand
    more = [
        (left >= request).all(axis=1) & (listed[:, t] < counts[t])
        for t, request in enumerate(problem.demand)
    ]
    return np.asarray(listed[~np.any(more, axis=0)])
