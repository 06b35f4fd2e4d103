"""Placement against its rivals on a real kube-scheduler, with fake nodes.

    make bench-placement-kube ARGS="--nodes 500 --seeds 5"
    make bench-placement-kube ARGS="--drifts 0.15"

The target starts what this wants: an API server and a scheduler, and nothing else. Nodes are plain
objects marked Ready, pods on them never start; a controller manager would mark the nodes NotReady.
The scheduler has a second profile called ``most-allocated`` (scheduler.json); on one without it
that rival is left out (--no-most-allocated). **All nodes and the namespace are the benchmark's
own**: it refuses a cluster that has nodes already, and deletes its own at the end.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.placement.kube_arms import PATIENCE_SECONDS, KubeArm, list_arms, run_kube_arm
from bench.placement.kube_objects import (
    BATCH,
    NAMESPACE,
    clear,
    create_nodes,
    delete_pods,
    prepare,
)
from bench.placement.results import Record, table, worst
from bench.placement.workloads import MIXES, Workload, drift, make_batch, make_nodes
from nightshift.cluster.client import Cluster, connect
from nightshift.domain.placement.pack import PackStrategy
from nightshift.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; figures are written after every workload."""
    options = _options().parse_args(argv)
    settings = Settings.from_env({
        "NIGHTSHIFT_KUBECONFIG": str(options.kubeconfig), "NIGHTSHIFT_NAMESPACE": NAMESPACE,
    })  # fmt: skip
    cluster = connect(settings)
    options.out.mkdir(parents=True, exist_ok=True)
    records: list[Record] = []
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    try:
        prepare(cluster)
        for nodes, share, seed, mix in itertools.product(
            options.nodes, options.drifts, seeds, MIXES
        ):
            arms = [
                arm
                for arm in list_arms(nodes, share > 0, options.most_allocated)
                if not options.arms or arm.name in options.arms
            ]
            records += run_work(cluster, Workload(mix, nodes, seed), share, arms)
            document = {"worst": worst(records), "runs": [one.to_json() for one in records]}
            (options.out / "placement-kube.json").write_text(json.dumps(document, indent=1))
    finally:
        clear(cluster)
        cluster.close()
    text = "\n".join(_tables(records))
    (options.out / "placement-kube.md").write_text(text)
    print(text)
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.placement.kube", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--nodes", type=int, nargs="+", default=[90, 500], help="clusters")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--first-seed", type=int, default=1, help="to go on where a run ended")
    parser.add_argument(
        "--drifts", type=float, nargs="+", default=[0.0],
        help="parts of the nodes that lose room between planning and starting, as 0 0.15",
    )  # fmt: skip
    parser.add_argument("--arms", nargs="+", default=[], help="only these")
    parser.add_argument("--most-allocated", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, default=Path(".nightshift-bench"), help="a folder")
    return parser


def _tables(records: Sequence[Record]) -> Iterator[str]:
    for size, share in dict.fromkeys((record.work.nodes, record.drift) for record in records):
        mine = [one for one in records if (one.work.nodes, one.drift) == (size, share)]
        title = f"kube-scheduler, {size} nodes, drift {share:.0%}"
        yield table(mine, title, lambda record: str(record.work.mix))


def run_work(
    cluster: Cluster,
    work: Workload,
    share: float,
    arms: Sequence[KubeArm],
    patience: float = PATIENCE_SECONDS,
) -> list[Record]:
    """Run the arms on one cluster and one batch, one after the other.

    :param share: of the nodes, loses room between planning and starting.
    :param patience: as for ``run_kube_arm``.
    """
    before = make_nodes(work)
    now = drift(before, share, work.seed) if share else before
    batch = make_batch(work, before)
    packing = PackStrategy().plan(now, batch).packing
    bound = None if packing is None else packing.bound
    print(
        f"{work.nodes} nodes, {work.mix}, seed {work.seed}, drift {share:.0%}: "
        f"{len(batch)} pods, bound {bound}"
    )
    clear(cluster)
    create_nodes(cluster, now)
    records = []
    for arm in arms:
        begun = time.perf_counter()
        result = run_kube_arm(cluster, arm, before, now, batch, patience)
        records.append(Record("kube", work, share, result, bound))
        hits = "" if result.hits is None else f", hit {result.hits:.3f}"
        print(
            f"    {arm.name}: {result.opened} opened, {result.unplaced} without a node{hits}"
            f" ({time.perf_counter() - begun:.0f} s)",
            flush=True,
        )
        delete_pods(cluster, BATCH)
    return records


if __name__ == "__main__":
    sys.exit(main())
