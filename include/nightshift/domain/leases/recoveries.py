"""What a crash left behind, and what follows: decided from a lease and what is live, nothing else.

intent written, no PATCH           live == before          apply if enough of the window is left
PATCH, the row not updated         live == applied, ours   mark it applied
drain half done                    our cordon, no beat     resume to the deadline, else uncordon
a cloud's answer lost              intent                  read back; the same rules
the object changed in between      neither                 nothing was lowered: drop the lease
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nightshift.domain.capacity.targets import (
    LiveTarget,
    ObjectKind,
    agrees,
    capacity_of,
    describe_fields,
)
from nightshift.domain.leases.annotations import lease_on
from nightshift.domain.leases.records import Lease, LeaseState, StepState

ENOUGH_WINDOW = dt.timedelta(hours=2)
"""A proposal: with less of the window left, lowering costs more than it saves."""
STALE_AFTER = dt.timedelta(minutes=15)
"""A run whose heart has not beaten for so long is dead; a beat comes at least every minute."""


class RecoverAct(StrEnum):
    """What to do with a lease that a dead run left."""

    APPLY = "apply"
    DROP = "drop"
    MARK_APPLIED = "mark_applied"
    CONFLICT = "conflict"  # drop it and report who was first
    KEEP = "keep"
    RESUME_DRAIN = "resume_drain"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What follows, and why."""

    act: RecoverAct
    reason: str
    flagged: bool = False


def decide_recovery(lease: Lease, live: LiveTarget | None, left: dt.timedelta | None) -> Recovery:
    """Decide what becomes of a lease that nobody is working on.

    :param live: None if the object is gone.
    :param left: of the window that is open now; None if none is, so that everything is due, and
        while a Friday is undone, so that nothing is begun.
    """
    if lease.state is LeaseState.RESTORING:
        return Recovery(RecoverAct.RESTORE, "half restored: go on")
    if lease.state is not LeaseState.INTENT:
        if left is None:
            return Recovery(RecoverAct.RESTORE, "its window is over")
        return Recovery(RecoverAct.KEEP, "lowered, and its window is open")
    return _of_intent(lease, live, left)


def _of_intent(lease: Lease, live: LiveTarget | None, left: dt.timedelta | None) -> Recovery:
    if live is None:
        return Recovery(RecoverAct.DROP, "it was gone before it was lowered")
    if lease_on(live) == lease.id:
        return Recovery(RecoverAct.MARK_APPLIED, "the object carries the lease: it was lowered")
    if lease.target.uid and live.id.uid != lease.target.uid:
        return _of_new_object(lease, live)
    if agrees(live, {name: lease.before[name] for name in lease.applied}):
        return _not_yet(left)
    found = describe_fields({name: live.fields.get(name) for name in lease.applied})
    if agrees(live, lease.applied) and live.id.kind is ObjectKind.NODE:
        # a cordon is a person's word as well; ours comes with our annotations
        return Recovery(RecoverAct.CONFLICT, "somebody else cordoned it before we did")
    if agrees(live, lease.applied):
        # whoever did it: bringing it back on Monday errs on the side of more capacity
        why = f"found {found} without our annotations; it counts as lowered by us"
        return Recovery(RecoverAct.MARK_APPLIED, why, flagged=True)
    why = f"somebody changed it before it was lowered: found {found}"
    return Recovery(RecoverAct.CONFLICT, why, flagged=True)


def _of_new_object(lease: Lease, live: LiveTarget) -> Recovery:
    """Decide for an object that was made anew while it is not known whether we had lowered it."""
    kind = live.id.kind
    if all(live.capacity(n) >= capacity_of(kind, n, lease.before[n]) for n in lease.applied):
        return Recovery(RecoverAct.DROP, "it was made anew, and is no lower than it was")
    why = "it was made anew, lower than it was; it counts as lowered by us"
    return Recovery(RecoverAct.MARK_APPLIED, why, flagged=True)


def _not_yet(left: dt.timedelta | None) -> Recovery:
    if left is None:
        return Recovery(RecoverAct.DROP, "never lowered, and the window is over")
    if left <= ENOUGH_WINDOW:
        return Recovery(RecoverAct.DROP, f"never lowered; {left} of the window is too little")
    return Recovery(RecoverAct.APPLY, "never lowered, and there is time")


@dataclass(frozen=True, slots=True)
class HalfDrain:
    """A cordoned node whose drain may have died.

    :param step: what the ledger says of the node's action.
    :param beat_at: the run's last heartbeat; None if it is not known.
    :param timeout: of the drain, counted from the intent.
    """

    lease: Lease
    step: StepState
    beat_at: dt.datetime | None
    timeout: dt.timedelta


def decide_drain_recovery(
    drain: HalfDrain, left: dt.timedelta | None, now: dt.datetime
) -> Recovery:
    """Decide what becomes of a node that carries our cordon.

    :param left: of the window that is open now; None if none is.
    """
    if left is None:
        return Recovery(RecoverAct.RESTORE, "its window is over: uncordon")
    if drain.step in {StepState.VERIFIED, StepState.COMPENSATED}:
        return Recovery(RecoverAct.KEEP, "it was emptied, and its window is open")
    if drain.beat_at is not None and now - drain.beat_at < STALE_AFTER:
        return Recovery(RecoverAct.KEEP, "its run is alive")
    began = drain.lease.at
    if began is not None and now < began + drain.timeout:
        return Recovery(RecoverAct.RESUME_DRAIN, "its run is dead, its deadline is not over")
    return Recovery(RecoverAct.RESTORE, "its run is dead and its deadline over: uncordon")


def has_open_lease(live: LiveTarget, open_leases: Sequence[Lease], ended: frozenset[str]) -> bool:
    """Tell whether an object is already under a lease, by the store or by its annotations.

    :param ended: leases that the store knows to have ended; their annotations mean nothing, as
        when ``kubectl rollout undo`` brought them back.
    """
    if any(lease.is_open and lease.target.is_same_name(live.id) for lease in open_leases):
        return True
    name = lease_on(live)
    return name is not None and name not in ended
