"""Mend what crashes, lost databases and people left behind; level-triggered, safe at any time.

In order: leases that only their objects know of are adopted, marks of leases that ended are taken
off, intents of dead runs are found out about, half drains resumed or given back, what is due comes
back, CronJobs get their own deadlines again, and what differs is reported.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from nightshift.domain.capacity.plan_documents import parse_plan
from nightshift.domain.capacity.plans import Action, CapacityPlan
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.targets import (
    LiveTarget,
    ObjectKind,
    agrees,
    describe_fields,
)
from nightshift.domain.leases.annotations import is_held
from nightshift.domain.leases.collecting import collect_leases, plan_strip
from nightshift.domain.leases.records import Lease, LeaseState
from nightshift.domain.leases.recoveries import (
    STALE_AFTER,
    HalfDrain,
    RecoverAct,
    decide_drain_recovery,
)
from nightshift.domain.leases.returning import plan_deadline_end
from nightshift.domain.windows.spans import Window
from nightshift.errors import NightshiftError
from nightshift.store.capacity_leases import list_ended_ids
from nightshift.store.capacity_records import RunRow, StepRecord
from nightshift.store.capacity_runs import find_step
from nightshift.store.engines import Engine, transaction
from nightshift.weekend.applying import Apply, rest
from nightshift.weekend.finding import Found, leases_of_policy
from nightshift.weekend.hands import Hands
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.lowering import recover_intent
from nightshift.weekend.resting import NodeCare
from nightshift.weekend.restoring import Due, Restored, give_back_now, restore

_REMEMBERED = dt.timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Mending:
    """What a reconcile works with.

    :param window: the one that is open now; None if none is.
    :param due: says whether a lease is to be given back now.
    """

    policy: CapacityPolicy
    hands: Hands
    journal: StoreJournal
    engine: Engine
    care: NodeCare
    window: Window | None
    due: Due


@dataclass(slots=True)
class Mended:
    """What was found and done.

    :param lines: for the log and the report, in the order in which it was done.
    :param faults: what a person has to look at.
    """

    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    restored: Restored | None = None


def reconcile(mending: Mending, found: Found, until: dt.datetime) -> Mended:
    """Mend one policy's leases.

    :param found: every object that carries a lease (``find_leased``).
    :param until: how long a restore may take before the rest is left to the next call.
    """
    mended = Mended(faults=[f"could not be read: {what}" for what in found.unread])
    _adopt(mending, found, mended)
    for lease in mending.hands.journal.open_leases():
        _quietly(mended, lease.target.ref, partial(_mend, mending, lease, mended))
    mended.restored = restore(mending.hands, mending.due, mending.policy.restore.waves, until)
    for outcome in mended.restored.outcomes:
        mended.lines.append(f"{outcome.lease.target.ref} {outcome.given}: {outcome.reason}")
        if outcome.flagged:
            mended.faults.append(f"{outcome.lease.target.ref}: {outcome.reason}")
    _drift(mending, mended)
    return mended


def end_deadlines(hands: Hands, cron_jobs: list[LiveTarget]) -> list[str]:
    """Give CronJobs their own deadlines back, once their next regular runs have begun."""
    lines: list[str] = []
    for live in cron_jobs:
        try:
            patch = plan_deadline_end(live)
            if patch is not None:
                hands.targets.patch(live.id, patch)
                lines.append(f"{live.id.ref} has its own deadline again")
        except (NightshiftError, ValueError) as error:
            lines.append(f"{live.id.ref}: {error}")
    return lines


def _quietly(mended: Mended, ref: str, work: Callable[[], None]) -> None:
    """Do one thing; that it cannot be done now must not keep the others waiting."""
    try:
        work()
    except NightshiftError as error:
        mended.faults.append(f"{ref}: {error}")


def _adopt(mending: Mending, found: Found, mended: Mended) -> None:
    since = mending.hands.clock() - _REMEMBERED
    with transaction(mending.engine) as connection:
        closed = list_ended_ids(connection, LeaseState.CLOSED, since)
    stored = mending.hands.journal.open_leases()
    collected = collect_leases(stored, found.targets, closed)
    mended.faults.extend(collected.faults)
    rebuilt = [one for one in collected.leases if one.id in collected.rebuilt]
    for lease in leases_of_policy(rebuilt, mending.policy.name):
        if mending.hands.journal.adopt(lease):
            mended.lines.append(f"{lease.target.ref}: the store did not know of its lease")
    for live in collected.stale:
        _quietly(mended, live.id.ref, partial(_strip, mending, live, mended))


def _strip(mending: Mending, live: LiveTarget, mended: Mended) -> None:
    mending.hands.targets.patch(live.id, plan_strip(live))
    mended.lines.append(f"{live.id.ref}: marks of a lease that has ended were taken off")


def _mend(mending: Mending, lease: Lease, mended: Mended) -> None:
    """Take up what a dead run left; what a living run works on is left to it."""
    with transaction(mending.engine) as connection:
        known = find_step(connection, lease.id)
    now = mending.hands.clock()
    beat_at = known[0].beat_at if known else None
    if lease.state is LeaseState.INTENT:
        if beat_at is not None and now - beat_at < STALE_AFTER:
            return
        there = recover_intent(lease, mending.hands, mending.window)
        mended.lines.append(
            f"{lease.target.ref}: its run died; it is {'lowered' if there else 'left as it was'}"
        )
    elif lease.target.kind is ObjectKind.NODE and known is not None:
        _mend_drain(mending, lease, known, mended)


def _mend_drain(
    mending: Mending, lease: Lease, known: tuple[RunRow, StepRecord], mended: Mended
) -> None:
    run, step = known
    now = mending.hands.clock()
    left = mending.window.up - now if mending.window else None
    planned = _plan_of(run, step)
    timeout = _timeout(mending, planned[1]) if planned else dt.timedelta()
    half = HalfDrain(lease, step.state, run.beat_at, timeout)
    recovery = decide_drain_recovery(half, left, now)
    if recovery.act is RecoverAct.RESUME_DRAIN and planned is not None:
        ended = _resume(mending, run, *planned)
        mended.lines.append(f"{lease.target.ref}: {recovery.reason}: {ended.reason}")
    elif recovery.act is RecoverAct.RESTORE:
        outcome = give_back_now(lease, mending.hands)
        mended.lines.append(f"{lease.target.ref}: {recovery.reason}: {outcome.reason}")


def _plan_of(run: RunRow, step: StepRecord) -> tuple[CapacityPlan, Action] | None:
    """Give a run's plan and the action of a step; None if they cannot be had any more."""
    try:
        plan = parse_plan(run.plan)
    except ValueError:
        return None
    action = next((one for one in plan.actions if one.order == step.order), None)
    return (plan, action) if action else None


def _timeout(mending: Mending, action: Action) -> dt.timedelta:
    pools = {pool.name: pool.drain.node_timeout for pool in mending.policy.node_pools}
    return pools.get(action.pool, dt.timedelta())


def _resume(mending: Mending, run: RunRow, plan: CapacityPlan, action: Action) -> StepRecord:
    """Go on with a drain whose run has died, in that run's own name and by its plan."""
    journal = replace(mending.journal, run=run.id)
    hands = replace(mending.hands, journal=journal)
    apply = Apply(plan, [action], mending.policy, hands, mending.journal.actor, mending.care)
    return rest(apply, action)


def _drift(mending: Mending, mended: Mended) -> None:
    """Say which targets people have changed while a lease is on them; nothing is changed back."""
    now = mending.hands.clock()
    for lease in mending.hands.journal.open_leases():
        try:
            live = mending.hands.targets.read(lease.target)
        except NightshiftError:
            continue  # the restore has said so
        if live is None or lease.state is not LeaseState.APPLIED:
            continue
        if is_held(live.annotations, now, if_unclear=False):
            mended.lines.append(f"{lease.target.ref} is held by an annotation")
        elif not agrees(live, lease.applied):
            found = describe_fields({name: live.fields.get(name) for name in lease.applied})
            mended.lines.append(
                f"{lease.target.ref} was changed since: {found}; the lease keeps "
                f"{describe_fields(lease.before)}"
            )
