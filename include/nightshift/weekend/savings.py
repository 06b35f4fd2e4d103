"""What a window saved, from the hours that nodes were really there. Pure arithmetic.

Realised is what the nodes of the window's begin would have cost, less what was there. Blocked is
what nodes cost that the plan meant to remove and that pods kept.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.domain.windows.spans import Window
from nightshift.store.capacity_records import NodeSpan

_HOUR = dt.timedelta(hours=1)
PriceOf = Callable[[str], float | None]
"""Gives the price of one hour of an instance type; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A node that pods kept, and what that cost."""

    node: str
    reason: str
    cost: float | None


@dataclass(frozen=True, slots=True)
class Savings:
    """One window.

    :param saved: None if no price is known.
    :param back_at: when the last target had come back; None if some have not.
    """

    window: str
    down: dt.datetime
    up: dt.datetime
    baseline_hours: float
    actual_hours: float
    saved: float | None
    currency: str
    blocked: tuple[Blocked, ...] = ()
    evictions: int = 0
    back_at: dt.datetime | None = None
    ready_by: dt.datetime | None = None
    conflicts: tuple[str, ...] = ()

    @property
    def saved_hours(self) -> float:
        """Node hours that nobody had to pay for."""
        return self.baseline_hours - self.actual_hours

    def to_json(self) -> dict[str, Any]:
        """Write it as JSON values."""
        return {
            "window": self.window,
            "down": self.down.isoformat(),
            "up": self.up.isoformat(),
            "baselineHours": round(self.baseline_hours, 2),
            "actualHours": round(self.actual_hours, 2),
            "savedHours": round(self.saved_hours, 2),
            "saved": None if self.saved is None else round(self.saved, 2),
            "currency": self.currency,
            "blocked": [
                {"node": one.node, "reason": one.reason, "cost": one.cost} for one in self.blocked
            ],
            "evictions": self.evictions,
            "backAt": self.back_at.isoformat() if self.back_at else None,
            "readyBy": self.ready_by.isoformat() if self.ready_by else None,
            "onTime": _on_time(self),
            "conflicts": list(self.conflicts),
        }


def measure(
    window: Window, window_id: str, spans: Sequence[NodeSpan], price_of: PriceOf, currency: str
) -> Savings:
    """Measure a window from the spans of its nodes.

    Nodes that came during the window count in what was there, so a window can also have cost more.
    """
    # nodes that were first looked at by the window's own plan count from then on
    begin = max(window.down, min((one.started_at for one in spans), default=window.down))
    baseline = [(one, window.up - begin) for one in spans if _was_there(one, begin)]
    actual = [(one, _overlap(one, window)) for one in spans]
    cost_before, cost = _cost(baseline, price_of), _cost(actual, price_of)
    known = cost_before is not None and cost is not None
    return Savings(
        window=window_id,
        down=window.down,
        up=window.up,
        baseline_hours=sum(length / _HOUR for _, length in baseline),
        actual_hours=sum(length / _HOUR for _, length in actual),
        saved=(cost_before or 0.0) - (cost or 0.0) if known else None,
        currency=currency,
        ready_by=window.ready_by,
    )


def _was_there(span: NodeSpan, at: dt.datetime) -> bool:
    return span.started_at <= at and (span.ended_at is None or span.ended_at > at)


def _overlap(span: NodeSpan, window: Window) -> dt.timedelta:
    end = min(span.ended_at or window.up, window.up)
    return max(end - max(span.started_at, window.down), dt.timedelta(0))


def _cost(rows: Iterable[tuple[NodeSpan, dt.timedelta]], price_of: PriceOf) -> float | None:
    """Add up what nodes cost; None if one of them has no known price."""
    total = 0.0
    for span, length in rows:
        price = price_of(span.instance_type)
        if price is None:
            return None
        total += price * (length / _HOUR)
    return total


def _on_time(savings: Savings) -> bool | None:
    if savings.ready_by is None:
        return None
    return savings.back_at is not None and savings.back_at <= savings.ready_by
