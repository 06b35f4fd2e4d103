"""Bring one target back: read, merge (``domain.leases.merges``), the next stride, look again."""

from dataclasses import dataclass
from enum import StrEnum

from nightshift.domain.capacity.targets import LiveTarget, TargetId
from nightshift.domain.leases.merges import RestoreAct, RestoreDecision, decide_restore
from nightshift.domain.leases.records import Lease, LeaseState
from nightshift.domain.leases.returning import Pace, Stride, Wait, next_stride
from nightshift.errors import NotFound, PermanentError, RetryableError
from nightshift.weekend.hands import PATIENCE, Hands


class Given(StrEnum):
    """How a target stands after one look."""

    BACK = "back"  # the lease has ended
    ON_ITS_WAY = "on its way"  # something was written, more follows
    WAITING = "waiting"
    HELD = "held"  # by an annotation; the lease stays open
    MANUAL = "manual"  # the policy leaves it to a person; the lease stays open
    STUCK = "stuck"  # we could not write; the lease stays open


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done about one lease.

    :param wait: with WAITING, until when.
    :param flagged: a person should look at it.
    """

    lease: Lease
    given: Given
    reason: str
    wait: Wait | None = None
    flagged: bool = False

    @property
    def target(self) -> TargetId:
        """What it is about."""
        return self.lease.target


def give_back(lease: Lease, hands: Hands, pace: Pace) -> Outcome:
    """Bring a target one stride nearer to what it was; safe to repeat, at any time.

    One that cannot be written must not keep the others waiting, so nothing is raised: the outcome
    is STUCK, and the next round tries again.
    """
    try:
        return _try(lease, hands, pace)
    except (RetryableError, PermanentError) as error:
        return Outcome(lease, Given.STUCK, str(error), flagged=True)


def _try(lease: Lease, hands: Hands, pace: Pace) -> Outcome:
    for tries in range(PATIENCE):
        live = hands.patiently(lambda: hands.targets.read(lease.target))
        decision = decide_restore(lease, live, hands.clock())
        if decision.act is RestoreAct.HOLD:
            return Outcome(lease, Given.HELD, decision.reason)
        if decision.act is RestoreAct.MANUAL:
            return Outcome(lease, Given.MANUAL, decision.reason, flagged=True)
        if live is None:
            return _close(lease, hands, decision)
        stride = next_stride(lease, live, decision, pace, hands.clock())
        if isinstance(stride, Wait):
            return Outcome(lease, Given.WAITING, stride.reason, stride)
        try:
            return _write(lease, live, hands, decision, stride)
        except NotFound:
            continue
        except RetryableError as error:
            if tries == PATIENCE - 1:
                raise
            hands.pause(tries, error)
    return Outcome(lease, Given.STUCK, "it kept changing under us", flagged=True)


def _write(
    lease: Lease, live: LiveTarget, hands: Hands, decision: RestoreDecision, stride: Stride
) -> Outcome:
    if not stride.last:
        hands.journal.move(lease, LeaseState.RESTORING, decision.reason)
    if stride.patch.fields or stride.patch.annotations:
        hands.targets.patch(live.id, stride.patch)
    if stride.last:
        return _close(lease, hands, decision)
    return Outcome(lease, Given.ON_ITS_WAY, decision.reason, flagged=decision.flagged)


def _close(lease: Lease, hands: Hands, decision: RestoreDecision) -> Outcome:
    hands.journal.move(lease, LeaseState.CLOSED, decision.reason)
    if decision.flagged or decision.conflicts:
        conflicts = [str(one) for one in decision.conflicts]
        hands.journal.note("conflict", lease.target.ref, lease=lease.id, conflicts=conflicts)
    return Outcome(lease, Given.BACK, decision.reason, flagged=decision.flagged)
