"""Which trees are on the volumes, and which of them may be deleted."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.ids import AccountName
from nightshift.errors import Conflict, NotFound
from nightshift.store.faults import OpenScans
from nightshift.store.models import Account, Batch, Scan, Workspace
from nightshift.store.records import PLANNED, BatchId
from nightshift.store.registry import find_account


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """A workspace as the store knows it.

    :param state: in_use, trash (may be deleted) or deleted.
    """

    account: AccountName
    batch: BatchId
    path: str
    state: str
    leased_at: dt.datetime


def lease_workspace(
    connection: Connection, batch: BatchId, account: AccountName, path: str, now: dt.datetime
) -> None:
    """Note that an account's tree is in use by a batch.

    :param path: what names it outside, such as the claim of its volume.
    :raises Conflict: if it was given up already.
    """
    account_id = find_account(connection, account)
    connection.execute(
        insert(Workspace)
        .values(account_id=account_id, batch_id=batch, path=path, leased_at=now, changed_at=now)
        .on_conflict_do_nothing()
    )
    row = connection.execute(
        select(Workspace.state, Workspace.path).where(
            Workspace.account_id == account_id, Workspace.batch_id == batch
        )
    ).one()
    if row.state != "in_use" or row.path != path:
        raise Conflict(f"the workspace of {account} in batch {batch} is {row.state} at {row.path}")


def release_workspace(
    connection: Connection, batch: BatchId, account: AccountName, now: dt.datetime
) -> None:
    """Give a tree up, so that it may be deleted; again is no change.

    :raises OpenScans: if a scan still needs it. The batch must first end or abort it.
    :raises NotFound: if it was never leased.
    """
    account_id = find_account(connection, account)
    still_open = connection.execute(
        select(Scan.scan).where(
            Scan.batch_id == batch, Scan.account_id == account_id, Scan.state == PLANNED
        )
    )
    if names := [name for (name,) in still_open]:
        raise OpenScans(f"the workspace of {account} in batch {batch} is needed by", names)
    _move(connection, batch, account, "in_use", "trash", now)


def list_releasable(connection: Connection) -> tuple[WorkspaceRow, ...]:
    """List trees that nothing needs: given up, or all of their batch's scans have ended.

    A tree whose batch is still being planned is kept: it may get scans yet.
    """
    open_scans = (
        select(func.count())
        .where(
            Scan.batch_id == Workspace.batch_id,
            Scan.account_id == Workspace.account_id,
            Scan.state == PLANNED,
        )
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            Account.name,
            Workspace.batch_id,
            Workspace.path,
            Workspace.state,
            Workspace.leased_at,
        )
        .join(Account, Account.id == Workspace.account_id)
        .join(Batch, Batch.id == Workspace.batch_id)
        .where(
            (Workspace.state == "trash")
            | ((Workspace.state == "in_use") & (Batch.state != "planning") & (open_scans == 0))
        )
        .order_by(Workspace.leased_at, Account.name)
    )
    return tuple(
        WorkspaceRow(AccountName(name), BatchId(batch), path, state, leased_at)
        for name, batch, path, state, leased_at in rows
    )


def mark_deleted(
    connection: Connection, batch: BatchId, account: AccountName, now: dt.datetime
) -> None:
    """Note that a tree is gone; again is no change.

    :raises Conflict: if it is in use: release it first.
    """
    _move(connection, batch, account, "trash", "deleted", now)


def beat(connection: Connection, now: dt.datetime) -> None:
    """Touch the heartbeat; a replica's lag is its age there."""
    connection.execute(
        text(
            "INSERT INTO heartbeat (id, at) VALUES (1, :now)"
            " ON CONFLICT (id) DO UPDATE SET at = excluded.at"
        ),
        {"now": now},
    )


def _move(
    connection: Connection,
    batch: BatchId,
    account: AccountName,
    before: str,
    after: str,
    now: dt.datetime,
) -> None:
    account_id = find_account(connection, account)
    which = Workspace.account_id == account_id, Workspace.batch_id == batch
    connection.execute(
        update(Workspace)
        .where(*which, Workspace.state == before)
        .values(state=after, changed_at=now)
    )
    state = connection.execute(select(Workspace.state).where(*which)).scalar()
    if state is None:
        raise NotFound(f"{account} has no workspace in batch {batch}")
    later = {"in_use": 0, "trash": 1, "deleted": 2}
    if later[state] < later[after]:
        raise Conflict(f"the workspace of {account} in batch {batch} is {state}, not {before}")
