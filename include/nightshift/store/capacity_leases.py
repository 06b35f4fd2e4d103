"""Leases in the store: the intent is committed before anything is lowered."""

import datetime as dt
import json
from typing import Any

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import ObjectKind, TargetId
from nightshift.domain.leases.annotations import dump_fields, parse_fields
from nightshift.domain.leases.records import (
    OPEN_STATES,
    Lease,
    LeaseId,
    LeaseState,
    ReturnRules,
    check_move,
)
from nightshift.errors import Conflict, NotFound, PermanentError
from nightshift.store.capacity_models import CapacityLease

_OPEN = [str(state) for state in OPEN_STATES]


def write_intent(connection: Connection, lease: Lease, now: dt.datetime) -> None:
    """Write down that a target will be lowered; again for the same lease is no change.

    A lease that was dropped in the same window is taken up again with what the target is now.

    :raises Conflict: if the target is under another open lease, or this one has gone further.
    """
    row = _to_row(lease, now)
    fresh = insert(CapacityLease).values({**row, "state": str(LeaseState.INTENT)})
    renewed = {name: fresh.excluded[name] for name in row if name != "lease"}
    connection.execute(
        fresh.on_conflict_do_update(
            index_elements=["lease"],
            set_={**renewed, "state": str(LeaseState.INTENT)},
            where=CapacityLease.state == str(LeaseState.DROPPED),
        )
    )
    there = read_lease_row(connection, lease.id)
    if there.state is not LeaseState.INTENT:
        raise Conflict(f"the lease {lease.id} is {there.state} already")
    if there.before != lease.before or there.applied != lease.applied:
        raise Conflict(f"the lease {lease.id} was written with other values; plan again")


def adopt_lease(connection: Connection, lease: Lease, now: dt.datetime) -> bool:
    """Write down a lease that was found on its object and that the store does not know.

    One that the store had dropped, because its PATCH came in so late, is taken up again too.

    :returns: False if the store knows it already.
    """
    late = CapacityLease.state == str(LeaseState.DROPPED)
    done = connection.execute(
        insert(CapacityLease)
        .values(_to_row(lease, now))
        .on_conflict_do_update(
            index_elements=["lease"], set_={"state": str(lease.state)}, where=late
        )
        .returning(CapacityLease.lease)
    )
    return done.scalar() is not None


def move_lease(
    connection: Connection, lease: LeaseId, state: LeaseState, reason: str, now: dt.datetime
) -> bool:
    """Move a lease on.

    :returns: whether it was in another state before.
    :raises NotFound: if there is no such lease.
    :raises Conflict: if it has gone further already.
    """
    there = connection.execute(
        select(CapacityLease.state).where(CapacityLease.lease == lease).with_for_update()
    ).scalar()
    if there is None:
        raise NotFound(f"the store has no lease {lease}")
    old = LeaseState(there)
    try:
        check_move(lease, old, state)
    except ValueError as error:
        raise Conflict(str(error)) from error
    connection.execute(
        update(CapacityLease)
        .where(CapacityLease.lease == lease)
        .values(state=str(state), reason=reason, changed_at=now)
    )
    return old is not state


def list_open_leases(connection: Connection, policy: str = "") -> list[Lease]:
    """List the leases that still have to be brought back or dropped; "" is every policy's."""
    query = select(CapacityLease).where(CapacityLease.state.in_(_OPEN))
    if policy:
        query = query.where(CapacityLease.policy == policy)
    found = connection.execute(query.order_by(CapacityLease.window_id, CapacityLease.order))
    return [_from_row(row) for row in found]


def list_window_leases(connection: Connection, window_id: str) -> list[Lease]:
    """List every lease of a window, ended or not."""
    query = select(CapacityLease).where(CapacityLease.window_id == window_id)
    return [_from_row(row) for row in connection.execute(query.order_by(CapacityLease.order))]


def read_window_end(connection: Connection, window_id: str) -> dt.datetime | None:
    """Give the instant at which the last lease of a window ended; None without any."""
    found: dt.datetime | None = connection.execute(
        select(func.max(CapacityLease.changed_at)).where(
            CapacityLease.window_id == window_id, CapacityLease.state == str(LeaseState.CLOSED)
        )
    ).scalar()
    return found


def list_ended_ids(
    connection: Connection, state: LeaseState, since: dt.datetime
) -> frozenset[LeaseId]:
    """List the ids of leases that ended in a state after an instant."""
    rows = connection.execute(
        select(CapacityLease.lease).where(
            CapacityLease.state == str(state), CapacityLease.changed_at >= since
        )
    )
    return frozenset(LeaseId(row.lease) for row in rows)


def read_lease_row(connection: Connection, lease: LeaseId) -> Lease:
    """Read one lease.

    :raises NotFound: if there is none of that id.
    """
    row = connection.execute(
        select(CapacityLease).where(CapacityLease.lease == lease)
    ).one_or_none()
    if row is None:
        raise NotFound(f"the store has no lease {lease}")
    return _from_row(row)


def _to_row(lease: Lease, now: dt.datetime) -> dict[str, Any]:
    return {
        "lease": lease.id,
        "policy": lease.window.partition("/")[0],
        "window_id": lease.window,
        "target_kind": str(lease.target.kind),
        "namespace": lease.target.namespace,
        "name": lease.target.name,
        "uid": lease.target.uid,
        "resource_version": lease.resource_version,
        "before": json.loads(dump_fields(lease.before)),
        "applied": json.loads(dump_fields(lease.applied)),
        "rules": _dump_rules(lease.rules),
        "saved": lease.saved,
        "due": lease.due,
        "order": lease.order,
        "tier": lease.tier,
        "state": str(lease.state),
        "policy_digest": lease.policy_digest,
        "plan_hash": lease.plan_hash,
        "by": lease.by,
        "at": lease.at,
        "changed_at": now,
    }


def _from_row(row: Row[Any]) -> Lease:
    kind, where = ObjectKind(row.target_kind), f"the store's lease {row.lease}"
    try:
        return Lease(
            id=LeaseId(row.lease),
            target=TargetId(kind, row.namespace, row.name, row.uid),
            before=parse_fields(kind, json.dumps(row.before), where),
            applied=parse_fields(kind, json.dumps(row.applied), where),
            due=row.due,
            order=row.order,
            window=row.window_id,
            state=LeaseState(row.state),
            tier=row.tier,
            rules=_parse_rules(row.rules),
            resource_version=row.resource_version,
            saved=row.saved,
            policy_digest=row.policy_digest,
            plan_hash=row.plan_hash,
            by=row.by,
            at=row.at,
        )
    except ValueError as error:
        raise PermanentError(f"{where} cannot be read: {error}") from error


def _dump_rules(rules: ReturnRules) -> dict[str, Any]:
    return {
        "on_conflict": str(rules.on_conflict),
        "skip_missed": rules.skip_missed,
        "stagger_seconds": rules.stagger.total_seconds(),
    }


def _parse_rules(raw: dict[str, Any]) -> ReturnRules:
    usual = ReturnRules()
    seconds = raw.get("stagger_seconds", usual.stagger.total_seconds())
    return ReturnRules(
        OnConflict(raw.get("on_conflict", str(usual.on_conflict))),
        bool(raw.get("skip_missed", usual.skip_missed)),
        dt.timedelta(seconds=float(seconds)),
    )
