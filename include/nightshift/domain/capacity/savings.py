"""What a weekend saved, measured: from when nodes were there, not from what was planned.

    baseline   the nodes at the window's begin, for its whole length
    actual     the hours that nodes were there in the window
    realised   baseline less actual; below zero if the window had more nodes than its begin
    blocked    hours of nodes that should have gone and did not, and what kept them
    overhead   hours above the baseline between the window's end and everything being ready
    net        realised less overhead

A node whose price is not known is counted in hours and named; money is never guessed.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nightshift.domain.capacity.policies_rules import Cost
from nightshift.domain.windows.spans import Window

_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NodeInterval:
    """When a node was there.

    :param end: None if it still is.
    """

    node: str
    pool: str
    instance_type: str
    start: dt.datetime
    end: dt.datetime | None = None

    def overlap(self, begin: dt.datetime, end: dt.datetime) -> dt.timedelta:
        """Give how long it was there between two instants."""
        last = end if self.end is None else min(self.end, end)
        return max(last - max(self.start, begin), dt.timedelta(0))

    def was_there(self, instant: dt.datetime) -> bool:
        """Tell whether it was there at ``instant``."""
        return self.start <= instant and (self.end is None or instant < self.end)


@dataclass(frozen=True, slots=True)
class BlockedNode:
    """A node that should have gone.

    :param by: what kept it: pod, disruption budget or rule, in a few words.
    :param since: when its drain gave up, or when the plan left it.
    """

    node: str
    pool: str
    instance_type: str
    since: dt.datetime
    by: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Node hours, and the money of those whose price is known.

    :param unpriced: hours without a price.
    """

    hours: float = 0.0
    money: float = 0.0
    unpriced: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.hours + other.hours, self.money + other.money, self.unpriced + other.unpriced
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            self.hours - other.hours, self.money - other.money, self.unpriced - other.unpriced
        )


@dataclass(frozen=True, slots=True)
class BlockedCost:
    """A node that stayed, why, and what it cost to the window's end."""

    node: str
    by: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class ReadyTime:
    """When everything was back.

    :param after: from the window's end; None if it is not back yet.
    :param late: behind ``readyBy``; zero if it was in time, None if nobody said when.
    """

    after: dt.timedelta | None
    late: dt.timedelta | None


@dataclass(frozen=True, slots=True)
class Savings:
    """What one window saved.

    :param currency: "" without prices.
    :param blocked: the dearest first.
    """

    window: Window
    currency: str
    baseline: Amount
    actual: Amount
    blocked: tuple[BlockedCost, ...]
    overhead: Amount
    ready: ReadyTime

    @property
    def realised(self) -> Amount:
        """Baseline less actual."""
        return self.baseline - self.actual

    @property
    def net(self) -> Amount:
        """Realised less overhead."""
        return self.realised - self.overhead

    @property
    def blocked_total(self) -> Amount:
        """What the nodes that stayed cost together."""
        return _sum(one.amount for one in self.blocked)


def measure_savings(
    window: Window,
    intervals: Sequence[NodeInterval],
    blocked: Iterable[BlockedNode],
    cost: Cost | None,
    *,
    now: dt.datetime,
    ready_at: dt.datetime | None = None,
) -> Savings:
    """Work out what a window saved, up to ``now`` if it is not over.

    :param intervals: of every node of the policy's pools that was there in the window or until
        ``ready_at``; a node may have several.
    :param ready_at: when everything was back; None if it is not yet.
    """
    end = min(window.up, now)
    at_begin = [one for one in intervals if one.was_there(window.down)]
    length = max(end - window.down, dt.timedelta(0))
    return Savings(
        window=window,
        currency=cost.currency if cost else "",
        baseline=_sum(_amount(length, one.instance_type, cost) for one in at_begin),
        actual=_sum(
            _amount(one.overlap(window.down, end), one.instance_type, cost) for one in intervals
        ),
        blocked=_blocked(blocked, end, cost),
        overhead=_overhead(window, intervals, len(at_begin), cost, ready_at),
        ready=_ready(window, ready_at, now),
    )


def _blocked(
    nodes: Iterable[BlockedNode], end: dt.datetime, cost: Cost | None
) -> tuple[BlockedCost, ...]:
    found = [
        BlockedCost(
            one.node,
            one.by,
            _amount(max(end - one.since, dt.timedelta(0)), one.instance_type, cost),
        )
        for one in nodes
    ]
    return tuple(sorted(found, key=lambda one: (-one.amount.money, -one.amount.hours, one.node)))


def _overhead(
    window: Window,
    intervals: Sequence[NodeInterval],
    usual: int,
    cost: Cost | None,
    ready_at: dt.datetime | None,
) -> Amount:
    """Count the nodes above the baseline after the window; the newest are the extra ones."""
    if ready_at is None or ready_at <= window.up:
        return Amount()
    edges = {window.up, ready_at}
    for one in intervals:
        edges.update(at for at in (one.start, one.end) if at and window.up < at < ready_at)
    ordered = sorted(edges)
    total = Amount()
    for begin, end in itertools.pairwise(ordered):
        there = sorted(
            (one for one in intervals if one.was_there(begin)),
            key=lambda one: (one.start, one.node),
        )
        total += _sum(_amount(end - begin, one.instance_type, cost) for one in there[usual:])
    return total


def _ready(window: Window, ready_at: dt.datetime | None, now: dt.datetime) -> ReadyTime:
    reached = ready_at if ready_at is not None else now
    late = None
    if window.ready_by is not None and (ready_at is not None or now > window.ready_by):
        late = max(reached - window.ready_by, dt.timedelta(0))
    after = None if ready_at is None else max(ready_at - window.up, dt.timedelta(0))
    return ReadyTime(after, late)


def _amount(length: dt.timedelta, instance_type: str, cost: Cost | None) -> Amount:
    hours = length / _HOUR
    price = cost.price_of(instance_type) if cost else None
    if price is None:
        return Amount(hours, 0.0, hours)
    return Amount(hours, hours * price)


def _sum(amounts: Iterable[Amount]) -> Amount:
    total = Amount()
    for one in amounts:
        total += one
    return total
