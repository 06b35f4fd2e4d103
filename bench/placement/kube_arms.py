"""The ways to place a batch that are compared on a real kube-scheduler, and one of them at work.

As in the simulator (``arms``): every arm gets the same pods in the same order; a plan is made from
the cluster as it was, pods meet it as it is. Arms that follow up read the cluster again when a
tenth of the pods has a node, as a night does, and plan the others anew; so they do for pods that
the scheduler found no node for.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.placement.arms import ALL_RIGHTS, FOLLOW_UPS, Result
from bench.placement.kube_objects import (
    BATCH,
    PODS,
    remove_pods,
    set_pool_labels,
    start_pods,
)
from bench.placement.leftovers import fragmented_share, opened_cores
from nightshift.cluster.client import Cluster
from nightshift.cluster.nodes import read_snapshot
from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand, ShardPlacement, Strategy
from nightshift.domain.placement.replans import replan
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.placement.strategies import strategy_by_name

MOST_ALLOCATED = "most-allocated"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class KubeArm:
    """One way to place a batch, and the scheduler's profile that is used."""

    name: str
    strategy: Strategy | None = None
    profile: str = "default-scheduler"
    follows_up: bool = False


def list_arms(nodes: int, drifts: bool, most_allocated: bool = True) -> list[KubeArm]:
    """List the arms: rivals, then the levels that make sense for so many nodes.

    Where the cluster drifts, each level is there twice: left alone, and followed up.
    """
    found = [KubeArm("default"), KubeArm("ratio", strategy_by_name("ratio"))]
    if most_allocated:
        found.append(KubeArm("MostAllocated", profile=MOST_ALLOCATED))
    levels = [SteeringChoice.SOFT]
    if nodes >= 100:
        levels += [
            SteeringChoice.NAMES, SteeringChoice.NOMINATE, SteeringChoice.POOL_NOMINATE,
        ]  # fmt: skip
    for level in levels:
        strategy = PackStrategy(level, ALL_RIGHTS)
        found.append(KubeArm(f"pack {level}", strategy))
        if drifts:
            found.append(KubeArm(f"pack {level}, followed up", strategy, follows_up=True))
    return found


def run_kube_arm(
    cluster: Cluster,
    arm: KubeArm,
    before: Sequence[Node],
    now: Sequence[Node],
    batch: Sequence[ShardDemand],
    patience: float = PATIENCE_SECONDS,
) -> Result:
    """Plan for the cluster ``before``, and place the batch on the one that is there, ``now``.

    :param patience: seconds without a newly bound pod after which the rest counts as stuck.
    """
    run = _KubeRun(cluster, arm, now, batch, patience)
    run.plan(before)
    first = len(batch) // 10 if arm.follows_up else len(batch)
    run.start(batch[:first])
    for _ in range(FOLLOW_UPS + 1 if arm.follows_up else 0):
        waiting = [demand for demand in batch if demand.shard not in run.node_of]
        if not waiting or not run.follow_up(waiting):
            break
    return run.result()


class _KubeRun:
    """One arm at work."""

    def __init__(
        self,
        cluster: Cluster,
        arm: KubeArm,
        now: Sequence[Node],
        batch: Sequence[ShardDemand],
        patience: float,
    ) -> None:
        self._cluster = cluster
        self._arm = arm
        self._now = now
        self._busy = {node.name: node.busy for node in now}
        self._batch = batch
        self._patience = patience
        self._placements: dict[ShardName, ShardPlacement] = {}
        self._pool: dict[NodeName, str] = {}
        self._started: set[ShardName] = set()
        self._seconds = 0.0
        self._bytes = self._calls = 0
        self.node_of: dict[ShardName, NodeName] = {}

    def plan(self, before: Sequence[Node]) -> None:
        """Make the first plan, and put its labels on the nodes; other nodes lose theirs."""
        if self._arm.strategy is None:
            set_pool_labels(self._cluster, {})
            return
        begun = time.process_time()
        plan = self._arm.strategy.plan(before, self._batch)
        self._seconds += time.process_time() - begun
        self._follow(plan)

    def start(self, demands: Sequence[ShardDemand]) -> None:
        """Create pods, and wait until each has a node, or nothing has changed for long."""
        profile = self._arm.profile
        calls, size = start_pods(self._cluster, demands, self._placements, profile)
        self._calls += calls
        self._bytes += size
        self._started |= {demand.shard for demand in demands}
        self._await()

    def follow_up(self, waiting: Sequence[ShardDemand]) -> bool:
        """Plan what has no node again, and start it; tell whether anything could be done."""
        assert isinstance(self._arm.strategy, PackStrategy)
        names = {str(demand.shard) for demand in waiting}
        snapshot = [
            replace(node, busy=self._busy[node.name])
            for node in read_snapshot(self._cluster, names)
        ]
        begun = time.process_time()
        ours = frozenset(self.node_of.values())
        new = replan(self._arm.strategy, self._placements, waiting, snapshot, ours)
        self._seconds += time.process_time() - begun
        stuck = [str(d.shard) for d in waiting if d.shard in self._started]
        if len(stuck) == len(waiting) and not new.moved:
            return False
        self._follow(new.plan)
        remove_pods(self._cluster, stuck)
        self.start(waiting)
        return True

    def _follow(self, plan: PlacementPlan) -> None:
        """Take the plan's placements; put the pool's labels on nodes, and take none off."""
        self._placements.update({shard.shard: shard for shard in plan.shards})
        labels = {} if plan.packing is None else plan.packing.pool_labels
        self._pool = {**{name: value.value for name, value in labels.items()}, **self._pool}
        self._calls += set_pool_labels(self._cluster, self._pool)

    def _await(self) -> None:
        deadline, least = time.monotonic() + self._patience, len(self._batch) + 1
        while time.monotonic() < deadline:
            selector = {"labelSelector": BATCH, "fieldSelector": "spec.nodeName="}
            waiting = sum(1 for _ in self._cluster.iterate(PODS, **selector))
            if not waiting:
                break
            if waiting < least:
                deadline, least = time.monotonic() + self._patience, waiting
            time.sleep(0.5)
        for pod in self._cluster.iterate(PODS, labelSelector=BATCH):
            if node := pod["spec"].get("nodeName"):
                self.node_of[ShardName(pod["metadata"]["name"])] = NodeName(node)

    def result(self) -> Result:
        """Sum up; hits are counted by the newest plan that a pod was created with."""
        planned = {s: one.primary for s, one in self._placements.items() if one.primary}
        met = sum(self.node_of.get(shard) == node for shard, node in planned.items())
        touched = set(self.node_of.values())
        return Result(
            self._arm.name,
            len(self._batch),
            sum(not self._busy[name] for name in touched),
            len(touched),
            len(self._batch) - len(self.node_of),
            met / len(planned) if planned else None,
            self._seconds,
            self._bytes,
            self._calls,
            opened_cores(self._now, touched),
            fragmented_share(self._now, self._batch, self.node_of),
        )
