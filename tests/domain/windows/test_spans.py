"""Windows: weeks, holidays, closures, working days, frozen days, changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest

from nightshift.domain.windows.schedules import CalendarDays, Schedule, WeeklyWindow
from nightshift.domain.windows.spans import SHORTEST, Window, plan_windows
from nightshift.domain.windows.walltimes import parse_week_time

BERLIN = ZoneInfo("Europe/Berlin")
WEEKEND = WeeklyWindow("weekend", parse_week_time("FRI 20:00"), parse_week_time("MON 05:30"))


def days(*texts: str) -> MappingProxyType[date, str]:
    return MappingProxyType({date.fromisoformat(text): "a day" for text in texts})


def schedule(
    *windows: WeeklyWindow,
    first: str = "2027-01-01",
    last: str = "2027-12-31",
    zone: str = "Europe/Berlin",
    workdays: tuple[str, ...] = (),
    ready_by: time | None = None,
    **calendars: MappingProxyType[date, str],
) -> Schedule:
    found = CalendarDays(
        date.fromisoformat(first),
        date.fromisoformat(last),
        workdays=frozenset(map(date.fromisoformat, workdays)),
        **calendars,
    )
    return Schedule(ZoneInfo(zone), zone, windows or (WEEKEND,), found, ready_by=ready_by)


def spans(of: Schedule, begin: str, end: str) -> list[tuple[str, str]]:
    """Write the windows that begin in [begin, end) as clocks show them."""
    first, last = (
        datetime.combine(date.fromisoformat(text), time(), of.zone) for text in (begin, end)
    )
    return [
        (_show(one.down, of), _show(one.up, of))
        for one in plan_windows(of).windows
        if first <= one.down < last
    ]


def _show(instant: datetime, of: Schedule) -> str:
    return f"{instant.astimezone(of.zone):%a %d.%m. %H:%M}"


def test_a_week_has_its_window() -> None:
    assert spans(schedule(), "2027-05-10", "2027-05-17") == [
        ("Fri 14.05. 20:00", "Mon 17.05. 05:30")
    ]


def test_easter_joins_the_weekend_on_both_sides() -> None:
    found = schedule(extend=days("2027-03-26", "2027-03-29"))
    # Good Friday and Easter Monday, with the clocks going forward on the Sunday between
    assert spans(found, "2027-03-22", "2027-03-29") == [("Thu 25.03. 20:00", "Tue 30.03. 05:30")]
    window = next(one for one in plan_windows(found).windows if one.down.month == 3 and one.reasons)
    assert window.reasons == ("2027-03-26 a day", "2027-03-29 a day")
    assert window.length == timedelta(days=4, hours=9, minutes=30) - timedelta(hours=1)


def test_a_holiday_that_is_not_next_to_a_window_changes_nothing() -> None:
    assert spans(schedule(extend=days("2027-05-12")), "2027-05-10", "2027-05-17") == [
        ("Fri 14.05. 20:00", "Mon 17.05. 05:30")
    ]


def test_a_closure_rests_as_whole_days() -> None:
    assert spans(schedule(down=days("2027-05-12")), "2027-05-10", "2027-05-17") == [
        ("Wed 12.05. 00:00", "Thu 13.05. 00:00"),
        ("Fri 14.05. 20:00", "Mon 17.05. 05:30"),
    ]


def test_the_end_of_a_year_is_one_window() -> None:
    closed = days(
        "2027-12-24", "2027-12-27", "2027-12-28", "2027-12-29", "2027-12-30", "2027-12-31"
    )
    found = schedule(last="2028-01-31", down=closed, extend=days("2028-01-01"))
    assert spans(found, "2027-12-20", "2028-01-03") == [("Thu 23.12. 20:00", "Mon 03.01. 05:30")]


def test_a_working_saturday_is_up_like_a_friday() -> None:
    assert spans(schedule(workdays=("2027-05-15",)), "2027-05-10", "2027-05-17") == [
        ("Fri 14.05. 20:00", "Sat 15.05. 05:30"),
        ("Sat 15.05. 20:00", "Mon 17.05. 05:30"),
    ]


def test_a_workday_comes_before_a_holiday_and_a_closure() -> None:
    found = schedule(extend=days("2027-05-17"), down=days("2027-05-17"), workdays=("2027-05-17",))
    assert spans(found, "2027-05-10", "2027-05-24") == [
        ("Fri 14.05. 20:00", "Mon 17.05. 05:30"),
        ("Fri 21.05. 20:00", "Mon 24.05. 05:30"),
    ]


def test_a_frozen_day_comes_before_everything() -> None:
    found = schedule(forbid=days("2027-05-15"), workdays=("2027-05-15",), down=days("2027-05-15"))
    assert spans(found, "2027-05-10", "2027-05-17") == [
        ("Fri 14.05. 20:00", "Sat 15.05. 00:00"),
        ("Sun 16.05. 00:00", "Mon 17.05. 05:30"),
    ]


def test_what_is_left_under_four_hours_is_dropped() -> None:
    found = schedule(forbid=days("2027-05-15", "2027-05-16"))
    assert spans(found, "2027-05-10", "2027-05-18") == [
        ("Fri 14.05. 20:00", "Sat 15.05. 00:00"),
        ("Mon 17.05. 00:00", "Mon 17.05. 05:30"),
    ]
    short = WeeklyWindow("lunch", parse_week_time("TUE 12:00"), parse_week_time("TUE 15:59"))
    planned = plan_windows(schedule(short, first="2027-05-10", last="2027-05-16"))
    assert planned.windows == ()
    assert all(one.length < SHORTEST for one in planned.dropped)


def test_windows_that_touch_or_overlap_are_one() -> None:
    nights = [
        WeeklyWindow("fri", parse_week_time("FRI 20:00"), parse_week_time("SAT 00:00")),
        WeeklyWindow("sat", parse_week_time("SAT 00:00"), parse_week_time("SUN 12:00")),
        WeeklyWindow("sun", parse_week_time("SUN 06:00"), parse_week_time("MON 05:30")),
    ]
    found = schedule(*nights)
    assert spans(found, "2027-05-10", "2027-05-17") == [("Fri 14.05. 20:00", "Mon 17.05. 05:30")]
    names = {one.names for one in plan_windows(found).windows if one.down.month == 5}
    assert names == {("fri", "sat", "sun")}


def test_a_window_from_midnight_lies_next_to_the_day_before() -> None:
    whole = WeeklyWindow("whole", parse_week_time("SAT 00:00"), parse_week_time("MON 00:00"))
    found = schedule(whole, extend=days("2027-05-14", "2027-05-17"))
    assert spans(found, "2027-05-10", "2027-05-17") == [("Fri 14.05. 00:00", "Tue 18.05. 00:00")]


@pytest.mark.parametrize(
    ("sunday", "hours"),
    [("2027-03-28", 56.5), ("2027-10-31", 58.5), ("2027-05-16", 57.5)],
    ids=["clocks-forward", "clocks-back", "no-change"],
)
def test_a_window_is_as_long_as_time_is_and_not_as_clocks_show(sunday: str, hours: float) -> None:
    middle = datetime.combine(date.fromisoformat(sunday), time(12), BERLIN)
    window = plan_windows(schedule()).at(middle)
    assert window is not None
    assert window.length == timedelta(hours=hours)
    assert f"{window.up.astimezone(BERLIN):%a %H:%M}" == "Mon 05:30"


def test_a_window_that_the_clocks_turn_round_is_left_out() -> None:
    odd = WeeklyWindow("odd", parse_week_time("SUN 02:15"), parse_week_time("SUN 03:05"))
    found = schedule(odd, first="2027-03-22", last="2027-03-28")
    assert all(one.down < one.up for one in plan_windows(found).dropped)


def test_ready_by_is_on_the_day_on_which_the_window_ends() -> None:
    window = plan_windows(schedule(ready_by=time(7))).windows[3]
    assert window.ready_by is not None
    assert window.ready_by - window.up == timedelta(hours=1, minutes=30)
    assert plan_windows(schedule(ready_by=time(5))).windows[3].ready_by is None


def test_windows_are_found_by_instant() -> None:
    planned = plan_windows(schedule(first="2027-05-10", last="2027-05-23"))
    inside = datetime(2027, 5, 15, tzinfo=UTC)
    between = datetime(2027, 5, 18, tzinfo=UTC)
    window = planned.at(inside)
    assert isinstance(window, Window)
    assert planned.at(window.down) is window
    assert planned.at(window.up) is None
    assert planned.last_before(between) is window
    after = planned.next_after(between)
    assert after is not None
    assert after.down > between


def test_in_every_zone_a_weekend_begins_and_ends_as_clocks_say() -> None:
    """Both changes of the clocks of a year, wherever they are; a skipped time moves forward."""
    names = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    assert len(names) > 400
    for name in names:
        found = schedule(zone=name, first="2027-01-04", last="2027-12-26")
        windows = plan_windows(found).windows
        assert len(windows) in {52, 53}, name
        for one in windows:
            down, up = (at.astimezone(found.zone) for at in (one.down, one.up))
            assert (down.weekday(), up.weekday()) == (4, 0), name
            assert time(20) <= down.time() <= time(21), name
            assert time(5, 30) <= up.time() <= time(6, 30), name
            assert timedelta(hours=55) < one.length < timedelta(hours=60), name
