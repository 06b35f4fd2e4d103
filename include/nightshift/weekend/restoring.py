"""Bring everything back: nodes first, then the tiers from below, each ready before the next.

It needs no plan, no approval and no memory of Friday: it reads the open leases and goes on from
whatever is live, so it may run late, twice, or after half of it was done. It fails up: what keeps
being not ready is waited for only so long, and one stuck target holds up nobody else for good.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nightshift.domain.capacity.policies_rules import Waves
from nightshift.domain.capacity.targets import FieldName, LiveTarget, ObjectKind
from nightshift.domain.leases.records import Lease, LeaseState, group_by_tier
from nightshift.domain.leases.returning import Pace
from nightshift.errors import NightshiftError
from nightshift.weekend.giving_back import Given, Outcome, give_back
from nightshift.weekend.hands import Hands
from nightshift.weekend.lowering import recover_intent

READY_PATIENCE = dt.timedelta(minutes=10)
"""A proposal: how long the tiers above wait for one that does not become ready."""
NODES_PATIENCE = dt.timedelta(minutes=15)
"""A proposal: how long everything waits for a cloud to bring nodes back."""
AT_ONCE = Waves(hpa_min_step=10_000, every=dt.timedelta(seconds=1), max_pending=10**6)
"""Waves of a compensation: what was lowered minutes ago comes back at once."""
_LOOK = dt.timedelta(seconds=5)
_LONGEST_SLEEP = dt.timedelta(seconds=30)

Due = Callable[[Lease], bool]


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore stands.

    :param outcomes: the last word about every lease that was touched, in order.
    :param unfinished: it ended because its time was over, not because nothing was left to do.
    """

    outcomes: tuple[Outcome, ...]
    unfinished: bool = False

    def of(self, *given: Given) -> list[Outcome]:
        """Give the outcomes of some kinds."""
        return [one for one in self.outcomes if one.given in given]

    @property
    def complete(self) -> bool:
        """Tell whether everything that was due has come back, or a person keeps it."""
        return not self.of(Given.STUCK, Given.WAITING, Given.ON_ITS_WAY)


@dataclass(slots=True)
class _Progress:
    """What one restore remembers between its rounds; a crash may lose all of it.

    :param waited: since when a tier has been waited for.
    """

    began: dt.datetime
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    settling: dict[str, list[Lease]] = field(default_factory=dict)
    waited: dict[str, dt.datetime] = field(default_factory=dict)

    def note(self, outcome: Outcome) -> None:
        """Remember the last word about a lease, and that its tier must become ready."""
        self.outcomes[outcome.lease.id] = outcome
        if outcome.given is Given.BACK:
            self.settling.setdefault(outcome.lease.tier, []).append(outcome.lease)


def restore(hands: Hands, due: Due, waves: Waves, until: dt.datetime | None = None) -> Restored:
    """Bring back every open lease that is due.

    :param due: says whether a lease is to be given back now.
    :param waves: how minimums come back.
    :param until: stop then and leave the rest to the next call; None stays until all is back.
    """
    progress = _Progress(hands.clock())
    while True:
        hands.journal.beat()
        open_leases = [lease for lease in _recovered(hands) if due(lease)]
        again = _round(open_leases, hands, waves, progress)
        if again is None:
            return Restored(tuple(progress.outcomes.values()))
        now = hands.clock()
        if until is not None and now >= until:
            return Restored(tuple(progress.outcomes.values()), unfinished=True)
        pause = min(max(again - now, _LOOK), _LONGEST_SLEEP)
        hands.sleep(pause.total_seconds())


def _recovered(hands: Hands) -> list[Lease]:
    """Give the open leases; intents of a run that died are first found out about."""
    found = []
    for lease in hands.journal.open_leases():
        if lease.state is LeaseState.INTENT:
            known = recover_intent(lease, hands, None)
            if known is not None:
                found.append(known)
        else:
            found.append(lease)
    return found


def _round(
    leases: Sequence[Lease], hands: Hands, waves: Waves, progress: _Progress
) -> dt.datetime | None:
    """Take every lease one stride on; gives when to look again, None when nothing is left.

    A tier that is not ready yet holds the tiers above it back.
    """
    pending = hands.pending() if leases else 0
    places = _places(leases)
    again: list[dt.datetime] = []
    for tier, members in group_by_tier(leases):
        for lease in members:
            pace = Pace(waves, pending, progress.began, places.get(lease.id, 0))
            outcome = give_back(lease, hands, pace)
            progress.note(outcome)
            again.extend(_when_again(outcome, hands.clock()))
        if not _is_ready(tier, hands, progress):
            again.append(hands.clock() + _LOOK)
            break
    return min(again, default=None)


def _when_again(outcome: Outcome, now: dt.datetime) -> list[dt.datetime]:
    if outcome.wait is not None:
        return [outcome.wait.until]
    return [now + _LOOK] if outcome.given is Given.ON_ITS_WAY else []


def _places(leases: Sequence[Lease]) -> dict[str, int]:
    """Give CronJobs that start what they missed their places, so that they do it one by one."""
    jobs = [
        lease.id
        for lease in leases
        if lease.target.kind is ObjectKind.CRON_JOB and not lease.rules.skip_missed
    ]
    return {lease: place for place, lease in enumerate(sorted(jobs))}


def _is_ready(tier: str, hands: Hands, progress: _Progress) -> bool:
    """Tell whether what came back in a tier is ready, or was waited for long enough."""
    left = [lease for lease in progress.settling.get(tier, ()) if not _has_settled(lease, hands)]
    progress.settling[tier] = left
    if not left:
        return True
    since = progress.waited.setdefault(tier, hands.clock())
    nodes = any(lease.target.kind is ObjectKind.NODE_POOL for lease in left)
    if hands.clock() - since < (NODES_PATIENCE if nodes else READY_PATIENCE):
        return False
    for lease in left:
        hands.journal.note("not_ready", lease.target.ref, waited=str(hands.clock() - since))
    progress.settling[tier] = []
    return True


def _has_settled(lease: Lease, hands: Hands) -> bool:
    try:
        live = hands.targets.read(lease.target)
    except NightshiftError:
        return False  # then our patience decides
    return live is None or is_ready(live)


def is_ready(live: LiveTarget) -> bool:
    """Tell whether a target has what it asks for."""
    match live.id.kind:
        case ObjectKind.DEPLOYMENT | ObjectKind.STATEFUL_SET:
            return live.status.ready >= live.capacity(FieldName.REPLICAS)
        case ObjectKind.AUTOSCALER:
            return live.status.ready >= live.capacity(FieldName.MIN_REPLICAS)
        case ObjectKind.NODE_POOL:
            name = FieldName.TARGET_NODES
            wanted = name if live.fields.get(name) is not None else FieldName.MIN_NODES
            return live.status.ready >= live.capacity(wanted)
        case _:
            return True


def compensate(hands: Hands, leases: Sequence[Lease]) -> Restored:
    """Undo half a Friday, at once and in reverse: only what the journal says we did.

    :param leases: of the run that failed.
    """
    ids = {lease.id for lease in leases}
    until = hands.clock() + READY_PATIENCE
    return restore(hands, lambda lease: lease.id in ids, AT_ONCE, until)
