"""For how long each node was there: what a weekend's savings are measured from."""

import datetime as dt
from collections.abc import Collection

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from nightshift.store.capacity_models import NodeInterval
from nightshift.store.capacity_records import NodeSeen, NodeSpan


def observe_nodes(
    connection: Connection, cluster: str, nodes: Collection[NodeSeen], now: dt.datetime
) -> None:
    """Note which nodes are there now; those that were and are not have ended.

    A node that is new began when the cluster made it, but not before the last look, which did not
    show it; one that is gone ended between the last two looks, and the later one counts: cost is
    never guessed too low.

    :param cluster: the policy's name of it.
    """
    last_look = connection.execute(
        select(func.max(NodeInterval.seen_at)).where(NodeInterval.cluster == cluster)
    ).scalar()
    for one in nodes:
        made = min(one.created_at or now, now)
        values = {
            "cluster": cluster,
            "uid": one.uid,
            "node": one.node,
            "pool": one.pool,
            "instance_type": one.instance_type,
            "started_at": max(made, last_look or made),
            "seen_at": now,
        }
        connection.execute(
            insert(NodeInterval)
            .values(values)
            .on_conflict_do_update(
                index_elements=["cluster", "uid"], set_={"seen_at": now, "ended_at": None}
            )
        )
    connection.execute(
        update(NodeInterval)
        .where(
            NodeInterval.cluster == cluster,
            NodeInterval.ended_at.is_(None),
            NodeInterval.uid.not_in([one.uid for one in nodes]),
        )
        .values(ended_at=now)
    )


def list_node_spans(
    connection: Connection, cluster: str, begin: dt.datetime, end: dt.datetime
) -> list[NodeSpan]:
    """List the nodes that were there at some time between two instants, by start and name."""
    rows = connection.execute(
        select(NodeInterval)
        .where(
            NodeInterval.cluster == cluster,
            NodeInterval.started_at < end,
            or_(NodeInterval.ended_at.is_(None), NodeInterval.ended_at > begin),
        )
        .order_by(NodeInterval.started_at, NodeInterval.node)
    )
    return [
        NodeSpan(r.uid, r.node, r.pool, r.instance_type, r.started_at, r.ended_at) for r in rows
    ]
