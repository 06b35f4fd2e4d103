"""What the weekend's tasks do, without Airflow: open a session, do one thing, say what it was."""

import dataclasses
import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nightshift.domain.capacity.diffs import diff_lines, diff_plan
from nightshift.domain.capacity.plan_documents import dump_plan
from nightshift.domain.capacity.plans import ActionKind
from nightshift.domain.capacity.targets import Patch
from nightshift.domain.leases.annotations import HOLD_UNTIL
from nightshift.domain.leases.records import StepState
from nightshift.domain.windows.due import Down
from nightshift.errors import PermanentError
from nightshift.settings import Settings
from nightshift.store.capacity_records import RunKind, RunState, StepRecord
from nightshift.store.capacity_runs import end_run, find_run, list_steps, read_run, save_plan
from nightshift.store.engines import transaction
from nightshift.weekend.applying import (
    Apply,
    finish_bounds,
    lower_bounds,
    lower_tiers,
    rest,
    undo,
)
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.operations import (
    Approval,
    ask_due,
    holding,
    mend,
    note_approval,
    plan_now,
    prepare,
    publish,
    raise_all,
    read_plan,
    verify_up,
)
from nightshift.weekend.policies import load_policy, policy_path
from nightshift.weekend.restoring import Restored
from nightshift.weekend.sessions import Session, Tools, open_session
from nightshift.weekend.targets import AllTargets
from nightshift.weekend.telling import Links, tell_blocked, tell_plan

log = logging.getLogger(__name__)

NOWHERE = Links()
UP_PATIENCE = dt.timedelta(minutes=90)
"""How long one try of a restore stays; the next try goes on."""
MEND_PATIENCE = dt.timedelta(minutes=10)
"""A reconcile comes every 15 minutes and must be over by then."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form of a run asks for.

    :param targets: only these, as ``Kind/namespace/name``; empty is all.
    :param hold: these are left as they are until the window ends.
    """

    dry_run: bool = False
    targets: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "Asked":
        """Read a run's params, which Airflow has checked."""
        return cls(
            bool(params.get("dry_run")),
            tuple(params.get("targets") or ()),
            tuple(params.get("hold") or ()),
        )


@contextmanager
def weekend(settings: Settings, tools: Tools) -> Iterator[Session | None]:
    """Open the session of the configuration's policy; None if there is none."""
    policy = load_policy(settings, None, tools.clock(), needed=False)
    if policy is None:
        yield None
        return
    with open_session(settings, policy, tools) as session:
        yield session


def why_not_down(settings: Settings, tools: Tools) -> str:
    """Ask the calendar whether something is to be lowered now; "" if it is."""
    with weekend(settings, tools) as session:
        if session is None:
            return f"{policy_path(settings)} is not there; nothing rests"
        due = ask_due(session)
        log.info("%s", due.reason)
        return "" if isinstance(due, Down) else due.reason


def publish_plan(
    settings: Settings, tools: Tools, run: str, asked: Asked, links: Links = NOWHERE
) -> dict[str, Any]:
    """Plan, write the plan down, and say whether a person must approve it."""
    with opened(settings, tools) as session:
        _hold(session, asked.hold)
        journal = session.journal(session.record(run, RunKind.DOWN))
        if asked.targets:
            _publish_part(session, journal, asked.targets)
        published = publish(session, journal)
        tell_plan(session, journal, published, links, asks=not asked.dry_run)
        lines = diff_lines(diff_plan(published.plan))
        for line in lines:
            log.info("%s", line)
        return {
            "hash": published.plan.hash,
            "nodes": [
                one.order for one in published.plan.actions if one.kind is ActionKind.REST_NODE
            ],
            "actions": len(published.plan.actions),
            "approve": list(published.approve),
            "blocked": list(published.blocked) + (["a dry run"] if asked.dry_run else []),
            "diff": "\n".join(lines),
            "timeout_seconds": session.the_policy().approval.timeout.total_seconds(),
            "not_told": session.notices(journal.run).not_told(),
        }


def save_answer(
    settings: Settings, tools: Tools, run: str, plan_hash: str, answer: Mapping[str, Any]
) -> None:
    """Write down what a person answered in Airflow's form; a default is nobody's approval."""
    with opened(settings, tools) as session:
        by = answer.get("responded_by_user") or {}
        name = str(by.get("name") or by.get("id") or "") if isinstance(by, Mapping) else str(by)
        approved = list(answer.get("chosen_options") or []) == ["Approve"]
        journal = session.journal(session.record(run, RunKind.DOWN))
        at = str(answer.get("responded_at") or "")
        note_approval(journal, Approval(approved, plan_hash, name, at))


def note_rejection(settings: Settings, tools: Tools, run: str, plan_hash: str) -> None:
    """Write down that a person said no, or nobody anything; Airflow's form knows who."""
    save_answer(settings, tools, run, plan_hash, {})
    with opened(settings, tools) as session:
        journal = session.journal(session.record(run, RunKind.DOWN))
        with transaction(journal.engine) as connection:
            why = "rejected by a person or by the timeout"
            end_run(connection, journal.run, RunState.REJECTED, why, tools.clock())


def lower_workloads(settings: Settings, tools: Tools, run: str) -> str:
    """Lower the tiers; gives why no node may be put to rest, "" if they may."""
    with applying(settings, tools, run) as apply:
        return lower_tiers(apply)


def lower_pools(settings: Settings, tools: Tools, run: str) -> None:
    """Lower the bounds of node pools."""
    with applying(settings, tools, run) as apply:
        lower_bounds(apply)


def drain(settings: Settings, tools: Tools, run: str, order: int) -> str:
    """Put one node to rest; gives what became of it."""
    with applying(settings, tools, run) as apply:
        for action in apply.of(ActionKind.REST_NODE):
            if action.order == order:
                return rest(apply, action).reason
        return "it is no part of the plan any more"


def finish_pools(settings: Settings, tools: Tools, run: str) -> None:
    """Lower what is left of the pools' maximums, which follow their nodes down."""
    with applying(settings, tools, run) as apply:
        finish_bounds(apply)


def compensate_run(settings: Settings, tools: Tools, run: str) -> str:
    """Undo in reverse what a run has done."""
    with opened(settings, tools) as session:
        journal = session.journal(session.record(run, RunKind.DOWN))
        with transaction(journal.engine) as connection:
            row = find_run(connection, run)
        if row is None or not row.plan_hash:
            return "nothing was planned, so nothing was done"
        plan = read_plan(row)
        with holding(session):
            undone = undo(session.apply_of(plan, plan.actions, journal))
        with transaction(journal.engine) as connection:
            end_run(connection, journal.run, RunState.COMPENSATED, "a step failed", tools.clock())
        return describe(undone)


def report_down(
    settings: Settings, tools: Tools, run: str, links: Links = NOWHERE
) -> dict[str, Any]:
    """Sum a run up. Fails if a step failed, or could not be undone.

    :raises PermanentError: with the steps that need a person.
    """
    with opened(settings, tools) as session:
        journal = session.journal(session.record(run, RunKind.DOWN))
        with transaction(journal.engine) as connection:
            steps = list_steps(connection, journal.run)
            row = find_run(connection, run)
            if row is not None and row.state is RunState.RUNNING:
                end_run(connection, journal.run, RunState.DONE, "", tools.clock())
        for step in steps:
            log.info("%s %s: %s", step.ref, step.state, step.reason)
        if row is not None and row.plan_hash:
            tell_blocked(session, journal, read_plan(row), steps, links)
        not_told = session.notices(journal.run).not_told()
        for line in not_told:
            log.warning("%s", line)
        bad = [one for one in steps if one.state is StepState.FAILED]
        if bad or (row is not None and row.state is RunState.COMPENSATED):
            raise PermanentError(f"the run was undone: {_say(bad)}")
        counts = {str(state): sum(one.state is state for one in steps) for state in StepState}
        return {**counts, "not_told": not_told}


def why_not_up(settings: Settings, tools: Tools) -> str:
    """Ask whether something is to be brought back now; "" if it is."""
    with weekend(settings, tools) as session:
        if session is None:
            return f"{policy_path(settings)} is not there; nothing was lowered"
        journal = session.journal(session.record("weekend_scale_up-look", RunKind.UP))
        due = [lease for lease in journal.open_leases() if session.due()(lease)]
        if not due:
            return "nothing that is lowered is due"
        log.info("%d targets are due", len(due))
        return ""


def raise_step(settings: Settings, tools: Tools, run: str) -> str:
    """Bring back everything that is due; raises if something is left after this try."""
    with opened(settings, tools) as session:
        journal = session.journal(session.record(run, RunKind.UP))
        restored = raise_all(session, journal, patience=UP_PATIENCE)
        for outcome in restored.outcomes:
            log.info("%s %s: %s", outcome.lease.target.ref, outcome.given, outcome.reason)
        state = RunState.DONE if restored.complete else RunState.FAILED
        with transaction(journal.engine) as connection:
            end_run(connection, journal.run, state, describe(restored), tools.clock())
        if not restored.complete:
            raise PermanentError(f"not everything is back: {describe(restored)}")
        return describe(restored)


def verify_step(settings: Settings, tools: Tools, run: str) -> None:
    """Ask the tiers' measures once all is back. Lowers nothing, whatever they say.

    :raises PermanentError: with those that are out of bounds, which marks the run.
    """
    with opened(settings, tools) as session:
        journal = session.journal(session.record(run, RunKind.UP))
        faults = verify_up(session, journal)
        state, why = RunState.FAILED if faults else RunState.DONE, "; ".join(faults)
        with transaction(journal.engine) as connection:
            end_run(connection, journal.run, state, why[:2000], tools.clock())
        if not faults:
            return
        journal.note("verify failed", "", faults=faults)
        raise PermanentError(f"everything is back, but not well: {why}")


def reconcile_step(settings: Settings, tools: Tools, run: str) -> list[str]:
    """Mend what was left behind; gives what was done, and logs what a person has to look at."""
    with weekend(settings, tools) as session:
        if session is None:
            return []
        journal = session.journal(session.record(run, RunKind.RECONCILE))
        mended = mend(session, journal, MEND_PATIENCE)
        for line in mended.lines:
            log.info("%s", line)
        for fault in mended.faults:
            log.warning("%s", fault)
        return [*mended.lines, *mended.faults]


@contextmanager
def opened(settings: Settings, tools: Tools) -> Iterator[Session]:
    """Open a session that must have its policy.

    :raises PermanentError: if the policy has gone since the run began.
    """
    with weekend(settings, tools) as session:
        if session is None:
            raise PermanentError(f"{policy_path(settings)} is not there any more")
        yield session


@contextmanager
def applying(settings: Settings, tools: Tools, run: str) -> Iterator[Apply]:
    """Hold the lock and prepare to carry a run's plan out: approval and hash are read again."""
    with opened(settings, tools) as session, holding(session) as lock:
        journal = session.journal(session.record(run, RunKind.DOWN))
        yield prepare(session, journal, lock)


def describe(restored: Restored) -> str:
    """Say how a restore stands, in one line."""
    counts: dict[str, int] = {}
    for outcome in restored.outcomes:
        counts[str(outcome.given)] = counts.get(str(outcome.given), 0) + 1
    said = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    return said or "nothing was to be done"


def _say(steps: Sequence[StepRecord]) -> str:
    return "; ".join(f"{one.ref}: {one.reason}" for one in steps) or "see its steps"


def _hold(session: Session, refs: Sequence[str]) -> None:
    """Hold what the form names until the window ends."""
    if not refs:
        return
    due = ask_due(session)
    if not isinstance(due, Down):
        return
    targets = AllTargets(session.cluster, session.drivers, session.airflow)
    for live in session.facts().targets:
        if live.id.ref in refs:
            until = {HOLD_UNTIL: due.window.up.isoformat()}
            targets.patch(live.id, Patch({}, until, live.resource_version, ""))


def _publish_part(session: Session, journal: StoreJournal, refs: Sequence[str]) -> None:
    """Publish only the part of the plan that the form asks for."""
    with transaction(journal.engine) as connection:
        if read_run(connection, journal.run).plan_hash:
            return
    plan = plan_now(session)
    kept = tuple(one for one in plan.actions if one.target.ref in refs)
    part = dataclasses.replace(plan, actions=kept)
    with transaction(journal.engine) as connection:
        save_plan(connection, journal.run, part.hash, dump_plan(part))
