"""What Dags and commands do, each in one call: ask what is due, plan, lower, raise, mend.

Whoever changes anything holds the cluster's lock meanwhile. All of it may be called again.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nightshift.cluster.locks import Lock, hold_lock
from nightshift.cluster.targets import list_targets
from nightshift.domain.capacity.plan_documents import dump_plan, parse_plan
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import Action, CapacityPlan, revalidate, why_approve
from nightshift.domain.capacity.policies_rules import Waves
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.capacity.targets import ObjectKind
from nightshift.domain.leases.records import StepState
from nightshift.domain.windows.due import Due, Up
from nightshift.errors import PermanentError
from nightshift.store.capacity_records import RunRow, RunState, StepRecord
from nightshift.store.capacity_runs import end_run, read_run, save_approval, save_plan
from nightshift.store.engines import transaction
from nightshift.store.node_intervals import observe_nodes
from nightshift.weekend.applying import Applied, Apply, apply_plan
from nightshift.weekend.journals import Journal, Renewing, StoreJournal
from nightshift.weekend.planning import nodes_seen, open_window, what_is_due
from nightshift.weekend.reconciling import Mended, end_deadlines, reconcile
from nightshift.weekend.restoring import Due as IsDue
from nightshift.weekend.restoring import Restored, restore
from nightshift.weekend.sessions import LOCK, Session
from nightshift.weekend.verifying import verify_raised


class NotApproved(PermanentError):
    """A plan needs a person's approval and does not have it."""


@dataclass(frozen=True, slots=True)
class Published:
    """A plan that has been written down.

    :param approve: why a person must approve it; empty if nobody has to.
    :param blocked: why nothing of it may be applied now, approved or not.
    """

    plan: CapacityPlan
    approve: tuple[str, ...]
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person answered.

    :param plan_hash: of the plan that they were shown.
    :param by: who; "" after a timeout, which is never an approval.
    """

    approved: bool
    plan_hash: str
    by: str = ""
    at: str = ""


def ask_due(session: Session) -> Due:
    """Say what the policy's calendar asks for now.

    :raises PermanentError: if the calendars do not reach to now.
    """
    try:
        return what_is_due(session.the_policy(), session.tools.clock(), session.engine)
    except ValueError as error:
        raise PermanentError(str(error)) from error


def plan_now(session: Session) -> CapacityPlan:
    """Plan what would be lowered in the window that is open, or the next one; changes nothing.

    :raises PermanentError: if the policy has no window any more.
    """
    return plan_from(session, session.facts())


def plan_from(session: Session, facts: ClusterSnapshot) -> CapacityPlan:
    """Plan from facts that were read already."""
    policy, now = session.the_policy(), session.tools.clock()
    due = ask_due(session)
    window = open_window(policy, now) or (due.next if isinstance(due, Up) else None)
    if window is None:
        raise PermanentError(f"the policy {policy.name} has no window that is still to come")
    return plan_scale_down(policy, facts, window, session.ledger())


def publish(session: Session, journal: StoreJournal) -> Published:
    """Plan, and write the plan down for whoever approves and applies it.

    A run that has a plan already keeps it: what was shown does not change under an approval.
    """
    with transaction(journal.engine) as connection:
        row = read_run(connection, journal.run)
    if row.plan_hash:
        return _published(session, read_plan(row))
    facts = session.facts()
    plan = plan_from(session, facts)
    with transaction(journal.engine) as connection:
        save_plan(connection, journal.run, plan.hash, dump_plan(plan))
        seen = nodes_seen(session.the_policy(), session.cluster)
        observe_nodes(connection, plan.cluster, seen, session.tools.clock())
    journal.note("planned", plan.policy, hash=plan.hash, actions=len(plan.actions))
    return _published(session, plan)


def read_plan(row: RunRow) -> CapacityPlan:
    """Read the plan of a run.

    :raises PermanentError: if it has none, or it is not what its hash says.
    """
    try:
        plan = parse_plan(row.plan)
    except ValueError as error:
        run = row.record.run
        raise PermanentError(f"the plan of the run {run} cannot be read: {error}") from error
    if plan.hash != row.plan_hash:
        raise PermanentError(f"the plan of the run {row.record.run} is not the one it published")
    return plan


def note_approval(journal: StoreJournal, approval: Approval) -> None:
    """Write down what a person answered, for which plan."""
    answer = {
        "approved": approval.approved,
        "plan_hash": approval.plan_hash,
        "by": approval.by,
        "at": approval.at,
    }
    with transaction(journal.engine) as connection:
        save_approval(connection, journal.run, answer)
    journal.note("approval", "", **answer)


def lower(session: Session, journal: StoreJournal) -> Applied:
    """Carry a run's published plan out, if it still holds and is approved where it has to be.

    Approval and hash are read again here: that a task before this one succeeded proves nothing.

    :raises NotApproved: if a person must approve it and has not.
    :raises PermanentError: if it may not be applied now; the text says why.
    """
    with holding(session) as lock:
        applied = apply_plan(prepare(session, journal, lock))
    finish(journal, applied)
    return applied


def prepare(session: Session, journal: StoreJournal, lock: Lock) -> Apply:
    """Read a run's plan again, check its approval and what has changed since.

    :raises NotApproved: if a person must approve it and has not.
    :raises PermanentError: if it may not be applied now; the text says why.
    """
    with transaction(journal.engine) as connection:
        row = read_run(connection, journal.run)
    plan = read_plan(row)
    check_approval(session, plan, row.approval)
    fresh = plan_now(session)
    begun = {lease.id for lease in journal.open_leases()}
    under_way = tuple(one for one in plan.actions if one.lease_id in begun)
    if not under_way and (blocked := fresh.why_not_apply()):
        raise PermanentError(f"nothing is lowered: {'; '.join(blocked)}")
    checked = revalidate(plan, row.plan_hash, fresh)
    if checked.refused:
        raise PermanentError(f"nothing is lowered: {'; '.join(checked.refused)}")
    reasons = {one.ref: one.reason for one in checked.dropped}
    _note_dropped(journal, plan, (*under_way, *checked.actions), reasons)
    actions = {one.order: one for one in (*under_way, *checked.actions)}
    chosen = tuple(actions[order] for order in sorted(actions))
    return session.apply_of(plan, chosen, Renewing(journal, lock))


def check_approval(session: Session, plan: CapacityPlan, approval: Mapping[str, Any]) -> None:
    """Refuse a plan that needs an approval and does not have exactly that.

    :raises NotApproved: with what is missing.
    """
    needed = why_approve(session.the_policy().approval, plan.risk)
    if not needed:
        return
    why = "; ".join(needed)
    if not approval:
        raise NotApproved(f"a person must approve this plan: {why}")
    if approval.get("approved") is not True:
        raise NotApproved(f"the plan was rejected by {approval.get('by') or 'nobody in time'}")
    if not approval.get("by"):
        raise NotApproved("nobody answered in time, which is no approval")
    if approval.get("plan_hash") != plan.hash:
        raise NotApproved("another plan was approved than this one; plan again")
    users = session.the_policy().approval.users
    if users and approval["by"] not in users:
        raise NotApproved(f"{approval['by']} may not approve; the policy names {', '.join(users)}")


def finish(journal: StoreJournal, applied: Applied) -> None:
    """Write down how a run ended."""
    state = RunState.COMPENSATED if applied.failed else RunState.DONE
    reason = applied.failed or applied.skip_nodes
    with transaction(journal.engine) as connection:
        end_run(connection, journal.run, state, reason, journal.clock())


def raise_all(
    session: Session,
    journal: Journal,
    *,
    due: IsDue | None = None,
    waves: Waves | None = None,
    patience: dt.timedelta | None = None,
) -> Restored:
    """Bring back everything that is due; needs no plan and no approval, and may run late.

    :param due: instead of the policy's calendar, as for somebody who wants all of it back now.
    :param patience: how long to stay; None goes on until only people can do more.
    """
    policy = session.policy
    chosen = waves or (policy.restore.waves if policy else Waves())
    until = session.tools.clock() + patience if patience else None
    with holding(session) as lock:
        hands = session.hands(Renewing(journal, lock))
        return restore(hands, due or session.due(), chosen, until)


def verify_up(session: Session, journal: Journal) -> list[str]:
    """Say which of the tiers' measures are out of bounds now that all is back; changes nothing.

    Holds no lock: it waits for minutes, and nobody has to wait for it.
    """
    return verify_raised(session.the_policy(), session.holds, session.hands(journal))


def mend(session: Session, journal: StoreJournal, patience: dt.timedelta) -> Mended:
    """Mend what crashes, a lost store and people left behind, and bring back what is due."""
    until = session.tools.clock() + patience
    with holding(session) as lock:
        mending = session.mending(journal)
        hands = replace(mending.hands, journal=Renewing(journal, lock))
        mended = reconcile(replace(mending, hands=hands), session.found(), until)
        jobs = list_targets(session.cluster, ObjectKind.CRON_JOB)
        mended.lines += end_deadlines(session.hands(journal), jobs)
    seen, now = nodes_seen(session.the_policy(), session.cluster), session.tools.clock()
    with transaction(journal.engine) as connection:
        observe_nodes(connection, session.the_policy().cluster, seen, now)
        end_run(connection, journal.run, RunState.DONE, "; ".join(mended.faults)[:2000], now)
    return mended


@contextmanager
def holding(session: Session) -> Iterator[Lock]:
    """Hold the cluster's lock while something is changed.

    :raises Conflict: if somebody else holds it.
    """
    tools = session.tools
    with hold_lock(session.cluster, LOCK, tools.actor, tools.clock, tools.sleep) as lock:
        yield lock


def _published(session: Session, plan: CapacityPlan) -> Published:
    needed = why_approve(session.the_policy().approval, plan.risk)
    return Published(plan, needed if plan.actions else (), plan.why_not_apply())


def _note_dropped(
    journal: StoreJournal,
    plan: CapacityPlan,
    kept: tuple[Action, ...],
    reasons: Mapping[str, str],
) -> None:
    """Write down which actions of the plan no longer hold, and why."""
    stay = {one.order for one in kept} | {one.order for one in journal.steps()}
    for action in plan.actions:
        if action.order not in stay:
            ref, reason = action.target.ref, reasons.get(action.target.ref, "no longer holds")
            step = StepRecord(action.order, str(action.kind), ref, StepState.SKIPPED, action.tier)
            journal.save_step(replace(step, reason=reason))
