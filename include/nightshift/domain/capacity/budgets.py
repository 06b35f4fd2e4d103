"""How many replicas a database's connections allow.

    B = max_connections - superuser - reserved - replication - backup - monitoring - admin - others
    direct:     sum of (R + ceil(R * surge) + terminating) * processes * (pool + overflow) <= B
    pgbouncer:  instances * sum over databases of their pools <= B, and the sum above
                <= instances * max_client_conn

R is a workload's replicas; a rollout adds its surge, and pods that end keep their connections.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Reserve:
    """Connections that our workloads never get.

    :param others: the peak of everybody else's.
    """

    superuser: int = 3
    reserved: int = 0
    replication: int = 0
    backup: int = 0
    monitoring: int = 0
    admin: int = 0
    others: int = 0

    @property
    def total(self) -> int:
        """Their sum."""
        own = self.superuser + self.reserved + self.replication
        return own + self.backup + self.monitoring + self.admin + self.others


@dataclass(frozen=True, slots=True)
class Surge:
    """How many pods a rollout adds: a number, or a share rounded up as Kubernetes does."""

    pods: int = 0
    percent: int = 0

    def of(self, replicas: int) -> int:
        """Give the pods that come on top of ``replicas``."""
        return self.pods + -(-replicas * self.percent // 100)


@dataclass(frozen=True, slots=True)
class Consumer:
    """A workload that keeps connections.

    :param processes: in a pod, each with a pool of its own.
    :param pool: connections of one pool; ``overflow`` come on top at peak.
    :param surge: ``maxSurge`` of its rollouts.
    :param terminating: pods that may still be ending at the same time.
    """

    namespace: str
    name: str
    processes: int
    pool: int
    overflow: int = 0
    surge: Surge = field(default_factory=lambda: Surge(percent=25))
    terminating: int = 0

    @property
    def target(self) -> str:
        """What policies call it: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def each(self) -> int:
        """The connections of one pod at its peak."""
        return self.processes * (self.pool + self.overflow)

    def connections(self, replicas: int) -> int:
        """Give the connections at the peak of a rollout; none where nothing is wanted.

        >>> Consumer("app", "store", processes=2, pool=10, overflow=5).connections(20)
        750
        """
        if replicas <= 0:
            return 0
        return (replicas + self.surge.of(replicas) + self.terminating) * self.each


@dataclass(frozen=True, slots=True)
class BouncerPool:
    """The pool of one database and user in PgBouncer.

    :param size: ``default_pool_size`` and ``reserve_pool_size`` together.
    """

    database: str
    user: str
    size: int


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """PgBouncer between the workloads and the database.

    :param instances: each has pools of its own.
    :param max_client_conn: of one instance.
    :param max_db_connections: of one database on one instance, over its users; None is no limit.
    """

    instances: int
    max_client_conn: int
    pools: tuple[BouncerPool, ...]
    max_db_connections: int | None = None

    @property
    def server_connections(self) -> int:
        """The connections to the database when every pool is full."""
        sizes: dict[str, int] = {}
        for pool in self.pools:
            sizes[pool.database] = sizes.get(pool.database, 0) + pool.size
        limit = self.max_db_connections
        return self.instances * sum(min(s, limit or s) for s in sizes.values())

    @property
    def client_connections(self) -> int:
        """The connections that workloads can have."""
        return self.instances * self.max_client_conn


@dataclass(frozen=True, slots=True)
class ConnectionBudget:
    """What the workloads of one database share.

    :param conn_id: the Airflow connection that tells ``max_connections``.
    :param max_connections: as the policy's author says; None is known only to the database.
    """

    name: str
    conn_id: str
    consumers: tuple[Consumer, ...]
    reserve: Reserve = field(default_factory=Reserve)
    max_connections: int | None = None
    bouncer: PgBouncer | None = None

    def consumer(self, namespace: str, name: str) -> Consumer | None:
        """Find a workload's entry."""
        target = f"{namespace}/{name}"
        return next((one for one in self.consumers if one.target == target), None)


def server_budget(budget: ConnectionBudget, max_connections: int) -> int:
    """Give B, what is left of ``max_connections``; below zero the reserve alone is too much."""
    return max_connections - budget.reserve.total


def client_budget(budget: ConnectionBudget, max_connections: int) -> int:
    """Give what the workloads may hold together: B, or what PgBouncer takes in."""
    if budget.bouncer is None:
        return max(0, server_budget(budget, max_connections))
    return budget.bouncer.client_connections


def demand(budget: ConnectionBudget, replicas: Mapping[str, int]) -> int:
    """Give the connections that all consumers ask for at their peak.

    :param replicas: by ``namespace/name``; one that is not there counts nothing.
    """
    return sum(one.connections(replicas.get(one.target, 0)) for one in budget.consumers)


def max_replicas(
    budget: ConnectionBudget,
    consumer: Consumer,
    max_connections: int,
    others: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """Give R_max, the most replicas of ``consumer`` that the budget allows; 0 is not even one.

    :param others: the replicas of the other consumers, by ``namespace/name``.
    """
    rest = {target: count for target, count in others.items() if target != consumer.target}
    room = client_budget(budget, max_connections) - demand(budget, rest)
    # connections grow with replicas, and no replica takes less than ``each``
    low, high = 0, max(0, room // consumer.each)
    while low < high:
        middle = (low + high + 1) // 2
        if consumer.connections(middle) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def why_overdrawn(
    budget: ConnectionBudget, max_connections: int, replicas: Mapping[str, int]
) -> str | None:
    """Say why ``replicas`` do not fit the budget, with the figures; None if they do."""
    room = server_budget(budget, max_connections)
    if budget.bouncer and (full := budget.bouncer.server_connections) > room:
        return (
            f"PgBouncer's pools can open {full:,} connections; {max_connections:,} less "
            f"{budget.reserve.total:,} reserved leave {max(0, room):,}"
        )
    asked, allowed = demand(budget, replicas), client_budget(budget, max_connections)
    if asked <= allowed:
        return None
    behind = "PgBouncer takes in" if budget.bouncer else f"of {max_connections:,} there are for it"
    return f"its consumers can ask for {asked:,} connections at their maximum; {allowed:,} {behind}"


@dataclass(frozen=True, slots=True)
class BoundedMax:
    """The most replicas of an autoscaler, and what bounds it.

    :param bound_by: the name of the lowest bound.
    """

    value: int
    bound_by: str


def bound_max(bounds: Mapping[str, int | None]) -> BoundedMax:
    """Take the lowest of some bounds, such as policy, connections, quota and zones.

    :param bounds: by name; None is no bound. Of equal ones the first is named.
    :raises ValueError: without any bound.

    >>> bound_max({"policy": 20, "connections": 5, "quota": None})
    BoundedMax(value=5, bound_by='connections')
    """
    known = [(value, name) for name, value in bounds.items() if value is not None]
    if not known:
        raise ValueError("a maximum needs at least one bound")
    value, name = min(known, key=lambda bound: bound[0])
    return BoundedMax(value, name)
