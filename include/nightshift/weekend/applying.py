"""Carry a plan out: tier after tier, each step written down first, undone in reverse if one fails.

Safe to call again after a crash: what the journal or the object says was done is not done twice.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from nightshift.domain.capacity.plans import (
    NODES_TIER,
    Action,
    ActionKind,
    CapacityPlan,
    lease_of,
)
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_pools import OnBlocked
from nightshift.domain.capacity.policies_targets import Barrier, OnTimeout, Tier
from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind
from nightshift.domain.counting import counted
from nightshift.domain.leases.records import Lease, StepState
from nightshift.domain.windows.spans import Window
from nightshift.errors import Conflict, NightshiftError, PermanentError
from nightshift.store.capacity_records import StepRecord
from nightshift.weekend.hands import Hands
from nightshift.weekend.lowering import lower_targets
from nightshift.weekend.resting import NodeCare, rest_node
from nightshift.weekend.restoring import Restored, compensate
from nightshift.weekend.verifying import Holds, keeps_bound

SETTLE_PATIENCE = dt.timedelta(minutes=5)
"""A proposal: how long a lowered tier may take to shrink before the next is lowered."""
STEPS_PATIENCE = dt.timedelta(minutes=15)
"""A proposal: how long maximums may take to come down in steps."""
UNDO_PATIENCE = dt.timedelta(minutes=30)
"""A proposal: how long an undoing may take before the rest is left to ``capacity_reconcile``."""
_LOOK_SECONDS = 5.0
_ENDED = frozenset({
    StepState.VERIFIED, StepState.SKIPPED, StepState.BLOCKED, StepState.CONFLICT,
    StepState.COMPENSATED,
})  # fmt: skip


_UNDOABLE = frozenset({StepState.VERIFIED, StepState.APPLIED, StepState.FAILED})
"""With one of several that are lowered together failing, the others were lowered all the same."""


class ApplyFailed(PermanentError):
    """A step failed, and what was done before it must be undone."""


@dataclass(frozen=True, slots=True)
class Apply:
    """One plan being carried out.

    :param plan: what is carried out is ``actions``, which may be fewer after an approval.
    :param by: who does it.
    :param mark: marks the pods of nodes to end first; gives their count.
    :param count_pods: counts the pods that a barrier waits for.
    :param holds: asks whether a measure keeps its bound now.
    """

    plan: CapacityPlan
    actions: Sequence[Action]
    policy: CapacityPolicy
    hands: Hands
    by: str
    care: NodeCare | None = None
    mark: Callable[[Sequence[str]], int] = lambda _: 0
    count_pods: Callable[[Barrier], int] = lambda _: 0
    holds: Holds = lambda _: True

    @property
    def window(self) -> Window:
        """The window that the plan is for."""
        return Window(self.plan.down, self.plan.up)

    def of(self, *kinds: ActionKind) -> list[Action]:
        """Give the actions of some kinds, in order."""
        return sorted((a for a in self.actions if a.kind in kinds), key=lambda a: a.order)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan.

    :param skip_nodes: why no node was put to rest, although the plan has some; "" if they were.
    :param undone: with a failure, what became of what had been done.
    """

    steps: tuple[StepRecord, ...]
    failed: str = ""
    skip_nodes: str = ""
    undone: Restored | None = None


def apply_plan(apply: Apply) -> Applied:
    """Carry a plan out; a failure is undone in reverse, and told.

    Only what the plan says is done, and only while its window is open.
    """
    try:
        skip_nodes = lower_tiers(apply)
        lower_bounds(apply)
        for action in [] if skip_nodes else apply.of(ActionKind.REST_NODE):
            rest(apply, action)
        finish_bounds(apply)
    except NightshiftError as error:
        undone = undo(apply)
        return Applied(tuple(apply.hands.journal.steps()), str(error), undone=undone)
    return Applied(tuple(apply.hands.journal.steps()), skip_nodes=skip_nodes)


def lower_tiers(apply: Apply) -> str:
    """Lower the workloads, tier by tier in the plan's order.

    :returns: why no node may be put to rest; "" if they may.
    :raises ApplyFailed: if a tier could not be lowered, or a barrier says to abort.
    """
    refuse_outside_window(apply)
    victims = [action.target.name for action in apply.of(ActionKind.REST_NODE)]
    if victims:
        apply.mark(victims)
    skip_nodes: list[str] = []
    tiers = {tier.name: tier for tier in apply.policy.tiers}
    for name in apply.plan.tiers():
        actions = [a for a in apply.of(ActionKind.LOWER) if a.tier == name]
        if name == NODES_TIER or not actions:
            continue
        lower(apply, actions)
        _wait_settled(apply, actions)
        tier = tiers.get(name)
        if tier is None:
            continue
        if why := _wait_barrier(apply, tier):
            skip_nodes.append(why)
        for measure in tier.verify:
            if not keeps_bound(measure, apply.holds, apply.hands):
                raise ApplyFailed(
                    f"after the tier {name} was lowered, {measure.query} is out of bounds"
                )
    return "; ".join(skip_nodes)


def lower_bounds(apply: Apply) -> None:
    """Lower the bounds of node pools, so that nobody fills them again.

    :raises ApplyFailed: if one could not be lowered.
    """
    lower(apply, apply.of(ActionKind.BOUNDS), patience=dt.timedelta(0))


def rest(apply: Apply, action: Action) -> StepRecord:
    """Put one node to rest; one that cannot be emptied stays and is reported.

    :raises ApplyFailed: if the pool's policy is to abort then.
    """
    if apply.care is None:
        raise PermanentError("nodes cannot be drained without a cluster")
    done = _done_step(apply, action)
    if done is not None:
        return done
    (step,) = lower(apply, [action], keep_open=True)
    if step.state is not StepState.APPLIED:
        return step
    lease = _lease(apply, action)
    rested = rest_node(action, lease, apply.hands, apply.care, _evictions_left(apply))
    detail = {"evictions": rested.drained.evictions, "seconds": rested.drained.waited_seconds}
    ended = replace(step, state=rested.state, reason=rested.reason, detail=detail)
    apply.hands.journal.save_step(ended)
    abort = apply.care.pool(action.pool).drain.on_blocked is OnBlocked.ABORT
    if rested.state is StepState.BLOCKED and abort:
        raise ApplyFailed(rested.reason)
    return ended


def finish_bounds(apply: Apply) -> None:
    """Lower the rest of the pools' maximums, which follow their nodes down.

    :raises ApplyFailed: if one could not be lowered.
    """
    lower(apply, apply.of(ActionKind.BOUNDS), patience=SETTLE_PATIENCE)


def lower(
    apply: Apply,
    actions: Sequence[Action],
    *,
    patience: dt.timedelta = STEPS_PATIENCE,
    keep_open: bool = False,
) -> list[StepRecord]:
    """Lower targets together: intents, PATCHes, looks, steps. What has ended is not done again.

    :param patience: for targets that go down in steps.
    :param keep_open: more follows for these steps: they end as APPLIED, not as VERIFIED.
    :raises ApplyFailed: if one could not be lowered.
    """
    journal = apply.hands.journal
    done = {one.order: one for one in journal.steps() if one.state in _ENDED}
    todo, leases = [], []
    for action in actions:
        if action.order in done:
            continue
        try:
            leases.append(_intend(apply, action))
            todo.append(action)
        except Conflict as error:  # somebody else's lease, or ours that was given back meanwhile
            done[action.order] = _step(action, StepState.CONFLICT, str(error))
            journal.save_step(done[action.order])
    try:
        until = apply.hands.clock() + patience
        outcomes = lower_targets(leases, apply.hands, until)
    except NightshiftError as error:
        for action in todo:
            journal.save_step(_step(action, StepState.FAILED, str(error)))
        raise ApplyFailed(str(error)) from error
    for action in todo:
        outcome = outcomes[action.lease_id]
        more = keep_open and outcome.state is StepState.VERIFIED
        state = StepState.APPLIED if more else outcome.state
        done[action.order] = _step(action, state, outcome.reason)
        journal.save_step(done[action.order])
    return [done[action.order] for action in actions]


def _intend(apply: Apply, action: Action) -> Lease:
    """Write an action's intent down, unless a run that died did so already."""
    for lease in apply.hands.journal.open_leases():
        if lease.id == action.lease_id:
            return lease
    lease = lease_of(apply.plan, action, apply.by, apply.hands.clock())
    apply.hands.journal.intend(lease, _step(action, StepState.INTENT, action.reason))
    return lease


def _step(action: Action, state: StepState, reason: str) -> StepRecord:
    kind, ref = str(action.kind), action.target.ref
    return StepRecord(action.order, kind, ref, state, action.tier, action.lease_id, reason)


def undo(apply: Apply) -> Restored:
    """Undo in reverse what this plan has done: nodes, then bounds, then workloads."""
    ours = {action.lease_id for action in apply.actions}
    journal = apply.hands.journal
    leases = [lease for lease in journal.open_leases() if lease.id in ours]
    undone = compensate(apply.hands, leases, UNDO_PATIENCE)
    ended = {outcome.lease.id: outcome.reason for outcome in undone.outcomes}
    for step in journal.steps():
        if step.lease in ended and step.state in _UNDOABLE:
            reason = f"undone: {ended[step.lease]}"
            journal.save_step(replace(step, state=StepState.COMPENSATED, reason=reason))
    return undone


def refuse_outside_window(apply: Apply) -> None:
    """Refuse to lower anything before or after the plan's window.

    :raises PermanentError: with both instants.
    """
    now = apply.hands.clock()
    if not apply.window.contains(now):
        raise PermanentError(
            f"the plan is for {apply.plan.down:%Y-%m-%d %H:%M} to {apply.plan.up:%Y-%m-%d %H:%M} "
            f"UTC, and it is {now:%Y-%m-%d %H:%M}: plan again"
        )


def _lease(apply: Apply, action: Action) -> Lease:
    """Give the lease of an action that has been lowered.

    :raises ApplyFailed: if somebody has closed it since.
    """
    for lease in apply.hands.journal.open_leases():
        if lease.id == action.lease_id:
            return lease
    raise ApplyFailed(f"the lease {action.lease_id} was closed while its node was drained")


def _done_step(apply: Apply, action: Action) -> StepRecord | None:
    for step in apply.hands.journal.steps():
        if step.order == action.order and step.state in _ENDED:
            return step
    return None


def _evictions_left(apply: Apply) -> int:
    spent = sum(int(step.detail.get("evictions", 0)) for step in apply.hands.journal.steps())
    return apply.policy.limits.max_evictions - spent


def _wait_settled(apply: Apply, actions: Sequence[Action]) -> None:
    """Wait until what was lowered has shrunk; what takes too long is not waited for."""
    until = apply.hands.clock() + SETTLE_PATIENCE
    while apply.hands.clock() < until:
        live = [apply.hands.targets.read(action.target) for action in actions]
        if all(one is None or _has_shrunk(one) for one in live):
            return
        apply.hands.journal.beat()
        apply.hands.sleep(_LOOK_SECONDS)


def _has_shrunk(live: LiveTarget) -> bool:
    if live.id.kind in {ObjectKind.DEPLOYMENT, ObjectKind.STATEFUL_SET}:
        return live.status.replicas <= live.capacity(FieldName.REPLICAS)
    if live.id.kind in {ObjectKind.AUTOSCALER, ObjectKind.SCALED_OBJECT}:
        return live.status.replicas <= live.capacity(FieldName.MAX_REPLICAS)
    return True


def _wait_barrier(apply: Apply, tier: Tier) -> str:
    """Wait until a tier's barrier opens.

    :returns: why no node may be put to rest, "" if it opened or does not matter.
    :raises ApplyFailed: if it says to abort.
    """
    barrier = tier.barrier
    if barrier is None:
        return ""
    until = apply.hands.clock() + barrier.timeout
    while (left := apply.count_pods(barrier)) > 0:
        if apply.hands.clock() >= until:
            return _at_timeout(tier, barrier, left)
        apply.hands.journal.beat()
        apply.hands.sleep(_LOOK_SECONDS)
    return ""


def _at_timeout(tier: Tier, barrier: Barrier, left: int) -> str:
    pods = f"{counted(left, 'pod')} of {barrier.no_pods} {'is' if left == 1 else 'are'}"
    why = f"{pods} still at work after the tier {tier.name}"
    if barrier.on_timeout is OnTimeout.ABORT:
        raise ApplyFailed(f"{why}; the barrier says to abort")
    return why if barrier.on_timeout is OnTimeout.SKIP_NODES else ""
