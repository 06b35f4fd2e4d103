"""Which pod does what: the plan as it was made, and what the cluster made of it."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.ids import ShardName
from nightshift.errors import Conflict, NotFound
from nightshift.store.models import Batch, Checkout, Scan, Shard
from nightshift.store.placements import add_outcome
from nightshift.store.records import PLANNED, BatchId, PodRecord, ShardRecord
from nightshift.store.registry import find_account, find_repositories
from nightshift.store.values import as_json


def save_clone_shards(
    connection: Connection, batch: BatchId, shards: Sequence[ShardRecord]
) -> None:
    """Save which pod fetches which repositories; a new plan replaces the old one.

    :raises Conflict: if the batch is sealed or aborted.
    """
    _replace_plan(connection, batch, "clone", shards)
    ids = find_repositories(
        connection, {(s.account, name) for s in shards for name in s.repositories}
    )
    rows = [
        {"batch": batch, "shard": s.name, "repository": ids[s.account, name].repository_id}
        for s in shards
        for name in s.repositories
    ]
    if rows:
        connection.execute(
            text(
                "UPDATE checkouts SET shard = :shard"
                " WHERE batch_id = :batch AND repository_id = :repository"
            ),
            rows,
        )


def save_shards(connection: Connection, batch: BatchId, shards: Sequence[ShardRecord]) -> None:
    """Save which pod does which scans; a new plan replaces the old one. Ended scans keep theirs.

    :raises Conflict: if the batch is sealed or aborted.
    """
    _replace_plan(connection, batch, "scan", shards)
    connection.execute(
        update(Scan).where(Scan.batch_id == batch, Scan.state == PLANNED).values(shard="")
    )
    rows = [
        {"batch": batch, "account": s.account, "shard": s.name, "scan": scan}
        for s in shards
        for scan in s.scans
    ]
    if rows:
        connection.execute(
            text(
                "UPDATE scans SET shard = :shard FROM accounts"
                " WHERE batch_id = :batch AND scan = :scan AND state = 'planned'"
                " AND accounts.id = scans.account_id AND accounts.name = :account"
            ),
            rows,
        )


def record_pod(connection: Connection, batch: BatchId, shard: ShardName, pod: PodRecord) -> None:
    """Note where a shard's pod ran and how it ended; what is not told stays as it was.

    :raises NotFound: if the batch has no such shard.
    """
    told = {
        "pod": pod.pod,
        "node": pod.node,
        "started_at": pod.started_at,
        "finished_at": pod.finished_at,
        "terminated_reason": pod.terminated_reason,
    }
    done = connection.execute(
        update(Shard)
        .where(Shard.batch_id == batch, Shard.shard == shard)
        .values({name: value for name, value in told.items() if value})
    )
    if done.rowcount == 0:
        raise NotFound(f"batch {batch} has no shard {shard}")
    if pod.outcome:
        add_outcome(connection, batch, shard, pod.outcome)


def read_terminated_reasons(
    connection: Connection, batch: BatchId, shards: Sequence[ShardName]
) -> dict[str, str]:
    """Read how the pods of these shards ended, as far as it was recorded."""
    rows = connection.execute(
        select(Shard.shard, Shard.terminated_reason).where(
            Shard.batch_id == batch, Shard.shard.in_(list(shards))
        )
    )
    return {row.shard: row.terminated_reason for row in rows}


def _replace_plan(
    connection: Connection, batch: BatchId, kind: str, shards: Sequence[ShardRecord]
) -> None:
    state = connection.execute(
        select(Batch.state).where(Batch.id == batch).with_for_update(key_share=True)
    ).scalar()
    if state not in {"planning", "running"}:
        raise Conflict(f"batch {batch} is {state or 'not there'}; it takes no plan")
    connection.execute(update(Batch).where(Batch.id == batch).values(state="running"))
    names = [shard.name for shard in shards]
    connection.execute(
        delete(Shard).where(
            Shard.batch_id == batch, Shard.kind == kind, Shard.shard.not_in(names), Shard.pod == ""
        )
    )
    if kind == "clone":
        connection.execute(
            update(Checkout)
            .where(Checkout.batch_id == batch, Checkout.state == PLANNED)
            .values(shard="")
        )
    for shard in shards:
        _upsert(connection, batch, kind, shard)


def _upsert(connection: Connection, batch: BatchId, kind: str, shard: ShardRecord) -> None:
    planned = {
        "kind": kind,
        "account_id": find_account(connection, shard.account),
        "plan": as_json(shard.plan),
        "planned_node": shard.planned_node,
        "expected_seconds": shard.expected_seconds,
    }
    connection.execute(
        insert(Shard)
        .values(batch_id=batch, shard=shard.name, **planned)
        .on_conflict_do_update(index_elements=["batch_id", "shard"], set_=planned)
    )
