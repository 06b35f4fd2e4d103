"""Bring everything back: read, plan a round (``domain.leases.restoring``), write it, ask again.

It needs no plan, no approval and no memory of Friday: it reads the open leases and goes on from
whatever is live, so it may run late, twice, or after half of it was done. It fails up: what cannot
be read or written now holds up nobody else, and is tried again.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nightshift.domain.capacity.policies_rules import Waves
from nightshift.domain.capacity.targets import LiveTarget
from nightshift.domain.leases.merges import RestoreAct
from nightshift.domain.leases.records import Lease, LeaseState
from nightshift.domain.leases.restoring import RestoreItem, RestoreState, plan_round
from nightshift.errors import Conflict, NightshiftError
from nightshift.weekend.hands import Hands
from nightshift.weekend.lowering import recover_intent

AT_ONCE = Waves(hpa_min_step=10_000, every=dt.timedelta(seconds=1), max_pending=10**6)
"""Waves of an undoing: what was lowered minutes ago comes back at once."""
STUCK_ROUNDS = 10
"""A lease that could not be read or written so often is left to the next call."""
_SOON = dt.timedelta(seconds=5)
_LONGEST_SLEEP = dt.timedelta(seconds=30)

Due = Callable[[Lease], bool]


class Given(StrEnum):
    """How a target stands."""

    BACK = "back"  # the lease has ended
    ON_ITS_WAY = "on its way"
    HELD = "held"  # by an annotation; the lease stays open
    MANUAL = "manual"  # the policy leaves it to a person; the lease stays open
    STUCK = "stuck"  # we could not read or write it; the lease stays open


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last word about one lease.

    :param flagged: a person should look at it.
    """

    lease: Lease
    given: Given
    reason: str
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore stands.

    :param outcomes: one a lease that was touched.
    :param unfinished: it ended because its time was over, not because nothing was left to do.
    :param waiting: tiers that had not begun then, and what for.
    """

    outcomes: tuple[Outcome, ...]
    unfinished: bool = False
    waiting: tuple[str, ...] = ()

    def of(self, *given: Given) -> list[Outcome]:
        """Give the outcomes of some kinds."""
        return [one for one in self.outcomes if one.given in given]

    @property
    def complete(self) -> bool:
        """Tell whether everything that was due has come back, or a person keeps it."""
        return not self.unfinished and not self.of(Given.STUCK, Given.ON_ITS_WAY)


@dataclass(slots=True)
class _Progress:
    """What one restore remembers between its rounds; a crash may lose all of it."""

    began: dt.datetime
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    closed: list[Lease] = field(default_factory=list)
    stuck: dict[str, int] = field(default_factory=dict)

    def note(self, lease: Lease, given: Given, reason: str, *, flagged: bool = False) -> None:
        """Remember the last word about a lease."""
        self.outcomes[lease.id] = Outcome(lease, given, reason, flagged)

    def note_stuck(self, lease: Lease, error: NightshiftError) -> None:
        """Remember that a lease could not be read or written, and how often."""
        self.stuck[lease.id] = self.stuck.get(lease.id, 0) + 1
        self.note(lease, Given.STUCK, str(error), flagged=True)

    def tried_enough(self, lease: Lease) -> bool:
        """Tell whether a lease is to be left to the next call."""
        return self.stuck.get(lease.id, 0) >= STUCK_ROUNDS


def restore(hands: Hands, due: Due, waves: Waves, until: dt.datetime | None = None) -> Restored:
    """Bring back every open lease that is due.

    :param due: says whether a lease is to be given back now.
    :param waves: how minimums come back.
    :param until: stop then and leave the rest to the next call; None goes on until only people
        can do more.
    """
    progress = _Progress(hands.clock())
    while True:
        hands.journal.beat()
        leases = [one for one in hands.journal.open_leases() if due(one)]
        again_at, waiting = _round(leases, hands, waves, progress)
        now = hands.clock()
        over = until is not None and now >= until
        if again_at is None or over:
            outcomes = tuple(progress.outcomes.values())
            return Restored(outcomes, unfinished=again_at is not None, waiting=waiting)
        pause = min(max(again_at - now, dt.timedelta(seconds=0.05)), _LONGEST_SLEEP)
        hands.sleep(pause.total_seconds())


def _round(
    leases: Sequence[Lease], hands: Hands, waves: Waves, progress: _Progress
) -> tuple[dt.datetime | None, tuple[str, ...]]:
    """Take every lease one stride on.

    :returns: when to look again, None when nothing is left to do; and what waits for what.
    """
    known = _applied(leases, hands, progress)
    targets = _read(known, hands, progress)
    readable = [one for one in known if one.id in targets]
    state = RestoreState(
        progress.began, hands.clock(), waves, _pending(hands), tuple(progress.closed)
    )
    live = {one.target.ref: targets[one.id] for one in readable}
    for lease in progress.closed:
        live.setdefault(lease.target.ref, _read_quietly(lease, hands))
    there = {ref: found for ref, found in live.items() if found is not None}
    planned = plan_round(readable, there, state)
    stuck_before = dict(progress.stuck)
    for item in planned.items:
        _carry_out(item, hands, progress)
    again = [planned.again_at] if planned.again_at else []
    if progress.stuck != stuck_before or len(readable) < len(leases):
        left = [one for one in leases if not progress.tried_enough(one)]
        again += [hands.clock() + _SOON] if left else []
    return min(again, default=None), planned.waiting


def _applied(leases: Sequence[Lease], hands: Hands, progress: _Progress) -> list[Lease]:
    """Give the leases that were applied; intents of a run that died are first found out about."""
    found = []
    for lease in leases:
        if progress.tried_enough(lease):
            continue
        if lease.state is not LeaseState.INTENT:
            found.append(lease)
            continue
        try:
            known = recover_intent(lease, hands, None)
        except NightshiftError as error:
            progress.note_stuck(lease, error)
            continue
        if known is not None:
            found.append(known)
    return found


def _read(
    leases: Sequence[Lease], hands: Hands, progress: _Progress
) -> Mapping[str, LiveTarget | None]:
    """Read the targets; one that cannot be read is left out of this round."""
    found: dict[str, LiveTarget | None] = {}
    for lease in leases:
        try:
            found[lease.id] = hands.targets.read(lease.target)
        except NightshiftError as error:
            progress.note_stuck(lease, error)
    return found


def _read_quietly(lease: Lease, hands: Hands) -> LiveTarget | None:
    """Read a target that has come back already; unknown is as good as ready: nobody waits."""
    try:
        return hands.targets.read(lease.target)
    except NightshiftError:
        return None


def _pending(hands: Hands) -> int:
    try:
        return hands.pending()
    except NightshiftError:
        return 0  # unknown: more capacity, not less


def _carry_out(item: RestoreItem, hands: Hands, progress: _Progress) -> None:
    lease, decision = item.lease, item.decision
    if item.is_left:
        held = decision.act is RestoreAct.HOLD
        given = Given.HELD if held else Given.MANUAL
        progress.note(lease, given, decision.reason, flagged=decision.flagged)
        return
    if item.wait is not None:
        progress.note(lease, Given.ON_ITS_WAY, item.wait.reason)
        return
    try:
        _write(item, hands)
    except Conflict:
        progress.note(lease, Given.ON_ITS_WAY, "it changed as we wrote; read it again")
        progress.stuck[lease.id] = progress.stuck.get(lease.id, 0) + 1
    except NightshiftError as error:
        progress.note_stuck(lease, error)
    else:
        given = Given.BACK if item.closes else Given.ON_ITS_WAY
        progress.note(lease, given, decision.reason, flagged=decision.flagged)
        progress.stuck.pop(lease.id, None)
        if item.closes:
            progress.closed.append(lease)


def _write(item: RestoreItem, hands: Hands) -> None:
    """Write a stride; the lease ends with the last."""
    lease, decision = item.lease, item.decision
    if item.stride is not None:
        if not item.stride.last:
            hands.journal.move(lease, LeaseState.RESTORING, decision.reason)
        patch = item.stride.patch
        if item.live is not None and (patch.fields or patch.annotations):
            hands.targets.patch(item.live.id, patch)
    if not item.closes:
        return
    hands.journal.move(lease, LeaseState.CLOSED, decision.reason)
    if decision.flagged or decision.conflicts:
        conflicts = [str(one) for one in decision.conflicts]
        hands.journal.note("conflict", lease.target.ref, lease=lease.id, conflicts=conflicts)


def compensate(hands: Hands, leases: Sequence[Lease], patience: dt.timedelta) -> Restored:
    """Undo half a Friday, at once and in reverse: only what the journal says we did.

    :param leases: of the run that failed.
    """
    ids = {lease.id for lease in leases}
    return restore(hands, lambda one: one.id in ids, AT_ONCE, hands.clock() + patience)


def give_back_now(lease: Lease, hands: Hands) -> Outcome:
    """Give one target back at once, such as a node that could not be emptied."""
    restored = compensate(hands, [lease], dt.timedelta(minutes=5))
    missing = Outcome(lease, Given.STUCK, "its lease is not open any more", flagged=True)
    return next((one for one in restored.outcomes if one.lease.id == lease.id), missing)
