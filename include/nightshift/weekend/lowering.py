"""Lower targets under their leases, several at a time: read, compare, PATCH, look again.

Whatever happens in between, what is live decides: a PATCH whose answer was lost is found by its
annotations, and one that never arrived is sent again.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nightshift.domain.capacity.targets import LiveTarget, agrees, describe_fields
from nightshift.domain.leases.annotations import lease_on
from nightshift.domain.leases.lowering import Lowered, Refused, next_lowering
from nightshift.domain.leases.records import Lease, LeaseState, StepState
from nightshift.domain.leases.recoveries import RecoverAct, decide_recovery
from nightshift.domain.leases.returning import Stride, Wait
from nightshift.domain.windows.spans import Window
from nightshift.errors import Conflict, NotFound, RetryableError
from nightshift.weekend.hands import PATIENCE, Hands

_AGAIN = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class LowerOutcome:
    """What became of a target that was to be lowered.

    :param state: VERIFIED; APPLIED, if it is lowered in steps and not all are done; SKIPPED or
        CONFLICT, if it was left alone.
    """

    state: StepState
    reason: str


@dataclass(slots=True)
class _Lowering:
    """One target on its way."""

    lease: Lease
    tries: int = 0
    outcome: LowerOutcome | None = None
    again_at: dt.datetime | None = None
    so_far: LowerOutcome = field(
        default_factory=lambda: LowerOutcome(StepState.CONFLICT, "it kept changing under us")
    )


def lower_targets(
    leases: Sequence[Lease], hands: Hands, until: dt.datetime
) -> dict[str, LowerOutcome]:
    """Lower targets whose intents have been written; safe to call again after a crash.

    Targets that go down in steps do so side by side.

    :param until: when to stop waiting for steps; what is not done then is APPLIED.
    :returns: by the lease's id.
    :raises RetryableError: if the other side stays busy; what is lowered is then told by the
        objects, and their leases stay open.
    :raises PermanentError: if one may not be lowered at all (Forbidden, Invalid).
    """
    every = [_Lowering(lease) for lease in leases]
    while left := [one for one in every if one.outcome is None]:
        for one in left:
            if one.again_at is None or one.again_at <= hands.clock():
                _advance(one, hands)
        waits = [one.again_at for one in left if one.outcome is None and one.again_at]
        if not waits:
            continue
        if hands.clock() >= until:
            break
        hands.journal.beat()
        hands.sleep(max((min(waits) - hands.clock()).total_seconds(), 0.05))
    return {one.lease.id: one.outcome or one.so_far for one in every}


def _advance(one: _Lowering, hands: Hands) -> None:
    """Look once at a target, and write at most once."""
    lease = one.lease
    live = hands.patiently(lambda: hands.targets.read(lease.target))
    found = next_lowering(lease, live, hands.clock())
    match found:
        case Lowered():
            one.outcome = _lowered(lease, hands, StepState.VERIFIED, found.reason)
        case Refused():
            one.outcome = _refused(lease, live, hands, found.reason)
        case Wait():
            one.so_far = _lowered(lease, hands, StepState.APPLIED, found.reason)
            one.again_at = found.until
        case Stride():
            _write(one, hands, found)


def _write(one: _Lowering, hands: Hands, stride: Stride) -> None:
    lease = one.lease
    try:
        written = hands.targets.patch(lease.target, stride.patch)
    except NotFound:
        return  # it went between the two calls; the next look says so
    except RetryableError as error:
        one.tries += 1
        if one.tries >= PATIENCE and not isinstance(error, Conflict):
            raise
        if one.tries >= PATIENCE:
            one.outcome = _refused(lease, None, hands, "it kept changing under us")
        elif isinstance(error, Conflict):
            one.again_at = hands.clock() + _AGAIN
        else:
            hands.pause(one.tries, error)
        return
    one.tries, one.again_at = 0, None
    if lease_on(written) != lease.id or not agrees(written, stride.patch.fields):
        return  # something rewrote it as it came in; the next look decides
    state = StepState.VERIFIED if stride.last else StepState.APPLIED
    one.so_far = _lowered(lease, hands, state, _said(lease))
    one.outcome = one.so_far if stride.last else None


def _said(lease: Lease) -> str:
    before = {name: lease.before[name] for name in lease.applied}
    return f"{describe_fields(before)} lowered to {describe_fields(lease.applied)}"


def _lowered(lease: Lease, hands: Hands, state: StepState, reason: str) -> LowerOutcome:
    if lease.state is LeaseState.INTENT:
        hands.journal.move(lease, LeaseState.APPLIED, reason)
    return LowerOutcome(state, reason)


def _refused(lease: Lease, live: LiveTarget | None, hands: Hands, reason: str) -> LowerOutcome:
    """Leave a target alone; a lease that it carries already is given back on Monday."""
    if live is not None and lease_on(live) == lease.id:
        return _lowered(lease, hands, StepState.CONFLICT, reason)
    if lease.state is LeaseState.INTENT:
        hands.journal.move(lease, LeaseState.DROPPED, reason)
    return LowerOutcome(StepState.SKIPPED if live is None else StepState.CONFLICT, reason)


def recover_intent(lease: Lease, hands: Hands, window: Window | None) -> Lease | None:
    """Find out what became of an intent whose run has died.

    :param window: the one that is open now; None if none is.
    :returns: the lease as it stands, None if it has ended.
    """
    live = hands.patiently(lambda: hands.targets.read(lease.target))
    left = window.up - hands.clock() if window else None
    recovery = decide_recovery(lease, live, left)
    applied = replace(lease, state=LeaseState.APPLIED)
    match recovery.act:
        case RecoverAct.APPLY if window is not None:
            outcomes = lower_targets([lease], hands, hands.clock())
            return applied if outcomes[lease.id].state in _CLAIMED else None
        case RecoverAct.MARK_APPLIED:
            hands.journal.move(lease, LeaseState.APPLIED, recovery.reason)
            return applied
        case RecoverAct.DROP | RecoverAct.CONFLICT | RecoverAct.APPLY:
            hands.journal.move(lease, LeaseState.DROPPED, recovery.reason)
            return None
        case _:
            return lease


_CLAIMED = frozenset({StepState.VERIFIED, StepState.APPLIED})
