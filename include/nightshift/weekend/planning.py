"""From a policy and an instant to a plan: what is due, what earlier runs did, one snapshot."""

import datetime as dt
from collections.abc import Mapping

from nightshift.cluster.capacity_snapshots import OtherFacts, read_capacity_snapshot
from nightshift.cluster.client import Cluster
from nightshift.cluster.objects import parse_metadata, read_object
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.leases.records import Lease, LeaseState, is_due
from nightshift.domain.windows.due import Due, WindowId, due_at
from nightshift.domain.windows.spans import Window, plan_windows
from nightshift.nodepools.drivers import NodePoolDriver, pool_facts
from nightshift.store.capacity_leases import list_ended_ids, list_open_leases
from nightshift.store.capacity_records import NodeSeen
from nightshift.store.capacity_runs import last_applied_digest
from nightshift.store.engines import Engine, transaction

_REMEMBERED = dt.timedelta(days=60)
"""For how long ended leases are asked about: far longer than any window."""


def what_is_due(policy: CapacityPolicy, now: dt.datetime, engine: Engine | None) -> Due:
    """Ask the calendar, and the store in which windows something was lowered already.

    :raises ValueError: if the calendars do not reach to ``now``.
    """
    begun: set[WindowId] = set()
    if engine is not None:
        with transaction(engine) as connection:
            begun = {WindowId(one.window) for one in list_open_leases(connection, policy.name)}
    windows = plan_windows(policy.schedule)
    return due_at(policy.schedule, windows, policy.name, now, begun=begun)


def open_window(policy: CapacityPolicy, now: dt.datetime) -> Window | None:
    """Give the window that is open now."""
    return plan_windows(policy.schedule).at(now)


def lease_is_due(lease: Lease, now: dt.datetime, policies: Mapping[str, CapacityPolicy]) -> bool:
    """Tell whether a lease is to be given back: by its policy's calendar, else by its own word."""
    policy = policies.get(lease.window.partition("/")[0])
    if policy is None or not policy.schedule.days.covers(
        now.astimezone(policy.schedule.zone).date()
    ):
        return is_due(lease, now, None)
    return is_due(lease, now, open_window(policy, now) is not None)


def read_ledger(engine: Engine, policy: CapacityPolicy, now: dt.datetime) -> Ledger:
    """Read what earlier runs have done, as far as a plan has to know it."""
    since = now - _REMEMBERED
    with transaction(engine) as connection:
        digest = last_applied_digest(connection, policy.name)
        return Ledger(
            open_leases=tuple(list_open_leases(connection)),
            closed=list_ended_ids(connection, LeaseState.CLOSED, since),
            dropped=list_ended_ids(connection, LeaseState.DROPPED, since),
            first_run=digest is None,
            policy_changed=digest != policy.digest,
        )


def read_facts(
    cluster: Cluster,
    now: dt.datetime,
    drivers: Mapping[str, NodePoolDriver],
    others: OtherFacts,
) -> ClusterSnapshot:
    """Read the snapshot that a plan is made from.

    :param others: without pools, which are read here.
    """
    pools = {name: pool_facts(name, driver) for name, driver in drivers.items()}
    return read_capacity_snapshot(
        cluster,
        now,
        OtherFacts(
            own=others.own,
            pools={**pools, **others.pools},
            targets=others.targets,
            alerts=others.alerts,
            own_airflow_pool=others.own_airflow_pool,
            unread=others.unread,
        ),
    )


def nodes_seen(policy: CapacityPolicy, cluster: Cluster) -> list[NodeSeen]:
    """Read the nodes of the policy's pools as what has to be paid for."""
    seen = []
    for obj in cluster.iterate("/api/v1/nodes"):
        meta = read_object(cluster, obj, parse_metadata)
        pool = next((one.name for one in policy.node_pools if one.nodes.matches(meta.labels)), "")
        kind = meta.labels.get("node.kubernetes.io/instance-type", "")
        if pool:
            seen.append(NodeSeen(meta.uid, meta.name, pool, kind, meta.created_at))
    return seen
