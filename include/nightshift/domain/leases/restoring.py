"""One round of a restore: what to write now, what to wait for, and what is left to people.

The caller reads, asks for a round, writes it, and asks again until nothing is left. Tiers come up
in the reverse of the order in which they went down; a tier waits for those before it, but never for
long: on a Monday an unknown ends in more capacity.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nightshift.domain.capacity.policies_rules import Waves
from nightshift.domain.capacity.targets import (
    FieldName,
    LiveTarget,
    ObjectKind,
    capacity_of,
)
from nightshift.domain.leases.merges import RestoreAct, RestoreDecision, decide_restore
from nightshift.domain.leases.records import Lease, LeaseState, group_by_tier
from nightshift.domain.leases.returning import Pace, Stride, Wait, next_stride

TIER_PATIENCE = dt.timedelta(minutes=10)
"""A proposal: how long the tiers before one may keep it waiting, for each of them."""
_RETURNING = frozenset({LeaseState.APPLIED, LeaseState.RESTORING})
_ASK_AGAIN = dt.timedelta(seconds=30)
_PROMISES: Mapping[ObjectKind, FieldName] = {
    ObjectKind.DEPLOYMENT: FieldName.REPLICAS,
    ObjectKind.STATEFUL_SET: FieldName.REPLICAS,
    ObjectKind.AUTOSCALER: FieldName.MIN_REPLICAS,
    ObjectKind.SCALED_OBJECT: FieldName.MIN_REPLICAS,
    ObjectKind.NODE_POOL: FieldName.MIN_NODES,
}
"""The field that says how many of a target have to be ready before the next tier begins."""


@dataclass(frozen=True, slots=True)
class RestoreState:
    """How far a restore is.

    :param began: when it began; aware.
    :param pending: pods that wait for a node now.
    :param closed: leases that it has closed; their targets may not be ready yet.
    """

    began: dt.datetime
    now: dt.datetime
    waves: Waves = field(default_factory=Waves)
    pending: int = 0
    closed: tuple[Lease, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreItem:
    """What follows for one lease.

    :param live: None if the object is gone.
    :param stride: to be written now; the lease closes with it if it is the last.
    :param wait: not yet.
    """

    lease: Lease
    live: LiveTarget | None
    decision: RestoreDecision
    stride: Stride | None = None
    wait: Wait | None = None

    @property
    def closes(self) -> bool:
        """Tell whether the lease ends with this item, once it is written."""
        if self.stride is not None:
            return self.stride.last
        return self.wait is None and self.decision.act is RestoreAct.CLOSE

    @property
    def is_left(self) -> bool:
        """Tell whether it is a person's: held, or the policy says so."""
        return self.decision.act in {RestoreAct.HOLD, RestoreAct.MANUAL}


@dataclass(frozen=True, slots=True)
class RestoreRound:
    """What to do now.

    :param items: in the order in which they are written.
    :param waiting: tiers that have not begun, and what for.
    :param again_at: when to ask again at the latest; None if only people can change anything.
    """

    items: tuple[RestoreItem, ...]
    waiting: tuple[str, ...] = ()
    again_at: dt.datetime | None = None

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left but what people keep."""
        return not self.waiting and all(item.is_left for item in self.items)


def plan_round(
    leases: Iterable[Lease], targets: Mapping[str, LiveTarget], state: RestoreState
) -> RestoreRound:
    """Plan the next round.

    :param leases: that are due (``is_due``), or those of a Friday that is undone. One that was
        never applied is left out: ``decide_recovery`` says what becomes of it.
    :param targets: their objects as they were read just now, by ref; one that is missing is gone.
    """
    due = [lease for lease in leases if lease.state in _RETURNING]
    places = _places(due)
    items: list[RestoreItem] = []
    waiting: list[str] = []
    unready = _unready(state.closed, targets)
    for index, (tier, group) in enumerate(group_by_tier(due)):
        behind = [ref for other, ref in unready if other != tier]
        behind += [item.lease.target.ref for item in items if not _is_settled(item)]
        if behind and not _is_over(tier, index, state):
            waiting.append(f"{tier or 'the next leases'}: waits for {', '.join(behind[:5])}")
            continue
        items += [_item(lease, targets, state, places) for lease in group]
    return RestoreRound(tuple(items), tuple(waiting), _again_at(items, waiting, state))


def _item(
    lease: Lease, targets: Mapping[str, LiveTarget], state: RestoreState, places: Mapping[str, int]
) -> RestoreItem:
    live = targets.get(lease.target.ref)
    decision = decide_restore(lease, live, state.now)
    if live is None or decision.act in {RestoreAct.HOLD, RestoreAct.MANUAL}:
        return RestoreItem(lease, live, decision)
    pace = Pace(state.waves, state.pending, state.began, places.get(lease.id, 0))
    found = next_stride(lease, live, decision, pace, state.now)
    if isinstance(found, Wait):
        return RestoreItem(lease, live, decision, wait=found)
    return RestoreItem(lease, live, decision, stride=found)


def _places(leases: Iterable[Lease]) -> dict[str, int]:
    """Give each CronJob that runs what it missed its turn."""
    jobs = [
        one
        for one in sorted(leases, key=lambda one: one.id)
        if one.target.kind is ObjectKind.CRON_JOB and not one.rules.skip_missed
    ]
    return {one.id: place for place, one in enumerate(jobs)}


def _unready(leases: Sequence[Lease], targets: Mapping[str, LiveTarget]) -> list[tuple[str, str]]:
    """List tier and ref of what has been given back and is not there yet."""
    found = []
    for lease in leases:
        live, name = targets.get(lease.target.ref), _PROMISES.get(lease.target.kind)
        if live is None or name is None or name not in live.fields:
            continue
        if live.status.ready < capacity_of(live.id.kind, name, live.fields[name]):
            found.append((lease.tier, lease.target.ref))
    return found


def _is_settled(item: RestoreItem) -> bool:
    """Tell whether the next tier need not wait for an item."""
    if item.is_left or (item.live is None and item.closes):
        return True
    return item.lease.target.kind not in _PROMISES


def _is_over(tier: str, index: int, state: RestoreState) -> bool:
    """Tell whether a tier has waited for long enough.

    :param index: how many tiers of this round come before it.
    """
    before = index + len({lease.tier for lease in state.closed} - {tier})
    return state.now >= state.began + TIER_PATIENCE * before


def _again_at(
    items: Sequence[RestoreItem], waiting: Sequence[str], state: RestoreState
) -> dt.datetime | None:
    waits = [item.wait.until for item in items if item.wait is not None]
    if waiting or any(item.stride is not None and not item.stride.last for item in items):
        waits.append(state.now + _ASK_AGAIN)
    return min(waits, default=None)
