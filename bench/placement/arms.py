"""The ways to place a batch that are compared, each run to its end in the simulator.

Every arm gets the same pods in the same order on the same cluster. A plan is made from the cluster
as it was; pods meet it as it is (see ``drift``). Arms that follow up look at the cluster again when
a tenth of the pods has started, and plan the others anew; so they do for pods that got no node.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.placement.leftovers import fragmented_share, opened_cores
from bench.placement.simulator import FastScheduler
from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.nodeterms import (
    NodeTerm,
    PreferredTerm,
    parse_node_terms,
    parse_preferred_terms,
)
from nightshift.domain.placement.affinity import POOL_LABEL
from nightshift.domain.placement.pack import PackStrategy
from nightshift.domain.placement.plans import PlacementPlan, ShardDemand, ShardPlacement, Strategy
from nightshift.domain.placement.replans import replan
from nightshift.domain.placement.scores import ScoringStrategy
from nightshift.domain.placement.steering import Rights, SteeringChoice
from nightshift.domain.placement.strategies import strategy_by_name
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources

ALL_RIGHTS = Rights((1, 36), patch_pod_status=True, patch_nodes=True)
_SOFT = "preferredDuringSchedulingIgnoredDuringExecution"
_HARD = "requiredDuringSchedulingIgnoredDuringExecution"
FOLLOW_UPS = 5


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to place a batch.

    :param strategy: makes the plan; None leaves all to the scheduler.
    :param scoring: of the scheduler's profile.
    :param percentage: percentageOfNodesToScore of the profile; 0 is the default.
    :param follows_up: plans again what has no node yet; for plans of ``pack`` only.
    """

    name: str
    strategy: Strategy | None = None
    scoring: ScoringStrategy = ScoringStrategy.LEAST_ALLOCATED
    percentage: int = 0
    follows_up: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How an arm did.

    :param opened: nodes that were idle when the pods started, and got one.
    :param touched: all nodes that got a pod.
    :param unplaced: pods without a node at the end.
    :param hits: the part of planned pods that met their planned node; None without a plan.
    :param plan_seconds: of planning, follow-ups included.
    :param affinity_bytes: JSON of the affinity of all pods together.
    :param calls: to the API server to start the pods.
    :param cores: of the idle nodes opened.
    :param fragmented: the part of what is free at the end that one more such pod could not use.
    """

    arm: str
    pods: int
    opened: int
    touched: int
    unplaced: int
    hits: float | None
    plan_seconds: float
    affinity_bytes: int
    calls: int
    cores: float
    fragmented: float


def arms(names: Iterable[str] = ()) -> list[Arm]:
    """List the arms, or those named."""
    most = ScoringStrategy.MOST_ALLOCATED
    listed = [
        Arm("default"),
        Arm("MostAllocated", scoring=most),
        Arm("MostAllocated, all nodes", scoring=most, percentage=100),
        Arm("ratio", strategy_by_name("ratio")),
        Arm("ratio-walk", strategy_by_name("ratio-walk")),
    ]
    for choice in (c for c in SteeringChoice if c is not SteeringChoice.AUTO):
        strategy = PackStrategy(choice, ALL_RIGHTS)
        listed.append(Arm(f"pack {choice}", strategy))
        listed.append(Arm(f"pack {choice}, followed up", strategy, follows_up=True))
    wanted = set(names)
    return [arm for arm in listed if not wanted or arm.name in wanted]


def run_arm(
    arm: Arm, before: Sequence[Node], now: Sequence[Node], batch: Sequence[ShardDemand]
) -> Result:
    """Plan for the cluster ``before``, and place the batch on the cluster as it is ``now``."""
    run = _Run(arm, now, batch)
    if arm.strategy is not None:
        run.plan(arm.strategy, before)
    followed = not arm.follows_up
    for number, demand in enumerate(batch):
        if not followed and number * 10 >= len(batch):
            followed = True
            run.follow_up(batch[number:])
        run.start(demand)
    for _ in range(FOLLOW_UPS if arm.follows_up else 0):
        waiting = [demand for demand in batch if demand.shard not in run.node_of]
        if not waiting or not run.follow_up(waiting):
            break
        for demand in waiting:
            run.start(demand)
    return run.result()


class _Run:
    """One arm at work."""

    def __init__(self, arm: Arm, now: Sequence[Node], batch: Sequence[ShardDemand]) -> None:
        self._arm = arm
        self._now = {node.name: node for node in now}
        self._batch = {demand.shard: demand for demand in batch}
        self._scheduler = FastScheduler(now, scoring=arm.scoring, percentage=arm.percentage)
        self._placements: dict[ShardName, ShardPlacement] = {}
        self._terms: dict[
            object, tuple[Sequence[PreferredTerm], Sequence[NodeTerm] | None, int]
        ] = {}
        self._pool: dict[str, str] = {}
        self._seconds = 0.0
        self._bytes = self._calls = self._met = self._planned = 0
        self.node_of: dict[ShardName, NodeName] = {}

    def plan(self, strategy: Strategy, before: Sequence[Node]) -> None:
        """Make the first plan."""
        begun = time.process_time()
        plan = strategy.plan(before, tuple(self._batch.values()))
        self._seconds += time.process_time() - begun
        self.follow(plan)

    def follow(self, plan: PlacementPlan) -> None:
        """Take the plan's placements; put the pool's labels on nodes, and take none off."""
        self._placements.update({shard.shard: shard for shard in plan.shards})
        labels = {} if plan.packing is None else plan.packing.pool_labels
        fresh = {str(name): value.value for name, value in labels.items()}
        if not fresh.items() <= self._pool.items():
            self._pool = {**fresh, **self._pool}
            self._scheduler.set_labels(POOL_LABEL, self._pool)
            self._calls += len(fresh)

    def follow_up(self, waiting: Sequence[ShardDemand]) -> bool:
        """Plan again what has no node; tell whether anything has changed."""
        strategy = self._arm.strategy
        if not isinstance(strategy, PackStrategy):
            return False
        begun = time.process_time()
        ours = frozenset(self.node_of.values())
        new = replan(strategy, self._placements, waiting, self._snapshot(), ours)
        self._seconds += time.process_time() - begun
        self.follow(new.plan)
        return bool(new.moved)

    def start(self, demand: ShardDemand) -> None:
        """Create a pod, nominate it if the plan says so, and let the scheduler decide."""
        placement = self._placements.get(demand.shard)
        preferred, required, size = self._affinity(placement)
        nominated = placement.nominated if placement is not None else None
        pod = PodRequest(
            str(demand.shard),
            demand.request,
            demand.request,
            demand.request,
            tolerations=demand.tolerations,
            node_selector=demand.node_selector,
            preferred=tuple(preferred),
            required=None if required is None else tuple(required),
            nominated=nominated or "",
        )
        self._bytes += size
        self._calls += 3 if nominated else 1
        node = self._scheduler.schedule(pod)
        planned = placement.primary if placement is not None else None
        self._planned += planned is not None
        self._met += planned is not None and node == planned
        if node is not None:
            self.node_of[demand.shard] = NodeName(node)

    def result(self) -> Result:
        """Sum up."""
        touched, nodes = set(self.node_of.values()), tuple(self._now.values())
        return Result(
            self._arm.name,
            len(self._batch),
            sum(not self._now[name].busy for name in touched),
            len(touched),
            len(self._batch) - len(self.node_of),
            self._met / self._planned if self._planned else None,
            self._seconds,
            self._bytes,
            self._calls,
            opened_cores(nodes, touched),
            fragmented_share(nodes, tuple(self._batch.values()), self.node_of),
        )

    def _snapshot(self) -> list[Node]:
        used: dict[NodeName, Resources] = {}
        pods: dict[NodeName, int] = {}
        for shard, name in self.node_of.items():
            used[name] = used.get(name, Resources()) + self._batch[shard].request
            pods[name] = pods.get(name, 0) + 1
        return [
            replace(node, requested=node.requested + used[name], pods=node.pods + pods[name])
            if name in used
            else node
            for name, node in self._now.items()
        ]

    def _affinity(
        self, placement: ShardPlacement | None
    ) -> tuple[Sequence[PreferredTerm], Sequence[NodeTerm] | None, int]:
        """Read a placement's affinity as the scheduler would, and give its size; once for each."""
        if placement is None:
            return (), None, 0
        key = (placement.terms, placement.tiers, placement.pool, placement.spare)
        if key not in self._terms:
            affinity = placement.affinity()
            self._terms[key] = (*_parse(affinity), len(json.dumps(affinity)))
        return self._terms[key]


def _parse(
    affinity: Mapping[str, object],
) -> tuple[Sequence[PreferredTerm], Sequence[NodeTerm] | None]:
    terms = affinity.get("nodeAffinity")
    if not isinstance(terms, Mapping):
        return (), None
    preferred = parse_preferred_terms(terms.get(_SOFT, []), _SOFT)
    hard = terms.get(_HARD)
    if not isinstance(hard, Mapping):
        return preferred, None
    return preferred, parse_node_terms(hard["nodeSelectorTerms"], _HARD)
