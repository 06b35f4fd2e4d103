"""Which nodes a picture shows one by one, and how it sums the others up.

Nobody reads 5,000 bars. Shown are the nodes that the plan uses, most used first, as long as there
is room, then closed nodes; all others are groups of one kind, with their mean use.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from nightshift.domain.steering.usage import NodeUse

MOST_ROWS = 40
MOST_COLUMNS = 200
RESOURCES = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Row:
    """One bar a resource: a node, or the mean of a group.

    :param label: the node's name, or what the group is.
    :param used: share of allocatable before the plan, by resource; may exceed 1.
    :param planned: what the plan adds to it.
    :param nodes: how many nodes it stands for.
    :param is_group: it is a mean, even if of one node.
    """

    label: str
    used: tuple[float, float]
    planned: tuple[float, float]
    shards: int
    reason: str
    nodes: int = 1
    is_group: bool = False

    @property
    def why(self) -> str:
        """The reason, led by how many pods it gets unless the reason says so itself."""
        pods = f"{self.shards} pod{'s' if self.shards != 1 else ''}"
        return (
            f"gets {pods}; {self.reason}"
            if self.shards and pods not in self.reason
            else self.reason
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A slice of the whole cluster, its nodes sorted by use: shares before and added, 0 to 1."""

    used: float
    planned: float


def choose_rows(uses: Sequence[NodeUse], most: int = MOST_ROWS) -> tuple[Row, ...]:
    """Choose what to show: every node if there are few, else some nodes and groups of the rest."""
    if len(uses) <= most:
        return tuple(_row(use) for use in uses)
    planned = sorted((use for use in uses if use.shards), key=lambda u: (-_load(u), u.name))
    rows = [_row(use) for use in planned[:most]]
    shown = {use.name for use in planned[:most]}
    groups: dict[str, list[NodeUse]] = {}
    for use in uses:
        if use.name not in shown:
            groups.setdefault(_kind(use), []).append(use)
    return (*rows, *(_group(kind, members) for kind, members in sorted(groups.items())))


def slice_cluster(
    uses: Sequence[NodeUse], resource: str, most: int = MOST_COLUMNS
) -> tuple[Column, ...]:
    """Sum the whole cluster up: nodes by what is used after the plan, most first, in slices."""
    index = RESOURCES.index(resource)
    shares = sorted(
        ((row.used[index], row.planned[index]) for row in map(_row, uses)),
        key=lambda pair: (-(pair[0] + pair[1]), -pair[0]),
    )
    count = min(most, len(shares))
    bounds = [round(i * len(shares) / count) for i in range(count + 1)] if count else [0]
    slices = [shares[a:b] for a, b in itertools.pairwise(bounds)]
    return tuple(Column(fmean(u for u, _ in part), fmean(p for _, p in part)) for part in slices)


def _row(use: NodeUse) -> Row:
    return Row(
        label=use.name,
        used=(use.share("cpu", use.used), use.share("memory", use.used)),
        planned=(use.share("cpu", use.planned), use.share("memory", use.planned)),
        shards=use.shards,
        reason=use.reason,
    )


def _group(kind: str, members: Sequence[NodeUse]) -> Row:
    rows = [_row(use) for use in members]
    return Row(
        label=f"{len(rows):,} node{'s' if len(rows) != 1 else ''}",
        used=(fmean(row.used[0] for row in rows), fmean(row.used[1] for row in rows)),
        planned=(fmean(row.planned[0] for row in rows), fmean(row.planned[1] for row in rows)),
        shards=sum(row.shards for row in rows),
        reason=f"{kind.partition(' ')[2]} (mean)",
        nodes=len(rows),
        is_group=True,
    )


def _kind(use: NodeUse) -> str:
    """Name a node's group; the digit sorts the groups."""
    if use.shards:
        return "1 planned like the ones above"
    if not use.candidate:
        return f"4 no candidates: {_short(use.reason)}"
    return "2 stay as they are: they hold others' pods" if use.busy else "3 stay empty of new pods"


def _short(reason: str) -> str:
    """Keep the words that reasons of one kind share: no amounts, no names."""
    return reason.partition(" (")[0].partition(":")[0].strip() or reason


def _load(use: NodeUse) -> float:
    row = _row(use)
    return max(u + p for u, p in zip(row.used, row.planned, strict=True))
