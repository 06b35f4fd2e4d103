"""Figures of many runs, and the tables made of them: medians and quartiles of ratios."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.placement.arms import Result
from bench.placement.workloads import Workload


@dataclass(frozen=True, slots=True)
class Record:
    """One arm on one workload.

    :param drift: the part of the nodes that lost room between planning and starting.
    :param bound: idle nodes that any placement opens on the cluster as the pods met it; None when
        not everything fits.
    :param proven: the same, by another way; None if it was not tried.
    """

    group: str
    work: Workload
    drift: float
    result: Result
    bound: int | None
    proven: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        work = asdict(self.work)
        bounds = {"bound": self.bound, "proven": self.proven}
        return {"group": self.group, **work, "drift": self.drift, **bounds, **asdict(self.result)}


def table(records: Sequence[Record], title: str, rows: Callable[[Record], str]) -> str:
    """Write a Markdown table: one line for each arm, one column for each value of ``rows``.

    A cell is the median of idle nodes opened to the bound, with its quartiles, and what is not as
    it should be: pods without a node, planned nodes missed.
    """
    columns = list(dict.fromkeys(rows(record) for record in records))
    names = list(dict.fromkeys(record.result.arm for record in records))
    lines = [
        f"### {title}",
        "",
        f"| arm | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in names:
        mine = [record for record in records if record.result.arm == name]
        cells = [_cell([record for record in mine if rows(record) == one]) for one in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(records: Sequence[Record]) -> str:
    ratios = [r.result.opened / r.bound for r in records if r.bound]
    if not ratios:
        return "-"
    low, middle, high = quartiles(ratios)
    text = f"{middle:.2f} ({low:.2f}-{high:.2f})" if high - low >= 0.005 else f"{middle:.2f}"
    hits = [r.result.hits for r in records if r.result.hits is not None]
    if hits:
        text += f", hit {statistics.median(hits):.2f}"
    unplaced = sum(r.result.unplaced for r in records)
    return f"{text}, {unplaced} stuck" if unplaced else text


def quartiles(values: Iterable[float]) -> tuple[float, float, float]:
    """Give the lower quartile, the median and the upper quartile; one value is all three."""
    listed = sorted(values)
    if len(listed) == 1:
        return listed[0], listed[0], listed[0]
    low, middle, high = statistics.quantiles(listed, n=4, method="inclusive")
    return low, middle, high


def worst(records: Sequence[Record]) -> dict[str, Any]:
    """Give the worst figures of each arm over all of its runs."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(record.result.arm for record in records):
        mine = [record for record in records if record.result.arm == name]
        hits = [r.result.hits for r in mine if r.result.hits is not None]
        found[name] = {
            "runs": len(mine),
            "opened_to_bound": max((r.result.opened / r.bound for r in mine if r.bound), default=0),
            "stuck": sum(r.result.unplaced for r in mine),
            "hits": min(hits, default=None),
            "plan_seconds": max(r.result.plan_seconds for r in mine),
            "bytes_a_pod": max(r.result.affinity_bytes / max(r.result.pods, 1) for r in mine),
            "calls_a_pod": max(r.result.calls / max(r.result.pods, 1) for r in mine),
        }
    return found
