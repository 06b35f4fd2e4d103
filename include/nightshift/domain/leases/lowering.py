"""The other way: what to write next so that a target becomes what its lease says it was set to.

A step is read, compare, PATCH with the resourceVersion, read again. The annotations go along in the
first PATCH, so that there is no instant at which an object is lowered and nobody knows why.

A pool's size is never written lower: then the cloud would choose which nodes go. It falls by
itself as emptied nodes are removed, each with its place.

Source: Kubernetes 1.36, pkg/controller/podautoscaler: above a new maximum it drops there at once,
past ``behavior``; cloud autoscaling groups refuse a maximum below what runs.
"""

import datetime as dt
from dataclasses import dataclass

from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    LiveTarget,
    ObjectKind,
    Patch,
    agrees,
    capacity_of,
    describe_fields,
)
from nightshift.domain.leases.annotations import (
    STAGE,
    WAVE,
    dump_fields,
    format_instant,
    is_held,
    is_staged,
    lease_on,
    parse_instant,
    stage_of,
    write_lease,
)
from nightshift.domain.leases.records import Lease, LeaseState
from nightshift.domain.leases.returning import Stride, Wait

STEP_EVERY = dt.timedelta(minutes=1)
"""Between two steps of an autoscaler's maximum, so that a step's pods have ended."""
_STEPPED = {
    ObjectKind.AUTOSCALER: FieldName.MAX_REPLICAS,
    ObjectKind.SCALED_OBJECT: FieldName.MAX_REPLICAS,
    ObjectKind.NODE_POOL: FieldName.MAX_NODES,
}


@dataclass(frozen=True, slots=True)
class Lowered:
    """Nothing is left to write."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The target is left as it is, and its lease with it."""

    reason: str
    gone: bool = False


def next_lowering(
    lease: Lease, live: LiveTarget | None, now: dt.datetime
) -> Stride | Wait | Lowered | Refused:
    """Say what to write now to lower a target; nothing that somebody else has changed is touched.

    :param live: None if the object is gone.
    """
    if live is None:
        return Refused("it is gone", gone=True)
    if lease.target.uid and live.id.uid != lease.target.uid:
        return Refused("it was made anew since the plan")
    if is_held(live.annotations, now, if_unclear=True):
        return Refused("held by an annotation since the plan")
    on = lease_on(live)
    if on is not None and on != lease.id:
        return Refused(f"it is under the lease {on}")
    if on is None:
        if not agrees(live, {name: lease.before[name] for name in lease.applied}):
            found = describe_fields({name: live.fields.get(name) for name in lease.applied})
            return Refused(f"somebody changed it since the plan: found {found}")
        return _write(lease, live, first=True, now=now)
    if agrees(live, lease.applied):
        return Lowered("it is what the lease says")
    if not _is_on_the_way(lease, live):
        return _of_changed(lease, live, now)
    last = _last_step(live)
    if last is not None and now < last + STEP_EVERY:
        return Wait("the last step is not over", last + STEP_EVERY)
    return _write(lease, live, first=False, now=now)


def _is_on_the_way(lease: Lease, live: LiveTarget) -> bool:
    """Tell whether every field is where our last step left it, or where it ends."""
    staged = stage_of(live)
    return bool(staged) and all(
        agrees(live, {name: value}) or is_staged(live, name, staged)
        for name, value in lease.applied.items()
    )


def _of_changed(lease: Lease, live: LiveTarget, now: dt.datetime) -> Stride | Wait | Refused:
    """Leave what somebody changed; a pool that got its lease and no bounds is written again.

    Few clouds write both together.
    """
    before = {name: lease.before[name] for name in lease.applied}
    unsure = live.id.kind is ObjectKind.NODE_POOL and lease.state is LeaseState.INTENT
    if unsure and agrees(live, before):
        return _write(lease, live, first=True, now=now)
    found = describe_fields({name: live.fields.get(name) for name in lease.applied})
    return Refused(f"somebody changed it since we lowered it: found {found}")


def _write(lease: Lease, live: LiveTarget, *, first: bool, now: dt.datetime) -> Stride | Wait:
    fields = _step(lease, live)
    if not first and agrees(live, fields):
        return Wait("more runs than is to stay", now + STEP_EVERY)
    last = dict(fields) == dict(lease.applied)
    annotations: dict[str, str | None] = dict(write_lease(lease)) if first else {}
    if not last:
        annotations |= {STAGE: dump_fields(fields), WAVE: format_instant(now)}
    elif not first:
        annotations |= {STAGE: None, WAVE: None}
    return Stride(Patch(fields, annotations, live.resource_version, lease.id), last)


def _step(lease: Lease, live: LiveTarget) -> Fields:
    """Give the fields of the next step: a maximum goes down by half of what runs above it.

    A pool's maximum never goes below its nodes; drains take them away, and then it follows. Where
    the other side adds nothing above a maximum and removes nothing either, it goes there at once.
    A pool's size stays as it is.
    """
    kind, name = live.id.kind, _STEPPED.get(live.id.kind)
    fields = dict(lease.applied)
    size = FieldName.TARGET_NODES
    if size in fields:
        fields[size] = live.fields.get(size)
    if name is None or name not in fields or live.max_at_once:
        return fields
    end, runs = capacity_of(kind, name, lease.applied[name]), live.status.replicas
    if runs <= end:
        return fields
    floor = runs if kind is ObjectKind.NODE_POOL else (runs + end) // 2
    here = capacity_of(kind, name, live.fields.get(name))
    return {**fields, name: min(here, max(end, floor))}


def _last_step(live: LiveTarget) -> dt.datetime | None:
    text = live.annotations.get(WAVE)
    if text is None:
        return None
    try:
        return parse_instant(text, WAVE)
    except ValueError:
        return None  # then the step is not waited for
