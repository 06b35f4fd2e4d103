"""Laws of windows, in zones whose clocks are moved by one hour, half of one or two."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.windows.due import Down, Nothing, due_at
from nightshift.domain.windows.schedules import CalendarDays, Schedule
from nightshift.domain.windows.spans import SHORTEST, plan_windows
from nightshift.domain.windows.walltimes import (
    Ambiguous,
    DstRules,
    Nonexistent,
    day_start,
    to_instant,
)
from tests.property.strategies_windows import FIRST, ZONES, instants, schedules

DAY = timedelta(days=1)


@given(schedules())
def test_windows_are_ordered_disjoint_and_long_enough(schedule: Schedule) -> None:
    planned = plan_windows(schedule)
    for window in planned.windows:
        assert window.down.tzinfo is UTC
        assert window.length >= SHORTEST
        assert window.ready_by is None or window.ready_by > window.up
    pairs = zip(planned.windows, planned.windows[1:], strict=False)
    assert all(one.up < other.down for one, other in pairs)
    assert all(timedelta(0) < one.length < SHORTEST for one in planned.dropped)


@given(schedules())
def test_a_frozen_day_is_in_no_window(schedule: Schedule) -> None:
    windows = plan_windows(schedule).windows
    for day in schedule.days.forbid:
        begin, end = (day_start(one, schedule.zone, schedule.dst) for one in (day, day + DAY))
        assert all(window.up <= begin or end <= window.down for window in windows)


@given(schedules())
def test_noon_of_a_workday_is_worked_if_the_week_works_at_noon(schedule: Schedule) -> None:
    noon = time(12)
    if not all(one.up.at < noon < one.down.at for one in schedule.windows):
        return
    windows = plan_windows(schedule)
    for day in schedule.days.workdays:
        assert (
            windows.at(to_instant(datetime.combine(day, noon), schedule.zone, schedule.dst)) is None
        )


@given(schedules())
def test_without_calendars_every_window_begins_and_ends_as_the_week_says(
    schedule: Schedule,
) -> None:
    plain = Schedule(
        schedule.zone,
        schedule.zone_name,
        schedule.windows[:1],
        CalendarDays(schedule.days.first, schedule.days.last),
        schedule.dst,
    )
    weekly = plain.windows[0]
    for window in plan_windows(plain).windows[1:-1]:
        for instant, wall in ((window.down, weekly.down), (window.up, weekly.up)):
            local = instant.astimezone(plain.zone)
            skipped = to_instant(
                datetime.combine(local.date(), wall.at), plain.zone, plain.dst
            ).astimezone(plain.zone)
            assert local == skipped or local.time() == wall.at


@given(st.sampled_from(ZONES), instants(), st.sampled_from(Nonexistent), st.sampled_from(Ambiguous))
def test_a_wall_time_that_clocks_show_once_comes_back_as_itself(
    zone_name: str, since: timedelta, nonexistent: Nonexistent, ambiguous: Ambiguous
) -> None:
    zone = ZoneInfo(zone_name)
    wall = datetime.combine(FIRST, time()) + since
    instant = to_instant(wall, zone, DstRules(nonexistent, ambiguous))
    shown = instant.astimezone(zone).replace(tzinfo=None)
    earlier, later = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert earlier is not None
    assert later is not None
    if earlier < later:  # a gap: shown is out of it, to the side that the rule says
        assert (shown > wall) is (nonexistent is Nonexistent.SHIFT_FORWARD)
    else:
        assert shown == wall


@given(schedules(), instants())
def test_what_is_due_follows_from_the_windows_alone(schedule: Schedule, since: timedelta) -> None:
    now = datetime.combine(FIRST, time(), UTC) + since
    if not schedule.days.covers(now.astimezone(schedule.zone).date()):
        return
    windows = plan_windows(schedule)
    due = due_at(schedule, windows, "rest", now)
    assert isinstance(due, Down | Nothing) is (windows.at(now) is not None)
    assert due == due_at(schedule, windows, "rest", now)
