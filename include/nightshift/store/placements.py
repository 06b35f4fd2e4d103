"""The stored plan of a batch and of its shards: written once, changed by drift, read for reports.

A shard's ``plan`` holds ``why`` it is as it is, its ``placement`` (which nodes and why), its
``demand``, what was ``predicted`` of it, how often it was ``replanned``, and the ``outcome``. Once
it was planned again, ``first`` keeps the ``node`` of the first plan and what that ``predicted``.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, text, update

from nightshift.domain.ids import AccountName, ShardName
from nightshift.errors import NotFound
from nightshift.store.models import Account, Batch, Shard
from nightshift.store.records import BatchId, ShardPlan
from nightshift.store.values import as_json

_MAX_REPLANS = 100


def save_placement(connection: Connection, batch: BatchId, placement: Mapping[str, Any]) -> None:
    """Save what the whole plan was made from: strategy, ratio, and the ranking of every node."""
    connection.execute(update(Batch).where(Batch.id == batch).values(placement=as_json(placement)))


def read_shard_plans(
    connection: Connection, batch: BatchId, *, shard: ShardName | None = None
) -> tuple[ShardPlan, ...]:
    """Read the plans of a batch's scan pods by name, or of one of them.

    :param shard: only this one; none or one is given then.
    """
    query = (
        select(Shard.shard, Account.name, Shard.pod, Shard.terminated_reason, Shard.plan)
        .join(Account, Account.id == Shard.account_id)
        .where(Shard.batch_id == batch, Shard.kind == "scan")
        .order_by(Shard.shard)
    )
    if shard is not None:
        query = query.where(Shard.shard == shard)
    return tuple(
        ShardPlan(ShardName(name), AccountName(account), pod, bool(reason), plan)
        for name, account, pod, reason, plan in connection.execute(query)
    )


def change_placement(
    connection: Connection,
    batch: BatchId,
    shard: ShardName,
    placement: Mapping[str, Any],
    predicted: float | None,
) -> None:
    """Give a shard another placement, and count that it got one; the first prediction is kept."""
    connection.execute(
        text(
            "UPDATE shards SET planned_node = :node, plan = plan || jsonb_build_object("
            " 'first', coalesce(plan -> 'first', jsonb_build_object("
            "   'node', planned_node, 'predicted', plan -> 'predicted')),"
            " 'placement', CAST(:placement AS jsonb), 'predicted', CAST(:predicted AS jsonb),"
            " 'replanned', coalesce(CAST(plan ->> 'replanned' AS integer), 0) + 1)"
            " WHERE batch_id = :batch AND shard = :shard"
        ),
        {
            "batch": batch,
            "shard": shard,
            "node": placement.get("primary") or "",
            "placement": json.dumps(placement),
            "predicted": json.dumps(predicted),
        },
    )


def find_last_placed(connection: Connection) -> BatchId:
    """Find the newest batch that has a plan.

    :raises NotFound: if none has one yet.
    """
    number = connection.execute(
        select(Batch.id).where(Batch.placement != {}).order_by(Batch.id.desc()).limit(1)
    ).scalar()
    if number is None:
        raise NotFound("no batch has been planned yet")
    return BatchId(number)


def read_placement(connection: Connection, batch: BatchId) -> dict[str, Any]:
    """Read what ``save_placement`` saved; empty before it has."""
    found = connection.execute(select(Batch.placement).where(Batch.id == batch)).scalar()
    return dict(found or {})


def add_replan(connection: Connection, batch: BatchId, replan: Mapping[str, Any]) -> None:
    """Note that a batch's rest was planned again; the last 100 are kept."""
    connection.execute(
        text(
            "UPDATE batches SET placement = jsonb_set(placement, '{replans}',"
            " (CASE WHEN jsonb_array_length(coalesce(placement -> 'replans', '[]')) >= :most"
            "  THEN (placement -> 'replans') - 0 ELSE coalesce(placement -> 'replans', '[]') END)"
            " || jsonb_build_array(CAST(:replan AS jsonb))) WHERE id = :batch"
        ),
        {"batch": batch, "replan": json.dumps(as_json(replan)), "most": _MAX_REPLANS},
    )


def add_outcome(
    connection: Connection, batch: BatchId, shard: ShardName, outcome: Mapping[str, Any]
) -> None:
    """Add to what is known of how a shard's pod was placed."""
    connection.execute(
        text(
            "UPDATE shards SET plan = plan || jsonb_build_object('outcome',"
            " coalesce(plan -> 'outcome', '{}') || CAST(:outcome AS jsonb))"
            " WHERE batch_id = :batch AND shard = :shard"
        ),
        {"batch": batch, "shard": shard, "outcome": json.dumps(as_json(outcome))},
    )
