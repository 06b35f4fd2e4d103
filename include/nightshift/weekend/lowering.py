"""Lower one target under its lease: intent, read, compare, PATCH, look again.

Whatever happens in between, what is live decides: a PATCH whose answer was lost is found by its
annotations, and one that never arrived is sent again.
"""

from dataclasses import dataclass, replace

from nightshift.domain.capacity.targets import LiveTarget, Patch, agrees, describe_fields
from nightshift.domain.leases.annotations import is_held, lease_on, strip_lease, write_lease
from nightshift.domain.leases.records import Lease, LeaseState, StepState
from nightshift.domain.leases.recoveries import RecoverAct, Recovery, decide_recovery
from nightshift.domain.windows.spans import Window
from nightshift.errors import NotFound, RetryableError
from nightshift.weekend.hands import PATIENCE, Hands


@dataclass(frozen=True, slots=True)
class Lowered:
    """What became of a target that was to be lowered.

    :param state: VERIFIED, SKIPPED or CONFLICT.
    """

    state: StepState
    reason: str

    @property
    def done(self) -> bool:
        """Tell whether it is lowered, by us."""
        return self.state is StepState.VERIFIED


def lower_target(lease: Lease, hands: Hands, window: Window) -> Lowered:
    """Lower a target whose intent has been written; safe to call again after a crash.

    :raises RetryableError: if the other side stays busy; whether it is lowered is then unknown, and
        the lease stays an intent that says so.
    :raises PermanentError: if it may not be lowered at all (Forbidden, Invalid).
    """
    for tries in range(PATIENCE):
        live = hands.patiently(lambda: hands.targets.read(lease.target))
        recovery = decide_recovery(lease, live, window.up - hands.clock())
        if recovery.act is not RecoverAct.APPLY or live is None:
            return _settle(lease, recovery, hands)
        if is_held(live.annotations, hands.clock(), if_unclear=True):
            return _settle(lease, Recovery(RecoverAct.DROP, "held by an annotation"), hands)
        try:
            written = hands.targets.patch(lease.target, _patch(lease, live))
        except NotFound:
            continue  # it went between the two calls; the next look says so
        except RetryableError as error:
            if tries == PATIENCE - 1:
                raise
            hands.pause(tries, error)
            continue
        if lease_on(written) == lease.id and agrees(written, lease.applied):
            return _settle(lease, Recovery(RecoverAct.MARK_APPLIED, _said(lease)), hands)
    return _settle(lease, Recovery(RecoverAct.CONFLICT, "it kept changing under us"), hands)


def _patch(lease: Lease, live: LiveTarget) -> Patch:
    annotations = {**strip_lease(live.annotations), **write_lease(lease)}
    return Patch(lease.applied, annotations, live.resource_version, lease.id)


def _said(lease: Lease) -> str:
    before = {name: lease.before[name] for name in lease.applied}
    return f"{describe_fields(before)} lowered to {describe_fields(lease.applied)}"


def _settle(lease: Lease, recovery: Recovery, hands: Hands) -> Lowered:
    """Move the lease on to what was found."""
    match recovery.act:
        case RecoverAct.MARK_APPLIED | RecoverAct.KEEP | RecoverAct.RESUME_DRAIN:
            if lease.state is LeaseState.INTENT:
                hands.journal.move(lease, LeaseState.APPLIED, recovery.reason)
            return Lowered(StepState.VERIFIED, recovery.reason)
        case RecoverAct.CONFLICT:
            hands.journal.move(lease, LeaseState.DROPPED, recovery.reason)
            return Lowered(StepState.CONFLICT, recovery.reason)
        case _:
            hands.journal.move(lease, LeaseState.DROPPED, recovery.reason)
            return Lowered(StepState.SKIPPED, recovery.reason)


def recover_intent(lease: Lease, hands: Hands, window: Window | None) -> Lease | None:
    """Find out what became of an intent whose run has died.

    :param window: the one that is open now; None if none is.
    :returns: the lease as it stands, None if it has ended.
    """
    live = hands.patiently(lambda: hands.targets.read(lease.target))
    left = window.up - hands.clock() if window else None
    recovery = decide_recovery(lease, live, left)
    if recovery.act is RecoverAct.APPLY and window is not None:
        lowered = lower_target(lease, hands, window)
    else:
        lowered = _settle(lease, recovery, hands)
    return replace(lease, state=LeaseState.APPLIED) if lowered.done else None
