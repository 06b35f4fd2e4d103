"""How fast a target comes back: minimums in waves, CronJobs one by one, with missed runs dropped.

An autoscaler that gets a higher minimum jumps there at once, and a CronJob that is resumed starts
its latest missed run at once; each alone is fine, forty together are not. Source: Kubernetes 1.36,
pkg/controller/podautoscaler and pkg/controller/cronjob; both were seen on a real cluster.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nightshift.domain.capacity.policies_rules import Waves
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    FieldValue,
    LiveTarget,
    ObjectKind,
    Patch,
    capacity_of,
)
from nightshift.domain.leases.annotations import (
    DEADLINE,
    STAGE,
    WAVE,
    dump_fields,
    format_instant,
    parse_fields,
    parse_instant,
    stage_of,
    strip_lease,
)
from nightshift.domain.leases.merges import RestoreDecision
from nightshift.domain.leases.records import Lease

SUPPRESSING_DEADLINE_SECONDS = 15
"""Runs missed longer ago than this are dropped; the controller never starts any below 10."""
_NOTHING: Mapping[str, str] = MappingProxyType({})
_PATIENCE_WAVES = 10
"""A wave is waited for so many times ``every``, ready or not; then capacity comes first."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What slows a restore down.

    :param pending: pods that wait for a node now.
    :param began: when this restore began; CronJobs are staggered from then on.
    :param place: the target's place among the CronJobs of this restore, from 0.
    """

    waves: Waves = field(default_factory=Waves)
    pending: int = 0
    began: dt.datetime | None = None
    place: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet.

    :param until: when to look again at the latest.
    """

    reason: str
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Stride:
    """The next write of a restore.

    :param last: the lease ends with it.
    """

    patch: Patch
    last: bool


def next_stride(
    lease: Lease, live: LiveTarget, decision: RestoreDecision, pace: Pace, now: dt.datetime
) -> Stride | Wait:
    """Say what to write now to bring a target nearer to its goal.

    :param decision: of ``decide_restore`` for the same ``live``, with something to set or to close.
    """
    match live.id.kind:
        case ObjectKind.AUTOSCALER | ObjectKind.SCALED_OBJECT:
            return _autoscaler(lease, live, decision.goal, pace, now)
        case ObjectKind.CRON_JOB if FieldName.SUSPEND in decision.goal:
            return _cron_job(lease, live, decision.goal, pace, now)
        case _:
            return _ending(lease, live, decision.goal)


def _ending(lease: Lease, live: LiveTarget, goal: Fields) -> Stride:
    return Stride(Patch(goal, strip_lease(live.annotations), live.resource_version, lease.id), True)


def _autoscaler(
    lease: Lease, live: LiveTarget, goal: Fields, pace: Pace, now: dt.datetime
) -> Stride | Wait:
    """Raise the maximum at once and the minimum in waves."""
    name, kind = FieldName.MIN_REPLICAS, live.id.kind
    if name not in goal:
        return _ending(lease, live, goal)
    here, top = live.capacity(name), capacity_of(kind, name, goal[name])
    waiting = _why_wait(live, here, pace, now)
    if waiting is not None:
        others = {key: value for key, value in goal.items() if key is not name}
        return _partial(lease, live, others) if others else waiting
    # what runs already does not jump, so a minimum up to there is free
    step = max(here, min(live.status.ready, top)) + pace.waves.hpa_min_step
    if step >= top:
        return _ending(lease, live, goal)
    return _partial(lease, live, {**goal, name: step}, {WAVE: format_instant(now)})


def _partial(
    lease: Lease, live: LiveTarget, fields: Fields, annotations: Mapping[str, str] = _NOTHING
) -> Stride:
    staged = {**annotations, STAGE: dump_fields({**stage_of(live), **fields})}
    return Stride(Patch(fields, staged, live.resource_version, lease.id), last=False)


def _why_wait(live: LiveTarget, here: int, pace: Pace, now: dt.datetime) -> Wait | None:
    """Say why the next wave must wait; no wave is waited for beyond our patience."""
    waves, last = pace.waves, _last_wave(live)
    since = last or pace.began
    if since is None or now >= since + _PATIENCE_WAVES * waves.every:
        return None
    again = now + waves.every
    if last is not None and now < last + waves.every:
        return Wait(f"the next wave comes {waves.every} after the last", last + waves.every)
    if pace.pending >= waves.max_pending:
        return Wait(f"{pace.pending} pods are Pending, {waves.max_pending} are too many", again)
    if last is not None and waves.wait_ready and live.status.ready < here:
        return Wait(f"the last wave has {live.status.ready} of {here} ready", again)
    return None


def _last_wave(live: LiveTarget) -> dt.datetime | None:
    text = live.annotations.get(WAVE)
    if text is None:
        return None
    try:
        return parse_instant(text, WAVE)
    except ValueError:
        return None  # then the wave is not waited for: more capacity, not less


def _cron_job(
    lease: Lease, live: LiveTarget, goal: Fields, pace: Pace, now: dt.datetime
) -> Stride | Wait:
    """Resume a CronJob: drop what it missed, or take its turn so that not all start at once."""
    if not lease.rules.skip_missed:
        turn = (pace.began or now) + pace.place * lease.rules.stagger
        if now < turn:
            return Wait("CronJobs with missed runs are resumed one by one", turn)
        return _ending(lease, live, goal)
    deadline = _deadline_to_keep(live)
    if deadline is not None and deadline <= SUPPRESSING_DEADLINE_SECONDS:
        return _ending(lease, live, goal)
    kept = {"before": deadline, "switched": format_instant(now)}
    fields = {**goal, FieldName.STARTING_DEADLINE: SUPPRESSING_DEADLINE_SECONDS}
    annotations = {
        **strip_lease(live.annotations),
        DEADLINE: json.dumps(kept, sort_keys=True, separators=(",", ":")),
    }
    return Stride(Patch(fields, annotations, live.resource_version, lease.id), last=True)


def _deadline_to_keep(live: LiveTarget) -> FieldValue:
    try:
        return own_deadline(live)
    except ValueError:  # a spoilt annotation does not keep a CronJob suspended
        return live.fields.get(FieldName.STARTING_DEADLINE)


@dataclass(frozen=True, slots=True)
class KeptDeadline:
    """A CronJob's own deadline, while ours drops its missed runs.

    :param switched: when ours was set.
    """

    before: int | None
    switched: dt.datetime


def read_kept_deadline(live: LiveTarget) -> KeptDeadline | None:
    """Read what a resumed CronJob says of its own deadline; None if it says nothing.

    :raises ValueError: naming the object, if it cannot be believed.
    """
    text = live.annotations.get(DEADLINE)
    if text is None:
        return None
    where = f"{live.id.ref}: {DEADLINE}"
    try:
        raw = json.loads(text[:500])
        switched, before = str(raw["switched"]), raw["before"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{where}: expected before and switched; remove it") from error
    name = str(FieldName.STARTING_DEADLINE)
    fields = parse_fields(live.id.kind, json.dumps({name: before}), where)
    value = fields[FieldName.STARTING_DEADLINE]
    return KeptDeadline(None if value is None else int(value), parse_instant(switched, where))


def own_deadline(live: LiveTarget) -> FieldValue:
    """Give a CronJob's own deadline, which may not be the one that it has now.

    :raises ValueError: as ``read_kept_deadline``.
    """
    kept = read_kept_deadline(live)
    here = live.fields.get(FieldName.STARTING_DEADLINE)
    return kept.before if kept and here == SUPPRESSING_DEADLINE_SECONDS else here


def plan_deadline_end(live: LiveTarget) -> Patch | None:
    """Give back a resumed CronJob's own deadline, once its next regular run has begun.

    Before that the missed run would start after all. None while it is too early, or if there is
    nothing to give back. A deadline that somebody has set meanwhile stays.

    :raises ValueError: as ``read_kept_deadline``.
    """
    kept = read_kept_deadline(live)
    last = live.status.last_schedule_at
    if kept is None:
        return None
    ours = live.fields.get(FieldName.STARTING_DEADLINE) == SUPPRESSING_DEADLINE_SECONDS
    if ours and (last is None or last <= kept.switched):
        return None
    fields: Fields = {FieldName.STARTING_DEADLINE: kept.before} if ours else {}
    return Patch(fields, {DEADLINE: None}, live.resource_version, DEADLINE)
