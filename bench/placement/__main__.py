"""Placement against its rivals and its bound, in the simulator.

    make bench-placement            quick: 90 and 500 nodes, 2 seeds
    make bench-placement FULL=1     20 to 5,000 nodes, 5 seeds, more fills and drifts
    make bench-placement ARGS="--full --seeds 1 --nodes 3000"

Writes a Markdown table and, after every workload, all figures as JSON; prints as it goes.
"""

import argparse
import itertools
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.placement.arms import arms, run_arm
from bench.placement.exact import dual_bound
from bench.placement.openb import read_openb
from bench.placement.results import Record, table, worst
from bench.placement.workloads import MIXES, WEIRD, Mix, Workload, drift, make_batch, make_nodes
from nightshift.domain.nodes import Node
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.plans import ShardDemand

RIVALS = ("default", "MostAllocated", "ratio", "ratio-walk")
LEVELS = ("soft", "names", "nominate", "pool", "pool+nominate")
WALKED_TO = 1000
"""The ratio ranked again for each pod takes minutes on larger clusters."""
PROVEN_TO = 500
"""Up to so many nodes the bound is held against HiGHS alone."""
PROOF_SECONDS = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = _options().parse_args(argv)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    scale = measure_scale()  # first, as the peak of memory is the whole process's
    records: list[Record] = []
    for found in _run_all(options):
        records += found
        document = {"scale": scale, "worst": worst(records), "runs": [r.to_json() for r in records]}
        (out / "placement.json").write_text(json.dumps(document, indent=1))
    text = _report(records, scale)
    (out / "placement.md").write_text(text)
    print(text)
    print(f"written: {out / 'placement.md'}, {out / 'placement.json'}")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.placement", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all sizes; takes an hour or more")
    parser.add_argument("--seeds", type=int, default=0, help="how many; 2, or 5 with --full")
    parser.add_argument("--nodes", type=int, nargs="+", default=[], help="only these sizes")
    parser.add_argument("--openb", type=Path, help="the folder with openb's two CSV files")
    parser.add_argument("--out", type=Path, default=Path(".nightshift-bench"), help="a folder")
    return parser


def _run_all(options: argparse.Namespace) -> Iterator[list[Record]]:
    for group, work, share in _cases(options.full, options.seeds or (5 if options.full else 2)):
        if not options.nodes or work.nodes in options.nodes:
            yield run_case(group, work, share)
    if options.openb:
        nodes, batch = read_openb(options.openb)
        yield _run("openb", Workload(Mix.COMMON, len(nodes), 0), 0.0, nodes, nodes, batch)


def _cases(full: bool, seeds: int) -> Iterator[tuple[str, Workload, float]]:
    """List group, workload and drift, small ones first."""
    sizes = (20, 90, 300, 1000, 3000, 5000) if full else (90, 500)
    drifts = (0.0, 0.05, 0.15) if full else (0.0, 0.15)
    for nodes, mix, share, seed in itertools.product(sizes, MIXES, drifts, range(1, seeds + 1)):
        yield f"drift {share:.0%}", Workload(mix, nodes, seed), share
    if full:
        yield from (
            ("500 nodes", Workload(mix, 500, seed), share)
            for mix, share, seed in itertools.product(MIXES, drifts, range(1, seeds + 1))
        )
        for fill, mix, seed in itertools.product((0.3, 0.9), MIXES, range(1, seeds + 1)):
            yield f"fill {fill:.0%}", Workload(mix, 500, seed, fill=fill), 0.0
    for mix, seed in itertools.product((Mix.COMMON, *WEIRD), range(1, seeds + 1)):
        yield "weird ratios", Workload(mix, 500, seed), 0.0
    for mix, seed in itertools.product(MIXES, range(1, seeds + 1)):
        yield "three sizes of nodes", Workload(mix, 500, seed, sizes=3), 0.0


def run_case(group: str, work: Workload, share: float) -> list[Record]:
    """Run every arm that makes sense on one workload."""
    nodes = make_nodes(work)
    now = drift(nodes, share, work.seed) if share else nodes
    return _run(group, work, share, nodes, now, make_batch(work, nodes))


def _run(
    group: str,
    work: Workload,
    share: float,
    before: Sequence[Node],
    now: Sequence[Node],
    batch: Sequence[ShardDemand],
) -> list[Record]:
    packing = PackStrategy().plan(now, batch).packing
    bound = None if packing is None else packing.bound
    proven = None
    if len(now) <= PROVEN_TO and not share:
        proven = dual_bound(now, batch, PROOF_SECONDS)
    print(
        f"{group}: {len(now)} nodes, {work.mix}, seed {work.seed}: {len(batch)} pods, "
        f"bound {bound}, HiGHS alone {proven}",
        flush=True,
    )
    records = []
    for arm in arms(_arms(len(now), share)):
        begun = time.perf_counter()
        result = run_arm(arm, before, now, batch)
        records.append(Record(group, work, share, result, bound, proven))
        hits = "" if result.hits is None else f", hit {result.hits:.2f}"
        print(
            f"    {arm.name}: {result.opened} opened, {result.unplaced} without a node{hits}"
            f" ({time.perf_counter() - begun:.1f} s)",
            flush=True,
        )
    return records


def _arms(nodes: int, share: float) -> list[str]:
    names = [name for name in RIVALS if name != "ratio-walk" or nodes <= WALKED_TO]
    for level in LEVELS:
        names.append(f"pack {level}")
        if share:
            names.append(f"pack {level}, followed up")
    return names


def measure_scale() -> dict[str, float]:
    """Plan 100,000 pods of 20 sizes on 5,000 nodes: CPU seconds and the process's peak memory."""
    work = Workload(Mix.COMMON, 5000, 1, fill=0.6, shapes=20, largest=1 / 7)
    nodes = make_nodes(work)
    batch = make_batch(work, nodes)
    strategy = PackStrategy()
    strategy.plan(nodes[:50], batch[:50])  # imports are not what is measured
    begun = time.process_time()
    plan = strategy.plan(nodes, batch)
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    gap = 0.0 if plan.packing is None else plan.packing.gap or 0.0
    print(
        f"{len(batch)} pods on {work.nodes} nodes: {seconds:.1f} s, {peak:.0f} MiB, gap {gap:.3f}"
    )
    found = {"pods": len(batch), "nodes": work.nodes, "seconds": seconds, "peak_mib": peak}
    return {**found, "gap": gap}


def _report(records: Sequence[Record], scale: dict[str, float]) -> str:
    parts = [
        "Idle nodes opened, as a multiple of the least that any placement opens (median and "
        "quartiles). *hit*: pods on their planned node. *stuck*: pods left without a node.",
        "",
    ]
    for group in dict.fromkeys(record.group for record in records):
        mine = [record for record in records if record.group == group]
        sizes = {record.work.nodes for record in mine}
        if len(sizes) > 1:
            for size in sorted(sizes):
                some = [record for record in mine if record.work.nodes == size]
                parts.append(table(some, f"{group}, {size} nodes", lambda r: str(r.work.mix)))
        else:
            parts.append(table(mine, group, lambda r: str(r.work.mix)))
    parts.append(
        f"Planning {scale['pods']:,.0f} pods of 20 sizes on {scale['nodes']:,.0f} nodes: "
        f"{scale['seconds']:.1f} s of CPU, {scale['peak_mib']:.0f} MiB, gap {scale['gap']:.1%}."
    )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
