"""A lease: one target that we lowered, what it was before, and what we set it to."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import NewType

from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.targets import Fields, TargetId, capacity_of, is_ordered

LeaseId = NewType("LeaseId", str)
"""``<policy>/<window's begin>/<order>/<hash of the target's name>``: the same for ever, so that a
window claims a target once, and what restore needs to sort is in the name."""

_LEASE_ID = re.compile(
    r"(?P<window>[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?/[0-9]{8}T[0-9]{6}Z)"
    r"/(?P<order>[0-9]{3,6})/(?P<hash>[0-9a-f]{12})"
)
_HASH_LENGTH = 12


class LeaseState(StrEnum):
    """Where a lease is between Friday and Monday; it only ever goes forward."""

    INTENT = "intent"  # written down, not yet known to have been done
    APPLIED = "applied"
    RESTORING = "restoring"  # on its way up, in waves
    CLOSED = "closed"
    DROPPED = "dropped"  # never applied, and it will not be


OPEN_STATES = frozenset({LeaseState.INTENT, LeaseState.APPLIED, LeaseState.RESTORING})

_NEXT = {
    LeaseState.INTENT: {LeaseState.APPLIED, LeaseState.DROPPED},
    LeaseState.APPLIED: {LeaseState.RESTORING, LeaseState.CLOSED},
    LeaseState.RESTORING: {LeaseState.CLOSED},
    LeaseState.CLOSED: set(),
    LeaseState.DROPPED: {LeaseState.INTENT},  # planned again in the same window
}


class StepState(StrEnum):
    """What became of one action of a run."""

    INTENT = "intent"
    APPLIED = "applied"
    VERIFIED = "verified"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    CONFLICT = "conflict"
    COMPENSATED = "compensated"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ReturnRules:
    """How one target comes back, fixed when it is lowered.

    :param skip_missed: of a CronJob: drop the runs that were missed.
    :param stagger: between two resumed CronJobs.
    """

    on_conflict: OnConflict = OnConflict.MAX
    skip_missed: bool = True
    stagger: dt.timedelta = dt.timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on one target.

    :param before: what the target was. A field that ``applied`` does not have was not set by us; it
        is only brought back to at least this.
    :param applied: what we set, never more than ``before``.
    :param due: when it must be back at the latest; aware.
    :param order: of the action in its plan; restore goes from the highest to the lowest.
    :param window: the id of the window that it belongs to.
    :param saved: the whole spec as canonical JSON, for kinds of which all of it is kept.
    :param by: who lowered it: a Dag run or a user.
    :param at: when the intent was written; None if it was rebuilt from annotations.
    :raises ValueError: if ``applied`` would be more than ``before``.
    """

    id: LeaseId
    target: TargetId
    before: Fields
    applied: Fields
    due: dt.datetime
    order: int
    window: str
    state: LeaseState = LeaseState.INTENT
    tier: str = ""
    rules: ReturnRules = field(default_factory=ReturnRules)
    resource_version: str = ""
    saved: str = ""
    policy_digest: str = ""
    plan_hash: str = ""
    by: str = ""
    at: dt.datetime | None = None

    def __post_init__(self) -> None:
        for name, value in self.applied.items():
            if name not in self.before:
                raise ValueError(f"{self.target.ref}: {name} was set, and what it was is not known")
            if not is_ordered(name):
                raise ValueError(f"{self.target.ref}: {name} is no capacity")
            kind = self.target.kind
            if capacity_of(kind, name, value) > capacity_of(kind, name, self.before[name]):
                raise ValueError(f"{self.target.ref}: {name} would be raised to {value}")

    @property
    def is_open(self) -> bool:
        """Tell whether it still has to be brought back or dropped."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class LeaseName:
    """What a lease's id says."""

    window: str
    order: int
    digest: str


def lease_id(window: str, order: int, target: TargetId) -> LeaseId:
    """Name the lease of a window on a target; the uid is no part of it.

    :raises ValueError: if ``window`` is no window's id.
    """
    name = LeaseId(f"{window}/{order:03d}/{target_digest(target)}")
    parse_lease_id(name)
    return name


def target_digest(target: TargetId) -> str:
    """Give what a lease's id says of its target, so that a copied annotation is found out."""
    return hashlib.sha256(target.ref.encode()).hexdigest()[:_HASH_LENGTH]


def parse_lease_id(text: str) -> LeaseName:
    """Take a lease's id apart.

    :raises ValueError: if it is none.
    """
    found = _LEASE_ID.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a lease's id")
    return LeaseName(found["window"], int(found["order"]), found["hash"])


def check_move(lease: LeaseId, old: LeaseState, new: LeaseState) -> None:
    """Refuse a step back; the same state again is fine.

    :raises ValueError: with both states.
    """
    if new is not old and new not in _NEXT[old]:
        raise ValueError(f"the lease {lease} is {old} and cannot become {new}")


def order_for_restore(leases: Iterable[Lease]) -> list[Lease]:
    """Sort in the reverse of the order in which things were lowered: nodes first, tiers from below.

    Equal for Monday and for undoing half a Friday. Leases of an older window come first: they have
    waited longer.
    """
    return sorted(leases, key=lambda one: (one.window.rpartition("/")[2], -one.order, one.id))


def group_by_tier(leases: Iterable[Lease]) -> list[tuple[str, Sequence[Lease]]]:
    """Cut leases in order of restore into runs of one tier, each with the tier's name."""
    ordered = order_for_restore(leases)
    return [(tier, tuple(run)) for tier, run in groupby(ordered, key=lambda one: one.tier)]


def is_due(lease: Lease, now: dt.datetime, resting: bool | None) -> bool:
    """Tell whether a lease is to be given back now, however late.

    :param resting: what the policy's calendar says of ``now``: in a window or not. It may have been
        changed since Friday, so it decides. None if there is no policy to ask: the lease's own
        ``due`` decides.
    """
    return now >= lease.due if resting is None else not resting
