"""Clusters and batches to be placed: made from a seed, the same on every machine.

A cluster is some nodes of one size or of three, a part of them busy with pods of others. A batch is
pods of a few sizes that ask for a given part of what is free. ``drift`` is what happens between
planning and starting: some nodes lose much of their room.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.affinity import HOSTNAME_LABEL
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.resources import Resources

MIB = 1024**2
GIB = 1024**3
DAEMONS = Resources(200, GIB // 2)
"""What the cluster's own agents take on every node."""
BYTES_PER_CORE = 4_000_000_000
"""Memory of a common node for each core; see the ratio method."""


class Mix(StrEnum):
    """What a batch is heavy in: the ratio of CPU to memory, 1 is a common node."""

    MEMORY = "memory-heavy"  # 0.3
    COMMON = "common"  # 1
    CPU = "cpu-heavy"  # 4.5
    BIMODAL = "bimodal"  # half 0.25 and half 4, which is 1 in all
    EXTREME_MEMORY = "ratio 0.05"
    EXTREME_CPU = "ratio 20"
    EXTREME_BOTH = "half 0.05, half 20"


MIXES = (Mix.MEMORY, Mix.COMMON, Mix.CPU, Mix.BIMODAL)
WEIRD = (Mix.EXTREME_MEMORY, Mix.EXTREME_CPU, Mix.EXTREME_BOTH)
_RATIOS: dict[Mix, tuple[float, ...]] = {
    Mix.MEMORY: (0.3,),
    Mix.COMMON: (1.0,),
    Mix.CPU: (4.5,),
    Mix.BIMODAL: (0.25, 4.0),
    Mix.EXTREME_MEMORY: (0.05,),
    Mix.EXTREME_CPU: (20.0,),
    Mix.EXTREME_BOTH: (0.05, 20.0),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """One cluster and one batch.

    :param fill: what the batch asks for, as a part of what is free of its scarcest resource.
    :param busy: which part of the nodes holds pods of others.
    :param sizes: how many sizes of nodes there are, 1 or 3.
    :param shapes: how many sizes of pods there are.
    :param largest: of a node is the largest pod, in the resource that it is heavy in; the smallest
        is a sixteenth of that.
    """

    mix: Mix
    nodes: int
    seed: int
    fill: float = 0.5
    busy: float = 0.3
    sizes: int = 1
    shapes: int = 4
    largest: float = 1 / 3


_SIZES = ((16, 64), (8, 32), (32, 128))  # cores, GiB


def make_nodes(work: Workload) -> list[Node]:
    """Make the cluster before the batch."""
    chance = np.random.default_rng([work.seed, work.nodes, 1])
    busy = set(chance.permutation(work.nodes)[: round(work.nodes * work.busy)].tolist())
    return [_node(number, number in busy, work.sizes, chance) for number in range(work.nodes)]


def _node(number: int, busy: bool, sizes: int, chance: np.random.Generator) -> Node:
    cores, gib = _SIZES[int(chance.integers(sizes))]
    room = Resources(cores * 1000 - 200, (gib - 4) * GIB)  # less what is kept for the system
    used = chance.uniform(0.2, 0.9, 2)
    others = Resources(
        int(room.cpu_millis * used[0]) // 50 * 50, int(room.memory_bytes * used[1]) // MIB * MIB
    )
    return Node(
        name=NodeName(f"node-{number:05d}"),
        allocatable=room,
        requested=DAEMONS + (others if busy else Resources()),
        pods=2 + (int(chance.integers(3, 30)) if busy else 0),
        labels={HOSTNAME_LABEL: f"node-{number:05d}"},
        busy=busy,
    )


def make_batch(work: Workload, nodes: Sequence[Node]) -> list[ShardDemand]:
    """Make the batch, in the order in which its pods are created."""
    chance = np.random.default_rng([work.seed, work.nodes, 2])
    requests = _shapes(work, chance)
    parts = chance.dirichlet(np.full(len(requests), 3.0))
    free = np.array([
        sum(max(node.free.cpu_millis, 0) for node in nodes),
        sum(max(node.free.memory_bytes, 0) for node in nodes),
    ])
    asked = np.array([[r.cpu_millis, r.memory_bytes] for r in requests])
    shares = asked / free
    counts = parts / shares.max(axis=1)  # shares of equal weight, whatever the size
    counts *= work.fill / (counts @ shares).max()
    which = np.repeat(np.arange(len(requests)), np.maximum(counts.round().astype(int), 1))
    chance.shuffle(which)
    return [
        ShardDemand(ShardName(f"s{number:06d}"), requests[kind], expected_seconds=300.0)
        for number, kind in enumerate(which.tolist())
    ]


def _shapes(work: Workload, chance: np.random.Generator) -> list[Resources]:
    """Draw sizes around the ratios of the mix."""
    ratios = _RATIOS[work.mix]
    requests = []
    for number in range(work.shapes):
        ratio = ratios[number % len(ratios)] * 2 ** chance.uniform(-0.4, 0.4)
        share = work.largest * 2 ** chance.uniform(-4.0, 0.0)
        cores = 16 * share * min(1.0, ratio)
        size = 16 * BYTES_PER_CORE * share * min(1.0, 1 / ratio)
        requests.append(
            Resources(max(round(cores * 20) * 50, 50), max(round(size / MIB / 32) * 32, 32) * MIB)
        )
    return requests


def drift(nodes: Sequence[Node], share: float, seed: int) -> list[Node]:
    """Let a part of the nodes lose 30 to 100 % of their free room to pods of others."""
    chance = np.random.default_rng([seed, len(nodes), 3])
    hit = set(chance.permutation(len(nodes))[: round(len(nodes) * share)].tolist())
    return [_shrink(node, chance) if i in hit else node for i, node in enumerate(nodes)]


def _shrink(node: Node, chance: np.random.Generator) -> Node:
    part = chance.uniform(0.3, 1.0)
    taken = Resources(
        int(max(node.free.cpu_millis, 0) * part), int(max(node.free.memory_bytes, 0) * part)
    )
    return replace(node, requested=node.requested + taken, pods=node.pods + 1, busy=True)
