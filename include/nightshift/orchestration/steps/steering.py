"""Steers one scan pod while it is being made: brake, newest plan, gate, nomination.

Nothing here may cost a scan: whatever fails is logged and written into the shard's outcome, and the
pod goes on with its preferences alone. A pod that stays behind its gate, because this process died,
is freed by the watcher, by the janitor, or by its task's next try.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nightshift.clock import Clock
from nightshift.cluster.client import Cluster, connect
from nightshift.cluster.labels import BATCH
from nightshift.cluster.pool import keep_in_pool
from nightshift.cluster.scanpods import list_scan_pods, nominate_pod, open_gate
from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.kubejson import as_mapping
from nightshift.domain.placement.plans import ShardPlacement
from nightshift.domain.steering.brake import PendingBrake
from nightshift.domain.steering.stored import parse_placement
from nightshift.errors import Forbidden, NightshiftError, NotFound
from nightshift.settings import Settings
from nightshift.store.engines import transaction, writer_engine
from nightshift.store.placements import read_shard_plans
from nightshift.store.records import BatchId

log = logging.getLogger(__name__)

SCAN_TASK = "scan"
BRAKE_LOOK_SECONDS = 10.0
LONGEST_BRAKE_SECONDS = 900.0
"""After so long a pod is made all the same: a task that waits for ever is worse than a queue."""


@dataclass(frozen=True, slots=True)
class PodWish:
    """What the plan asks for a pod that is about to be made, as far as it differs from its item.

    :param affinity: instead of the mapped one; None leaves that.
    :param nominated: the node to nominate it to; None makes it without a gate.
    """

    affinity: dict[str, Any] | None
    nominated: NodeName | None


def prepare_pod(
    settings: Settings,
    batch: int,
    shard: str,
    mapped: PodWish,
    now: Clock,
    sleep: Callable[[float], None] = time.sleep,
) -> PodWish:
    """Hold the pod back while too many wait, then say how to make it, by the newest plan."""
    try:
        plan = read_plan(settings, batch, shard)
        cluster = connect(settings)
    except (NightshiftError, ValueError) as error:
        log.warning("%s is made as it was planned at first: %s", shard, error)
        return mapped
    try:
        hold_brake(cluster, batch, PendingBrake(settings.brake_pods), now, sleep)
        placement = plan.placement
        if placement.pool and placement.primary is not None:
            keep_in_pool(cluster, batch, placement.primary)
    except NightshiftError as error:
        log.warning("%s is made without a look at the cluster: %s", shard, error)
    finally:
        cluster.close()
    return PodWish(placement.affinity(), placement.nominated) if plan.replanned else mapped


@dataclass(frozen=True, slots=True)
class CurrentPlan:
    """A shard's placement as it is now, and whether drift has changed it since it was mapped."""

    placement: ShardPlacement
    replanned: bool


def read_plan(settings: Settings, batch: int, shard: str) -> CurrentPlan:
    """Read a shard's stored placement.

    :raises StoreBusy: if the database cannot be reached.
    :raises NotFound: if the batch has no such shard.
    :raises ValueError: if what is stored cannot be read.
    """
    engine = writer_engine(settings.writer_url(), name="nightshift-callback")
    try:
        with transaction(engine) as connection:
            plans = read_shard_plans(connection, BatchId(batch), shard=ShardName(shard))
    finally:
        engine.dispose()
    if not plans:
        raise NotFound(f"batch {batch} has no scan shard {shard}")
    placement = parse_placement(as_mapping(plans[0].plan.get("placement"), "placement"))
    return CurrentPlan(placement, bool(plans[0].plan.get("replanned")))


def hold_brake(
    cluster: Cluster,
    batch: int,
    brake: PendingBrake,
    now: Clock,
    sleep: Callable[[float], None],
) -> float:
    """Wait while too many pods of the batch are pending; give the seconds waited."""
    ages = _pending_ages(cluster, batch, now())
    if not brake.engages(ages):
        return 0.0
    engaged_at, waited = len(ages), 0.0
    log.info("%s pods wait for a node: no more until half of them have one", engaged_at)
    while brake.holds(ages, engaged_at) and waited < LONGEST_BRAKE_SECONDS:
        sleep(BRAKE_LOOK_SECONDS)
        waited += BRAKE_LOOK_SECONDS
        ages = _pending_ages(cluster, batch, now())
    return waited


def steer_pod(settings: Settings, pod: str, node: NodeName | None) -> str:
    """Nominate a gated pod to its node and open its gate: one step, whatever happens within.

    :returns: why it is steered less firmly than planned; "" if it is not.
    """
    note = ""
    cluster = connect(settings)
    try:
        try:
            if node is not None and not nominate_pod(cluster, pod, node):
                note = "somebody else had nominated it already"
        except Forbidden as error:
            note = f"the nomination was refused, so its preferences alone decide: {error}"
        except NightshiftError as error:
            note = f"it could not be nominated, so its preferences alone decide: {error}"
        if note:
            log.warning("pod %s: %s", pod, note)
        open_gate(cluster, pod)
    except NightshiftError as error:
        note = f"its gate was left to the watcher: {error}"
        log.warning("pod %s: %s", pod, note)
    finally:
        cluster.close()
    return note


def scan_pod_labels(batch: int) -> dict[str, str]:
    """Give the labels that find a batch's scan pods; the second is KubernetesPodOperator's own."""
    return {BATCH: str(batch), "task_id": SCAN_TASK}


def _pending_ages(cluster: Cluster, batch: int, now: dt.datetime) -> list[float]:
    pods = list_scan_pods(cluster, scan_pod_labels(batch), only_pending=True)
    return [pod.age_seconds(now) for pod in pods if pod.is_unbound and not pod.gates]
