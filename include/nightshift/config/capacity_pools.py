"""Node pools, limits and connection budgets of a capacity policy."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from nightshift.config.capacity_targets import (
    Entry,
    Step,
    parse_duration,
    read_measures,
    read_selector,
)
from nightshift.config.faults import Faults
from nightshift.domain.capacity.budgets import (
    BouncerPool,
    ConnectionBudget,
    Consumer,
    PgBouncer,
    Reserve,
    Surge,
)
from nightshift.domain.capacity.policies_pools import (
    DrainRules,
    EmptyDir,
    Limits,
    NodePool,
    OnBlocked,
    PoolBounds,
    PoolDriver,
    check_params,
    nodes_of,
)
from nightshift.domain.capacity.selectors import LabelSelector


def read_pools(entries: Sequence[Entry], faults: Faults) -> tuple[NodePool, ...]:
    """Read node pools; a faulty one is noted and left out."""
    found = (
        _read_pool(entry, ("spec", "nodePools", index), faults)
        for index, entry in enumerate(entries)
    )
    return tuple(pool for pool in found if pool is not None)


def _read_pool(entry: Entry, at: Step, faults: Faults) -> NodePool | None:
    driver, params = PoolDriver(entry["driver"]), dict(entry.get("params", {}))
    try:
        check_params(driver, params)
    except ValueError as error:
        faults.add((*at, "params"), str(error))
        return None
    nodes = _read_nodes(entry, driver, params, at, faults)
    if nodes is None:
        return None
    bounds = entry["weekend"]
    return NodePool(
        name=entry["name"],
        driver=driver,
        bounds=PoolBounds(bounds["min"], bounds["max"], bounds["target"]),
        nodes=nodes,
        params=MappingProxyType(params),
        per_zone_min=entry.get("perZoneMin", 0),
        drain=_read_drain(entry.get("drain", {})),
    )


def _read_nodes(
    entry: Entry, driver: PoolDriver, params: Mapping[str, str], at: Step, faults: Faults
) -> LabelSelector | None:
    """Give the labels of a pool's nodes: the policy's own, or those that the vendor puts there."""
    if "nodes" in entry:
        return read_selector(entry["nodes"], (*at, "nodes"), faults)
    known = nodes_of(driver, params)
    if known is None:
        faults.add(at, f"lacks nodes, the labels of its nodes; the driver {driver} has none")
    return known


def _read_drain(entry: Entry) -> DrainRules:
    usual = DrainRules()
    return DrainRules(
        node_timeout=parse_duration(entry.get("nodeTimeout", "30m")),
        parallel_nodes=entry.get("parallelNodes", usual.parallel_nodes),
        force=entry.get("force", usual.force),
        empty_dir=EmptyDir(entry.get("emptyDir", usual.empty_dir)),
        on_blocked=OnBlocked(entry.get("onBlocked", usual.on_blocked)),
    )


def read_limits(entry: Entry, faults: Faults) -> Limits:
    """Read the limits of one plan."""
    usual = Limits()
    return Limits(
        max_nodes_removed=entry.get("maxNodesRemoved", usual.max_nodes_removed),
        max_nodes_removed_pct=entry.get("maxNodesRemovedPct", usual.max_nodes_removed_pct),
        min_ready_nodes=entry.get("minReadyNodes", usual.min_ready_nodes),
        max_evictions=entry.get("maxEvictions", usual.max_evictions),
        headroom_pct=entry.get("headroomPct", usual.headroom_pct),
        abort_if=read_measures(entry.get("abortIf", ()), ("spec", "limits", "abortIf"), faults),
    )


def read_budgets(entries: Mapping[str, Entry]) -> Mapping[str, ConnectionBudget]:
    """Read connection budgets by name."""
    return MappingProxyType({name: _read_budget(name, entry) for name, entry in entries.items()})


def _read_budget(name: str, entry: Entry) -> ConnectionBudget:
    reserve = Reserve(**entry.get("reserve", {}))  # the schema has the same words
    return ConnectionBudget(
        name=name,
        conn_id=entry["conn_id"],
        consumers=tuple(_read_consumer(one) for one in entry["consumers"]),
        reserve=reserve,
        max_connections=entry.get("maxConnections"),
        bouncer=_read_bouncer(entry["pgbouncer"]) if "pgbouncer" in entry else None,
    )


def _read_consumer(entry: Entry) -> Consumer:
    namespace, _, name = entry["target"].partition("/")
    return Consumer(
        namespace=namespace,
        name=name,
        processes=entry["processes"],
        pool=entry["pool"],
        overflow=entry.get("overflow", 0),
        surge=Surge(percent=entry.get("surgePct", 25)),
        terminating=entry.get("terminating", 0),
    )


def _read_bouncer(entry: Entry) -> PgBouncer:
    return PgBouncer(
        instances=entry["instances"],
        max_client_conn=entry["maxClientConn"],
        pools=tuple(
            BouncerPool(one["database"], one["user"], one["size"]) for one in entry["pools"]
        ),
        max_db_connections=entry.get("maxDbConnections"),
    )
