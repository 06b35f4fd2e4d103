"""Places a few pods on a few nodes by an integer program, so that the fewest idle nodes open."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from nightshift.domain.placement.pack_shapes import Bools, Floats, Ints, Problem


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to look for a better filling, in steps and not in seconds: so a plan never varies.

    :param cells: classes of nodes times patterns; more are not listed (100 MB, 50 ms a look).
    :param guessed_classes: of nodes, up to which patterns that are too many to list are guessed.
    :param climbs: steps up to the best bound.
    :param columns: of a linear program; larger ones are not solved.
    :param pricings: rounds of pricing patterns in.
    :param repairs: how often nodes are emptied again.
    :param variables: of an integer program; the nodes that it looks at are chosen by this.
    :param search_nodes: of the tree of an integer program.
    """

    cells: int = 6_000_000
    guessed_classes: int = 1_000
    climbs: int = 120
    columns: int = 30_000
    pricings: int = 20
    repairs: int = 4
    variables: int = 400
    search_nodes: int = 200


def place_exactly(problem: Problem, spare: int, effort: Effort) -> Ints | None:
    """Place every pod on busy nodes and at most ``spare`` idle ones, as few as can be.

    :returns: (N, T) pods; None if there is no such placement, or none was found.
    """
    rows = _candidates(problem, spare, effort.variables)
    shapes = np.flatnonzero(problem.counts)
    if spare < 0 or not len(shapes) or not len(rows):
        return None
    found = _search(problem, rows, shapes, effort)
    if found is None:
        return None
    placed = np.zeros((len(problem.free), len(problem.counts)), dtype=np.int64)
    placed[np.ix_(rows, shapes)] = found
    too_much = (placed @ problem.demand > problem.free).any()
    return None if too_much or (placed.sum(axis=0) != problem.counts).any() else placed


def _candidates(problem: Problem, spare: int, variables: int) -> Ints:
    """Choose busy nodes with most room and the largest idle nodes, so many that HiGHS can cope."""
    fits = np.all(problem.free[:, None, :] >= problem.demand, axis=2) & problem.welcome
    useful: Bools = np.any(fits & (problem.counts > 0), axis=1)
    room = (problem.free / np.maximum(problem.free.max(axis=0), 1)).sum(axis=1)
    order = np.argsort(-room, kind="stable")
    busy = order[useful[order] & problem.busy[order]]
    idle = order[useful[order] & ~problem.busy[order]][: max(spare, 0)]
    most = variables // max(int((problem.counts > 0).sum()), 1)
    return np.sort(np.concatenate([busy[: max(most - len(idle), 0)], idle[:most]]))


def _search(problem: Problem, rows: Ints, shapes: Ints, effort: Effort) -> Ints | None:
    """Solve: x pods of each shape on each node, y whether an idle node is opened."""
    nodes, kinds, resources = len(rows), len(shapes), problem.free.shape[1]
    unit = np.maximum(problem.free[rows].max(axis=0), 1).astype(float)
    demand, free = problem.demand[shapes] / unit, problem.free[rows] / unit
    idle = np.flatnonzero(~problem.busy[rows])
    opens = sparse.csr_matrix(
        (np.ones(len(idle)), (idle, np.arange(len(idle)))), shape=(nodes, len(idle))
    )
    rooms = sparse.diags_array(free.T.ravel()) @ sparse.kron(np.ones((resources, 1)), opens)
    each = sparse.eye_array(nodes)
    uses = sparse.vstack([sparse.kron(each, demand[:, [r]].T) for r in range(resources)])
    held = np.where(problem.busy[rows], free.T, 0.0).ravel()
    total = sparse.kron(np.ones((1, nodes)), sparse.eye_array(kinds))
    none = sparse.csr_matrix((kinds, len(idle)))
    counts = problem.counts[shapes].astype(float)
    answer = milp(
        np.concatenate([np.zeros(nodes * kinds), np.ones(len(idle))]),
        constraints=[
            LinearConstraint(sparse.hstack([uses, -rooms], "csr"), -np.inf, held),
            LinearConstraint(sparse.hstack([total, none], "csr"), counts, counts),
        ],
        integrality=np.ones(nodes * kinds + len(idle)),
        bounds=Bounds(0, np.concatenate([_most(problem, rows, shapes), np.ones(len(idle))])),
        options={"node_limit": effort.search_nodes},
    )
    if answer.x is None:
        return None
    return np.asarray(np.rint(answer.x[: nodes * kinds]).astype(np.int64).reshape(nodes, kinds))


def _most(problem: Problem, rows: Ints, shapes: Ints) -> Floats:
    asked = np.maximum(problem.demand[shapes], 1)
    each = np.where(problem.demand[shapes] > 0, problem.free[rows][:, None, :] // asked, 2**31)
    most = np.minimum(each.min(axis=2), problem.counts[shapes])
    return np.asarray((most * problem.welcome[np.ix_(rows, shapes)]).astype(float).ravel())
