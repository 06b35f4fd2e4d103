"""What is due at an instant: the rule that Dags ask, whenever and however often they run.

It looks at the clock and the windows only, so a doubled, late or missing alarm does no harm.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

from nightshift.domain.windows.schedules import Schedule
from nightshift.domain.windows.spans import Window, WindowList

WindowId = NewType("WindowId", str)
"""``<policy>/<begin in UTC>``, such as ``weekend/20270514T180000Z``: the same for ever."""


@dataclass(frozen=True, slots=True)
class Down:
    """The window has begun: lower, or go on lowering.

    :param late: since its begin.
    :param left: until its end; too little of it is no time to begin.
    """

    window: Window
    window_id: WindowId
    late: timedelta
    left: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class Up:
    """No window: whatever is still lowered comes back now, however late.

    :param window: the last that has ended; None if there is none in the schedule's days.
    :param late: since its end; zero without one.
    :param next: the next window; None if there is none in the schedule's days.
    """

    window: Window | None
    late: timedelta
    next: Window | None
    reason: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """A window is open, and nothing is to be begun; what was lowered in it stays so."""

    window: Window
    window_id: WindowId
    reason: str


Due = Down | Up | Nothing


def window_id(policy: str, window: Window) -> WindowId:
    """Name a window after the policy and the instant at which it begins.

    >>> from datetime import UTC, datetime
    >>> begin = datetime(2027, 5, 14, 18, tzinfo=UTC)
    >>> window_id("weekend", Window(begin, begin + timedelta(hours=8)))
    'weekend/20270514T180000Z'
    """
    return WindowId(f"{policy}/{window.down:%Y%m%dT%H%M%SZ}")


def due_at(
    schedule: Schedule,
    windows: WindowList,
    policy: str,
    now: datetime,
    *,
    begun: Collection[WindowId] = (),
) -> Due:
    """Say what is due at ``now``.

    :param windows: what ``plan_windows`` gives for ``schedule``.
    :param policy: its name.
    :param now: with a zone.
    :param begun: windows in which something has been lowered already: they are not too late.
    :raises ValueError: if the calendars do not reach to ``now``: read the policy again.
    """
    local = now.astimezone(schedule.zone)
    if not schedule.days.covers(local.date()):
        days = schedule.days
        raise ValueError(f"the calendars of {policy} were read for {days.first} to {days.last}")
    window = windows.at(now)
    if window is None:
        return _up(schedule, windows, now)
    name, late = window_id(policy, window), now - window.down
    limit = schedule.late.down_max_delay
    if limit is not None and late > limit and name not in begun:
        return Nothing(
            window,
            name,
            f"the window began {format_duration(late)} ago, more than {format_duration(limit)}: "
            "too late to lower anything",
        )
    until = format_local(window.up, schedule)
    return Down(window, name, late, window.up - now, f"{name} is open until {until}")


def _up(schedule: Schedule, windows: WindowList, now: datetime) -> Up:
    ended, coming = windows.last_before(now), windows.next_after(now)
    dropped = next((one for one in windows.dropped if one.contains(now)), None)
    late = now - ended.up if ended else timedelta(0)
    if dropped:
        why = f"a window of {format_duration(dropped.length)} is too short to lower anything"
    elif ended:
        why = f"the last window ended {format_duration(late)} ago"
    else:
        why = "no window has ended yet"
    then = f"the next begins {format_local(coming.down, schedule)}" if coming else "no window comes"
    return Up(ended, late, coming, f"{why}; {then}")


def format_local(instant: datetime, schedule: Schedule) -> str:
    """Write an instant as clocks in the schedule's zone show it."""
    return f"{instant.astimezone(schedule.zone):%a %Y-%m-%d %H:%M %Z}"


def format_duration(length: timedelta) -> str:
    """Write a duration for people.

    >>> format_duration(timedelta(days=1, hours=2, minutes=5)), format_duration(timedelta(0))
    ('26h 5min', '0min')
    """
    hours, minutes = divmod(int(length.total_seconds()) // 60, 60)
    parts = [f"{hours}h"] * bool(hours) + [f"{minutes}min"] * bool(minutes or not hours)
    return " ".join(parts)
