"""From a schedule to the windows of its years: disjoint, ordered, in UTC, each with its reasons.

Days are ranked: forbid, then workdays, then holidays and closures, then the week. Windows that
touch become one; what is left under SHORTEST is not worth a drain and is dropped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from nightshift.domain.windows.schedules import Schedule, WeeklyWindow
from nightshift.domain.windows.walltimes import MIDNIGHT, day_start, to_instant

SHORTEST = timedelta(hours=4)
"""A proposal: lowering and raising take about an hour each, and nodes bill by the hour."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A span in which the cluster rests.

    :param down: its begin, in UTC.
    :param up: its end, in UTC; no longer in it.
    :param names: the weekly windows that it is made of; empty for a closure alone.
    :param reasons: what made it differ from the week.
    :param ready_by: when everything must be back; None if the schedule does not say, or says a
        time before ``up``.
    """

    down: datetime
    up: datetime
    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    ready_by: datetime | None = None

    @property
    def length(self) -> timedelta:
        """Real time, not the time that clocks show."""
        return self.up - self.down

    def contains(self, instant: datetime) -> bool:
        """Tell whether the cluster rests at ``instant``."""
        return self.down <= instant < self.up


@dataclass(frozen=True, slots=True)
class WindowList:
    """The windows of a schedule.

    :param windows: by time, disjoint, with time between any two.
    :param dropped: those that were too short.
    """

    windows: tuple[Window, ...]
    dropped: tuple[Window, ...] = ()

    def at(self, instant: datetime) -> Window | None:
        """Give the window that ``instant`` lies in."""
        return next((one for one in self.windows if one.contains(instant)), None)

    def last_before(self, instant: datetime) -> Window | None:
        """Give the last window that has ended at ``instant``."""
        return next((one for one in reversed(self.windows) if one.up <= instant), None)

    def next_after(self, instant: datetime) -> Window | None:
        """Give the first window that begins after ``instant``."""
        return next((one for one in self.windows if one.down > instant), None)


def plan_windows(schedule: Schedule) -> WindowList:
    """Work out every window of the days that the schedule's calendars cover.

    Windows within a month of either end of those days may lack what lies beyond.
    """
    spans = [*_weekly_spans(schedule), *_closures(schedule)]
    whole = _cut(_merge(spans), _forbidden(schedule))
    ready = [replace(one, ready_by=_ready_by(one, schedule)) for one in whole]
    return WindowList(
        tuple(one for one in ready if one.length >= SHORTEST),
        tuple(one for one in ready if one.length < SHORTEST),
    )


def _weekly_spans(schedule: Schedule) -> Iterator[Window]:
    days = schedule.days
    monday = days.first - timedelta(days=days.first.weekday() + 7)
    while monday <= days.last:
        for weekly in schedule.windows:
            span = _extended(weekly, monday, schedule)
            yield from _cut(_merge([span]), _working_hours(weekly, schedule))
        monday += 7 * _DAY


def _extended(weekly: WeeklyWindow, monday: date, schedule: Schedule) -> Window:
    """Give one week's window; free days at its edges move the edge to the next working day."""
    down_date = monday + weekly.down.weekday * _DAY
    up_date = down_date + weekly.days * _DAY
    # a window from midnight on lies next to the day before
    lead = _DAY if weekly.down.at == MIDNIGHT else timedelta(0)
    before = _free_run(down_date - lead, -_DAY, schedule)
    after = _free_run(up_date, _DAY, schedule)
    return Window(
        _instant(down_date - len(before) * _DAY, weekly.down.at, schedule),
        _instant(up_date + len(after) * _DAY, weekly.up.at, schedule),
        (weekly.name,),
        (*reversed(before), *after),
    )


def _free_run(day: date, step: timedelta, schedule: Schedule) -> list[str]:
    """List the free days from ``day`` on, as ``2027-05-17 Whit Monday``."""
    found = []
    while (why := schedule.days.why_free(day)) and schedule.days.covers(day):
        found.append(f"{day} {why}")
        day += step
    return found


def _closures(schedule: Schedule) -> Iterator[Window]:
    """Give each run of free days with a closure in it as whole days."""
    days = schedule.days
    free = sorted(day for day in {*days.down, *days.extend} if days.why_free(day))
    for run in _runs(free):
        if any(day in days.down for day in run):
            yield Window(
                day_start(run[0], schedule.zone, schedule.dst),
                day_start(run[-1] + _DAY, schedule.zone, schedule.dst),
                reasons=tuple(f"{day} {days.why_free(day)}" for day in run),
            )


def _runs(days: Sequence[date]) -> Iterator[list[date]]:
    run: list[date] = []
    for day in days:
        if run and day - run[-1] > _DAY:
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _working_hours(weekly: WeeklyWindow, schedule: Schedule) -> list[Window]:
    """Give what a working day takes out: from the hour of ``up`` to that of ``down``.

    So a working Saturday is up like a Friday. Where ``up`` is no earlier, it is the whole day.
    """
    cuts = []
    for day in sorted(schedule.days.workdays - schedule.days.forbid.keys()):
        if weekly.up.at < weekly.down.at:
            start = _instant(day, weekly.up.at, schedule)
            end = _instant(day, weekly.down.at, schedule)
        else:
            start, end = _whole_day(day, schedule)
        cuts.append(Window(start, end, reasons=(f"{day} is a workday",)))
    return cuts


def _forbidden(schedule: Schedule) -> list[Window]:
    return [
        Window(*_whole_day(day, schedule), reasons=(f"{day} is frozen: {name}",))
        for day, name in sorted(schedule.days.forbid.items())
    ]


def _merge(spans: Iterable[Window]) -> list[Window]:
    """Join what overlaps or touches; what a change of the clocks turned round is left out."""
    merged: list[Window] = []
    for span in sorted((one for one in spans if one.down < one.up), key=lambda one: one.down):
        if merged and span.down <= merged[-1].up:
            merged[-1] = _join(merged[-1], span)
        else:
            merged.append(span)
    return merged


def _join(first: Window, second: Window) -> Window:
    names = dict.fromkeys((*first.names, *second.names))
    reasons = dict.fromkeys((*first.reasons, *second.reasons))
    return Window(first.down, max(first.up, second.up), tuple(names), tuple(reasons))


def _cut(spans: Sequence[Window], cuts: Sequence[Window]) -> list[Window]:
    """Take ``cuts`` out of disjoint ``spans``; what is next to a cut carries its reason."""
    for cut in cuts:
        spans = [piece for span in spans for piece in _without(span, cut)]
    return list(spans)


def _without(span: Window, cut: Window) -> Iterator[Window]:
    start, end = max(span.down, cut.down), min(span.up, cut.up)
    if start >= end:
        yield span
        return
    reasons = (*span.reasons, *cut.reasons)
    if span.down < start:
        yield replace(span, up=start, reasons=reasons)
    if end < span.up:
        yield replace(span, down=end, reasons=reasons)


def _ready_by(window: Window, schedule: Schedule) -> datetime | None:
    if schedule.ready_by is None:
        return None
    instant = _instant(window.up.astimezone(schedule.zone).date(), schedule.ready_by, schedule)
    return instant if instant > window.up else None


def _whole_day(day: date, schedule: Schedule) -> tuple[datetime, datetime]:
    start, end = (day_start(one, schedule.zone, schedule.dst) for one in (day, day + _DAY))
    return start, end


def _instant(day: date, at: time, schedule: Schedule) -> datetime:
    return to_instant(datetime.combine(day, at), schedule.zone, schedule.dst)
