"""What a target comes back to: a three-way merge of before, applied and what is live.

It never "sets the old number". What is live as we left it comes back; what a person raised stays;
what fell below what we set comes back too and is reported, unless the person said to hold it.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import (
    OUR_MANAGER,
    FieldName,
    Fields,
    FieldValue,
    LiveTarget,
    ObjectKind,
    capacity_of,
    describe_fields,
    describe_value,
    higher_of,
    is_ordered,
    is_same,
)
from nightshift.domain.leases.annotations import is_held, is_staged, lease_on, stage_of
from nightshift.domain.leases.records import Lease

_CLAMPED = {
    FieldName.MIN_REPLICAS: FieldName.MAX_REPLICAS,
    FieldName.MIN_NODES: FieldName.MAX_NODES,
}
"""Lower bounds, and the upper bounds that they must not pass."""


class RestoreAct(StrEnum):
    """What to do with a lease that is due."""

    SET = "set"  # write fields; the lease ends with the last of them
    CLOSE = "close"  # nothing to write but the end of the lease
    HOLD = "hold"  # a person asked us to leave it; the lease stays open
    MANUAL = "manual"  # the policy leaves it to a person; the lease stays open


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that somebody changed while we had a claim on it.

    :param who: the field manager that wrote it last; "" if the API does not say.
    """

    name: FieldName
    before: FieldValue
    applied: FieldValue
    live: FieldValue
    who: str = ""
    at: dt.datetime | None = None

    def __str__(self) -> str:
        """Write it for the report."""
        by = f" by {self.who}" if self.who else ""
        when = f" at {self.at:%Y-%m-%d %H:%M}Z" if self.at else ""
        return (
            f"{self.name} was {describe_value(self.before)}, "
            f"we set {describe_value(self.applied)}, found {describe_value(self.live)}{by}{when}"
        )


@dataclass(frozen=True, slots=True)
class RestoreDecision:
    """What becomes of a lease, and why.

    :param goal: what the fields of ours must be at the end; only those that are not so yet.
    :param flagged: a person should look at it.
    """

    act: RestoreAct
    reason: str
    goal: Fields
    conflicts: tuple[FieldConflict, ...] = ()
    flagged: bool = False


def decide_restore(lease: Lease, live: LiveTarget | None, now: dt.datetime) -> RestoreDecision:
    """Decide how one target comes back.

    Whether the lease is due is the caller's question; undoing half a Friday asks the same of us.

    :param live: None if the object is gone.
    """
    if live is None:
        return RestoreDecision(RestoreAct.CLOSE, "it is gone; nothing to bring back", {})
    if is_held(live.annotations, now, if_unclear=False):
        return RestoreDecision(RestoreAct.HOLD, "held by an annotation", {})
    if _is_new_node(lease, live):
        why = "a new node of that name; its cordon is not ours"
        return RestoreDecision(RestoreAct.CLOSE, why, {})
    conflicts = tuple(_conflicts(lease, live))
    if conflicts and lease.rules.on_conflict is OnConflict.MANUAL:
        why = "changed meanwhile, and the policy leaves that to a person: " + _join(conflicts)
        return RestoreDecision(
            RestoreAct.MANUAL,
            why,
            {},
            conflicts,
            flagged=True,
        )
    wanted, clamped = _clamp(live, _merge(lease, live, conflicts))
    goal = {
        name: value
        for name, value in wanted.items()
        if not is_same(live.id.kind, name, live.fields.get(name), value)
    }
    reason = _reason(lease, live, goal, conflicts, clamped)
    flagged = clamped or _is_new(lease, live) or any(_is_below(lease, c) for c in conflicts)
    act = RestoreAct.SET if goal else RestoreAct.CLOSE
    return RestoreDecision(act, reason, goal, conflicts, flagged=flagged)


def _merge(lease: Lease, live: LiveTarget, conflicts: Iterable[FieldConflict]) -> Fields:
    """Give the value that each field of the lease should end with."""
    changed = {conflict.name for conflict in conflicts}
    wanted: dict[FieldName, FieldValue] = {}
    for name, before in lease.before.items():
        now = live.fields.get(name)
        if not is_ordered(name) or name not in live.fields:
            continue  # a setting that goes along, or a bound that the other side has given up
        if name not in lease.applied:
            wanted[name] = higher_of(live.id.kind, name, now, before)
        elif name in changed:
            wanted[name] = _settle(lease, live.id.kind, name, now)
        else:
            wanted[name] = before
    return wanted


def _settle(lease: Lease, kind: ObjectKind, name: FieldName, live: FieldValue) -> FieldValue:
    """Give the value of a field that somebody changed, by the lease's own rule."""
    match lease.rules.on_conflict:
        case OnConflict.KEEP_LIVE:
            return live
        case OnConflict.BEFORE:
            return lease.before[name]
        case _:
            return higher_of(kind, name, live, lease.before[name])


def _conflicts(lease: Lease, live: LiveTarget) -> Iterable[FieldConflict]:
    """Give the fields that are neither what we set, nor on their way, nor what they were."""
    kind, staged = live.id.kind, stage_of(live)
    for name, applied in lease.applied.items():
        if name not in live.fields:
            continue
        now, before = live.fields[name], lease.before[name]
        known = any(is_same(kind, name, now, value) for value in (applied, before))
        if not known and not is_staged(live, name, staged):
            writer = live.last_writer(name)
            who = writer.name if writer and writer.name != OUR_MANAGER else ""
            yield FieldConflict(
                name, before, applied, now, who, writer.at if who and writer else None
            )


def _clamp(live: LiveTarget, wanted: Fields) -> tuple[Fields, bool]:
    """Keep a minimum at or below its maximum: the API refuses the pair otherwise."""
    clamped = dict(wanted)
    for low, high in _CLAMPED.items():
        if low not in clamped:
            continue
        ceiling = clamped.get(high, live.fields.get(high))
        kind = live.id.kind
        if ceiling is not None and capacity_of(kind, low, clamped[low]) > int(ceiling):
            clamped[low] = int(ceiling)
    return clamped, any(clamped[name] != value for name, value in wanted.items())


def _is_below(lease: Lease, conflict: FieldConflict) -> bool:
    """Tell whether somebody went lower than we had: a decision, or an accident."""
    kind, name = lease.target.kind, conflict.name
    return capacity_of(kind, name, conflict.live) < capacity_of(kind, name, conflict.applied)


def _is_new(lease: Lease, live: LiveTarget) -> bool:
    return bool(lease.target.uid) and live.id.uid != lease.target.uid


def _is_new_node(lease: Lease, live: LiveTarget) -> bool:
    new = lease.target.kind is ObjectKind.NODE and _is_new(lease, live)
    return new and lease_on(live) != lease.id


def _reason(
    lease: Lease,
    live: LiveTarget,
    goal: Fields,
    conflicts: tuple[FieldConflict, ...],
    clamped: bool,
) -> str:
    parts = []
    if _is_new(lease, live):
        parts.append("it was made anew meanwhile")
    if conflicts:
        rule = lease.rules.on_conflict
        parts.append(f"changed meanwhile, by the rule {rule}: {_join(conflicts)}")
    if clamped:
        parts.append("the minimum is kept at the live maximum")
    if goal:
        parts.append(f"back to {describe_fields(goal)}")
    elif not conflicts:
        parts.append("already as it was")
    return "; ".join(parts) or "kept as it is"


def _join(conflicts: Iterable[FieldConflict]) -> str:
    return ", ".join(str(conflict) for conflict in conflicts)
