"""Batches larger than the cluster: what order and brake do to the night's end and to the waits.

    make bench-waves                100 nodes, batches of 1 to 8 times the free room, 5 seeds
    make bench-waves ARGS="--nodes 300 --seeds 3"

Pods end after a time of their own, from seconds to half an hour, and others get the room at once.
They are created in the planner's order, all together or held back by the pending brake; of those
that wait the oldest comes first, and a kind that has no room lets others pass. Durations are known,
or predicted from three earlier nights. The scheduler is the simulator's, with the default profile.
"""

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bench.placement.results import quartiles
from bench.placement.wavenights import run_night
from bench.placement.workloads import MIXES, Workload, make_batch, make_nodes
from nightshift.domain.nodes import Node
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.waves import (
    WaveOrder,
    makespan_bound,
    order_batch,
    predict_seconds,
    usable_capacity,
)
from nightshift.domain.steering.brake import PendingBrake

FILLS = (1.0, 2.0, 4.0, 8.0)
_NIGHTS = 3
_NOISE = 0.3
"""Of the natural logarithm of a duration, from one night to the next."""
_SMALL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Way:
    """How a batch is run.

    :param known: the order is made with the true durations, else with predicted ones.
    :param braked: pods are held back while too many wait.
    :param accounts: that share the batch in turns; the second has its last tenth.
    """

    order: WaveOrder
    known: bool = True
    braked: bool = True
    accounts: int = 1

    def __str__(self) -> str:
        """Name it in a table."""
        how = "known" if self.known else "predicted"
        turns = ", accounts in turns" if self.accounts > 1 else ""
        return f"{self.order}, {how}{turns}{'' if self.braked else ', all at once'}"


WAYS = tuple(
    way
    for order in WaveOrder
    for way in (
        Way(order, braked=False),
        Way(order),
        Way(order, known=False),
        Way(order, known=False, accounts=2),
    )
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went.

    :param makespan: until the last pod ended, in parts of what no order can beat.
    :param mean_wait: of a pod until it starts, in the same parts; so are the other waits.
    :param small_end: until the last pod of the batch's last tenth ended, in parts of the night.
    """

    work: Workload
    way: Way
    pods: int
    makespan: float
    mean_wait: float
    wait_p50: float
    wait_p95: float
    small_end: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = _options().parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for fill, mix, seed in itertools.product(FILLS, MIXES, range(1, options.seeds + 1)):
        outcomes += run_work(Workload(mix, options.nodes, seed, fill=fill))
        print(f"{fill:g} times the room, {mix}, seed {seed}: {outcomes[-1].pods} pods", flush=True)
        document = [asdict(one) for one in outcomes]
        (options.out / "waves.json").write_text(json.dumps(document, indent=1))
    text = "\n".join(_tables(outcomes))
    (options.out / "waves.md").write_text(text)
    print(text)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.placement.waves", description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--out", type=Path, default=Path(".nightshift-bench"), help="a folder")
    return parser


def run_work(work: Workload, ways: Sequence[Way] = WAYS) -> list[Outcome]:
    """Run one batch in several ways; pods take the same time in each."""
    nodes = make_nodes(work)
    batch = make_batch(work, nodes)
    chance = np.random.default_rng([work.seed, work.nodes, 4])
    true = np.clip(chance.lognormal(np.log(120), 1.0, len(batch)), 10, 1800)
    past = true[:, None] * chance.lognormal(0, _NOISE, (len(batch), _NIGHTS))
    batch = [replace(d, expected_seconds=t) for d, t in zip(batch, true.tolist(), strict=True)]
    found = []
    for way in ways:
        seconds = true if way.known else [predict_seconds(row, 0) for row in past.tolist()]
        small = _first_of_small(batch) if way.accounts > 1 else len(batch)
        told = [
            replace(d, expected_seconds=float(s), account="small" if i >= small else "large")
            for i, (d, s) in enumerate(zip(batch, seconds, strict=True))
        ]
        order = order_batch(told, usable_capacity(nodes), way.order)
        starts = run_night(nodes, batch, order, PendingBrake() if way.braked else None)
        found.append(_sum_up(work, way, nodes, batch, starts))
    return found


def _first_of_small(batch: Sequence[ShardDemand]) -> int:
    return round(len(batch) * (1 - _SMALL_SHARE))


def _sum_up(
    work: Workload,
    way: Way,
    nodes: Sequence[Node],
    batch: Sequence[ShardDemand],
    starts: Sequence[float],
) -> Outcome:
    bound = makespan_bound(batch, usable_capacity(nodes))
    ends = [start + pod.expected_seconds for start, pod in zip(starts, batch, strict=True)]
    waits = sorted(start / bound for start in starts)
    return Outcome(
        work=work,
        way=way,
        pods=len(batch),
        makespan=max(ends) / bound,
        mean_wait=statistics.fmean(waits),
        wait_p50=waits[len(waits) // 2],
        wait_p95=waits[int(len(waits) * 0.95)],
        small_end=max(ends[_first_of_small(batch) :]) / max(ends),
    )


def _tables(outcomes: Sequence[Outcome]) -> Iterator[str]:
    fills = list(dict.fromkeys(one.work.fill for one in outcomes))
    titles = {
        "makespan": "End of the night, in parts of what no order can beat",
        "mean_wait": "Mean wait of a pod, in the same parts",
        "wait_p95": "Wait that one pod in twenty exceeds, in the same parts",
        "small_end": "End of the batch's last tenth, in parts of the night",
    }
    for name, title in titles.items():
        yield f"### {title}\n\n| order | {' | '.join(f'{fill:g} x' for fill in fills)} |"
        yield "|---" * (len(fills) + 1) + "|"
        for way in dict.fromkeys(one.way for one in outcomes):
            cells = []
            for fill in fills:
                mine = [o for o in outcomes if o.way == way and o.work.fill == fill]
                low, middle, high = quartiles(getattr(one, name) for one in mine)
                cells.append(f"{middle:.2f} ({low:.2f}-{high:.2f})")
            yield f"| {way} | {' | '.join(cells)} |"
        yield ""


if __name__ == "__main__":
    sys.exit(main())
