"""From a batch's open scans to pods that prefer nodes: shards, one snapshot, one plan, stored."""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.clock import Clock
from nightshift.cluster.nodes import read_snapshot
from nightshift.cluster.pool import add_to_pool
from nightshift.cluster.rights import read_rights
from nightshift.cluster.volumes import volume_name
from nightshift.domain.ids import AccountName, ScanName, ScannerName, parse_commit_sha
from nightshift.domain.jsonvalues import dump
from nightshift.domain.nodes import Node, Toleration
from nightshift.domain.placement.plans import ShardDemand, ShardPlacement
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.placement.waves import WaveOrder, makespan_bound, usable_capacity
from nightshift.domain.pods import parse_tolerations
from nightshift.domain.resources import Resources
from nightshift.domain.shards import ScanRequest, Shard, ShardLimits, plan_scan_shards
from nightshift.domain.steering.ordering import order_night
from nightshift.domain.steering.rooms import largest_rooms
from nightshift.domain.steering.steered import SteeredPlan, make_plan
from nightshift.domain.steering.stored import demand_to_json
from nightshift.domain.steering.usage import measure_use
from nightshift.domain.worklists import ScanItem, ScanWorkList
from nightshift.orchestration.pods import ShardPod, Stage, mapped_kwargs, read_pod_template
from nightshift.orchestration.steps.connections import Night, connected
from nightshift.orchestration.steps.opening import scanners_folder
from nightshift.orchestration.steps.workspaces import work_arguments, write_work_list
from nightshift.scanners.definitions import Scanner
from nightshift.scanners.loading import load_scanners
from nightshift.settings import Settings
from nightshift.store.engines import transaction
from nightshift.store.placements import save_placement
from nightshift.store.records import BatchId, OpenScan, ShardRecord
from nightshift.store.scans import list_scans
from nightshift.store.shards import save_shards

log = logging.getLogger(__name__)

UNKNOWN_SHARE = 1 / 60
"""Of its deadline is what a scan is expected to take before it has been done once."""
SHARDS_PER_POD = 2
"""Shards for each pod that may run at once: enough to even out, few enough to be worth a start."""
SHORTEST_SHARD_SECONDS = 30

Scanners = Mapping[ScannerName, Scanner]
Items = Mapping[tuple[AccountName, ScanName], ScanItem]


@dataclass(frozen=True, slots=True)
class PlacementWish:
    """What a run asks of its placement; each has a setting of its own as default."""

    strategy: str
    steering: SteeringChoice = SteeringChoice.AUTO
    order: WaveOrder = WaveOrder.FIFO

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "PlacementWish":
        """Read the params of ``nightly_scan``; Airflow has checked them against their schema."""
        return cls(
            strategy=str(params["strategy"]),
            steering=SteeringChoice(params["steering"]),
            order=WaveOrder(params["order"]),
        )


def plan_scans(
    settings: Settings, batch: int, wish: PlacementWish, now: Clock
) -> list[dict[str, Any]]:
    """Plan the batch's scan pods, store the plan, write the work lists; safe to repeat.

    Nodes are labelled last, when the plan that says so is stored: whatever fails after that, the
    janitor finds the labels of a batch that is over.

    :returns: one item of ``expand_kwargs`` a scan pod, in the order in which they are to start;
        empty when nothing is to be scanned.
    :raises CapacityImpossible: if a shard fits no node even when empty; nothing has been started.
    :raises TooManyShards: if the work does not fit into the allowed number of shards.
    """
    scanners = load_scanners(scanners_folder(settings))
    number = BatchId(batch)
    with connected(settings) as night:
        with transaction(night.writer) as connection:
            scans = list_scans(connection, number, only_open=True)
        requests = [_request(scan, scanners) for scan in scans]
        snapshot = read_snapshot(night.cluster)
        limits = shard_limits(requests, settings)
        shards = plan_scan_shards(requests, limits, largest_rooms(snapshot))
        granted = read_rights(night.cluster, settings.priority_class)
        waited = _waited(scans, now())
        demands = [_demand(shard, scan_tolerations(settings), waited) for shard in shards]
        steered = make_plan(wish.strategy, wish.steering, granted, snapshot, demands, wish.order)
        log.info("%s: %s", steered.plan.strategy, steered.plan.reason)
        log.info("steering %s", steered.steering.reason)
        weights = {scan.account: scan.account_weight for scan in scans}
        order = _order(shards, demands, steered, snapshot, wish.order, weights)
        with transaction(night.writer) as connection:
            records = [_record(shards[i], demands[i], steered, i, n) for n, i in enumerate(order)]
            save_shards(connection, number, records)
            save_placement(connection, number, _shown(steered, snapshot, demands, wish))
        items = {(scan.account, scan.scan): _item(scan, scanners) for scan in scans}
        pods = [_scan_pod(night, batch, shards[i], steered.plan.shards[i], items) for i in order]
        if steered.pool_labels:
            count = add_to_pool(night.cluster, batch, steered.pool_labels)
            log.info("labelled %s of %s nodes as the pool", count, len(steered.pool_labels))
        return pods


def scan_tolerations(settings: Settings) -> tuple[Toleration, ...]:
    """Read what scan pods tolerate, from their template."""
    spec = read_pod_template(Stage.SCAN, settings).get("spec") or {}
    return parse_tolerations(spec.get("tolerations"))


def _order(
    shards: Sequence[Shard],
    demands: Sequence[ShardDemand],
    steered: SteeredPlan,
    snapshot: Sequence[Node],
    order: WaveOrder,
    weights: Mapping[AccountName, int],
) -> tuple[int, ...]:
    return order_night(
        demands,
        [shard.priority for shard in shards],
        [placement.waits for placement in steered.plan.shards],
        usable_capacity(snapshot),
        order,
        weights,
    )


def shard_limits(requests: Sequence[ScanRequest], settings: Settings) -> ShardLimits:
    """Say how long shards should be: no longer than it takes to keep every pod busy to the end."""
    total = sum(request.expected_seconds for request in requests)
    even = int(total / (settings.max_pods * SHARDS_PER_POD))
    seconds = min(settings.shard_target_seconds, max(SHORTEST_SHARD_SECONDS, even))
    return ShardLimits(seconds, max_shards=settings.max_shards)


def _request(scan: OpenScan, scanners: Scanners) -> ScanRequest:
    resources = scanners[scan.scanner].resources.within(scan.needs)
    return ScanRequest(
        scan=scan.scan,
        account=scan.account,
        repository=scan.repository,
        scanner=scan.scanner,
        request=resources.pod_request,
        expected_seconds=_expect(scan, resources.deadline_seconds),
        deadline_seconds=resources.deadline_seconds,
        priority=scan.needs.priority,
        group=size_class(scan.needs.request),
    )


def size_class(asked: Resources) -> str:
    """Name the class of pods that a batch file's request belongs to; "" for the scanners' own.

    A shard asks for the most that any of its scans needs, so a large job must not share one with
    small ones; powers of two keep the classes few.

    >>> size_class(Resources(600, 3 * 2**30)), size_class(Resources())
    ('1024m-4096Mi', '')
    """
    if not any(amount for _, amount in asked.items()):
        return ""
    cpu, mebibytes = (
        1 << (amount - 1).bit_length() if amount else 0
        for amount in (asked.cpu_millis, -(-asked.memory_bytes // 2**20))
    )
    return f"{cpu}m-{mebibytes}Mi"


def _expect(scan: OpenScan, deadline_seconds: int) -> float:
    return deadline_seconds * UNKNOWN_SHARE if scan.last_seconds is None else scan.last_seconds


def _waited(
    scans: Sequence[OpenScan], now: dt.datetime
) -> Mapping[tuple[AccountName, ScanName], float]:
    """Say for how many seconds scans have waited that earlier nights did not come to."""
    return {
        (scan.account, scan.scan): (now - scan.waiting_since).total_seconds()
        for scan in scans
        if scan.waiting_since is not None
    }


def _demand(
    shard: Shard,
    tolerations: tuple[Toleration, ...],
    waited: Mapping[tuple[AccountName, ScanName], float],
) -> ShardDemand:
    return ShardDemand(
        shard.name,
        shard.request,
        tolerations,
        account=shard.account,
        expected_seconds=shard.expected_seconds,
        waited_seconds=max(waited.get((shard.account, scan), 0.0) for scan in shard.scans),
    )


def _shown(
    steered: SteeredPlan,
    snapshot: Sequence[Node],
    demands: Sequence[ShardDemand],
    wish: PlacementWish,
) -> dict[str, Any]:
    """Give the plan without its shards, which are stored one by one."""
    uses = measure_use(snapshot, demands, steered.plan, steered.pool_labels)
    whole = {name: value for name, value in steered.plan.to_json().items() if name != "shards"}
    return {
        **whole,
        "steering": steered.steering.to_json(),
        "order": wish.order.value,
        "seconds_bound": makespan_bound(demands, usable_capacity(snapshot)),
        "nodes": [use.to_json() for use in uses],
    }


def _record(
    shard: Shard, demand: ShardDemand, steered: SteeredPlan, index: int, position: int
) -> ShardRecord:
    placement = steered.plan.shards[index]
    return ShardRecord(
        name=shard.name,
        account=shard.account,
        repositories=shard.repositories,
        scans=shard.scans,
        planned_node=placement.primary or "",
        expected_seconds=shard.expected_seconds,
        plan={
            "why": shard.why,
            "position": position,
            "placement": placement.to_json(),
            "demand": demand_to_json(demand),
            "predicted": steered.predicted.get(shard.name),
        },
    )


def _scan_pod(
    night: Night, batch: int, shard: Shard, placement: ShardPlacement, items: Items
) -> dict[str, Any]:
    work = ScanWorkList(
        batch=batch,
        shard=shard.name,
        account=shard.account,
        items=tuple(items[shard.account, name] for name in shard.scans),
        require_confinement=night.settings.require_confinement,
    )
    name, sha256 = write_work_list(night, batch, shard.name, dump(work))
    return mapped_kwargs(
        ShardPod(
            batch=batch,
            shard=shard.name,
            account=shard.account,
            claim=volume_name(shard.account, batch),
            arguments=work_arguments(shard.name, sha256),
            request=shard.request,
            deadline_seconds=shard.deadline_seconds,
            work=name,
            affinity=placement.affinity(),
            nominated=placement.nominated or "",
        )
    )


def _item(scan: OpenScan, scanners: Scanners) -> ScanItem:
    resources = scanners[scan.scanner].resources.within(scan.needs)
    return ScanItem(
        scan=scan.scan,
        repository=scan.repository,
        commit=parse_commit_sha(scan.commit),
        scanner=scan.scanner,
        cache_key=scan.cache_key,
        deadline_seconds=resources.deadline_seconds,
        memory_bytes=resources.memory_limit_bytes,
    )
