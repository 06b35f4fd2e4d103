"""Looks after a night's scan pods: frees gates, finds drift, has the rest planned again.

One look is a few reads, and changes only when something waits. What is planned again is stored, so
that pods made later follow the newest plan; pods that exist are moved as far as the steering level
lets them. A watcher that is started anew goes on from what is stored.
"""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nightshift.clock import Clock, monotonic_seconds
from nightshift.cluster.nodes import read_snapshot
from nightshift.cluster.pool import add_to_pool, list_pool
from nightshift.cluster.scanpods import list_scan_pods, move_nomination, open_gate
from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.plans import ShardPlacement
from nightshift.domain.placement.steering import SteeringLevel
from nightshift.domain.steering.drift import (
    Drift,
    Patience,
    Waiting,
    find_drift,
    hold_room,
    plan_moves,
    plan_widening,
    sort_waiting,
)
from nightshift.domain.steering.scanpods import ScanPod
from nightshift.domain.steering.steered import SteeredPlan, plan_rest
from nightshift.errors import CapacityImpossible, NightshiftError, NotFound
from nightshift.orchestration.steps.connections import Night, connected
from nightshift.orchestration.steps.ranking import scan_tolerations
from nightshift.orchestration.steps.steering import scan_pod_labels
from nightshift.orchestration.steps.unbound import Unbound, on_their_way, read_unbound
from nightshift.settings import Settings
from nightshift.store.engines import transaction
from nightshift.store.placements import (
    add_outcome,
    add_replan,
    change_placement,
    read_placement,
    read_shard_plans,
)
from nightshift.store.records import BatchId

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 300.0
NODE_LOOK_SECONDS = 60.0
"""Planned nodes of pods that are not there yet are looked at so often, or more rarely: reading a
large cluster must not take more than a twentieth of the time."""
_SHARE = 20


@dataclass(slots=True)
class Memory:
    """What a watcher remembers from look to look; a new one only plans somewhat too early.

    :param next_plan: by the clock that never jumps: no other plan before.
    :param pause: after drift that no plan could do anything about, doubled each time.
    """

    next_plan: float = 0.0
    next_nodes: float = 0.0
    pause: float = 0.0
    known_late: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw and did.

    :param lines: for the log.
    """

    unbound: int = 0
    late: int = 0
    freed: int = 0
    replanned: int = 0
    moved: int = 0
    widened: int = 0
    lines: tuple[str, ...] = ()


def look(settings: Settings, batch: int, memory: Memory, now: Clock) -> Look:
    """Look once; what cannot be done now is done at the next look.

    :raises NightshiftError: if the cluster or the store cannot be read.
    """
    patience = Patience(late_seconds=settings.late_seconds)
    with connected(settings) as night:
        pods = list_scan_pods(night.cluster, scan_pod_labels(batch), only_pending=True)
        waiting = sort_waiting(pods, now(), patience)
        freed = _free(night, batch, waiting.stuck, now())
        _note_late(night, batch, waiting, memory, now())
        seen = Look(len(waiting.unbound), len(waiting.late), len(freed), lines=freed)
        clock = monotonic_seconds()
        if clock < (memory.next_plan if waiting.late else memory.next_nodes):
            return seen
        done = _plan_rest(night, batch, waiting, now())
        _pace(memory, clock, monotonic_seconds() - clock, settings.late_seconds, done)
        return Look(
            seen.unbound, seen.late, seen.freed, done.replanned, done.moved, done.widened,
            (*seen.lines, *done.lines),
        )  # fmt: skip


def _pace(memory: Memory, clock: float, took: float, first: float, done: Look) -> None:
    found, changed = bool(done.lines), done.replanned + done.moved + done.widened
    in_vain = min(max(first, 2 * memory.pause), LONGEST_PAUSE_SECONDS)
    memory.pause = (first if changed else in_vain) if found else 0.0
    rest = max(memory.pause, _SHARE * took)
    memory.next_plan = clock + rest
    memory.next_nodes = clock + max(NODE_LOOK_SECONDS, rest)


def _free(night: Night, batch: int, stuck: Sequence[ScanPod], now: dt.datetime) -> tuple[str, ...]:
    """Open gates that nobody has opened: whoever should have has died between two calls."""
    lines = []
    for pod in stuck:
        try:
            opened = open_gate(night.cluster, pod.name)
        except NotFound:
            continue
        if opened:
            note = f"freed by the watcher after {pod.age_seconds(now):.0f} s behind its gate"
            lines.append(f"{pod.shard}: {note}")
            outcome = {"steering": "soft", "note": note}
            with transaction(night.writer) as connection:
                add_outcome(connection, BatchId(batch), ShardName(pod.shard), outcome)
    return tuple(lines)


def _note_late(
    night: Night, batch: int, waiting: Waiting, memory: Memory, now: dt.datetime
) -> None:
    """Write down once of each late pod that it waited, and for what."""
    fresh = [pod for pod in waiting.late if pod.name not in memory.known_late]
    if not fresh:
        return
    with transaction(night.writer) as connection:
        for pod in fresh:
            late = {"late_seconds": round(pod.age_seconds(now), 1), "late_reason": pod.message}
            add_outcome(connection, BatchId(batch), ShardName(pod.shard), late)
    memory.known_late.update(pod.name for pod in fresh)


def _plan_rest(night: Night, batch: int, waiting: Waiting, now: dt.datetime) -> Look:
    number = BatchId(batch)
    with transaction(night.writer) as connection:
        placement = read_placement(connection, number)
        plans = read_shard_plans(connection, number)
    if not waiting.late and all(plan.pod for plan in plans):
        return Look()
    snapshot = read_snapshot(night.cluster, {pod.name for pod in waiting.late})
    pods = list_scan_pods(night.cluster, scan_pod_labels(batch))  # after it: none is counted twice
    late = {pod.name for pod in waiting.late}
    snapshot = hold_room(snapshot, on_their_way(plans, [p for p in pods if p.name not in late]))
    packed = placement.get("strategy") == StrategyName.PACK
    rest = read_unbound(
        plans, waiting, {pod.shard for pod in pods}, scan_tolerations(night.settings), now
    )
    by_shard = {demand.shard: demand for demand in rest.demands}
    promised = rest.promised if packed else ()
    drift = find_drift(waiting.late, rest.placements, by_shard, snapshot, now, promised)
    if not drift:
        return Look()
    level = SteeringLevel((placement.get("steering") or {}).get("level", "soft"))
    try:
        steered = plan_rest(
            str(placement["strategy"]),
            level,
            rest.placements,
            snapshot,
            rest.demands,
            _nodes_of(pods),
        )
    except CapacityImpossible as error:
        return _noted(night, number, drift, Look(lines=(f"cannot be planned now: {error}",)), now)
    return _noted(night, number, drift, _apply(night, number, rest, waiting, steered), now)


def _nodes_of(pods: Sequence[ScanPod]) -> frozenset[NodeName]:
    """List the nodes where pods of the batch are at work."""
    at_work = (pod.node for pod in pods if pod.node and pod.phase in {"Pending", "Running"})
    return frozenset(NodeName(name) for name in at_work)


def _apply(
    night: Night, batch: BatchId, rest: Unbound, waiting: Waiting, steered: SteeredPlan
) -> Look:
    """Carry a new plan out: nominations, then the pool, whose labels wake pods, then the store."""
    new = {placement.shard: placement for placement in steered.plan.shards}
    lines: list[str] = []
    moved = _move(night, waiting, new, lines) if steered.steering.level.nominates else set()
    widened = _widen(night, batch, steered, lines)
    changed = {
        shard: (placement, steered.predicted.get(shard))
        for shard, placement in new.items()
        if (shard in moved or shard not in rest.started) and placement != rest.placements[shard]
    }
    changed |= rest.without_lists()
    with transaction(night.writer) as connection:
        for shard, (placement, predicted) in changed.items():
            change_placement(connection, batch, shard, placement.to_json(), predicted)
    return Look(replanned=len(changed), moved=len(moved), widened=widened, lines=tuple(lines))


def _move(
    night: Night,
    waiting: Waiting,
    new: Mapping[ShardName, ShardPlacement],
    lines: list[str],
) -> set[ShardName]:
    """Move nominations; one that fails, as its pod has just been bound, is tried no more."""
    moved = set()
    for move in plan_moves(waiting.late, new):
        try:
            if move_nomination(night.cluster, move.pod.name, move.to):
                moved.add(ShardName(move.pod.shard))
                lines.append(str(move))
        except NightshiftError as error:
            lines.append(f"{move}: failed: {error}")
    return moved


def _widen(night: Night, batch: BatchId, steered: SteeredPlan, lines: list[str]) -> int:
    if not steered.pool_labels:
        return 0
    labelled = {node.name for node in list_pool(night.cluster)}
    widening = plan_widening(steered.pool_labels, labelled)
    lines += [f"the pool takes {name} ({value})" for name, value in widening.items()]
    return add_to_pool(night.cluster, batch, widening)


def _noted(
    night: Night, batch: BatchId, drift: Sequence[Drift], done: Look, now: dt.datetime
) -> Look:
    """Store what was found and done, and give it with a line for the log."""
    why = [f"{one.shard}: {one.reason}" for one in drift[:5]]
    replan = {
        "at": now.isoformat(timespec="seconds"),
        "drifted": len(drift),
        "why": why,
        "replanned": done.replanned,
        "moved": done.moved,
        "widened": done.widened,
    }
    with transaction(night.writer) as connection:
        add_replan(connection, batch, replan)
    first = f"{len(drift)} shards drifted ({'; '.join(why)}); {done.replanned} have a new plan"
    return Look(
        replanned=done.replanned, moved=done.moved, widened=done.widened, lines=(first, *done.lines)
    )
