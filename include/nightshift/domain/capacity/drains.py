"""One drain of one node, as a sequence of steps: look, decide, act, look again.

``plan_step`` is the whole decision and changes nothing; ``cluster.drain`` does what it says. What a
drain must remember lies in ``DrainMemory``; after a crash an empty one gives the same decisions,
as everything else is read from the cluster.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from nightshift.domain.capacity.drain_pods import (
    BlockReason,
    DrainPod,
    Judgement,
    PodFate,
    PodRules,
    is_leader,
    judge_pod,
)
from nightshift.domain.capacity.evictions import AnswerJudgement, NextStep
from nightshift.domain.capacity.snapshots import BudgetFacts

_TRIES_AFTER_CHANGE = 3
"""How often a pod that changed under us is tried again before it is reported."""


@dataclass(frozen=True, slots=True)
class SetState:
    """A StatefulSet's members.

    :param ready: members that are ready and not being deleted, counted from the pods themselves:
        the set's own status lags behind an eviction.
    """

    replicas: int
    ready: int

    def may_lose(self, pod: DrainPod) -> bool:
        """Tell whether every other member is ready, so that this one may go."""
        others = self.ready - (1 if pod.ready else 0)
        return others >= self.replicas - 1


@dataclass(frozen=True, slots=True)
class NodePods:
    """What one look at a node shows.

    :param pods: of all namespaces, in any order.
    :param sets: the StatefulSets that have a pod here, by ``namespace/name``; one that is missing
        does not exist any more.
    :param budgets: of the namespaces that have a pod here.
    """

    pods: tuple[DrainPod, ...]
    sets: Mapping[str, SetState] = field(default_factory=lambda: MappingProxyType({}))
    budgets: tuple[BudgetFacts, ...] = ()

    def budgets_of(self, pod: DrainPod) -> tuple[str, ...]:
        """List the disruption budgets that a pod is under, as ``namespace/name``."""
        found = [one.key for one in self.budgets if one.matches(pod.namespace, pod.labels)]
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """When a drain gives up.

    :param deadline: aware; from then on nothing is evicted.
    :param max_evictions: that the API accepted, for this node.
    :param ranks: the place of a workload's tier, by ``namespace/name``; lower goes first, and what
        has no tier goes before all of them.
    """

    deadline: dt.datetime
    max_evictions: int = 200
    ranks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of asking for one pod's eviction.

    :param tries: refusals since the first.
    :param next_at: not before this instant again.
    """

    tries: int = 0
    next_at: dt.datetime | None = None
    judgement: AnswerJudgement | None = None

    @property
    def accepted(self) -> bool:
        """Tell whether the API has agreed to end the pod."""
        return self.judgement is not None and self.judgement.next is NextStep.ACCEPTED


@dataclass(frozen=True, slots=True)
class DrainMemory:
    """What a drain remembers between looks, by the pods' UIDs."""

    attempts: Mapping[str, Attempt] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def evictions(self) -> int:
        """How many evictions the API accepted."""
        return sum(attempt.accepted for attempt in self.attempts.values())

    def attempt(self, pod: DrainPod) -> Attempt:
        """Give what is known of a pod."""
        return self.attempts.get(pod.uid, Attempt())

    def with_answer(
        self, pod: DrainPod, judgement: AnswerJudgement, now: dt.datetime
    ) -> "DrainMemory":
        """Remember an answer."""
        tries = self.attempt(pod).tries + (judgement.next is NextStep.RETRY)
        if judgement.block is BlockReason.CHANGED and tries > _TRIES_AFTER_CHANGE:
            judgement = replace(judgement, next=NextStep.FINAL)
        next_at = now + dt.timedelta(seconds=judgement.wait_seconds)
        attempt = Attempt(tries, next_at, judgement)
        return DrainMemory(MappingProxyType({**self.attempts, pod.uid: attempt}))


@dataclass(frozen=True, slots=True)
class Blocker:
    """A pod that kept a node, and why.

    :param budgets: the disruption budgets in question, ``namespace/name``.
    """

    pod: str
    reason: BlockReason
    message: str
    budgets: tuple[str, ...] = ()


class StepKind(StrEnum):
    """What to do now."""

    EVICT = "evict"
    WAIT = "wait"
    EMPTY = "empty"  # nothing is left that would have to go
    STOP = "stop"  # the node cannot be emptied


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of a drain.

    :param evict: the pods to ask for, in this order.
    :param blockers: what is in the way: now, with WAIT, or for good, with STOP.
    :param timed_out: with STOP, only the time is over.
    """

    kind: StepKind
    evict: tuple[DrainPod, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    timed_out: bool = False


def plan_step(
    seen: NodePods, memory: DrainMemory, rules: PodRules, limits: DrainLimits, now: dt.datetime
) -> Step:
    """Decide the next step from one look at the node.

    Refusals stop the drain before the first eviction. Scans are waited for before anything is
    evicted: one that outlasts the deadline then costs nobody an eviction.

    :param now: aware.
    """
    judged = [(pod, judge_pod(pod, rules)) for pod in _in_order(seen.pods, limits.ranks)]
    final = [*_refused(judged), *_hopeless(judged, seen, memory)]
    if final:
        return Step(StepKind.STOP, blockers=tuple(final))
    left = [(pod, fate) for pod, fate in judged if fate.fate is not PodFate.SKIP]
    if not left:
        return Step(StepKind.EMPTY)
    held = tuple(_held(pod, fate, seen, memory) for pod, fate in left)
    if now >= limits.deadline:
        return Step(StepKind.STOP, blockers=held, timed_out=True)
    if any(fate.fate is PodFate.WAIT and not pod.deleting for pod, fate in left):
        return Step(StepKind.WAIT, blockers=held)
    due = _due([pod for pod, fate in left if fate.fate is PodFate.EVICT], seen, memory, now)
    room = limits.max_evictions - memory.evictions
    if due and room <= 0:
        return Step(StepKind.STOP, blockers=tuple(_over_limit(due, limits)))
    return Step(StepKind.EVICT if due else StepKind.WAIT, tuple(due[: max(room, 0)]), held)


def _in_order(pods: Iterable[DrainPod], ranks: Mapping[str, int]) -> list[DrainPod]:
    """Sort the least important first: by priority, tier, then state, and leaders last."""

    def place(pod: DrainPod) -> tuple[int, int, bool, bool, str, str]:
        rank = ranks.get(pod.workload, -1)
        stateful = pod.stateful_set is not None
        return pod.priority, rank, stateful, is_leader(pod.labels), pod.key, pod.uid

    return sorted(pods, key=place)


def _refused(judged: Sequence[tuple[DrainPod, Judgement]]) -> Iterable[Blocker]:
    for pod, judgement in judged:
        if judgement.fate is PodFate.REFUSE and judgement.block is not None:
            yield Blocker(pod.key, judgement.block, judgement.why)


def _hopeless(
    judged: Sequence[tuple[DrainPod, Judgement]], seen: NodePods, memory: DrainMemory
) -> Iterable[Blocker]:
    """Give the pods that the API will never agree to evict."""
    for pod, judgement in judged:
        if judgement.fate is not PodFate.EVICT:
            continue
        told = memory.attempt(pod).judgement
        budgets = seen.budgets_of(pod)
        if len(budgets) > 1 and pod.needs_budget:
            why = f"{len(budgets)} disruption budgets match it; the API evicts no such pod"
            yield Blocker(pod.key, BlockReason.MULTI_PDB, why, budgets)
        elif told is not None and told.next is NextStep.FINAL:
            yield Blocker(pod.key, told.block or BlockReason.REFUSED, told.message, budgets)


def _held(pod: DrainPod, judgement: Judgement, seen: NodePods, memory: DrainMemory) -> Blocker:
    """Say what a pod that is still there waits for."""
    told = memory.attempt(pod).judgement
    if pod.deleting or memory.attempt(pod).accepted:
        return Blocker(pod.key, BlockReason.TERMINATING, "evicted, and still there")
    if judgement.block is not None:
        return Blocker(pod.key, judgement.block, judgement.why)
    if told is not None and told.block is not None:
        return Blocker(pod.key, told.block, told.message, seen.budgets_of(pod))
    return Blocker(pod.key, BlockReason.SET_NOT_READY, _set_trouble(pod, seen))


def _set_trouble(pod: DrainPod, seen: NodePods) -> str:
    state = seen.sets.get(pod.stateful_set or "")
    if state is None:
        return "its eviction has not been asked for yet"
    return f"{pod.stateful_set} has {state.ready} of {state.replicas} members ready"


def _due(
    pods: Sequence[DrainPod], seen: NodePods, memory: DrainMemory, now: dt.datetime
) -> list[DrainPod]:
    """Give the pods to ask for now: at most one of a StatefulSet, and only while it is whole."""
    moving = {pod.stateful_set for pod in seen.pods if pod.deleting or memory.attempt(pod).accepted}
    chosen: list[DrainPod] = []
    for pod in pods:
        attempt = memory.attempt(pod)
        if attempt.accepted or (attempt.next_at is not None and now < attempt.next_at):
            continue
        name = pod.stateful_set
        if name is not None and not pod.ended:
            state = seen.sets.get(name)
            if name in moving or (state is not None and not state.may_lose(pod)):
                continue
            moving.add(name)
        chosen.append(pod)
    return chosen


def _over_limit(pods: Sequence[DrainPod], limits: DrainLimits) -> Iterable[Blocker]:
    why = f"{limits.max_evictions} evictions were made for this node, which is the limit"
    for pod in pods:
        yield Blocker(pod.key, BlockReason.TOO_MANY_EVICTIONS, why)
