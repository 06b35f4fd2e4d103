"""The guard's task: read, audit, freeze or thaw, say what was done and why."""

import logging

from nightshift.domain.capacity.budgets import ConnectionBudget
from nightshift.errors import NightshiftError
from nightshift.orchestration.steps.weekend import weekend
from nightshift.settings import Settings
from nightshift.store.capacity_records import RunKind
from nightshift.store.engines import read_max_connections
from nightshift.weekend.guarding import audit, keep_guard
from nightshift.weekend.sessions import Session, Tools

log = logging.getLogger(__name__)


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
        done = list(keep_guard(session.cluster, session.the_policy(), facts, now))
        journal = session.journal(session.record(run, RunKind.RECONCILE))
        for line in done:
            journal.note("guard", line.partition(" ")[0], said=line)
        for line in (*lines, *done):
            log.warning("%s", line)
        return [*lines, *done]


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
