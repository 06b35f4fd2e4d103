"""What is due at an instant, late and doubled alarms included."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nightshift.domain.windows.due import (
    Down,
    Due,
    Nothing,
    Up,
    due_at,
    format_duration,
    window_id,
)
from nightshift.domain.windows.schedules import CalendarDays, LateRules, Schedule, WeeklyWindow
from nightshift.domain.windows.spans import WindowList, plan_windows
from nightshift.domain.windows.walltimes import parse_week_time

WEEKEND = WeeklyWindow("weekend", parse_week_time("FRI 20:00"), parse_week_time("MON 05:30"))
SCHEDULE = Schedule(
    ZoneInfo("Europe/Berlin"),
    "Europe/Berlin",
    (WEEKEND,),
    CalendarDays(date(2027, 1, 1), date(2027, 12, 31)),
)
FRIDAY = datetime(2027, 5, 14, 18, tzinfo=UTC)
MONDAY = datetime(2027, 5, 17, 3, 30, tzinfo=UTC)


def due(now: datetime, schedule: Schedule = SCHEDULE, begun: tuple[str, ...] = ()) -> Due:
    return due_at(schedule, plan_windows(schedule), "rest", now, begun=begun)  # type: ignore[arg-type]  # ids as text


def test_a_window_that_has_begun_is_due() -> None:
    found = due(FRIDAY + timedelta(minutes=7))
    assert isinstance(found, Down)
    assert found.window_id == "rest/20270514T180000Z"
    assert found.late == timedelta(minutes=7)
    assert found.left == MONDAY - FRIDAY - timedelta(minutes=7)
    assert "Mon 2027-05-17 05:30 CEST" in found.reason


def test_a_doubled_alarm_gets_the_same_answer() -> None:
    now = FRIDAY + timedelta(minutes=7)
    assert due(now) == due(now)


def test_a_late_friday_is_skipped_and_says_so() -> None:
    found = due(FRIDAY + timedelta(hours=4, minutes=1))
    assert isinstance(found, Nothing)
    assert "too late" in found.reason
    assert isinstance(due(FRIDAY + timedelta(hours=4)), Down)


def test_a_window_that_was_begun_is_never_too_late() -> None:
    found = due(FRIDAY + timedelta(hours=20), begun=("rest/20270514T180000Z",))
    assert isinstance(found, Down)


def test_no_limit_is_no_limit() -> None:
    patient = replace(SCHEDULE, late=LateRules(None))
    assert isinstance(due(FRIDAY + timedelta(hours=50), patient), Down)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=2), timedelta(days=3)])
def test_a_late_restore_is_always_due(late: timedelta) -> None:
    found = due(MONDAY + late)
    assert isinstance(found, Up)
    assert found.late == late
    assert found.window is not None


def test_before_any_window_nothing_is_down() -> None:
    found = due_at(SCHEDULE, WindowList(()), "rest", datetime(2027, 1, 1, 12, tzinfo=UTC))
    assert isinstance(found, Up)
    assert found.window is None
    assert found.late == timedelta(0)
    assert "no window has ended yet" in found.reason


def test_a_window_that_is_too_short_says_so() -> None:
    short = WeeklyWindow("short", parse_week_time("TUE 12:00"), parse_week_time("TUE 15:00"))
    found = due(datetime(2027, 5, 11, 11, tzinfo=UTC), replace(SCHEDULE, windows=(short,)))
    assert isinstance(found, Up)
    assert "too short" in found.reason


def test_an_instant_beyond_the_calendars_is_refused() -> None:
    with pytest.raises(ValueError, match="were read for 2027-01-01 to 2027-12-31"):
        due(datetime(2028, 1, 2, tzinfo=UTC))


def test_a_window_keeps_its_name_when_its_end_moves() -> None:
    window = plan_windows(SCHEDULE).windows[4]
    later = replace(window, up=window.up + timedelta(days=1))
    assert window_id("rest", window) == window_id("rest", later)


def test_durations_are_written_for_people() -> None:
    assert format_duration(timedelta(hours=2)) == "2h"
    assert format_duration(timedelta(minutes=59, seconds=59)) == "59min"
