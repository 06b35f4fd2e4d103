"""Reads a shard's placement back from the JSON that it was stored as."""

from collections.abc import Mapping
from typing import Any

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.kubejson import as_int, as_list, as_mapping, as_objects
from nightshift.domain.nodes import Toleration
from nightshift.domain.placement.affinity import (
    PoolValue,
    Tier,
    WeightedHosts,
    WeightedNode,
    WeightedPool,
)
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.resources import Resources


def parse_placement(raw: Mapping[str, Any]) -> ShardPlacement:
    """Read what ``ShardPlacement.to_json`` wrote.

    :raises ValueError: with the path of the fault.
    """
    nominated = raw.get("nominated")
    return ShardPlacement(
        shard=ShardName(str(raw.get("shard", ""))),
        reason=str(raw.get("reason", "")),
        terms=tuple(
            WeightedNode(NodeName(str(one.get("node", ""))), as_int(one.get("weight"), "weight"))
            for one in as_objects(raw.get("terms"), "terms")
        ),
        tiers=tuple(_parse_tier(one) for one in as_objects(raw.get("tiers"), "tiers")),
        pool=tuple(PoolValue(value) for value in as_list(raw.get("pool"), "pool")),
        spare=tuple(str(host) for host in as_list(raw.get("spare"), "spare")),
        nominated=NodeName(str(nominated)) if nominated else None,
        waits=raw.get("waits") is True,
    )


def demand_to_json(demand: ShardDemand) -> dict[str, Any]:
    """Write what a later plan needs of a shard; its tolerations come from the pod template."""
    return {
        "request": dict(demand.request.items()),
        "account": demand.account,
        "expected_seconds": demand.expected_seconds,
        "waited_seconds": demand.waited_seconds,
    }


def parse_demand(
    shard: ShardName, raw: Mapping[str, Any], tolerations: tuple[Toleration, ...] = ()
) -> ShardDemand:
    """Read what ``demand_to_json`` wrote.

    :raises ValueError: with the path of the fault.
    """
    amounts = as_mapping(raw.get("request"), "request")
    read = {name: as_int(amount, f"request.{name}") for name, amount in amounts.items()}
    request = Resources(read.pop("cpu", 0), read.pop("memory", 0), read)
    return ShardDemand(
        shard,
        request,
        tolerations,
        account=str(raw.get("account", "")),
        expected_seconds=float(raw.get("expected_seconds") or 0.0),
        waited_seconds=float(raw.get("waited_seconds") or 0.0),
    )


def _parse_tier(raw: Mapping[str, Any]) -> Tier:
    weight = as_int(raw.get("weight"), "weight")
    if "pool" in raw:
        return WeightedPool(PoolValue(raw["pool"]), weight)
    return WeightedHosts(tuple(str(host) for host in as_list(raw.get("hosts"), "hosts")), weight)
