"""Empty one cordoned node: look, decide (``domain.capacity.drains``), evict, look again.

Everything that counts is read from the cluster at each look, so a drain that died is taken up by
calling this again. It cordons nothing and uncordons nothing: that is the lease's business.
"""

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from nightshift.clock import Clock
from nightshift.cluster.client import Cluster
from nightshift.cluster.drain_views import NodeView, evict_pod, look_at_node
from nightshift.domain.capacity.drain_pods import BlockReason, DrainPod, PodRules
from nightshift.domain.capacity.drains import (
    Blocker,
    DrainLimits,
    DrainMemory,
    Step,
    StepKind,
    plan_step,
)
from nightshift.domain.capacity.evictions import judge_answer
from nightshift.domain.capacity.roles import OwnPods, roles_of
from nightshift.domain.capacity.snapshots import Role
from nightshift.domain.capacity.targets import FieldName
from nightshift.domain.leases.annotations import lease_on
from nightshift.domain.leases.records import LeaseId
from nightshift.errors import RetryableError

_OURS = frozenset({Role.SELF, Role.AIRFLOW, Role.DATABASE})


@dataclass(frozen=True, slots=True)
class DrainTask:
    """One node to empty.

    :param lease_id: of our cordon; a node that does not carry it is not ours to drain.
    :param own: what must never be evicted, whatever the plan saw: Airflow and the database.
    """

    node: str
    lease_id: LeaseId
    rules: PodRules
    limits: DrainLimits
    own: OwnPods = field(default_factory=OwnPods)


@dataclass(frozen=True, slots=True)
class DrainTempo:
    """How a drain waits; tests pass a clock that only sleeping moves.

    :param every_seconds: between two looks.
    :param jitter: gives 0 up to 1.
    :param beat: called at every look, so that others see that the drain is alive.
    """

    clock: Clock
    sleep: Callable[[float], None]
    every_seconds: float = 2.0
    jitter: Callable[[], float] = random.random  # noqa: S311 - spreads waits
    beat: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class DrainResult:
    """How a drain ended.

    :param emptied: nothing is left that would have to go.
    :param evictions: that the API accepted in this call.
    :param waited_seconds: from the first look to the last.
    """

    node: str
    emptied: bool
    blockers: tuple[Blocker, ...] = ()
    evictions: int = 0
    timed_out: bool = False
    waited_seconds: float = 0.0

    def __str__(self) -> str:
        """Say it for the log and the report."""
        counted = f"{self.evictions} eviction{'s' if self.evictions != 1 else ''}"
        if self.emptied:
            return f"{self.node} is empty after {counted}"
        why = "; ".join(describe_blocker(one) for one in self.blockers) or "nobody knows why"
        late = "its time is over: " if self.timed_out else ""
        return f"{self.node} is kept after {counted}: {late}{why}"


def describe_blocker(blocker: Blocker) -> str:
    """Say which pod keeps a node, why, and under which disruption budgets."""
    budgets = f" ({', '.join(blocker.budgets)})" if blocker.budgets else ""
    return f"{blocker.pod} {blocker.reason}{budgets}: {blocker.message}"


def drain_node(cluster: Cluster, task: DrainTask, tempo: DrainTempo) -> DrainResult:
    """Empty a node that our lease has cordoned, until it is empty, hopeless or out of time.

    :returns: always, whatever pods and budgets do; see ``DrainResult.blockers``.
    :raises NightshiftError: if the cluster can no longer be read; the drain can be taken up again.
    """
    began, memory = tempo.clock(), DrainMemory()
    while True:
        tempo.beat()
        view, now = _look(cluster, task, tempo), tempo.clock()
        step = _outside_step(view, task) or plan_step(
            view.pods, memory, task.rules, task.limits, now
        )
        if step.kind in {StepKind.EMPTY, StepKind.STOP}:
            waited = (now - began).total_seconds()
            return _result(task, step, memory, waited)
        for pod in step.evict:
            memory = _evict(cluster, pod, memory, tempo)
        tempo.sleep(_pause(task.limits.deadline - tempo.clock(), tempo))


def _look(cluster: Cluster, task: DrainTask, tempo: DrainTempo) -> NodeView:
    """Look at the node; an API server that is busy is asked again until the deadline."""
    while True:
        try:
            return look_at_node(cluster, task.node)
        except RetryableError as error:
            if tempo.clock() >= task.limits.deadline:
                raise
            wait = error.retry_after_seconds or tempo.every_seconds
            tempo.sleep(max(tempo.every_seconds, min(wait, 60.0)))


def _evict(cluster: Cluster, pod: DrainPod, memory: DrainMemory, tempo: DrainTempo) -> DrainMemory:
    answer = evict_pod(cluster, pod)
    judgement = judge_answer(answer, memory.attempt(pod).tries, tempo.jitter())
    return memory.with_answer(pod, judgement, tempo.clock())


def _outside_step(view: NodeView, task: DrainTask) -> Step | None:
    """Stop if the node is not ours to drain any more, or runs what brings everything back."""
    node = view.node
    if node is None:
        return Step(StepKind.EMPTY)  # its pods went with it
    if lease_on(node) != task.lease_id:
        why = f"the node does not carry the lease {task.lease_id}"
        return _stop(task, BlockReason.CORDONED_BY_OTHER, why)
    if not node.fields.get(FieldName.UNSCHEDULABLE):
        return _stop(task, BlockReason.UNCORDONED, "somebody has uncordoned it")
    for pod in view.pods.pods:
        roles = roles_of(pod, task.own) & _OURS
        if roles and pod.controller_kind != "DaemonSet":
            why = f"it is {' and '.join(sorted(roles))}; without it nothing would come back"
            return _stop(task, BlockReason.PROTECTED, why, pod.key)
    return None


def _stop(task: DrainTask, reason: BlockReason, why: str, pod: str = "") -> Step:
    return Step(StepKind.STOP, blockers=(Blocker(pod or task.node, reason, why),))


def _pause(left: dt.timedelta, tempo: DrainTempo) -> float:
    """Sleep one beat, and not past the deadline."""
    return max(0.05, min(tempo.every_seconds, left.total_seconds()))


def _result(task: DrainTask, step: Step, memory: DrainMemory, waited: float) -> DrainResult:
    return DrainResult(
        node=task.node,
        emptied=step.kind is StepKind.EMPTY,
        blockers=step.blockers if step.kind is StepKind.STOP else (),
        evictions=memory.evictions,
        timed_out=step.timed_out,
        waited_seconds=waited,
    )
