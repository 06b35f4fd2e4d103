"""The guard's task: read, audit, freeze or thaw, say what was done and why."""

import datetime as dt
import logging
from dataclasses import replace

from nightshift.domain.capacity.budgets import ConnectionBudget
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.capacity.surges import Level, SurgeKind, Verdict
from nightshift.errors import NightshiftError
from nightshift.orchestration.steps.weekend import weekend
from nightshift.settings import Settings
from nightshift.store.capacity_events import last_event
from nightshift.store.capacity_records import RunKind
from nightshift.store.engines import read_max_connections, transaction
from nightshift.weekend.guarding import audit, has_gap, judge, keep_guard
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.sessions import Session, Tools

log = logging.getLogger(__name__)

GAP = "gap"
"""The event of a look at pods that are wanted and do not run; its ref is the policy."""
_LOOKS_APART = dt.timedelta(minutes=40)
"""Looks further apart are not in a row: they come every 15 minutes."""


def guard_step(settings: Settings, tools: Tools, run: str) -> list[str]:
    """Audit autoscalers and freeze a runaway; gives what was found and done."""
    with weekend(settings, tools) as session:
        if session is None:
            return []
        facts = session.facts()
        lines = [
            str(one)
            for one in audit(
                session.the_policy(), facts, lambda budget: _max_connections(session, budget)
            )
        ]
        now = tools.clock()
        journal = session.journal(session.record(run, RunKind.RECONCILE))
        seen = session.signals()
        tries = 0 if facts.unread else _count_gap(session, journal, facts)
        signals = replace(seen.signals, gap_tries=tries)
        verdict = judge(session.the_policy(), facts, signals)
        lines += [*seen.unknown, *describe_verdict(verdict)]
        done = list(keep_guard(session.cluster, session.the_policy(), facts, verdict, now))
        for line in done:
            journal.note("guard", line.partition(" ")[0], said=line)
        for line in (*lines, *done):
            log.warning("%s", line)
        return [*lines, *done]


def describe_verdict(verdict: Verdict) -> list[str]:
    """Say level, kind and reasons; nothing where all is normal."""
    if verdict.level is Level.L0 and verdict.kind is SurgeKind.NONE:
        return []
    why = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
    return [f"level {verdict.level.name}, {verdict.kind}{why}"]


def _count_gap(session: Session, journal: StoreJournal, facts: ClusterSnapshot) -> int:
    """Count the looks in a row at which pods were wanted that did not run; the log remembers."""
    now = session.tools.clock()
    with transaction(journal.engine) as connection:
        last = last_event(connection, GAP, journal.policy)
    recent = last is not None and now - last["at"] <= _LOOKS_APART
    before = int(last["detail"]["tries"]) if last is not None and recent else 0
    if last is not None and recent and last["run_id"] == journal.run:
        return before  # a task that is tried again is the same look
    tries = before + 1 if has_gap(session.the_policy(), facts) else 0
    if tries != before:
        journal.note(GAP, journal.policy, tries=tries)
    return tries


def _max_connections(session: Session, budget: ConnectionBudget) -> int | None:
    """Ask the database, unless the policy says it."""
    if budget.max_connections is not None:
        return budget.max_connections
    try:
        found = session.tools.connections(budget.conn_id)
        port = found.port or 5432
        return read_max_connections(
            host=found.host,
            port=port,
            user=found.login,
            password=found.password,
            database=found.schema or "postgres",
        )
    except NightshiftError as error:
        log.warning("the connection budget %s is not audited: %s", budget.name, error)
        return None
