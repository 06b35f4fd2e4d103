"""Runs and their steps: who is at work, with which plan, and what became of every action."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.leases.records import LeaseId, StepState
from nightshift.errors import Conflict, NotFound
from nightshift.store.capacity_models import CapacityReport, CapacityRun, CapacityStep
from nightshift.store.capacity_records import (
    RunId,
    RunKind,
    RunRecord,
    RunRow,
    RunState,
    StepRecord,
)
from nightshift.store.values import as_json


def begin_run(connection: Connection, record: RunRecord, now: dt.datetime) -> RunId:
    """Begin a run, or take it up again: the same name is the same run.

    :raises Conflict: if a run of that name has another purpose.
    """
    values = {
        "run": record.run,
        "kind": str(record.kind),
        "policy": record.policy,
        "policy_digest": record.policy_digest,
        "window_id": record.window_id,
        "by": record.by,
        "started_at": now,
        "beat_at": now,
    }
    connection.execute(
        insert(CapacityRun)
        .values(values)
        .on_conflict_do_update(index_elements=["run"], set_={"beat_at": now})
    )
    row = find_run(connection, record.run)
    if row is None or (row.record.kind, row.record.policy) != (record.kind, record.policy):
        raise Conflict(f"the run {record.run} has another purpose; choose another name")
    return row.id


def save_plan(connection: Connection, run: RunId, plan_hash: str, plan: Mapping[str, Any]) -> None:
    """Publish a run's plan; an approval is of exactly this hash.

    :raises Conflict: if the run has another plan: what was approved must not change under it.
    """
    row = read_run(connection, run)
    if row.plan_hash not in {"", plan_hash}:
        raise Conflict(f"the run {row.record.run} has the plan {row.plan_hash[:12]} already")
    connection.execute(
        update(CapacityRun)
        .where(CapacityRun.id == run)
        .values(plan_hash=plan_hash, plan=as_json(plan))
    )


def save_approval(connection: Connection, run: RunId, approval: Mapping[str, Any]) -> None:
    """Note who answered, what, when, and for which hash."""
    connection.execute(
        update(CapacityRun).where(CapacityRun.id == run).values(approval=as_json(approval))
    )


def beat_run(connection: Connection, run: RunId, now: dt.datetime) -> None:
    """Say that a run is alive."""
    connection.execute(update(CapacityRun).where(CapacityRun.id == run).values(beat_at=now))


def end_run(
    connection: Connection, run: RunId, state: RunState, reason: str, now: dt.datetime
) -> None:
    """Say how a run ended."""
    connection.execute(
        update(CapacityRun)
        .where(CapacityRun.id == run)
        .values(state=str(state), reason=reason, finished_at=now, beat_at=now)
    )


def find_run(connection: Connection, name: str) -> RunRow | None:
    """Find a run by its name outside."""
    row = connection.execute(select(CapacityRun).where(CapacityRun.run == name)).one_or_none()
    return _run(row) if row else None


def read_run(connection: Connection, run: RunId) -> RunRow:
    """Read a run.

    :raises NotFound: if there is none of that id.
    """
    row = connection.execute(select(CapacityRun).where(CapacityRun.id == run)).one_or_none()
    if row is None:
        raise NotFound(f"the store has no capacity run {run}")
    return _run(row)


def list_runs(connection: Connection, policy: str = "", limit: int = 20) -> list[RunRow]:
    """List the newest runs, newest first; "" is every policy's."""
    query = select(CapacityRun).order_by(CapacityRun.started_at.desc(), CapacityRun.id.desc())
    if policy:
        query = query.where(CapacityRun.policy == policy)
    return [_run(row) for row in connection.execute(query.limit(limit))]


def last_applied_digest(connection: Connection, policy: str) -> str | None:
    """Give the digest of the policy as it was last applied; None if it never was."""
    found: str | None = connection.execute(
        select(CapacityRun.policy_digest)
        .join(CapacityStep, CapacityStep.run_id == CapacityRun.id)
        .where(
            CapacityRun.policy == policy,
            CapacityRun.kind == str(RunKind.DOWN),
            CapacityStep.state.in_([str(StepState.APPLIED), str(StepState.VERIFIED)]),
        )
        .order_by(CapacityRun.id.desc())
        .limit(1)
    ).scalar()
    return found


def save_step(connection: Connection, run: RunId, step: StepRecord, now: dt.datetime) -> None:
    """Write down how an action of a run stands."""
    values = {
        "run_id": run,
        "order": step.order,
        "action": step.action,
        "tier": step.tier,
        "ref": step.ref,
        "lease": step.lease or "",
        "state": str(step.state),
        "reason": step.reason,
        "detail": as_json(step.detail),
        "at": now,
        "changed_at": now,
    }
    changed = {name: values[name] for name in ("state", "reason", "detail", "changed_at")}
    connection.execute(
        insert(CapacityStep)
        .values(values)
        .on_conflict_do_update(index_elements=["run_id", "order"], set_=changed)
    )


def list_steps(connection: Connection, run: RunId) -> list[StepRecord]:
    """List a run's steps in the plan's order."""
    rows = connection.execute(
        select(CapacityStep).where(CapacityStep.run_id == run).order_by(CapacityStep.order)
    )
    return [_step(row) for row in rows]


def find_step(connection: Connection, lease: LeaseId) -> tuple[RunRow, StepRecord] | None:
    """Find the newest run that worked on a lease, and its step."""
    row = connection.execute(
        select(CapacityStep)
        .where(CapacityStep.lease == lease)
        .order_by(CapacityStep.run_id.desc())
        .limit(1)
    ).one_or_none()
    return (read_run(connection, RunId(row.run_id)), _step(row)) if row else None


def save_report(
    connection: Connection, policy: str, window_id: str, report: Mapping[str, Any], now: dt.datetime
) -> None:
    """Keep what a window saved; a newer report of the same window replaces the older."""
    values = {"report": as_json(report), "at": now}
    connection.execute(
        insert(CapacityReport)
        .values(policy=policy, window_id=window_id, **values)
        .on_conflict_do_update(index_elements=["policy", "window_id"], set_=values)
    )


def list_reports(connection: Connection, policy: str, limit: int = 26) -> list[dict[str, Any]]:
    """List the newest reports of a policy, oldest first."""
    rows = connection.execute(
        select(CapacityReport.report)
        .where(CapacityReport.policy == policy)
        .order_by(CapacityReport.window_id.desc())
        .limit(limit)
    )
    return [dict(row.report) for row in reversed(list(rows))]


def _run(row: Row[Any]) -> RunRow:
    return RunRow(
        id=RunId(row.id),
        record=RunRecord(
            row.run, RunKind(row.kind), row.policy, row.policy_digest, row.window_id, row.by
        ),
        state=RunState(row.state),
        plan_hash=row.plan_hash,
        plan=row.plan,
        approval=row.approval,
        reason=row.reason,
        started_at=row.started_at,
        beat_at=row.beat_at,
        finished_at=row.finished_at,
    )


def _step(row: Row[Any]) -> StepRecord:
    return StepRecord(
        order=row.order,
        action=row.action,
        ref=row.ref,
        state=StepState(row.state),
        tier=row.tier,
        lease=LeaseId(row.lease) if row.lease else None,
        reason=row.reason,
        detail=row.detail,
    )
